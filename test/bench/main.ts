/**
 * `npm run bench`: measures a cluster of its own, started in a temporary directory and removed afterwards, and beside it
 * the bare servers under the same load. Prints a table, writes JSON where asked; exits with 1 when a row was lost.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, startLab } from '../lab/lab.ts';
import { defaultOptions } from '../lab/options.ts';
import { type Asked, readAsked, usage } from './asked.ts';
import { startBare } from './bare.ts';
import { benchNodesMain } from './nodes.ts';
import { prepare, type Run, runOnce } from './failover.ts';
import { seconds, summarise, summaryHead, summaryRow, table } from './report.ts';
import { measureSteady, steadyTable } from './steady.ts';

function print(line: string) {
  process.stdout.write(`${line}\n`);
}

/** Runs `work` on a lab of its own. */
async function withLab<T>(asked: Asked, signal: AbortSignal, work: (lab: Lab) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'ogb-'));
  let lab: Lab | undefined;
  try {
    const { members, pace, server, net, config } = asked;
    const began = performance.now();
    const say = ({ kind, line }: { kind: string; line: string }) => {
      if (asked.log) process.stderr.write(`${kind}: ${line}\n`);
    };
    lab = await startLab({ ...defaultOptions, members, pace, server, net, config, dir }, say, signal);
    print(`${members} ${members === 1 ? 'member' : 'members'} healthy after ${seconds(performance.now() - began)}`);
    return await work(lab);
  } finally {
    await lab?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function failover(lab: Lab, asked: Asked, signal: AbortSignal): Promise<Run[]> {
  const runs: Run[] = [];
  await prepare(lab);
  for (let i = 0; i < asked.runs && !signal.aborted; i += 1) {
    const run = await runOnce(lab, asked.kind, asked.members >= 3 && i % 2 === 1);
    runs.push(run);
    print(describe(run, i));
    // Without a healthy cluster no later run would count.
    if (run.recoveredMs === undefined) break;
  }
  return runs;
}

function describe(run: Run, index: number): string {
  const gap = run.gapMs === undefined ? `does not count: ${run.invalid ?? ''}` : seconds(run.gapMs);
  const behind = run.held ? ' (candidate behind)' : '';
  const recovered = run.recoveredMs === undefined ? 'not all stream again' : `all stream after ${seconds(run.recoveredMs)}`;
  return `${index + 1}: ${gap}${behind}   ${run.from} → ${run.to ?? '?'}   ${run.acknowledged} rows, ${run.lost} lost, ${recovered}`;
}

/** Gaps of failovers by hand; empty where the bare server has nothing to fail over to. */
async function bare(asked: Asked, runs: number, signal: AbortSignal): Promise<number[]> {
  if (runs === 0 || asked.members < 2 || asked.kind === 'agent') return [];
  if (asked.server === 'opengauss') {
    // On one machine without network namespaces openGauss takes its peers for itself.
    process.stderr.write('warning: the bare server is measured on the stand-in only\n');
    return [];
  }
  const dir = mkdtempSync(join(tmpdir(), 'ogb-'));
  const gaps: number[] = [];
  try {
    const cluster = await startBare({ dir, members: asked.members, pace: asked.pace });
    try {
      for (let i = 0; i < runs && !signal.aborted; i += 1)
        gaps.push(await cluster.failover(asked.kind === 'switchover' ? 'switchover' : 'server'));
    } finally {
      await cluster.stop();
    }
  } catch (error) {
    process.stderr.write(`warning: the bare servers: ${error instanceof Error ? error.message : String(error)}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return gaps;
}

async function measureFailover(asked: Asked, signal: AbortSignal): Promise<{ lost: number }> {
  const runs = await withLab(asked, signal, (lab) => failover(lab, asked, signal));
  const bareGaps = await bare(asked, asked.bare, signal);
  const valid = runs.filter((run) => run.gapMs !== undefined);
  const gaps = (some: Run[]) => summarise(some.map((run) => run.gapMs ?? 0));
  const held = valid.filter((run) => run.held);
  const lost = runs.reduce((sum, run) => sum + run.lost, 0);
  const acknowledged = runs.reduce((sum, run) => sum + run.acknowledged, 0);
  const rows = [summaryHead, summaryRow(asked.kind, gaps(valid))];
  if (held.length > 0) rows.push(summaryRow('  candidate behind', gaps(held)));
  if (bareGaps.length > 0) rows.push(summaryRow('bare server', summarise(bareGaps)));
  print(`\n${table(rows)}`);
  print(`${runs.length - valid.length} of ${runs.length} runs do not count; ${lost} of ${acknowledged} acknowledged rows lost`);
  return { summary: gaps(valid), candidateBehind: gaps(held), bare: summarise(bareGaps), lost, acknowledged, runs } as {
    lost: number;
  };
}

async function measure(asked: Asked, signal: AbortSignal): Promise<object> {
  switch (asked.what) {
    case 'failover':
      return await measureFailover(asked, signal);
    case 'steady': {
      const result = await withLab(asked, signal, (lab) => measureSteady(lab, asked.seconds, signal));
      print(steadyTable(result));
      return result;
    }
    case 'bare': {
      const gaps = await bare(asked, asked.runs, signal);
      print(table([summaryHead, summaryRow('bare server', summarise(gaps))]));
      return { summary: summarise(gaps), gaps };
    }
  }
}

async function main(words: string[]): Promise<number> {
  const asked = words.includes('--help') ? '' : readAsked(words);
  if (typeof asked === 'string') {
    process.stderr.write(`${asked === '' ? '' : `error: ${asked}\nhint: See npm run bench -- --help.\n`}`);
    if (asked === '') print(usage);
    return asked === '' ? 0 : 1;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  try {
    const result = await measure(asked, stop.signal);
    const { what, kind, members, pace, server, net } = asked;
    const document = { benchmark: what, ...(what === 'steady' ? {} : { kind }), members, pace, server, net, ...result };
    if (asked.json !== undefined) writeFileSync(asked.json, `${JSON.stringify(document, undefined, 2)}\n`);
    return 'lost' in result && result.lost !== 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

const words = process.argv.slice(2);
process.exitCode = words[words.indexOf('--kube') + 1] === 'nodes' ? await benchNodesMain(words) : await main(words);
process.exit();
