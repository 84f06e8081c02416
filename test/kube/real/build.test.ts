/**
 * The builds of a real Kubernetes: once for each state of the lock files, outside the checkout, with a message where
 * something is missing. The compiler is a script here; what it is asked for is real.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { buildParts, Missing } from './build.ts';
import { checkMachine } from './machine.ts';
import { parts } from './parts.ts';

let base: string;
let root: string;
let env: NodeJS.ProcessEnv;
let said: string[];

const COMPILER = `#!/bin/sh
[ "$1" = env ] && { echo go1.99; exit; }
[ -z "$GO_FAILS" ] || { echo "no such package" >&2; exit 1; }
while [ $# -gt 0 ]; do [ "$1" = -o ] && { echo built >"$2"; chmod 755 "$2"; }; shift; done
`;

function program(path: string, text: string) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

const build = (level: 'api' | 'nodes', more: NodeJS.ProcessEnv = {}) =>
  buildParts(level, { env: { ...env, ...more }, root, say: (line) => said.push(line) });

before(() => {
  base = mkdtempSync(join(tmpdir(), 'kube-build-'));
  program(join(base, 'bin', 'go'), COMPILER);
});
beforeEach(() => {
  root = mkdtempSync(join(base, 'root-'));
  for (const module of new Set(parts.map((part) => part.module))) {
    mkdirSync(join(root, module));
    writeFileSync(join(root, module, 'go.sum'), module);
  }
  env = { PATH: `${join(base, 'bin')}:/usr/bin:/bin`, XDG_CACHE_HOME: mkdtempSync(join(base, 'cache-')) };
  said = [];
});
after(() => rmSync(base, { recursive: true, force: true }));

test('every program of a level is built into the cache, and a second call finds them there', async () => {
  const first = await build('nodes');
  assert.deepEqual(Object.keys(first).sort(), parts.map((part) => part.name).sort());
  for (const path of Object.values(first)) assert.ok(path.startsWith(String(env['XDG_CACHE_HOME'])));
  assert.equal(said.filter((line) => line.startsWith('building')).length, parts.length);
  said = [];
  assert.deepEqual(await build('nodes'), first);
  assert.deepEqual(said, []);
});

test('the level of the API server builds no kubelet', async () => {
  const names = Object.keys(await build('api'));
  assert.deepEqual(names, ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl']);
});

test('a changed lock file means another build of that module, and of no other', async () => {
  const first = await build('api');
  writeFileSync(join(root, 'etcd', 'go.sum'), 'changed');
  const second = await build('api');
  assert.notEqual(second['etcd'], first['etcd']);
  assert.equal(second['kube-apiserver'], first['kube-apiserver']);
});

test('a build that fails tells the last words of the compiler and leaves nothing that looks built', async () => {
  await assert.rejects(build('api', { GO_FAILS: '1' }), /go build of etcd ended with 1:\nno such package/);
  const cache = join(String(env['XDG_CACHE_HOME']), 'opengauss-agent', 'kubernetes');
  for (const name of readdirSync(cache)) assert.deepEqual(readdirSync(join(cache, name)), []);
  assert.equal(readFileSync((await build('api'))['etcd'] ?? '', 'utf8'), 'built\n');
});

test('a machine without Go is told so once, with the cure', async () => {
  await assert.rejects(build('api', { PATH: '/nonexistent' }), (error: unknown) => {
    assert.ok(error instanceof Missing);
    assert.match(error.message, /no go on the PATH/);
    assert.match(error.hint, /Go 1\.26 or newer.*KUBEBUILDER_ASSETS/);
    return true;
  });
});

test('what KUBEBUILDER_ASSETS has is not built, and what it must have is asked for by name', async () => {
  const assets = mkdtempSync(join(base, 'assets-'));
  for (const name of ['etcd', 'kube-apiserver', 'kube-controller-manager']) program(join(assets, name), '');
  await assert.rejects(build('api', { KUBEBUILDER_ASSETS: assets }), /KUBEBUILDER_ASSETS has no kubectl/);
  program(join(assets, 'kubectl'), '');
  const programs = await build('api', { KUBEBUILDER_ASSETS: assets, PATH: '/nonexistent' });
  for (const path of Object.values(programs)) assert.equal(dirname(path), assets);
});

test('a machine that cannot run nodes is told everything that is missing in one message', () => {
  assert.throws(
    () => checkMachine({ PATH: '/nonexistent' }, 1000),
    (error: unknown) => {
      assert.ok(error instanceof Missing);
      assert.match(error.message, /need root; missing here: containerd runc .*buildah.*openssl/);
      assert.match(
        error.hint,
        /^Run it as root\. Install the packages: apt-get install --no-install-recommends containerd runc /,
      );
      return true;
    },
  );
});
