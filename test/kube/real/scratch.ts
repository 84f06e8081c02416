/**
 * A directory for one cluster under test, with a record of every process in it. What a harness that was killed left
 * behind is ended and removed by the next one, by exactly the recorded ids; the directories of others are left alone.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, type ProcessId } from '../../lab/processes.ts';
import { runFile, sweepStale, writeWhole } from '../../lab/record.ts';

export interface Scratch {
  dir: string;
  /** Names what runs now. */
  record(processes: ProcessId[]): void;
  remove(): void;
}

/** Where the directories of this user lie. */
export function scratchRoot(): string {
  return join(tmpdir(), `opengauss-agent-${process.getuid?.() ?? 0}`);
}

/** Sweeps what is left of dead harnesses, and makes a new directory. */
export async function claimScratch(root: string = scratchRoot()): Promise<Scratch> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(root)) await sweepStale(join(root, name));
  const dir = mkdtempSync(join(root, 'c'));
  const harness = identify(process.pid);
  if (harness === undefined) throw new Error('this process is not in /proc');
  const record = (processes: ProcessId[]) =>
    writeWhole(runFile(dir), { lab: harness, control: '', processes, paths: [dir], traces: { namespaces: [], links: [] } });
  record([]);
  return { dir, record, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
