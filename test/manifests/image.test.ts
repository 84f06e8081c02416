/**
 * Goal: the image's recipe fits the manifests and the entrypoint, and the bundle needs nothing beside it. Method: no
 * image is built (that needs an engine and a base image); the recipe is read, the bundle is made and run elsewhere. The
 * nodes under test build and run it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../images/bundle.ts';
import { parts, readBase } from './base.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const recipe = readFileSync(join(root, 'images/Dockerfile'), 'utf8');
const final = recipe.slice(recipe.lastIndexOf('\nFROM '));
const { set, og } = parts(readBase());

function lastOf(instruction: string): string {
  return [...final.matchAll(new RegExp(`^${instruction} (.*)$`, 'gm'))].at(-1)?.[1] ?? '';
}

test('the image runs as the user of the pod, and starts the entrypoint', () => {
  const { runAsUser, runAsGroup } = set.spec?.template.spec?.securityContext ?? {};
  assert.equal(lastOf('USER'), `${runAsUser}:${runAsGroup}`);
  assert.deepEqual(JSON.parse(lastOf('ENTRYPOINT')), ['/opt/opengauss-agent/entrypoint/entrypoint.sh']);
  assert.deepEqual(JSON.parse(lastOf('CMD')), []);
  assert.equal(og.command, undefined);
  assert.equal(lastOf('STOPSIGNAL'), 'SIGTERM');
  const [hook] = og.lifecycle?.preStop?.exec?.command ?? [];
  assert.equal(hook, '/opt/opengauss-agent/entrypoint/prestop.sh');
});

test('the image exposes the ports of the pod', () => {
  const ports = (og.ports ?? []).map((port) => String(port.containerPort));
  assert.deepEqual(lastOf('EXPOSE').split(' ').toSorted(), ports.toSorted());
});

test('whatever the recipe copies from the project exists, or is what the bundle makes, and is not kept from the build', () => {
  const ignored = readFileSync(join(root, '.dockerignore'), 'utf8');
  for (const [, from = ''] of recipe.matchAll(/^COPY (?!--from)(.*) \S+$/gm)) {
    for (const path of from.split(' ')) {
      assert.match(ignored, new RegExp(`^!${path.split('/')[0]}$`, 'm'), path);
      if (!path.startsWith('dist/')) assert.ok(existsSync(join(root, path)), path);
    }
  }
});

test('base and openGauss tree are choices of the build, and nothing is downloaded', () => {
  assert.match(recipe, /^ARG BASE$/m);
  assert.match(recipe, /^ARG GAUSSHOME$/m);
  assert.match(final, /^\nFROM \$\{BASE\}$/m);
  assert.doesNotMatch(recipe.replaceAll(/^#.*$/gm, ''), /\b(curl|wget|dnf|apt-get|npm ci|https?:)\b/);
});

test('the agent alone is a stage that copies itself to a volume', () => {
  const agent = recipe.slice(recipe.search(/^FROM \S+ AS agent$/m), recipe.lastIndexOf('\nFROM '));
  assert.match(agent, /^CMD \["cp", "-r", "\/opt\/opengauss-agent\/\.", "\/agent\/"\]$/m);
  assert.match(agent, /^USER 70:70$/m);
});

test('the bundle runs on its own, away from any node_modules', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'og-bundle-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'agent.mjs');
  const bytes = await bundle(file);
  // Its text stays in memory, in every pod; a second HTTP client alone was 700 KiB of it.
  assert.ok(bytes < 1.5 * 2 ** 20, `${bytes} bytes`);
  assert.doesNotMatch(readFileSync(file, 'utf8'), /\bundici\b|WebAssembly/);
  // What the recipe takes from the bundle's folder, Node aside, is there: the licences of what is inside among it.
  for (const [name] of recipe.matchAll(/(?<=dist\/)agent\S+/g)) assert.ok(existsSync(join(dir, name)), name);
  assert.match(readFileSync(`${file}.LEGAL.txt`, 'utf8'), /^pg [\d.]+\n\nMIT License/m);
  const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
  const shown = spawnSync(process.execPath, [file, 'version'], { cwd: dir, encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
  assert.equal(shown.stderr, '');
  assert.ok(shown.stdout.includes(version), shown.stdout);
  const unset = spawnSync(process.execPath, [file, 'run'], { cwd: dir, encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
  assert.equal(unset.status, 78, unset.stderr);
  assert.match(unset.stderr, /POD_NAME/);
});

test('the image’s tag is the version of the agent', () => {
  const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
  assert.equal(og.image, `opengauss-agent:${version}`);
});
