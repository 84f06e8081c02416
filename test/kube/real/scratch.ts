/**
 * A directory for one cluster under test, with a record of every process in it. What a harness that was killed left
 * behind is ended and removed by the next one, by exactly the recorded ids; the directories of others are left alone.
 */
import { removeCgroups } from './cgroups.ts';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, type ProcessId } from '../../lab/processes.ts';
import type { Traces } from '../../lab/network.ts';
import { readRun, runFile, sweepStale, writeWhole } from '../../lab/record.ts';

export interface Scratch {
  dir: string;
  /** Names what runs now. */
  record(processes: ProcessId[], traces?: Traces): void;
  remove(): void;
}

/** The groups go last, when nothing is in them any more. */
async function sweep(dir: string) {
  const groups = readRun(dir)?.traces.cgroups ?? [];
  const { swept } = await sweepStale(dir);
  if (swept) removeCgroups(groups);
}

/** Where the directories of this user lie. */
export function scratchRoot(): string {
  return join(tmpdir(), `opengauss-agent-${process.getuid?.() ?? 0}`);
}

/** Sweeps what is left of dead harnesses, and makes a new directory. */
export async function claimScratch(root: string = scratchRoot()): Promise<Scratch> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(root)) await sweep(join(root, name));
  const dir = mkdtempSync(join(root, 'c'));
  const harness = identify(process.pid);
  if (harness === undefined) throw new Error('this process is not in /proc');
  const none: Traces = { namespaces: [], links: [] };
  const record = (processes: ProcessId[], traces = none) =>
    writeWhole(runFile(dir), { lab: harness, control: '', processes, paths: [dir], traces });
  record([]);
  return { dir, record, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
