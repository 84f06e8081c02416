/**
 * `npm run chaos`: plays named scenes of faults, or all of them, on a lab of its own under load, and prints for each
 * the write outage beside its bound and the acknowledged rows that were lost. Exits with 1 when anything did not hold
 * that is not pending.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeAddress } from '../bench/failover.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { defaultOptions, type LabOptions } from '../lab/options.ts';
import { prepareTable } from '../support/client.ts';
import { seeds } from './combinations.ts';
import { diskMain } from './disk/main.ts';
import { renderMissing, renderTable } from './report.ts';
import { playScene, type Result, verdictOf } from './run.ts';
import { type Scene, scenes } from './scenes.ts';
import { table } from './stage.ts';

const usage = `npm run chaos -- [options]
  disk [options]        the scenes of real file systems instead; see npm run chaos -- disk --help
  --scene NAME|ROW          only these, e.g. pod-frozen-60s or F7; may be repeated (all)
  --runs N                  each scene so often (1)
  --mode quorum|strict      the cluster's sync.mode (quorum)
  --writers N               clients that write side by side (4)
  --seed N                  of the first drawn scene
  --server standin|opengauss   --pace fast|real   as in npm run lab
  --json FILE               the results as JSON
  --list                    names the scenes and plays none
`;

interface Asked {
  scenes: Scene[];
  runs: number;
  writers: number;
  options: LabOptions;
  json: string | undefined;
  list: boolean;
}

/** The options, or what is wrong with them. */
export function readAsked(words: string[]): Asked | string {
  const { values } = parseArgs({
    args: words,
    options: {
      scene: { type: 'string', multiple: true },
      runs: { type: 'string', default: '1' },
      mode: { type: 'string', default: 'quorum' },
      writers: { type: 'string', default: '4' },
      seed: { type: 'string' },
      server: { type: 'string', default: 'standin' },
      pace: { type: 'string', default: 'fast' },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  });
  const { mode, server, pace } = values;
  const wanted = values.scene ?? [];
  const unknown = wanted.find((word) => !scenes.some((scene) => scene.name === word || scene.rows.includes(word)));
  if (unknown !== undefined) return `no scene is called ${unknown}`;
  if (mode !== 'quorum' && mode !== 'strict') return '--mode is quorum or strict';
  if (server !== 'standin' && server !== 'opengauss') return '--server is standin or opengauss';
  if (pace !== 'fast' && pace !== 'real') return '--pace is fast or real';
  for (const [name, text] of Object.entries({ runs: values.runs, writers: values.writers, seed: values.seed ?? '1' }))
    if (!(Number.isInteger(Number(text)) && Number(text) >= 1)) return `--${name} ${text} is not a number from 1 on`;
  if (values.seed !== undefined) seeds.next = Number(values.seed);
  const net = server === 'opengauss' ? 'netns' : 'loopback';
  return {
    scenes:
      wanted.length === 0 ? scenes : scenes.filter(({ name, rows }) => [name, ...rows].some((word) => wanted.includes(word))),
    runs: Number(values.runs),
    writers: Number(values.writers),
    options: { ...defaultOptions, server, pace, net, config: `sync:\n  mode: ${mode}\n` },
    json: values.json,
    list: values.list,
  };
}

const print = (line: string) => process.stdout.write(`${line}\n`);

/** A lab of its own for as long as it stays healthy. */
async function withLab(asked: Asked, stop: AbortSignal, work: (lab: Lab) => Promise<void>) {
  const dir = mkdtempSync(join(tmpdir(), 'ogc-'));
  let lab: Lab | undefined;
  try {
    lab = await startLab({ ...asked.options, dir: join(dir, 'lab') }, () => undefined, stop);
    await prepareTable(writeAddress(lab), table);
    await work(lab);
  } finally {
    await lab?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function playAll(asked: Asked, stop: AbortSignal): Promise<Result[]> {
  const results: Result[] = [];
  const queue = asked.scenes.flatMap((scene) => Array.from({ length: asked.runs }, () => scene));
  while (queue.length > 0 && !stop.aborted) {
    await withLab(asked, stop, async (lab) => {
      for (let fit = true; fit && queue.length > 0 && !stop.aborted; ) {
        const scene = queue.shift();
        if (scene === undefined) return;
        const result = await playScene(lab, scene, { writers: asked.writers });
        results.push(result);
        fit = result.healthy;
        tell(result);
      }
    });
  }
  return results;
}

function tell(result: Result) {
  const { scene, outageMs, failure, notes } = result;
  const gap = outageMs === undefined ? '-' : `${(outageMs / 1000).toFixed(2)} s`;
  const verdict = verdictOf(result);
  print(
    `${verdict.padEnd(8)} ${scene.name}: outage ${gap}, ${result.acknowledged} rows, ${result.lost} lost, took ${Math.round(result.seconds)} s`,
  );
  if (failure !== undefined) print(`         ${failure}`);
  for (const note of notes) print(`         ${note}`);
}

async function main(words: string[]): Promise<number> {
  if (words.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  let asked: Asked | string;
  try {
    asked = readAsked(words);
  } catch (error) {
    asked = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  }
  if (typeof asked === 'string') {
    process.stderr.write(`error: ${asked}\nhint: See npm run chaos -- --help, or --list for the scenes.\n`);
    return 1;
  }
  if (asked.list) {
    for (const { name, rows, title, pending } of asked.scenes)
      print(
        `${name.padEnd(28)} ${(rows.join(' ') || '-').padEnd(8)} ${title}${pending === undefined ? '' : ` (pending: ${pending})`}`,
      );
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const results = await playAll(asked, stop.signal);
  print(`\n${renderTable(results)}`);
  const missing = renderMissing(results);
  if (asked.scenes === scenes && missing !== '') print(`\nnot played:\n${missing}`);
  if (asked.json !== undefined)
    writeFileSync(
      asked.json,
      `${JSON.stringify(
        results.map((result) => ({ ...result, scene: result.scene.name, verdict: verdictOf(result) })),
        undefined,
        2,
      )}\n`,
    );
  const bad = results.filter((result) => ['failed', 'over'].includes(verdictOf(result)));
  print(`\n${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)} at the end`);
  const lost = results.reduce((sum, result) => sum + result.lost, 0);
  print(
    `\n${results.length} runs, ${bad.length} did not hold, ${lost} of ${results.reduce((sum, { acknowledged }) => sum + acknowledged, 0)} acknowledged rows lost`,
  );
  return bad.length > 0 || stop.signal.aborted ? 1 : 0;
}

const words = process.argv.slice(2);
process.exitCode = words[0] === 'disk' ? await diskMain(words.slice(1)) : await main(words);
process.exit();
