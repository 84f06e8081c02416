/** Goal: whoever copies a command from a document can run it. Method: the words of commands against the code that reads them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands } from '../../agent/cli.ts';
import { parseCommand } from '../lab/options.ts';
import { markdown, root, textOf } from './tree.ts';

const scripts: Record<string, string> = JSON.parse(textOf('package.json')).scripts;
/** History and reasons may name what does not exist any more, or not yet. */
const documents = markdown().filter((file) => file !== 'CHANGELOG.md' && !file.startsWith('docs/decisions/'));

function everyMatch(pattern: RegExp): { file: string; words: string }[] {
  return documents.flatMap((file) =>
    [...textOf(file).matchAll(pattern)].map(([, words = '']) => ({ file, words: words.replace(/\s+#.*$/, '').trim() })),
  );
}

test('every npm script that a document names exists, and the file that it runs', () => {
  const named = everyMatch(/\bnpm (?:run )?((?:(?<=run )[\w:]+)|test\b)/g);
  assert.ok(named.length > 5);
  assert.deepEqual(
    named.filter(({ words }) => scripts[words] === undefined),
    [],
  );
  const ran = Object.values(scripts).flatMap((script) => script.match(/\S+\.(ts|json)\b/g) ?? []);
  assert.deepEqual(
    ran.filter((file) => !existsSync(join(root, file))),
    [],
  );
});

test('every lab command that a document shows is one that the lab takes', () => {
  const shown = everyMatch(/^(?:GAUSSHOME=\S+ )?npm run lab -- (.+)$/gm);
  assert.ok(shown.length > 5);
  const refused = shown.filter(({ words }) => {
    const parsed = parseCommand(words.split(/\s+/));
    return !parsed.ok;
  });
  assert.deepEqual(refused, []);
});

test('every suite that a document names is one of the test command', () => {
  const suites = [...textOf('test/run.ts').matchAll(/name: '(\w+)'/g)].map(([, name = '']) => name);
  const named = everyMatch(/npm test -- ([\w ]+)/g).flatMap(({ words }) => words.split(/\s+/));
  assert.deepEqual(
    named.filter((name) => ![...suites, 'checks'].includes(name)),
    [],
  );
});

test('every agent command that a document shows exists, and the changelog lists them all', () => {
  const names = [...commands.map((command) => command.name), 'run', 'help'];
  const shown = everyMatch(/(?:-- |`)agent ([a-z-]+(?: [a-z]+)?)/g);
  assert.ok(shown.length > 2);
  const isOne = (words: string) => names.some((name) => words === name || words.startsWith(`${name} `));
  const unknown = shown.filter(({ words }) => !isOne(words) && !isOne(words.split(' ')[0] ?? ''));
  assert.deepEqual(
    unknown.filter(({ words }) => words !== 'pause'),
    [],
    'commands that do not exist',
  );
  const listed = /Surfaces: `agent ([^;]+);/s.exec(textOf('CHANGELOG.md'))?.[1] ?? '';
  assert.deepEqual(
    names.filter((name) => !['run', 'help'].includes(name) && !listed.includes(name.replace(/\s/, ' '))),
    [],
  );
});
