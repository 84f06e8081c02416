/** The files of the project for tests about its texts: what git tracks and what would be added. It changes nothing. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** All files by their path from the root; without a git repository it fails rather than look at nothing. */
export function files(): string[] {
  const words = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const names = execFileSync('git', words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 24 }).split('\0');
  return [...new Set(names)].filter((name) => name !== '' && isFile(join(root, name))).sort();
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

export function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

export function markdown(): string[] {
  return files().filter((file) => file.endsWith('.md'));
}

/** The code of the project, texts about it left out. */
export function code(): string[] {
  const places = /^(agent|probes|entrypoint|images|test)\//;
  return files().filter((file) => places.test(file) && /\.(ts|sh)$/.test(file) && !file.startsWith('test/docs/'));
}

/** The cells of every row of the tables of a text, heads and rules left out. */
export function rows(text: string): string[][] {
  const lines = text.split('\n');
  return lines.flatMap((line, at) => {
    const isRow = line.startsWith('| ') && !/^\|[\s|:-]+\|$/.test(line);
    const isHead = /^\|[\s|:-]+\|$/.test(lines[at + 1] ?? '');
    return isRow && !isHead
      ? [
          line
            .slice(1, line.lastIndexOf('|'))
            .split('|')
            .map((cell) => cell.trim()),
        ]
      : [];
  });
}
