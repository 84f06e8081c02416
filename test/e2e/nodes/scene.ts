/**
 * What the sentences about nodes share: one cluster of three nodes with the database deployed on it, writing clients
 * through the Services' addresses, the checks that every sentence ends with, and a folder of logs for one that fails.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, type ClusterOptions, startCluster } from '../../kube/real/cluster.ts';
import type { Node } from '../../kube/real/node.ts';
import { connect, longestGap, missingRows, prepareTable, startWriter, type Writer } from '../../support/client.ts';
import { emptyVolume } from './disk.ts';
import { createAccount, type Deployment, deploy, type Pod } from './deploy.ts';

export const table = 'e2e_rows';
const members = 3;
const healthyMs = 240_000;

export interface Scene {
  cluster: Cluster;
  database: Deployment;
  /** Seconds from the overlay's application to a healthy cluster. */
  bringUpSeconds: number;
}

let scene: Scene | undefined;
let rows = 0;
const writers: Writer[] = [];

/** The one scene of this process. */
export function theScene(): Scene {
  if (scene === undefined) throw new Error('the cluster under test did not come up');
  return scene;
}

/** With a size, volumes are file systems of their own, which can be filled. */
export async function startScene(options: Pick<ClusterOptions, 'volumeMiB' | 'minSyncPeriod'> = {}): Promise<void> {
  const cluster = await startCluster({
    nodes: 3,
    ...options,
    auditedUser: 'system:serviceaccount:opengauss:og-demo',
    say: (line) => process.stderr.write(`${line}\n`),
  });
  // Told to end, it takes the cluster down first; killed, it leaves that to the next start.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void cluster.stop().finally(() => process.exit(130)));
  try {
    const begin = performance.now();
    const database = await deploy(cluster, members);
    await database.whenHealthy(members, healthyMs);
    const bringUpSeconds = Math.round((performance.now() - begin) / 1000);
    await createAccount(database);
    await prepareTable(database.write, table);
    scene = { cluster, database, bringUpSeconds };
  } catch (error) {
    const folder = await cluster.gather('bring-up');
    await cluster.stop();
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the cluster under test did not come up: ${why}\nlogs are in ${folder}`, { cause: error });
  }
}

export async function stopScene(): Promise<void> {
  await Promise.all(writers.map((writer) => writer.stop()));
  await scene?.cluster.stop();
}

/** Set where there are minutes and not half an hour: sentences that say of themselves that they are long are skipped. */
export const shortRun = 'OG_E2E_SHORT';

/** A sentence; when it fails, the logs are gathered and named, and faults are undone for the next one. */
export function sentence(
  title: string,
  work: (scene: Scene, say: (line: string) => void) => Promise<void>,
  length: 'short' | 'long' = 'short',
) {
  const skip = length === 'long' && process.env[shortRun] !== undefined ? 'long' : false;
  test(title, { skip }, async (t) => {
    const own = theScene();
    try {
      await work(own, (line) => t.diagnostic(line));
    } catch (error) {
      const folder = await own.cluster.gather(title);
      throw new Error(`${error instanceof Error ? error.message : String(error)}\nlogs are in ${folder}`, { cause: error });
    } finally {
      await Promise.all(writers.splice(0).map((writer) => writer.stop()));
      await mend(own);
    }
  });
}

/** Nodes with power, cables and no rules of ours; the API server up; nothing cordoned. */
export async function mend({ cluster, database }: Scene) {
  for (const [index, node] of cluster.nodes.entries()) {
    cluster.wires.cable(index + 1, true);
    await node.freeze(false).catch(() => undefined);
    node.powerOn();
    await node.shell('iptables', '-F', 'LABCUT');
    await emptyVolume(node);
  }
  for (const daemon of [cluster.plane.daemons.etcd, cluster.plane.daemons.api]) daemon.start();
  await cluster.plane.whenReady();
  for (const node of cluster.nodes) await cluster.kubectl(['uncordon', node.name]);
  await database.whenHealthy(members, healthyMs);
}

export interface Load {
  writer: Writer;
  begin: number;
}

/** A writer through the write Service that has rows acknowledged already. */
export async function writing({ database }: Scene, identify = false): Promise<Load> {
  rows += 10_000_000;
  const writer = startWriter({ address: database.write, table, from: rows, answerMs: 3000, identify });
  writers.push(writer);
  assert.ok(await writer.whenAcknowledged(100, 60_000), `no rows acknowledged: ${writer.lastError()}`);
  return { writer, begin: performance.now() };
}

/** A writer on the primary's own address that never moves: a session opened before the fault. */
export async function writingOn({ database }: Scene, pod: Pod): Promise<Load> {
  rows += 10_000_000;
  const writer = startWriter({ address: { ...database.write, host: pod.ip }, table, from: rows, once: true, answerMs: 90_000 });
  writers.push(writer);
  assert.ok(await writer.whenAcknowledged(20, 30_000), `no rows acknowledged on ${pod.name}: ${writer.lastError()}`);
  return { writer, begin: performance.now() };
}

/** Rows are acknowledged again after the fault. */
export async function goesOn({ writer }: Load, ms = 60_000): Promise<void> {
  const now = performance.now();
  assert.ok(await writer.whenAcknowledged(50, ms, now), `no rows acknowledged after the fault: ${writer.lastError()}`);
}

/** The acknowledged rows that some member does not hold, each with the member's name. */
export async function missingOf({ database }: Scene, loads: Load[]): Promise<string[]> {
  const numbers = loads.flatMap(({ writer }) => writer.acknowledged.map(({ n }) => n));
  if (numbers.length === 0) return [];
  const found: string[] = [];
  for (const { name, ip } of await database.pods())
    for (const n of await missingRows({ ...database.write, host: ip }, table, numbers, 60_000)) found.push(`${n} on ${name}`);
  return found;
}

/** Ends the load, waits until the cluster is healthy, and reads every acknowledged row back from every member. */
export async function nothingLost(scene: Scene, loads: Load[], say: (line: string) => void): Promise<void> {
  for (const { writer } of loads) await writer.stop();
  await scene.database.whenHealthy(members, healthyMs);
  const missing = await missingOf(scene, loads);
  assert.deepEqual(missing.slice(0, 10), [], `${missing.length} acknowledged rows are missing`);
  const total = loads.reduce((sum, { writer }) => sum + writer.acknowledged.length, 0);
  const gap = Math.max(...loads.map(({ writer, begin }) => longestGap(writer.acknowledged, begin).ms));
  say(`${total} rows acknowledged, none lost, longest gap ${(gap / 1000).toFixed(2)} s`);
}

/** The primary as it is now. */
export async function primaryPod({ database }: Scene): Promise<Pod> {
  const name = await database.primary();
  const found = (await database.pods()).find((pod) => pod.name === name);
  assert.ok(found !== undefined, 'there is one primary');
  return found;
}

export async function newPrimary({ database }: Scene, old: string, ms = 90_000): Promise<string> {
  const other = async () => {
    const name = await database.primary();
    return name === old ? undefined : name;
  };
  await until(`a primary other than ${old}`, async () => (await other()) !== undefined, ms);
  return (await other()) ?? '';
}

/** Waits for a condition; a sentence's own deadline is a safety net, not a figure. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 90_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `not within ${ms} ms: ${what}`);
    await sleep(100);
  }
}

/** The number of a container's PID 1 inside its node. */
export async function containerInit(node: Node): Promise<string> {
  const find =
    "for d in /proc/[0-9]*; do tr '\\0' ' ' <$d/cmdline 2>/dev/null | grep -q 'bash .*entrypoint.sh' && awk '/^NSpid:/ && $NF == 1 {print $2}' $d/status; done";
  const { out } = await node.shell('sh', '-c', find);
  const [pid] = out.trim().split('\n');
  assert.match(pid ?? '', /^\d+$/, `no container on ${node.name}: ${out}`);
  return pid ?? '';
}

/** What `agent status` says in a member's container, whether its exit code is good or not. */
export async function statusOf(
  { database }: Scene,
  member: string,
): Promise<{ code: number; status: ClusterStatus | undefined }> {
  const { code, out } = await database.exec(member, 'agent', 'status', '-o', 'json');
  try {
    // What kubectl says of an exit code comes after it.
    return { code, status: JSON.parse(out.slice(0, out.lastIndexOf('}') + 1)) as ClusterStatus };
  } catch {
    return { code, status: undefined };
  }
}

export interface ClusterStatus {
  state: string;
  readOnly: { on: boolean; owner: string | null };
  warnings: { code: string; message: string }[];
}

/** One value through the address, as the application's account. */
export async function ask(address: { host: string }, { database }: Scene, sql: string): Promise<string> {
  const client = await connect({ ...database.write, host: address.host }, 10_000);
  try {
    const { rows: found } = await client.query<Record<string, unknown>>(sql);
    return String(Object.values(found[0] ?? {})[0]);
  } finally {
    await client.end();
  }
}
