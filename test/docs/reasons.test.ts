/** Goal: an operator who searches for a reason finds it, with what to do. Method: docs/OPERATIONS.md against the catalogue. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exit } from '../../agent/cli/io.ts';
import { reasons } from '../../agent/core/reasons.ts';
import { code, rows, textOf } from './tree.ts';

const text = textOf('docs/OPERATIONS.md');
const section = text.slice(text.indexOf('## Reasons'));
const table = rows(section).map(([word = '', meaning = '', act = '']) => ({ word: word.replaceAll('`', ''), meaning, act }));

test('the table of reasons has every reason of the catalogue, in its order, and nothing else', () => {
  assert.deepEqual(
    table.map((row) => row.word),
    Object.keys(reasons),
  );
});

test('every reason says what it means and what to do', () => {
  assert.deepEqual(
    table.filter((row) => row.meaning === '' || row.act === ''),
    [],
  );
});

test('a reason that no rule gives is marked as kept, and no other one is', () => {
  const agent = code().filter((file) => file.startsWith('agent/') && file !== 'agent/core/reasons.ts');
  const given = agent.map(textOf).join('\n');
  const unused = Object.keys(reasons).filter((word) => !given.includes(`'${word}'`));
  const kept = table.filter((row) => row.meaning.startsWith('Kept for')).map((row) => row.word);
  assert.deepEqual(kept, unused);
});

test('the table of exit codes has every code that a command ends with', () => {
  const codes = rows(text.slice(text.indexOf('## Exit codes'), text.indexOf('## What to look at'))).map(([first]) =>
    Number(first),
  );
  assert.deepEqual(
    Object.values(exit).filter((number) => !codes.includes(number)),
    [],
  );
});
