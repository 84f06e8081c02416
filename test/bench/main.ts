/**
 * `npm run bench`: measures a cluster of its own, started in a temporary directory and removed afterwards.
 *   failover --kind server|agent|pod|node|switchover --runs N    the write gap of a client
 *   steady --seconds N                                           memory, CPU and API requests at rest
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Lab, startLab } from '../lab/lab.ts';
import { defaultOptions } from '../lab/options.ts';
import { type Kind, kinds, prepare, type Run, runOnce } from './failover.ts';
import { seconds, summarise, summaryHead, summaryRow, table } from './report.ts';
import { measureSteady, steadyTable } from './steady.ts';

const usage = `npm run bench -- failover --kind ${kinds.join('|')} [--runs 20] [common]
npm run bench -- steady [--seconds 60] [common]
common: --members N (3) · --pace fast|real (fast) · --server standin|opengauss (standin) · --config FILE · --json FILE · --log
`;

interface Asked {
  what: 'failover' | 'steady';
  kind: Kind;
  runs: number;
  seconds: number;
  members: number;
  pace: 'fast' | 'real';
  server: 'standin' | 'opengauss';
  config: string;
  json: string | undefined;
  log: boolean;
}

function read(words: string[]): Asked | string {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    kind: text,
    runs: text,
    seconds: text,
    members: text,
    pace: text,
    server: text,
    config: text,
    json: text,
    log: flag,
  };
  const { values, positionals } = parseArgs({ args: words, allowPositionals: true, options });
  const [what = ''] = positionals;
  if (what !== 'failover' && what !== 'steady') return `unknown benchmark ${what}`;
  const kind = kinds.find((word) => word === (values.kind ?? 'server'));
  if (kind === undefined) return `unknown kind ${values.kind ?? ''}`;
  const whole = (value: string | undefined, fallback: number) => (value === undefined ? fallback : Number.parseInt(value, 10));
  return {
    what,
    kind,
    runs: whole(values.runs, 20),
    seconds: whole(values.seconds, 60),
    members: whole(values.members, 3),
    pace: values.pace === 'real' ? 'real' : 'fast',
    server: values.server === 'opengauss' ? 'opengauss' : 'standin',
    config: values.config === undefined ? '' : readFileSync(values.config, 'utf8'),
    json: values.json,
    log: values.log === true,
  };
}

async function steady(lab: Lab, asked: Asked, signal: AbortSignal): Promise<object> {
  const result = await measureSteady(lab, asked.seconds, signal);
  process.stdout.write(`${steadyTable(result)}\n`);
  return result;
}

async function failover(lab: Lab, asked: Asked, signal: AbortSignal): Promise<object> {
  const runs: Run[] = [];
  await prepare(lab);
  for (let i = 0; i < asked.runs && !signal.aborted; i += 1) {
    const run = await runOnce(lab, asked.kind, asked.members >= 3 && i % 2 === 1);
    runs.push(run);
    process.stdout.write(`${describe(run, i)}\n`);
    // Without a healthy cluster no later run would count.
    if (run.recoveredMs === undefined) break;
  }
  const valid = runs.filter((run) => run.gapMs !== undefined);
  const gaps = (some: Run[]) => summarise(some.map((run) => run.gapMs ?? 0));
  const rows = [
    summaryHead,
    summaryRow(asked.kind, gaps(valid)),
    summaryRow('  candidate behind', gaps(valid.filter((run) => run.held))),
  ];
  const lost = runs.reduce((sum, run) => sum + run.lost, 0);
  const total = runs.reduce((sum, run) => sum + run.acknowledged, 0);
  process.stdout.write(
    `\n${table(rows)}\n${runs.length - valid.length} of ${runs.length} runs do not count; ${lost} of ${total} acknowledged rows lost\n`,
  );
  return { kind: asked.kind, summary: gaps(valid), lost, acknowledged: total, runs };
}

function describe(run: Run, index: number): string {
  const gap = run.gapMs === undefined ? `does not count: ${run.invalid ?? ''}` : seconds(run.gapMs);
  const recovered = run.recoveredMs === undefined ? '-' : seconds(run.recoveredMs);
  return `${index + 1}: ${gap}${run.held ? ' (candidate behind)' : ''}   ${run.from} → ${run.to ?? '?'}   ${run.acknowledged} rows, ${run.lost} lost, all stream after ${recovered}`;
}

async function main(words: string[]): Promise<number> {
  const asked = words.includes('--help') ? '' : read(words);
  if (typeof asked === 'string') {
    process.stderr.write(`${asked === '' ? '' : `error: ${asked}\n`}${usage}`);
    return asked === '' ? 0 : 1;
  }
  const dir = mkdtempSync(join(tmpdir(), 'ogb-'));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  let lab: Lab | undefined;
  try {
    const options = {
      ...defaultOptions,
      members: asked.members,
      pace: asked.pace,
      server: asked.server,
      config: asked.config,
      dir,
    };
    const began = performance.now();
    lab = await startLab(options, ({ line, kind }) => asked.log && process.stderr.write(`${kind}: ${line}\n`), stop.signal);
    process.stdout.write(`${asked.members} members healthy after ${seconds(performance.now() - began)}\n`);
    const result: object =
      asked.what === 'steady' ? await steady(lab, asked, stop.signal) : await failover(lab, asked, stop.signal);
    const settings = { members: asked.members, pace: asked.pace, server: asked.server };
    if (asked.json !== undefined)
      writeFileSync(asked.json, `${JSON.stringify({ benchmark: asked.what, ...settings, ...result }, undefined, 2)}\n`);
    return 'lost' in result && result.lost !== 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await lab?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
process.exit();
