/**
 * The lab's command line: what is understood, and that every mistake is one sentence with a hint.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOptions, parseCommand } from './options.ts';
import { usualVolumeBytes } from './volume.ts';

test('without words a cluster of three is started with the defaults', () => {
  const parsed = parseCommand([]);
  assert.ok(parsed.ok && parsed.command.do === 'up');
  assert.deepEqual(parsed.command.options, { ...defaultOptions, volumeBytes: usualVolumeBytes() });
});

test('openGauss itself wants network namespaces unless told otherwise', () => {
  const parsed = parseCommand(['--server', 'opengauss']);
  assert.ok(parsed.ok && parsed.command.do === 'up' && parsed.command.options.net === 'netns');
  const told = parseCommand(['--server', 'opengauss', '--net', 'loopback']);
  assert.ok(told.ok && told.command.do === 'up' && told.command.options.net === 'loopback');
});

test('exec takes its command with or without the two hyphens that npm swallows', () => {
  for (const words of [
    ['exec', 'og-demo-0', '--', 'agent', 'status', '-o', 'json'],
    ['--dir', 'x', 'exec', 'og-demo-0', '--', 'agent', 'status', '-o', 'json'],
  ]) {
    const parsed = parseCommand(words);
    assert.ok(parsed.ok && parsed.command.do === 'exec', words.join(' '));
    assert.deepEqual(parsed.command.words, ['agent', 'status', '-o', 'json']);
  }
  const plain = parseCommand(['exec', 'og-demo-0', 'hostname']);
  assert.ok(plain.ok && plain.command.do === 'exec' && plain.command.words[0] === 'hostname');
});

test('mistakes are refused with a hint', () => {
  for (const words of [
    ['--members', '0'],
    ['--members', '10'],
    ['--members', 'x'],
    ['--server', 'mysql'],
    ['--pace', 'slow'],
    ['--volume', '10MiB'],
    ['--volume', 'large'],
    ['--cluster', 'Demo'],
    ['--colour', 'red'],
    ['kill'],
    ['exec', 'og-demo-0'],
    ['kill', 'og-demo-0', 'og-demo-1', '--what', 'server'],
    ['dance', 'og-demo-0'],
  ]) {
    const parsed = parseCommand(words);
    assert.ok(!parsed.ok && parsed.problem.length > 0 && parsed.hint.length > 0, words.join(' '));
  }
});

test('a real API server means network namespaces, and takes no loopback', () => {
  const parsed = parseCommand(['--kube', 'apiserver']);
  assert.ok(parsed.ok && parsed.command.do === 'up');
  assert.equal(parsed.command.options.kube, 'apiserver');
  assert.equal(parsed.command.options.net, 'netns');
  const refused = parseCommand(['--kube', 'apiserver', '--net', 'loopback']);
  assert.ok(!refused.ok);
  assert.match(refused.problem, /loopback/);
});

test('nodes take the manifests as they are, and no choice that these do not have', () => {
  const parsed = parseCommand(['--kube', 'nodes', '--members', '2']);
  assert.ok(parsed.ok && parsed.command.do === 'up');
  assert.equal(parsed.command.options.kube, 'nodes');
  for (const words of [
    ['--server', 'opengauss'],
    ['--cluster', 'x'],
    ['--members', '6'],
  ])
    assert.equal(parseCommand(['--kube', 'nodes', ...words]).ok, false, words.join(' '));
});
