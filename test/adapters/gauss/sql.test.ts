// The conversation with a server over a real unix socket: deadlines, silence, refusal, and that nothing of a failed one is used again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSession, silenceOf, type Session } from '../../../agent/adapters/gauss/sql.ts';
import { aPlace, aWireServer, type Manner, type WireServer } from './support.ts';

const serving: Manner = { is: 'serving', answer: (sql) => (sql.includes('slow') ? 'silence' : [[{ asked: sql }]]) };

async function withServer(manner: Manner, work: (session: Session, server: WireServer) => Promise<void>): Promise<void> {
  const { options, remove } = await aPlace();
  const server = await aWireServer(options.socketDir, options.port, manner);
  const session = createSession({
    socketDir: options.socketDir,
    port: options.port,
    user: 'omm',
    applicationName: 'cm_agent',
    maintenance: true,
    statementTimeoutMs: 900,
  });
  try {
    await work(session, server);
  } finally {
    session.drop();
    await server.close();
    await remove();
  }
}

test('every session of the agent waits for no standby', () =>
  withServer(serving, async (session, server) => {
    const answer = await session.query('select 1', 2_000);
    assert.deepEqual(answer, { ok: true, value: [[{ asked: 'select 1' }]] });
    const startup = server.startups[0] ?? {};
    assert.match(startup['options'] ?? '', /-c synchronous_commit=local/);
    assert.match(startup['options'] ?? '', /-c xc_maintenance_mode=on/);
    assert.match(startup['options'] ?? '', /-c session_timeout=0/);
    assert.equal(startup['statement_timeout'], '900');
    assert.equal(startup['application_name'], 'cm_agent');
  }));

test('a question without an answer ends at its deadline and its connection is never used again', () =>
  withServer(serving, async (session, server) => {
    const late = await session.query('select slow', 200);
    assert.equal(late.ok, false);
    assert.equal(!late.ok && silenceOf(late.fault), 'mute');
    const next = await session.query('select 2', 2_000);
    assert.deepEqual(next, { ok: true, value: [[{ asked: 'select 2' }]] });
    assert.equal(server.startups.length, 2);
  }));

test('questions that were asked at once are answered in turn on one connection', () =>
  withServer(serving, async (session, server) => {
    const answers = await Promise.all([1, 2, 3, 4].map((n) => session.query(`select ${n}`, 2_000)));
    assert.deepEqual(
      answers.map((answer) => answer.ok && answer.value[0]?.[0]?.['asked']),
      ['select 1', 'select 2', 'select 3', 'select 4'],
    );
    assert.equal(server.startups.length, 1);
  }));

test('a question behind one that is not answered gives up at its own deadline', () =>
  withServer(serving, async (session) => {
    const [first, second] = await Promise.all([session.query('select slow', 600), session.query('select 2', 150)]);
    assert.equal(!first.ok && first.fault.kind, 'timeout');
    assert.equal(!second.ok && second.fault.kind, 'timeout');
    assert.equal(!second.ok && second.fault.done, 'no');
    assert.equal((await session.query('select 3', 2_000)).ok, true);
  }));

test('a server that accepts and says nothing is mute', () =>
  withServer({ is: 'mute' }, async (session) => {
    const answer = await session.query('select 1', 200);
    assert.equal(!answer.ok && silenceOf(answer.fault), 'mute');
  }));

test('a server that is starting says so, and one that refuses is told from it', async () => {
  await withServer({ is: 'refusing', code: '57P03', message: 'the database system is starting up' }, async (session) => {
    const answer = await session.query('select 1', 2_000);
    assert.equal(!answer.ok && silenceOf(answer.fault), 'starting');
  });
  await withServer({ is: 'refusing', code: '28000', message: 'no' }, async (session) => {
    const answer = await session.query('select 1', 2_000);
    assert.equal(!answer.ok && silenceOf(answer.fault), 'refused');
    assert.equal(!answer.ok && answer.fault.kind, 'denied');
  });
});

test('no socket means no server', async () => {
  const { options, remove } = await aPlace();
  const session = createSession({
    socketDir: options.socketDir,
    port: 1,
    user: 'omm',
    applicationName: 'x',
    maintenance: false,
    statementTimeoutMs: 1,
  });
  const answer = await session.query('select 1', 2_000);
  assert.equal(!answer.ok && silenceOf(answer.fault), 'absent');
  await remove();
});

test('a server that goes away while nobody asks does not end the agent', () =>
  withServer(serving, async (session, server) => {
    assert.equal((await session.query('select 1', 2_000)).ok, true);
    await server.close();
    const answer = await session.query('select 1', 2_000);
    assert.equal(!answer.ok && silenceOf(answer.fault), 'absent');
  }));
