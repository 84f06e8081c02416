// The stand-in's fault switches: each forces one of openGauss's traps, so that an agent's tests need not wait for it to happen. A real
// server has no such switches; there these cases are skipped. A primary and a standby, cases in this order.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cluster, eventually, type Instance, line, must, normal, normalise, real, sockets } from './harness.ts';

const directory = join(sockets, 'faults');
mkdirSync(directory);
process.env['OG_STANDIN_FAULTS'] = directory;
const on = (name: string, argument = ''): void => writeFileSync(join(directory, name), argument);
const off = (name: string): void => rmSync(join(directory, name), { force: true });

const skip = real;
let [n1, n2]: Instance[] = [];
const first = (): Instance => n1 as Instance;
const second = (): Instance => n2 as Instance;
const role = (of: Instance, wanted: RegExp): Promise<string> =>
  eventually(
    () => of.state(),
    (state) => wanted.test(state),
    `${of.name} to be ${wanted}`,
  );

test('a switched lock-conflict makes start exit 0 and failover 1', { skip }, async () => {
  [n1, n2] = await cluster(2);
  on('lock-conflict');
  const start = await first().ctl('start', '-M', 'standby');
  const failover = await second().ctl('failover', '-T', '3');
  off('lock-conflict');
  assert.deepEqual([start.code, failover.code], [0, 1]);
  assert.ok(normalise(start.out).endsWith(`${line('Another gs_ctl command is still running,start failed !')}\n`));
  assert.equal(second().exists('term_file'), false);
});

test('a hanging query falls back to the state file after five seconds, exit 0', { skip }, async () => {
  on('query-hang');
  const since = Date.now();
  const done = await first().ctl('query');
  off('query-hang');
  assert.equal(done.code, 0);
  assert.ok(Date.now() - since > 4500);
  assert.match(done.out, /^ {8}local_role {20}: Primary\n(?:.*\n)*? {8}sync_mode {21}: Async$/m);
});

test('a switchover whose request is ignored times out with 0 and changes nothing', { skip }, async () => {
  on('switchover-timeout');
  const done = await second().ctl('switchover', '-T', '4', '-t', '2');
  off('switchover-timeout');
  assert.equal(done.code, 0);
  assert.match(done.out, /\n switchover timeout after 2 seconds\./);
  assert.equal(await first().state(), 'Primary|Normal|Normal');
  await role(second(), /^Standby\|/);
});

test('a headless switchover ends with 0 and nobody Primary, until a failover with a higher term', { skip }, async () => {
  on('switchover-headless');
  const done = await second().ctl('switchover', '-T', '5', '-t', '3');
  off('switchover-headless');
  assert.equal(done.code, 0);
  await role(first(), /^Standby\|/);
  await role(second(), /^Standby\|/);
  await must(first().ctl('failover', '-T', '6'));
  await normal(second());
});

test('a late failover is 1 and succeeds afterwards', { skip }, async () => {
  await must(first().ctl('stop', '-m', 'immediate'));
  on('failover-late', '4000');
  const done = await second().ctl('failover', '-T', '7', '-t', '1');
  off('failover-late');
  assert.equal(done.code, 1);
  await role(second(), /^Primary\|Normal\|/);
});

test('a start that comes late is 1, and the server comes up all the same', { skip }, async () => {
  on('start-late');
  const done = await first().ctl('start', '-M', 'standby', '-l', first().log);
  off('start-late');
  assert.equal(done.code, 1);
  assert.match(done.out, /could not start server\nExamine the log output\.\n$/);
  await normal(first());
});

test('a lost failover request is made up for by the next one, a second later', { skip }, async () => {
  await must(second().ctl('stop', '-m', 'immediate'));
  on('failover-lost');
  const done = await first().ctl('failover', '-T', '8');
  off('failover-lost');
  assert.equal(done.code, 0);
  await role(first(), /^Primary\|Normal\|/);
});

test('a stale pid file after a stop makes status 1 and is no obstacle to the next start', { skip }, async () => {
  await must(second().ctl('start', '-M', 'standby', '-l', second().log));
  await normal(second());
  on('stale-pid');
  await second().ctl('stop', '-t', '2');
  off('stale-pid');
  assert.equal((await second().ctl('status')).code, 1);
  await must(second().ctl('start', '-M', 'standby', '-l', second().log));
  await normal(second());
});

test('a slow start beyond -t is not started, and answers later', { skip }, async () => {
  await must(second().ctl('stop'));
  on('slow-start', '3000');
  const done = await second().ctl('start', '-M', 'standby', '-t', '1', '-l', second().log);
  off('slow-start');
  assert.doesNotMatch(done.out, /server started/);
  await normal(second());
});
