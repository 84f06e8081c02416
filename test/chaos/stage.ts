/**
 * What a scene works on: a healthy cluster under the load of several clients, each recording what was acknowledged and
 * by which server. Waits here have deadlines, and nothing here decides whether a scene has passed; run.ts does.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { memberAddress, writeAddress } from '../bench/failover.ts';
import { leaseOf, until } from '../e2e/harness.ts';
import type { FaultEffect } from '../kube/faults.ts';
import type { Lab } from '../lab/lab.ts';
import type { Member } from '../lab/member.ts';
import { type ProcessId, send } from '../lab/processes.ts';
import { type Acknowledged, startWriter, type Writer } from '../support/client.ts';

export const table = 'chaos_rows';

/** How the load of a stage is made: clients that write as fast as they are answered. */
export interface Load {
  writers: number;
}

export interface Stage {
  lab: Lab;
  /** Who was primary when the scene began. */
  old: string;
  /** The others; the lease's heir first. */
  standbys: string[];
  /** The term when the scene began. */
  term: number;
  /** performance.now() when the scene began; the outage is counted from here unless a scene sets it later. */
  began: number;
  writers: Writer[];
  /** Rows per second before the scene. */
  rate: number;
  /** Injects a fault as `npm run lab` does; rejects when it does not stand. */
  fault(command: string, member: string, what?: string): Promise<void>;
  /** A fault of the API server until the scene's end or `remove`. */
  kube(effect: FaultEffect, match?: { client?: string; verb?: string[]; resource?: string }): { remove(): void };
  member(name: string): Member;
  /** The whole container at once, by SIGKILL, with the power still on: the kubelet starts it again. */
  crash(name: string): Promise<void>;
  /** A session on a member's own address that never moves. */
  session(name: string): Promise<Writer>;
  /** Waits until the lease is held by another member than that one. */
  takeover(from?: string, ms?: number): Promise<string>;
  /** Waits until rows are acknowledged after now. */
  rows(count?: number, ms?: number): Promise<void>;
  /** Every acknowledgement since then, in order. */
  acknowledged(since?: number): Acknowledged[];
  /** Asserts that neither holder nor term has changed since the scene began. */
  unmoved(): Promise<void>;
  pause(ms: number): Promise<void>;
  /** Told beside the result. */
  note(line: string): void;
  notes: string[];
}

let numbers = 1;
const rowsBefore = 100;
/** Over that time the rate is taken. */
const rateMs = 3000;

/** So many clients of the write address, each with rows of its own. */
export function startLoad(lab: Lab, count: number): Writer[] {
  return Array.from({ length: count }, () => {
    numbers += 10_000_000;
    return startWriter({ address: writeAddress(lab), table, from: numbers, identify: true });
  });
}

/** Starts the load on a healthy cluster; rejects when no rows come. */
export async function startStage(lab: Lab, load: Load): Promise<Stage> {
  const old = lab.primary();
  assert.ok(old !== undefined, 'there is one primary');
  const { term } = await leaseOf(lab);
  const writers = startLoad(lab, load.writers);
  const first = writers[0];
  assert.ok(first !== undefined && (await first.whenAcknowledged(rowsBefore, 30_000)), `no rows: ${first?.lastError()}`);
  const since = performance.now();
  await sleep(rateMs);
  const rate = (1000 * merged(writers, since).length) / (performance.now() - since);
  const notes: string[] = [];
  const stage: Stage = {
    lab,
    old,
    standbys: await ranked(lab, old),
    term,
    began: performance.now(),
    writers,
    rate,
    async fault(command, member, what) {
      const reply = await lab.inject({
        command,
        member,
        ...(command === 'cut' ? { from: what ?? 'all' } : { what: what ?? '' }),
      });
      assert.equal(reply.exit, 0, reply.line);
    },
    kube: (effect, match = {}) => lab.faults.add({ match, effect }),
    member: (name) => memberOf(lab, name),
    crash: (name) => crash(memberOf(lab, name)),
    session: (name) => session(lab, name, writers),
    takeover: (from = old, ms = 40_000) => takeover(lab, from, ms),
    async rows(count = 50, ms = 60_000) {
      const since = performance.now();
      const since50 = () => writers.reduce((sum, writer) => sum + countSince(writer, since), 0) >= count;
      await until(`${count} rows acknowledged: ${writers[0]?.lastError()}`, since50, ms);
    },
    acknowledged: (since = 0) => merged(writers, since),
    async unmoved() {
      const now = await leaseOf(lab);
      const [then, since] = [`${old} in term ${term}`, `${now.holder} in term ${now.term}`];
      assert.ok(then === since, `the lease was with ${then} and is with ${since}`);
    },
    pause: (ms) => sleep(Math.max(0, ms)),
    note: (line) => notes.push(line),
    notes,
  };
  return stage;
}

function memberOf(lab: Lab, name: string): Member {
  const member = lab.members.find((one) => one.name === name);
  assert.ok(member !== undefined, `no member is called ${name}`);
  return member;
}

/** The standbys, the heir that the lease names first. */
async function ranked(lab: Lab, old: string): Promise<string[]> {
  const { namespace, cluster } = lab.options;
  const lease = await lab.api.call('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/og-${cluster}-leader`);
  const heir = lease.body.metadata?.annotations?.['opengauss.agent/heir'];
  const others = lab.members.map(({ name }) => name).filter((name) => name !== old);
  return others.toSorted((a, b) => Number(b === heir) - Number(a === heir));
}

async function crash(member: Member): Promise<void> {
  const container = member.container();
  assert.ok(container !== undefined, `${member.name} has no container`);
  const all: ProcessId[] = container.processes();
  for (const id of all) send(id, 'SIGKILL');
  await container.ended;
}

async function session(lab: Lab, name: string, writers: Writer[]): Promise<Writer> {
  numbers += 10_000_000;
  const options = { once: true, answerMs: 90_000, identify: true };
  const writer = startWriter({ address: memberAddress(lab, name), table, from: numbers, ...options });
  writers.push(writer);
  assert.ok(await writer.whenAcknowledged(20, 30_000), `no rows acknowledged on ${name}: ${writer.lastError()}`);
  return writer;
}

async function takeover(lab: Lab, from: string, ms: number): Promise<string> {
  let holder = '';
  const moved = async () => {
    ({ holder } = await leaseOf(lab));
    return holder !== '' && holder !== from;
  };
  await until(`another holder of the lease than ${from}`, moved, ms);
  return holder;
}

function countSince(writer: Writer, since: number): number {
  let count = 0;
  for (let i = writer.acknowledged.length - 1; i >= 0 && (writer.acknowledged[i]?.at ?? 0) > since; i -= 1) count += 1;
  return count;
}

/** Every writer's acknowledgements in the order in which they came. */
export function merged(writers: Writer[], since = 0): Acknowledged[] {
  return writers
    .flatMap((writer) => writer.acknowledged)
    .filter(({ at }) => at >= since)
    .sort((a, b) => a.at - b.at);
}
