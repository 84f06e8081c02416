/**
 * What the end-to-end tests share: a lab in a directory of its own, a writer under load, and the checks that every
 * test ends with. Nothing here decides whether a test passes by time alone, except the safety deadline of the fence.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { memberAddress, writeAddress } from '../bench/failover.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { defaultOptions, type LabOptions } from '../lab/options.ts';
import { connect, missingRows, prepareTable, startWriter, type Writer } from '../support/client.ts';

export const table = 'e2e_rows';
export const streamingMs = 120_000;

export interface Scene {
  lab: Lab;
  /** Lines that the lab told, for a failing test's output. */
  told: string[];
  close(): Promise<void>;
}

let rows = 1;
/** Of every test in this process; a failed test leaves its load running. */
const writers: Writer[] = [];

/** Starts a lab and prepares the table; the caller closes it. */
export async function startScene(options: Partial<LabOptions> & { configText?: string }): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), 'og-e2e-'));
  const { configText, ...rest } = options;
  if (configText !== undefined) rest.config = configText;
  const told: string[] = [];
  const lab = await startLab(
    { ...defaultOptions, ...rest, dir: join(dir, 'lab') },
    (event) => told.push(event.line),
    AbortSignal.timeout(280_000),
  );
  await prepareTable(writeAddress(lab), table);
  return {
    lab,
    told,
    async close() {
      const stopped = Promise.all(writers.map((writer) => writer.stop()));
      await lab.stop();
      await stopped;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A writer through the write address that has rows acknowledged already. */
export async function writing(lab: Lab): Promise<Writer> {
  rows += 10_000_000;
  const writer = startWriter({ address: writeAddress(lab), table, from: rows });
  writers.push(writer);
  assert.ok(await writer.whenAcknowledged(100, 30_000), `no rows acknowledged: ${writer.lastError()}`);
  return writer;
}

/** A writer on one member's own address that never moves: a session opened before the fault. */
export async function writingOn(lab: Lab, member: string): Promise<Writer> {
  rows += 10_000_000;
  const writer = startWriter({ address: memberAddress(lab, member), table, from: rows, once: true, answerMs: 90_000 });
  writers.push(writer);
  assert.ok(await writer.whenAcknowledged(100, 30_000), `no rows acknowledged on ${member}: ${writer.lastError()}`);
  return writer;
}

export function primaryOf(lab: Lab): string {
  const name = lab.primary();
  assert.ok(name !== undefined, 'there is one primary');
  return name;
}

/** Waits for a condition; a test's own deadline is a safety net, not a figure. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}

export async function newPrimary(lab: Lab, old: string, ms = 60_000): Promise<string> {
  await until(`a primary other than ${old}`, () => lab.primary() !== undefined && lab.primary() !== old, ms);
  return primaryOf(lab);
}

/** Ends the load, waits until everybody streams, and reads every acknowledged row back from every member. */
export async function nothingLost(
  lab: Lab,
  writers: Writer[],
  members = lab.members.map((member) => member.name),
): Promise<void> {
  for (const writer of writers) await writer.stop();
  assert.ok(await lab.whenStreaming(streamingMs), 'every member streams again');
  const numbers = writers.flatMap((writer) => writer.acknowledged.map((row) => row.n));
  for (const name of members) {
    const missing = await missingRows(memberAddress(lab, name), table, numbers, 30_000);
    assert.deepEqual(missing.slice(0, 10), [], `${missing.length} acknowledged rows are missing on ${name}`);
  }
}

export interface LeaseSeen {
  holder: string;
  term: number;
}

export async function leaseOf(lab: Lab): Promise<LeaseSeen> {
  const { namespace, cluster } = lab.options;
  const answer = await lab.api.call('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/og-${cluster}-leader`);
  const spec = (answer.body as { spec?: { holderIdentity?: string; leaseTransitions?: number } }).spec;
  return { holder: spec?.holderIdentity?.split('/')[0] ?? '', term: spec?.leaseTransitions ?? 0 };
}

/** One value from a member's own address. */
export async function ask(lab: Lab, member: string, sql: string): Promise<string | undefined> {
  const client = await connect(memberAddress(lab, member), 10_000);
  try {
    const { rows: found } = await client.query<Record<string, unknown>>(sql);
    const value = Object.values(found[0] ?? {})[0];
    return value === undefined || value === null ? undefined : String(value);
  } finally {
    await client.end();
  }
}

export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command beside the lab, which lives in this process: waiting for it must not stop the lab. */
export function command(file: string, args: string[], timeoutMs = 90_000): Promise<Output> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: timeoutMs }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
      resolve({ code, stdout, stderr });
    });
  });
}

/** `agent …` as inside a member's container. */
export function agent(lab: Lab, member: string, ...words: string[]): Promise<Output> {
  return command(process.execPath, ['test/lab/main.ts', '--dir', lab.dir, 'exec', member, '--', 'agent', ...words]);
}

/** The same, for a command that has to be carried out; what it printed. */
export async function carriedOut(lab: Lab, member: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await agent(lab, member, ...words);
  assert.equal(code, 0, `agent ${words.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}
