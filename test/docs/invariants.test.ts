/** Goal: an invariant cited in the code can be looked up, and its table names files that exist. Method: docs/ARCHITECTURE.md against code. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { code, root, rows, textOf } from './tree.ts';

const text = textOf('docs/ARCHITECTURE.md');
const section = (text.split(/^## Invariants$/m)[1] ?? '').split(/^##/m)[0] ?? '';
const table = rows(section).map(([first = '', , upheld = '', attacked = '']) => ({
  name: first.split(' ')[0] ?? '',
  older: first.match(/[SK]\d+/g) ?? [],
  upheld,
  attacked,
}));

function cited(file: string, pattern: RegExp): string[] {
  return [...textOf(file).matchAll(pattern)].map(([word]) => word);
}

test('invariants are numbered without gaps, and every number that the code cites is one of them', () => {
  const names = table.map((row) => row.name);
  assert.deepEqual(
    names,
    names.map((_, at) => `I${at + 1}`),
  );
  const unknown = code().flatMap((file) =>
    cited(file, /\bI\d{1,2}\b/g)
      .filter((word) => !names.includes(word))
      .map((word) => `${file}: ${word}`),
  );
  assert.deepEqual(unknown, []);
});

test('every number of the older numbering that the code cites stands beside its invariant', () => {
  const older = table.flatMap((row) => row.older);
  const agent = code().filter((file) => !file.startsWith('test/'));
  const other = agent.flatMap((file) =>
    cited(file, /\b[SK]\d{1,2}\b/g)
      .filter((word) => !older.includes(word))
      .map((word) => `${file}: ${word}`),
  );
  assert.deepEqual(other, []);
});

test('the files that uphold and attack an invariant exist', () => {
  const paths = (cell: string) => [...cell.matchAll(/`([\w./-]+\.(?:ts|sh))`/g)].map(([, path = '']) => path);
  const at = (path: string, places: string[]) => places.some((place) => existsSync(join(root, place, path)));
  const missing = table.flatMap(({ name, upheld, attacked }) => [
    ...paths(upheld).filter((path) => !at(path, ['', 'agent', 'entrypoint'])),
    ...paths(attacked).filter((path) => !at(path, ['test'])),
    ...(paths(upheld).length === 0 && name !== 'I4' ? [`${name}: nothing upholds it`] : []),
    ...(paths(attacked).length === 0 ? [`${name}: nothing attacks it`] : []),
  ]);
  assert.deepEqual(missing, []);
});
