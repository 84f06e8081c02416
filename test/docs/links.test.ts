/** Goal: whoever follows a link or opens a file named in a document finds it. Method: every *.md of the project. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { markdown, root, textOf } from './tree.ts';

/** As GitHub makes anchors of headings. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function broken(file: string): string[] {
  const links = [...textOf(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const there = path === '' ? file : normalize(join(dirname(file), path));
    if (!existsSync(join(root, there))) return true;
    return anchor !== undefined && !anchors(textOf(there)).includes(anchor);
  });
}

function missing(file: string): string[] {
  const named = [...textOf(file).matchAll(/`((?:agent|probes|entrypoint|manifests|images|test|docs|\.ci)\/[\w./-]*)`/g)];
  return named.map(([, path = '']) => path).filter((path) => !existsSync(join(root, path)));
}

test('every link of a document leads somewhere', () => {
  const found = markdown().map((file) => [file, broken(file)] as const);
  assert.ok(found.length > 10, `only ${found.length} documents`);
  assert.deepEqual(
    found.filter(([, links]) => links.length > 0),
    [],
  );
});

test('every file and folder that a document names exists', () => {
  const found = markdown().map((file) => [file, missing(file)] as const);
  assert.deepEqual(
    found.filter(([, paths]) => paths.length > 0),
    [],
  );
});
