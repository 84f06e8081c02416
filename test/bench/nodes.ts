/**
 * `npm run bench -- failover --kube nodes`: the write gap of a client through the write Service of a real Kubernetes of
 * three nodes, fault by fault, in the same table as the lab's. A run that does not come to its end does not count.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cutPod } from '../e2e/nodes/cut.ts';
import { parseArgs } from 'node:util';
import {
  containerInit,
  goesOn,
  type Load,
  mend,
  missingOf,
  primaryPod,
  type Scene,
  startScene,
  stopScene,
  theScene,
  until,
  writing,
} from '../e2e/nodes/scene.ts';
import { Missing } from '../kube/real/build.ts';
import { longestGap } from '../support/client.ts';
import { seconds, summarise, summaryHead, summaryRow, table } from './report.ts';

/** What is done to the primary; `pod` is a graceful deletion. */
export const nodeKinds = [
  'server',
  'container',
  'pod',
  'force',
  'node',
  'freeze',
  'cut-api',
  'api-down',
  'switchover',
  'drain',
] as const;
export type NodeKind = (typeof nodeKinds)[number];

interface Run {
  from: string;
  to: string | undefined;
  gapMs: number | undefined;
  acknowledged: number;
  lost: number;
  invalid: string | undefined;
}

const frozenMs = 60_000;
const apiDownMs = 60_000;
const cutMs = 20_000;
const rowsWanted = 50;
const otherMs = 120_000;

/** Faults that the primary's server outlives. */
const outlived: NodeKind[] = ['cut-api', 'api-down'];

async function acknowledgedByAnother({ writer }: Load, first: string | undefined) {
  const others = () => writer.acknowledged.slice(-rowsWanted).filter(({ server }) => server !== first).length;
  await until('another server acknowledges', () => others() === rowsWanted, otherMs);
}

/** Does it, and answers how it is undone once rows flow again. */
async function injectFault(scene: Scene, kind: NodeKind): Promise<() => Promise<void>> {
  const { database, cluster } = scene;
  const old = await primaryPod(scene);
  const node = await database.node(old.name);
  const nothing = () => Promise.resolve();
  switch (kind) {
    case 'server':
      await database.exec(old.name, 'sh', '-c', 'kill -9 $(head -1 /var/lib/opengauss/pgdata/postmaster.pid)');
      return nothing;
    case 'container':
      await node.shell('kill', '-9', await containerInit(node));
      return nothing;
    case 'pod':
      await database.kubectl('delete', 'pod', old.name, '--wait=false');
      return nothing;
    case 'force':
      await database.kubectl('delete', 'pod', old.name, '--force', '--grace-period=0', '--wait=false');
      return nothing;
    case 'node':
      await node.powerOff();
      return () => Promise.resolve(node.powerOn());
    case 'freeze':
      await node.freeze(true);
      return async () => {
        await sleep(frozenMs);
        await node.freeze(false);
      };
    case 'cut-api':
      await cutPod(node, old, [cluster.wires.host]);
      await sleep(cutMs);
      return nothing;
    case 'api-down':
      await cluster.plane.daemons.api.kill();
      await sleep(apiDownMs);
      return nothing;
    case 'switchover':
      await database.exec(old.name, 'agent', 'switchover');
      return nothing;
    case 'drain':
      await cluster.kubectl(['drain', old.node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=60s']);
      return nothing;
  }
}

async function runOnce(scene: Scene, kind: NodeKind): Promise<Run> {
  const run: Run = { from: '', to: undefined, gapMs: undefined, acknowledged: 0, lost: 0, invalid: undefined };
  let load: Load | undefined;
  try {
    run.from = (await primaryPod(scene)).name;
    load = await writing(scene, true);
    const first = load.writer.acknowledged.at(-1)?.server;
    const before = performance.now();
    const undo = await injectFault(scene, kind);
    if (outlived.includes(kind)) await goesOn(load);
    // The command returns before the fault bites: without another server that acknowledges nothing has been measured.
    else await acknowledgedByAnother(load, first);
    // A gap that comes a moment later belongs to it as well.
    await sleep(500);
    run.gapMs = longestGap(load.writer.acknowledged, before).ms;
    await undo();
  } catch (error) {
    run.invalid = error instanceof Error ? error.message : String(error);
  } finally {
    await load?.writer.stop();
  }
  try {
    await mend(scene);
    run.to = await scene.database.primary();
    run.acknowledged = load?.writer.acknowledged.length ?? 0;
    run.lost = load === undefined ? 0 : (await missingOf(scene, [load])).length;
  } catch (error) {
    run.invalid ??= error instanceof Error ? error.message : String(error);
  }
  if (run.invalid !== undefined) run.gapMs = undefined;
  if (run.invalid !== undefined || run.lost > 0)
    process.stdout.write(`logs are in ${await scene.cluster.gather(`bench-${kind}`)}\n`);
  return run;
}

function describe(run: Run, index: number): string {
  const gap = run.gapMs === undefined ? `does not count: ${run.invalid ?? ''}` : seconds(run.gapMs);
  return `${index + 1}: ${gap}   ${run.from} → ${run.to ?? '?'}   ${run.acknowledged} rows, ${run.lost} lost`;
}

function readKinds(word: string | undefined): NodeKind[] {
  if (word === 'all') return [...nodeKinds];
  return (word ?? 'server').split(',').map((name) => {
    const found = nodeKinds.find((kind) => kind === name);
    if (found === undefined)
      throw new Error(`--kind ${name} is not known: use ${nodeKinds.join(', ')}, some with commas, or all`);
    return found;
  });
}

/** The words after `npm run bench --`, `--kube nodes` among them; `--min-sync 100ms` is kube-proxy's. Answers the exit code. */
export async function benchNodes(words: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: words,
    allowPositionals: true,
    options: { kube: text, kind: text, runs: text, json: text, 'min-sync': text },
  });
  const kinds = readKinds(values.kind);
  const wanted = Number(values.runs ?? 10);
  if (!Number.isInteger(wanted) || wanted < 1) throw new Error(`--runs ${values.runs} is not a number of 1 or more`);
  const results: { kind: NodeKind; runs: Run[] }[] = [];
  const minSyncPeriod = values['min-sync'];
  await startScene(minSyncPeriod === undefined ? {} : { minSyncPeriod });
  try {
    for (const kind of kinds) {
      const runs: Run[] = [];
      process.stdout.write(`${kind}\n`);
      for (let i = 0; i < wanted; i += 1) {
        const run = await runOnce(theScene(), kind);
        runs.push(run);
        process.stdout.write(`${describe(run, i)}\n`);
      }
      results.push({ kind, runs });
      // An hour's work is not lost with its last kind.
      if (values.json !== undefined)
        writeFileSync(values.json, `${JSON.stringify({ benchmark: 'failover', kube: 'nodes', results }, undefined, 2)}\n`);
    }
  } finally {
    await stopScene();
  }
  const all = results.flatMap(({ runs }) => runs);
  const valid = (runs: Run[]) => runs.flatMap((run) => run.gapMs ?? []);
  process.stdout.write(
    `\n${table([summaryHead, ...results.map(({ kind, runs }) => summaryRow(kind, summarise(valid(runs))))])}\n`,
  );
  const lost = all.reduce((sum, run) => sum + run.lost, 0);
  const acknowledged = all.reduce((sum, run) => sum + run.acknowledged, 0);
  process.stdout.write(
    `${all.length - valid(all).length} of ${all.length} runs do not count; ${lost} of ${acknowledged} acknowledged rows lost\n`,
  );
  return lost === 0 && valid(all).length > 0 ? 0 : 1;
}

/** As the command line wants it: mistakes and what is missing are one message. */
export async function benchNodesMain(words: string[]): Promise<number> {
  try {
    return await benchNodes(words);
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof Missing) process.stderr.write(`hint: ${error.hint}\n`);
    return 1;
  }
}
