/**
 * Faults on demand of the embedded server, each seen from a client; and what the server remembers of requests. Only
 * the embedded server can do this, so these sentences are put to no other.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Client } from './client.ts';
import { createClient } from './client.ts';
import { textAt } from './json.ts';
import { configMap, core, lease, leases, pod } from './samples.ts';
import type { ApiServer } from './server.ts';
import { createApiServer } from './server.ts';

const PATH = leases('default');
const USER = 'system:serviceaccount:default:og';

let server: ApiServer;
let one: Client;
let two: Client;

before(async () => {
  server = createApiServer({ tokens: [{ token: 'member', user: USER }], bookmarkMs: 50 });
  one = createClient((await server.listen('127.0.0.1', 0, { client: 'og-0' })).url, 'member');
  two = createClient((await server.listen('127.0.0.1', 0, { client: 'og-1' })).url, 'member');
});
beforeEach(() => {
  server.faults.clear();
  for (const { metadata } of server.store.list('leases')) server.store.delete('leases', metadata.name);
});
after(async () => {
  one.close();
  two.close();
  await server.close();
});

test('an answer that is lost leaves the write done', async () => {
  server.faults.add({ match: { client: 'og-0', verb: 'create' }, effect: { do: 'lose-answer' }, times: 1 });
  await assert.rejects(one.post(PATH, lease()), { code: 'ECONNRESET' });
  assert.equal(textAt(server.store.get('leases', 'leader'), 'spec', 'holderIdentity'), 'a');
  assert.equal((await one.post(PATH, lease())).body['reason'], 'AlreadyExists');
});

test('a connection that is dropped before the work leaves nothing done', async () => {
  server.faults.add({ match: { client: 'og-0', verb: 'create' }, effect: { do: 'drop' }, times: 1 });
  await assert.rejects(one.post(PATH, lease()), { code: 'ECONNRESET' });
  assert.equal(server.store.get('leases', 'leader'), undefined);
});

test('a request that hangs is never answered and does nothing, while others are served', async () => {
  const fault = server.faults.add({ match: { client: 'og-0' }, effect: { do: 'hang' } });
  await assert.rejects(one.send('POST', PATH, { body: lease(), deadlineMs: 200 }), /no answer/);
  assert.equal(server.store.get('leases', 'leader'), undefined);
  assert.equal((await two.get(PATH)).code, 200);
  assert.equal(fault.hits(), 1);
  fault.remove();
  assert.equal((await one.get(PATH)).code, 200);
});

test('an answer that is held back leaves the write done', async () => {
  server.faults.add({ match: { client: 'og-0', verb: 'create' }, effect: { do: 'hold-answer' } });
  await assert.rejects(one.send('POST', PATH, { body: lease(), deadlineMs: 200 }), /no answer/);
  assert.notEqual(server.store.get('leases', 'leader'), undefined);
});

test('a delay holds up the client it is for and nobody else', async () => {
  server.faults.add({ match: { client: 'og-0', verb: 'create' }, effect: { do: 'delay', ms: 150 } });
  const slow = one.post(PATH, lease({ holderIdentity: 'slow' }));
  const fast = await two.post(PATH, lease({ holderIdentity: 'fast' }));
  assert.equal(fast.code, 201);
  assert.equal((await slow).body['reason'], 'AlreadyExists');
});

test('an error is answered with the body that was asked for, as often as was asked for', async () => {
  const effect = { do: 'error', code: 503, reason: 'ServiceUnavailable', message: 'etcd is gone' } as const;
  server.faults.add({ match: { resource: 'leases', verb: ['get', 'list'] }, effect, times: 2 });
  for (let count = 0; count < 2; count++) {
    const reply = await one.get(PATH);
    assert.equal(reply.code, 503);
    assert.equal(reply.body['message'], 'etcd is gone');
  }
  assert.equal((await one.get(PATH)).code, 200);
});

test('a throttled client is told when to come again', async () => {
  server.faults.add({ match: { client: USER }, effect: { do: 'throttle', retryAfterSeconds: 3 }, times: 1 });
  const reply = await one.get(PATH);
  assert.equal(reply.code, 429);
  assert.equal(reply.headers['retry-after'], '3');
});

test('a fault for one resource leaves the others alone', async () => {
  server.faults.add({ match: { resource: 'configmaps', verb: 'get', name: 'config' }, effect: { do: 'error', code: 500 } });
  server.store.apply(configMap());
  assert.equal((await one.get(`${core('default', 'configmaps')}/config`)).code, 500);
  assert.equal((await one.get(core('default', 'configmaps'))).code, 200);
  server.store.delete('configmaps', 'config');
});

test('a half-open watch stays open and tells nothing any more, even when the fault is gone', async () => {
  const [first, second] = [await one.watch(`${PATH}?watch=1`), await two.watch(`${PATH}?watch=1`)];
  server.store.apply(lease());
  await Promise.all([first.next(), second.next()]);
  const fault = server.faults.add({ match: { client: 'og-0' }, effect: { do: 'mute-watch' } });
  server.store.patch('leases', 'leader', { spec: { holderIdentity: 'b' } });
  assert.equal((await second.next()).type, 'MODIFIED');
  fault.remove();
  server.store.patch('leases', 'leader', { spec: { holderIdentity: 'c' } });
  assert.equal((await second.next()).type, 'MODIFIED');
  await assert.rejects(first.next(100), /no watch event in time/);
  first.close();
  second.close();
});

test('bookmarks come as often as the harness wants', async () => {
  const watch = await one.watch(`${PATH}?watch=1&allowWatchBookmarks=true`);
  await watch.next();
  assert.equal((await watch.next()).type, 'BOOKMARK');
  watch.close();
});

test('requests are counted by client, user, verb and resource', async () => {
  server.requests.reset();
  await one.get(PATH);
  await one.get(PATH);
  await two.get(`${PATH}/leader`);
  const counts = server.requests
    .counts()
    .map(({ client, user, verb, group, resource, code, count }) => [client, user, verb, group, resource, code, count]);
  assert.deepEqual(counts, [
    ['og-0', USER, 'list', 'coordination.k8s.io', 'leases', 200, 2],
    ['og-1', USER, 'get', 'coordination.k8s.io', 'leases', 404, 1],
  ]);
  assert.equal(server.requests.total(), 3);
});

test('a token that has expired is refused, a new one is accepted', async () => {
  let now = Date.now();
  const clocked = createApiServer({ tokens: [{ token: 'old', user: USER, expiresAt: now + 1000 }], clock: { now: () => now } });
  const { url } = await clocked.listen('127.0.0.1', 0);
  const client = createClient(url, 'old');
  assert.equal((await client.get(PATH)).code, 200);
  now += 2000;
  assert.equal((await client.get(PATH)).code, 401);
  clocked.tokens.add({ token: 'old', user: USER });
  assert.equal((await client.get(PATH)).code, 200);
  client.close();
  await clocked.close();
});

test('a harness hears of every change at once and writes with the same rules as a client', () => {
  const heard: string[] = [];
  const stop = server.store.subscribe('leases', (change) => heard.push(change.type));
  server.store.apply(lease());
  server.store.patch('leases', 'leader', { spec: { holderIdentity: 'b' } });
  assert.throws(() => server.store.patch('leases', 'leader', { spec: { leaseDurationSeconds: 0 } }), /must be greater than 0/);
  server.store.delete('leases', 'leader');
  stop();
  server.store.apply(lease());
  assert.deepEqual(heard, ['ADDED', 'MODIFIED', 'DELETED']);
});

test('watchers hear of changes in order even when a harness answers one change with another', async () => {
  const stop = server.store.subscribe('leases', ({ type }) => {
    if (type === 'ADDED') server.store.patch('leases', 'leader', { spec: { holderIdentity: 'kubelet' } });
  });
  const watch = await one.watch(`${PATH}?watch=1`);
  server.store.apply(lease());
  const seen = [await watch.next(), await watch.next()].map(
    ({ type, object }) => `${type} ${textAt(object, 'spec', 'holderIdentity')}`,
  );
  assert.deepEqual(seen, ['ADDED a', 'MODIFIED kubelet']);
  watch.close();
  stop();
});

test('the log of a pod is what the harness has', async () => {
  const logging = createApiServer({ tokens: [{ token: 'old', user: USER }], podLog: () => 'a line of log\n' });
  const client = createClient((await logging.listen('127.0.0.1', 0)).url, 'old');
  logging.store.apply(pod());
  assert.equal((await client.get(`${core('default', 'pods')}/og-0/log?container=og`)).text, 'a line of log\n');
  client.close();
  await logging.close();
});
