/** Goal: every Event that an agent can tell is in the table for operators, and nothing else. Method: the table against the code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { code, rows, textOf } from './tree.ts';

test('the table of Events has those that the code tells, and no other', () => {
  const text = textOf('docs/OPERATIONS.md');
  const section = text.slice(text.indexOf('## Events'), text.indexOf('## Full disks'));
  const listed = rows(section).flatMap(([names = '']) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const agent = code().filter((file) => file.startsWith('agent/loop/'));
  const told = agent
    .map(textOf)
    .flatMap((file) =>
      [...file.matchAll(/(?:reason: |(?:tell|warn)\(ctx, )(?:[^'\n]*\? )?'([A-Z]\w+)'(?: : '([A-Z]\w+)')?/g)].flatMap(
        ([, first = '', second = '']) => [first, second].filter((name) => name !== ''),
      ),
    );
  assert.ok(told.length > 10);
  assert.deepEqual([...listed].sort(), [...new Set(told)].sort());
});
