/**
 * Where a member's access ends: tokens that expire and are replaced, and a server that has no time for it.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Client, Reply } from './client.ts';
import { textAt } from './json.ts';
import { leases } from './samples.ts';
import type { Subject } from './subject.ts';
import { startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

/** Asks until the answer has that code: a real server learns of some things through its own watches. */
async function answers(client: Client, path: string, code: number): Promise<Reply> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const reply = await client.get(path);
    if (reply.code === code) return reply;
    if (performance.now() > deadline) throw new Error(`${reply.code} instead of ${code}: ${reply.text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A real server without a seat to give still takes one request at a time: many at once are not all taken. */
async function rejected(client: Client, path: string): Promise<Reply> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.get(path)));
    const found = replies.find((reply) => reply.code === 429);
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error('no request was rejected');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('a token that has expired is not known, one that has not is', async () => {
  const namespace = await subject.namespace();
  await subject.account(namespace, 'og');
  const late = subject.client(await subject.token(namespace, 'og', Date.now() - 60_000));
  const reply = await late.get(leases(namespace));
  assert.equal(reply.code, 401);
  assert.equal(reply.body['message'], 'Unauthorized');
  const inTime = subject.client(await subject.token(namespace, 'og', Date.now() + 60_000));
  assert.equal((await inTime.get(leases(namespace))).code, 403);
});

test('a token says when it ends, and the next one is good beside it', async () => {
  const namespace = await subject.namespace();
  await subject.account(namespace, 'og');
  const ask = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/og/token`;
  const replies = [await subject.admin.post(path, ask), await subject.admin.post(path, ask)];
  for (const reply of replies) {
    assert.equal(reply.code, 201);
    const left = Date.parse(textAt(reply.body, 'status', 'expirationTimestamp') ?? '') - Date.now();
    assert.ok(left > 500_000 && left <= 601_000, String(left));
    const client = subject.client(textAt(reply.body, 'status', 'token') ?? '');
    assert.equal((await client.get(leases(namespace))).code, 403);
  }
});

test('a token may not be asked for less than ten minutes', async () => {
  const namespace = await subject.namespace();
  await subject.account(namespace, 'og');
  const ask = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 60 } };
  const reply = await subject.admin.post(`/api/v1/namespaces/${namespace}/serviceaccounts/og/token`, ask);
  assert.equal(reply.code, 422);
  assert.match(String(reply.body['message']), /may not specify a duration less than 10 minutes/);
});

test('a member for which the server has no time is told when to come again, in plain text', async () => {
  const namespace = await subject.namespace();
  const member = await subject.account(namespace, 'og');
  const undo = await subject.throttle(namespace, 'og');
  try {
    const reply = await rejected(member, leases(namespace));
    assert.equal(reply.headers['retry-after'], '1');
    assert.equal(reply.text, 'Too many requests, please try again later.\n');
  } finally {
    await undo();
  }
  await answers(member, leases(namespace), 403);
});
