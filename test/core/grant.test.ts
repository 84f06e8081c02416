/** When a member gives its vote: each refusal of grant.ts, one at a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { granted, lockAtStart, objection } from '../../agent/core/grant.ts';
import { known } from '../../agent/core/result.ts';
import { aRecord, aSeen, aStandby, aView, now } from './builders.ts';

const ask = { term: 8, candidate: 'og-demo-2' };
const frozen = { term: 8, candidate: 'og-demo-0', host: '10.0.0.10', port: 5433 };

test('a healthy standby votes', () => {
  assert.equal(objection(aView(), ask), undefined);
});

test('a member that is being built does not vote, whatever its server looks like meanwhile', () => {
  const build = { mode: 'full' as const, startedAt: '' };
  const begun = aView({ records: { granted: 0, freeze: undefined, build } });
  const running = aView({ job: { kind: 'build', startedAt: now, progress: undefined } });
  for (const view of [begun, running]) assert.equal(objection(view, ask)?.detail, 'a build is not finished');
});

test('nobody but a standby votes', () => {
  assert.match(objection(aView({ instance: { is: 'empty' } }), ask)?.detail ?? '', /the instance is empty/);
  assert.equal(objection(aView({ instance: aStandby() }), ask), undefined);
});

test('a second candidate of the same term, and a lower term than one granted, are refused', () => {
  assert.match(
    objection(aView({ records: { granted: 8, freeze: frozen, build: undefined } }), ask)?.detail ?? '',
    /is granted to/,
  );
  assert.match(
    objection(aView({ records: { granted: 9, freeze: undefined, build: undefined } }), ask)?.detail ?? '',
    /lower than 9/,
  );
});

test('a freeze of a higher term is replaced by nobody, and is the lock that a server starts with', () => {
  const records = { granted: 9, freeze: { ...frozen, term: 9 }, build: undefined };
  const given = granted(records, { ...ask, host: '10.0.0.12', haPort: 5433 });
  assert.equal(given.ok, false);
  assert.deepEqual(lockAtStart(records), { host: '10.0.0.10', haPort: 5433 });
});

test('a plan for a term in which somebody else was promoted comes too late, also when its freeze is forgotten', () => {
  const promoted = (member: string, term: number) =>
    aView({
      lease: known(aSeen(aRecord({ term, promoting: { member, term, dataId: 'data-1' } })), now),
      records: { granted: 8, freeze: undefined, build: undefined },
    });
  assert.match(objection(promoted('og-demo-0', 8), ask)?.detail ?? '', /term 8 is og-demo-0's/);
  assert.equal(objection(promoted('og-demo-2', 8), ask), undefined);
  assert.equal(objection(promoted('og-demo-0', 7), ask), undefined);
});
