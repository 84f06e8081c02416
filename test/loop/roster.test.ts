/**
 * Goal: whose promise is needed is never forgotten because a list does not show it for a while. Method: the roster alone,
 * fed with lists at moments of the test's clock.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalRecords } from '../../agent/core/model.ts';
import { ok } from '../../agent/core/result.ts';
import type { Context } from '../../agent/loop/context.ts';
import { emptyMemory } from '../../agent/loop/memory.ts';
import { meetPeers } from '../../agent/loop/roster.ts';

const me = 'og-demo-1';
const peer = (n: number) => ({ name: `og-demo-${n}`, uid: `uid-${n}`, ip: `10.0.0.${n}` });

function bench(records: Partial<LocalRecords> = {}) {
  let now = 1000;
  let talksTo: string[] = [];
  const memory = emptyMemory({ granted: 0, freeze: undefined, build: undefined, ...records });
  const peers = { setPeers: (all: { name: string; ip: string }[]) => (talksTo = all.map(({ name, ip }) => `${name} ${ip}`)) };
  const ports = { clock: { now: () => now }, peers, records: { save: async () => ok() } };
  const ctx = { ports, memory, self: { name: me } } as unknown as Context;
  return {
    /** A list of now, or one read earlier, with these others. */
    list(others: number[], readAt = now): void {
      meetPeers(ctx, [me, ...others.map((n) => `og-demo-${n}`)], others.map(peer), readAt);
    },
    pass: (ms: number) => (now += ms),
    now: () => now,
    roster: () => memory.roster,
    talksTo: () => talksTo,
    onDisk: () => (memory.records.peers ?? []).map(({ name }) => name),
  };
}

test('a member that was listed stays one of those whose promise is needed for the whole duration of a lease', () => {
  const { list, pass, roster, talksTo } = bench();
  list([0, 2]);
  pass(1000);
  list([0]);
  assert.deepEqual(roster(), ['og-demo-0', me, 'og-demo-2']);
  assert.deepEqual(talksTo(), ['og-demo-0 10.0.0.0', 'og-demo-2 10.0.0.2'], 'and it can be asked');
  pass(6900);
  list([0]);
  assert.deepEqual(roster(), ['og-demo-0', me, 'og-demo-2']);
  pass(200);
  list([0]);
  assert.deepEqual(roster(), ['og-demo-0', me]);
  assert.deepEqual(talksTo(), ['og-demo-0 10.0.0.0']);
});

test('time alone does not make it go while no list is read', () => {
  const { list, pass, roster, now } = bench();
  list([0, 2]);
  pass(1000);
  const readAt = now();
  pass(60_000);
  list([0], readAt);
  assert.deepEqual(roster(), ['og-demo-0', me, 'og-demo-2']);
});

test('what an earlier agent of this member knew counts as listed at the start', async () => {
  const { list, pass, roster, onDisk } = bench({ peers: [peer(0), peer(2)] });
  list([0]);
  assert.deepEqual(roster(), ['og-demo-0', me, 'og-demo-2']);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(onDisk(), ['og-demo-0', 'og-demo-2'], 'so that another start does not shorten it');
  pass(8000);
  list([0]);
  assert.deepEqual(roster(), ['og-demo-0', me]);
});

test('a pod made anew under the name of one that was away is the only one that is talked to', () => {
  const { list, talksTo } = bench();
  list([0, 2]);
  list([0]);
  list([0, 2]);
  assert.deepEqual(talksTo(), ['og-demo-0 10.0.0.0', 'og-demo-2 10.0.0.2']);
});
