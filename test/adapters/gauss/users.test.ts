/** The roles of the Secret on a server that answers as openGauss 5.0.3 does: a scripted session, no server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row, Session } from '../../../agent/adapters/gauss/sql.ts';
import { settleUsers } from '../../../agent/adapters/gauss/users.ts';
import { failed, ok, type Result } from '../../../agent/core/result.ts';

const wishes = {
  superuser: 'omm',
  replicationUser: 'og_replication',
  secrets: { superuserPassword: 'Super@2026', replicationPassword: 'Replica@2026' },
};

/** A session whose ALTER USER is refused with this text, and what was asked of it. */
function refusing(text: string, policy: string): { session: Session; asked: string[] } {
  const asked: string[] = [];
  const answer = (sql: string): Result<Row[][]> => {
    asked.push(sql);
    if (sql.startsWith('select 1 from pg_roles')) return ok([[{ one: 1 }]]);
    if (sql.startsWith('select setting')) return ok([[{ setting: policy }]]);
    return failed({ of: 'sql', kind: 'denied', done: 'no', code: '28P01', detail: text });
  };
  return { session: { query: async (sql) => answer(sql), drop: () => {} }, asked };
}

test('passwords that the roles have already are taken as set, as the server refuses them by that name', async () => {
  const { session, asked } = refusing('New password should not equal to the old ones.', '1');
  assert.deepEqual(await settleUsers(session, wishes as never, 100), ok());
  assert.equal(asked.filter((sql) => sql.startsWith('alter user')).length, 2);
});

test('a password that the role had earlier is told with the cure, as it was not set', async () => {
  const settled = await settleUsers(refusing('The password cannot be reused.', '1').session, wishes as never, 100);
  assert.equal(settled.ok, false);
  assert.match(settled.ok ? '' : settled.fault.detail, /password of og_replication was not set: The password cannot be reused/);
  assert.match(settled.ok ? '' : (settled.fault.hint ?? ''), /password_reuse_time/);
  assert.ok(!JSON.stringify(settled).includes('Replica@2026'));
});

test('without a password policy an unchanged password is refused in the words of a used one, and is taken as set', async () => {
  assert.deepEqual(await settleUsers(refusing('The password cannot be reused.', '0').session, wishes as never, 100), ok());
});

test('any other refusal of a password stays a refusal', async () => {
  const settled = await settleUsers(refusing('Password must contain at least 8 characters.', '1').session, wishes as never, 100);
  assert.match(settled.ok ? '' : settled.fault.detail, /at least 8/);
});
