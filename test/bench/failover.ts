/**
 * One failover under load, measured from a client's side: the longest time without an acknowledged row, and whether
 * every acknowledged row is still there, on every member. In every other run the favoured candidate is held at least
 * 1 MiB behind. A run that has too few rows or that did not come to its end does not count, and says why.
 */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { writtenPosition } from '../lab/database.ts';
import type { Lab } from '../lab/lab.ts';
import { type ClientAddress, connect, longestGap, missingRows, startWriter, type Writer } from '../support/client.ts';

export const kinds = ['server', 'agent', 'pod', 'node', 'switchover'] as const;
export type Kind = (typeof kinds)[number];

export interface Run {
  kind: Kind;
  held: boolean;
  /** Undefined: the run does not count. */
  gapMs: number | undefined;
  /** Why it does not count. */
  invalid: string | undefined;
  from: string;
  to: string | undefined;
  acknowledged: number;
  /** Acknowledged rows that are not on the new primary, or on some member once all stream. */
  lost: number;
  /** Until all members streamed again. */
  recoveredMs: number | undefined;
}

const rowsMin = 100;
const heldBytesMin = 1n << 20n;
const gapDeadlineMs = 60_000;
const recoverDeadlineMs = 180_000;
/** Rows after the fault that show that writing goes on. */
const rowsAfter = 50;
const table = 'bench_rows';
let nextNumber = 1;

/** The address of the write Service for the lab's client. */
export function writeAddress(lab: Lab): ClientAddress {
  const { services, client } = lab.record();
  return { ...services.write, ...client };
}

/** A member's own address for the lab's client. */
export function memberAddress(lab: Lab, name: string): ClientAddress {
  const { members, client } = lab.record();
  const member = members.find((one) => one.pod === name);
  return { host: member?.ip ?? '', port: member?.port ?? 0, ...client };
}

/** Makes the tables of the benchmark. */
export async function prepare(lab: Lab) {
  const client = await connect(writeAddress(lab), 20_000);
  await client.query(`CREATE TABLE IF NOT EXISTS ${table} (n bigint PRIMARY KEY, note text)`);
  await client.query('CREATE TABLE IF NOT EXISTS bench_ballast (note text)');
  await client.end();
}

/** One run; the cluster is healthy before and, unless the result says otherwise, after. */
export async function runOnce(lab: Lab, kind: Kind, held: boolean): Promise<Run> {
  const from = lab.primary() ?? '';
  const run: Run = {
    kind,
    // Only where the primary changes is there a candidate.
    held: held && kind !== 'agent',
    gapMs: undefined,
    invalid: undefined,
    from,
    to: undefined,
    acknowledged: 0,
    lost: 0,
    recoveredMs: undefined,
  };
  const writer = startWriter({ address: writeAddress(lab), table, from: nextNumber });
  const candidate = run.held ? await favoured(lab, from) : -1;
  try {
    run.invalid = await faultUnderLoad(lab, run, writer, candidate);
  } finally {
    if (candidate >= 0) lab.network.release(candidate, 'drop');
    await writer.stop();
    nextNumber += 10_000_000;
  }
  run.acknowledged = writer.acknowledged.length;
  const began = performance.now();
  await lab.inject({ command: 'heal' });
  const recovered = await lab.whenStreaming(recoverDeadlineMs);
  run.recoveredMs = recovered ? performance.now() - began : undefined;
  run.to = lab.primary();
  run.lost = await countLost(lab, writer);
  if (!recovered) run.invalid ??= `the members did not all stream again within ${recoverDeadlineMs / 1000} s`;
  if (run.invalid !== undefined) run.gapMs = undefined;
  return run;
}

/** Injects the fault once enough rows are there, waits until writing goes on; answers why the run does not count. */
async function faultUnderLoad(lab: Lab, run: Run, writer: Writer, candidate: number): Promise<string | undefined> {
  if (!(await writer.whenAcknowledged(rowsMin, 20_000)))
    return `fewer than ${rowsMin} rows before the fault: ${writer.lastError() ?? 'slow'}`;
  if (candidate >= 0 && !(await holdBack(lab, run.from, candidate))) return 'the candidate could not be held behind';
  const before = performance.now();
  const order =
    run.kind === 'switchover' ? switchover(lab, run.from) : lab.inject({ command: 'kill', member: run.from, what: run.kind });
  // A planned hand-over may wait for its candidate; what a dead server had not delivered is lost with it.
  if ((run.kind === 'switchover' || run.kind === 'pod') && candidate >= 0) {
    await sleep(50);
    lab.network.release(candidate, 'deliver');
  }
  const reply = await order;
  if (candidate >= 0) lab.network.release(candidate, 'drop');
  if (reply.exit !== 0) return reply.line;
  const stood = performance.now();
  if (!(await writer.whenAcknowledged(rowsAfter, gapDeadlineMs, stood)))
    return `no rows acknowledged after the fault: ${writer.lastError() ?? ''}`;
  // A gap that began before the fault stood and goes on, or that comes a moment later, belongs to it as well.
  await sleep(500);
  run.gapMs = longestGap(writer.acknowledged, before).ms;
  return undefined;
}

/** The heir that the lease names, or else the first standby; its index. */
async function favoured(lab: Lab, primary: string): Promise<number> {
  const { namespace, cluster } = lab.options;
  const lease = await lab.api.call('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/og-${cluster}-leader`);
  const heir = lease.body.metadata?.annotations?.['opengauss.agent/heir'];
  const named = lab.members.findIndex((member) => member.name === heir && member.name !== primary);
  return named >= 0 ? named : lab.members.findIndex((member) => member.name !== primary);
}

/** Stops the candidate's stream and writes until it is a mebibyte behind. */
async function holdBack(lab: Lab, primary: string, candidate: number): Promise<boolean> {
  lab.network.hold(candidate);
  await lab.network.settled();
  const server = lab.server(primary);
  const began = await writtenPosition(server);
  const client = await connect(writeAddress(lab), 10_000).catch(() => undefined);
  if (began === undefined || client === undefined) return false;
  try {
    const end = performance.now() + 5000;
    while (((await writtenPosition(server)) ?? began) - began < heldBytesMin) {
      if (performance.now() > end) return false;
      await client.query('INSERT INTO bench_ballast SELECT repeat(md5(random()::text), 8) FROM generate_series(1, 2000)');
    }
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** `agent switchover` in the primary's container, as a person would ask for it. */
function switchover(lab: Lab, member: string): Promise<{ exit: number; line: string }> {
  const found = lab.members.find((one) => one.name === member);
  const pid1 = found?.container()?.pid1.pid;
  if (found === undefined || pid1 === undefined) return Promise.resolve({ exit: 1, line: `${member} has no container` });
  const enter = lab.isolation.namespaces ? ['nsenter', '-t', String(pid1), '-U', '-p', '-m', '--preserve-credentials'] : [];
  const [file = '', ...args] = [...enter, 'agent', 'switchover'];
  return new Promise((resolve) => {
    const child = spawn(file, args, { env: found.env(), stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('error', (error) => resolve({ exit: 127, line: error.message }));
    child.once('close', (code) => resolve({ exit: code ?? 1, line: text.trim().replaceAll('\n', '; ') }));
  });
}

/** Acknowledged rows that some member does not hold. */
async function countLost(lab: Lab, writer: Writer): Promise<number> {
  const numbers = writer.acknowledged.map(({ n }) => n);
  if (numbers.length === 0) return 0;
  const lost = await Promise.all(lab.members.map(({ name }) => missingRows(memberAddress(lab, name), table, numbers, 15_000)));
  return new Set(lost.flat()).size;
}
