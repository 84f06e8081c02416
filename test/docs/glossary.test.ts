/** Goal: the glossary explains the words that the code uses, each once, and no others. Method: each word is looked for in the code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { code, rows, textOf } from './tree.ts';

const words = rows(textOf('docs/GLOSSARY.md')).flatMap(([word = '']) => word.split(',').map((one) => one.trim()));

test('every word of the glossary is one that the code uses', () => {
  const used = code()
    .map(textOf)
    .join('\n')
    .replace(/\s+\*?\s*/g, ' ')
    .toLowerCase();
  const camel = (word: string) => word.replace(/[\s-](\w)/g, (_, letter: string) => letter.toUpperCase()).toLowerCase();
  assert.ok(words.length > 30);
  assert.deepEqual(
    words.filter((word) => !used.includes(word.toLowerCase()) && !used.includes(camel(word))),
    [],
  );
});

test('no word is explained twice', () => {
  assert.deepEqual(
    words.filter((word, at) => words.indexOf(word) !== at),
    [],
  );
});
