/**
 * `npm run chaos`: plays named scenes of faults, or all of them, on a lab of its own under load, and prints for each
 * the write outage beside its bound and the acknowledged rows that were lost. Exits with 1 when anything did not hold
 * that is not pending.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAddress } from '../bench/failover.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { prepareTable } from '../support/client.ts';
import { type Asked, readAsked, usage } from './asked.ts';
import { diskMain } from './disk/main.ts';
import { measureRates, renderRates } from './rates.ts';
import { renderMarkdown, renderMissing, renderTable } from './report.ts';
import { playScene, type Result, verdictOf } from './run.ts';
import { type Mode, scenes } from './scenes.ts';
import { table } from './stage.ts';

const print = (line: string) => process.stdout.write(`${line}\n`);

/** A lab of its own for as long as it stays healthy. */
async function withLab(asked: Asked, mode: Mode, stop: AbortSignal, work: (lab: Lab) => Promise<void>) {
  const dir = mkdtempSync(join(tmpdir(), 'ogc-'));
  let lab: Lab | undefined;
  try {
    const options = { ...asked.options, config: `sync:\n  mode: ${mode}\n`, dir: join(dir, 'lab') };
    lab = await startLab(options, () => undefined, stop);
    await prepareTable(writeAddress(lab), table);
    await work(lab);
  } finally {
    await lab?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function playAll(asked: Asked, stop: AbortSignal): Promise<Result[]> {
  const results: Result[] = [];
  for (const mode of asked.modes) {
    const queue = asked.scenes.flatMap((scene) => Array.from({ length: asked.runs }, () => scene));
    while (queue.length > 0 && !stop.aborted) {
      await withLab(asked, mode, stop, async (lab) => {
        for (let fit = true; fit && queue.length > 0 && !stop.aborted; ) {
          const scene = queue.shift();
          if (scene === undefined) return;
          const result = await playScene(lab, scene, mode, { writers: asked.writers });
          results.push(result);
          fit = result.healthy;
          tell(result);
        }
      });
    }
  }
  return results;
}

function tell(result: Result) {
  const { scene, mode, outageMs, rate, writers, failure, notes } = result;
  const gap = outageMs === undefined ? '-' : `${(outageMs / 1000).toFixed(2)} s`;
  const verdict = verdictOf(result);
  const rows = `${result.acknowledged} rows, ${result.lost} lost, ${rate} rows/s by ${writers} writers before it`;
  print(`${verdict.padEnd(8)} ${scene.name} (${mode}): outage ${gap}, ${rows}, took ${Math.round(result.seconds)} s`);
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
  if (asked.rates) {
    for (const mode of asked.modes)
      await withLab(asked, mode, stop.signal, async (lab) => {
        print(`${mode}\n${renderRates(await measureRates(lab, asked.runs))}\n`);
      });
    return 0;
  }
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
  if (asked.markdown !== undefined) writeFileSync(asked.markdown, renderMarkdown(results));
  const bad = results.filter((result) => ['failed', 'over'].includes(verdictOf(result)));
  print(`\n${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)} at the end`);
  const lost = results.reduce((sum, result) => sum + result.lost, 0);
  print(
    `\n${results.length} runs by ${asked.writers} writers, ${bad.length} did not hold, ${lost} of ${results.reduce((sum, { acknowledged }) => sum + acknowledged, 0)} acknowledged rows lost`,
  );
  return bad.length > 0 || stop.signal.aborted ? 1 : 0;
}

const words = process.argv.slice(2);
process.exitCode = words[0] === 'disk' ? await diskMain(words.slice(1)) : await main(words);
process.exit();
