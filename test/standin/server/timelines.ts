// PostgreSQL counts timelines where openGauss has none: this file keeps that invisible. A follower gets every timeline history file of its
// primary before it streams, loses those of a branch that nobody follows any more, and so never finds itself on a stale one.
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { giveToPostgres } from '../shared/postgres.ts';
import { readText } from '../shared/state.ts';

/** History files by name. */
export type HistoryFiles = Record<string, string>;

const historyName = /^[0-9A-F]{8}\.history$/;

function nameOf(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
}

function numberOf(name: string): number {
  return Number.parseInt(name.slice(0, 8), 16);
}

/** All history files of a WAL directory. */
export function readHistories(wal: string): HistoryFiles {
  const files: HistoryFiles = {};
  for (const name of readdirSync(wal)) if (historyName.test(name)) files[name] = readText(join(wal, name)) ?? '';
  return files;
}

/** The newest history file: its timeline and the position where that timeline began. */
export function newestTimeline(wal: string): { timeline: number; begin: string } {
  const newest = Object.entries(readHistories(wal))
    .sort(([a], [b]) => a.localeCompare(b))
    .at(-1);
  if (newest === undefined) return { timeline: 1, begin: '0/0' };
  const last = newest[1].trim().split('\n').at(-1) ?? '';
  return { timeline: numberOf(newest[0]), begin: last.split('\t')[1] ?? '0/0' };
}

/** The same history but for blank lines, of which PostgreSQL writes some. */
function same(one: string, other: string): boolean {
  const lines = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .join('\n');
  return lines(one) === lines(other);
}

/**
 * Makes the local history files those of the primary. True when a file of another branch was there, so that a running PostgreSQL may have
 * chosen that branch and must be restarted.
 */
export function adoptHistories(wal: string, primary: HistoryFiles): boolean {
  const local = readHistories(wal);
  const names = Object.keys(primary).sort();
  const newest = names.at(-1);
  let stale = false;
  for (const [name, content] of Object.entries(local)) {
    const theirs = primary[name];
    if (
      (theirs !== undefined && same(theirs, content)) ||
      (theirs === undefined && newest !== undefined && numberOf(name) < numberOf(newest))
    )
      continue;
    rmSync(join(wal, name), { force: true });
    stale = true;
  }
  if (newest === undefined) return stale;
  const parents = (primary[newest] ?? '').split('\n');
  for (let timeline = 2; timeline <= numberOf(newest); timeline += 1) {
    const name = nameOf(timeline);
    const derived = parents.filter((line) => Number.parseInt(line, 10) < timeline).join('\n');
    const content = primary[name] ?? `${derived}\n`;
    if (local[name] !== undefined && !stale) continue;
    const path = join(wal, name);
    writeFileSync(`${path}.new`, content, { mode: 0o600 });
    giveToPostgres(`${path}.new`);
    renameSync(`${path}.new`, path);
  }
  return stale;
}
