/** Goal: texts that hold on any machine and at any time. Method: the version in its three places, and every tracked text file. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '../../agent/version.ts';
import { files, root, textOf } from './tree.ts';

/** Files that are text; a NUL byte says otherwise. */
const texts = files().filter((file) => !readFileSync(join(root, file)).includes(0));

function linesWith(pattern: RegExp): string[] {
  return texts
    .filter((file) => file !== 'package-lock.json' && file !== 'test/docs/texts.test.ts')
    .flatMap((file) =>
      textOf(file)
        .split('\n')
        .flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${line.trim().slice(0, 100)}`] : [])),
    );
}

test('the version is the same in code, package and lock file, and the changelog tells of it', () => {
  assert.equal(JSON.parse(textOf('package.json')).version, version);
  assert.equal(JSON.parse(textOf('package-lock.json')).version, version);
  assert.match(textOf('CHANGELOG.md'), new RegExp(`^## ${version.replaceAll('.', '\\.')}$`, 'm'));
});

test('no text names a place of the machine that it was written on', () => {
  assert.deepEqual(linesWith(/(?<![\w.$}])\/(?:work|root|home\/[a-z]\w*|Users)\//), []);
});

test('no text has a mark for later work', () => {
  assert.deepEqual(linesWith(/\b(?:TODO|FIXME|XXX|HACK)\b/), []);
});

test('the lock file names no registry', () => {
  assert.doesNotMatch(textOf('package-lock.json'), /"resolved":/);
});

test('README and its first screen stay short', () => {
  assert.ok(textOf('README.md').split('\n').length <= 161);
});
