/**
 * Goal: nothing that can happen to the Lease or on the way to it costs a writer too many, an acknowledged row, or a
 * primary that did nothing wrong. Method: the real loop under virtual time (world.ts), an API server that deletes,
 * damages, refuses and keeps answers to itself.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Fault } from '../../agent/core/result.ts';
import { isPrimary } from './server.ts';
import { settledWorld, type World } from './world.ts';

const off = 'sync:\n  mode: off\n';

function leaseOf(world: World) {
  assert.ok(world.kube.lease !== undefined);
  return world.kube.lease;
}

function answer(code: number): Fault {
  return {
    of: 'kube',
    kind: code === 403 ? 'denied' : 'unreachable',
    done: 'maybe',
    code: String(code),
    detail: `answered ${code}`,
  };
}

describe('a store that was restored from a backup', () => {
  const later = async (world: World) => {
    const backup = leaseOf(world);
    await world.run(30_000);
    assert.ok(Number(leaseOf(world).resourceVersion) > Number(backup.resourceVersion));
    return backup;
  };

  test('gets the last record again from its holder, no write waits, and a later failover works', async () => {
    const world = await settledWorld();
    const backup = await later(world);
    const holder = world.primary() ?? '';
    world.mark();
    world.kube.restore({ ...backup, term: 0, promoting: undefined, entries: [] });
    await world.run(20_000);
    const { entries, promoting, term } = leaseOf(world);
    assert.deepEqual([world.primary(), entries, promoting, term], [holder, backup.entries, backup.promoting, backup.term]);
    assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
    const others = world.standbys();
    world.killNode(holder);
    await world.until('another one leads', () => others.some((name) => isPrimary(world, name)), 30_000);
    world.singleWriter();
  });

  test('is told as such, and nobody leads by the old record, when its holder is gone', async () => {
    const world = await settledWorld();
    const backup = await later(world);
    const [holder = '', standby = ''] = [world.primary(), ...world.standbys()];
    const others = world.standbys();
    world.killNode(holder);
    world.kube.restore(backup);
    await world.run(30_000);
    assert.equal(leaseOf(world).resourceVersion, backup.resourceVersion);
    assert.ok(world.story.some((line) => line.includes(standby) && line.includes('lease-garbage')));
    world.kube.editLease({});
    await world.until('a person has looked at it, and one leads', () => others.some((name) => isPrimary(world, name)), 30_000);
    world.singleWriter();
  });
});

describe('a lease that is deleted', () => {
  test('is made again by its holder with the same term and entries, and no write waits', async () => {
    const world = await settledWorld();
    const before = leaseOf(world);
    world.mark();
    world.kube.deleteLease();
    await world.run(20_000);
    const after = leaseOf(world);
    assert.notEqual(after.uid, before.uid);
    assert.deepEqual([after.holder, after.term, after.entries], [before.holder, before.term, before.entries]);
    assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
  });

  test('while a renewal is on its way is not made anew by that renewal', async () => {
    const world = await settledWorld();
    const holder = world.primary();
    let deleted = false;
    world.kube.trouble = ({ member, verb }) => {
      if (member === holder && verb === 'writeLease' && !deleted) {
        deleted = true;
        world.kube.lease = undefined;
      }
      return undefined;
    };
    await world.until('it is made again on purpose', () => world.story.some((line) => line.includes('it is made again')), 10_000);
    assert.equal(world.primary(), holder);
  });

  test('after a release that had no answer is not made again by who released it', async () => {
    const world = await settledWorld({ members: 2 });
    const [old, heir] = ['og-demo-0', 'og-demo-1'];
    assert.equal(world.primary(), old);
    let deleted = false;
    const isDown = () => world.database.server(old).process === undefined;
    world.kube.trouble = ({ member, verb }) => {
      if (member === heir && deleted && verb === 'writeLease') return answer(503);
      if (member !== old || deleted || !isDown() || !verb.endsWith('Lease')) return undefined;
      world.kube.deaf.add(old);
      return 'lost';
    };
    world.kube.ask({ kind: 'switchover', target: heir });
    await world.until('the heir leads', () => isPrimary(world, heir) && leaseOf(world).promoting?.member === heir);
    deleted = true;
    world.kube.deleteLease();
    await world.run(2000);
    assert.equal(world.kube.lease?.holder, undefined);
    world.kube.trouble = () => undefined;
    world.kube.deaf.clear();
    await world.until('it is made again', () => world.kube.lease !== undefined, 20_000);
    assert.ok(leaseOf(world).holder.startsWith(heir));
    world.singleWriter();
  });

  test('is made again as it last was, whatever a lagging watch delivers meanwhile', async () => {
    const world = await settledWorld();
    const holder = world.primary() ?? '';
    const before = leaseOf(world);
    world.kube.trouble = ({ member, verb }) => (member === holder && verb === 'writeLease' ? answer(503) : undefined);
    world.kube.deleteLease();
    await world.run(500);
    // As it was when this holder had taken it, and had not recorded its promotion yet.
    world.kube.lag(holder, { ...before, resourceVersion: '2', promoting: undefined, entries: [] });
    await world.run(500);
    world.kube.trouble = () => undefined;
    await world.until('it is made again', () => world.kube.lease !== undefined, 10_000);
    const after = leaseOf(world);
    assert.deepEqual([after.holder, after.promoting, after.entries], [before.holder, before.promoting, before.entries]);
  });

  test('together with its holder is made up by nobody, and the cluster says why', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.killNode(old);
    world.kube.deleteLease();
    await world.run(30_000);
    assert.equal(world.kube.lease, undefined);
    assert.ok(world.story.some((line) => line.includes('"reason":"lease-absent"')));
  });
});

describe('a lease that is damaged', () => {
  test('is written again by its holder, and nobody else promotes on it', async () => {
    const world = await settledWorld();
    const before = leaseOf(world);
    world.mark();
    world.kube.editLease({ garbage: 'annotation entries cannot be understood', entries: [], term: 0, promoting: undefined });
    await world.run(20_000);
    const after = leaseOf(world);
    assert.deepEqual([after.holder, after.term, after.entries], [before.holder, before.term, before.entries]);
    assert.deepEqual(after.promoting, before.promoting);
    assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
  });

  test('and names a stranger costs the primary its place, cleanly, and is taken from the stranger at its expiry', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.kube.editLease({ holder: 'somebody/else/here' });
    await world.run(2000);
    assert.equal(world.database.server(old).role === 'Primary' && world.database.server(old).process !== undefined, false);
    await world.until('a primary', () => world.primary() !== undefined && leaseOf(world).holder !== 'somebody/else/here', 30_000);
    world.singleWriter();
    world.loseNothing();
  });
});

describe('answers of the API server', () => {
  test('that are lost on their way back cost no primary its place', async () => {
    const world = await settledWorld();
    const holder = world.primary();
    const { term } = leaseOf(world);
    let writes = 0;
    world.kube.trouble = ({ member, verb }) => {
      if (member !== holder || verb !== 'writeLease') return undefined;
      writes += 1;
      return writes % 2 === 1 ? 'lost' : undefined;
    };
    world.mark();
    await world.run(40_000);
    assert.equal(leaseOf(world).term, term);
    assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
  });

  test('that refuse for any reason but another holder cost no primary its place before its permit ends', async () => {
    const world = await settledWorld();
    const holder = world.primary();
    const { term } = leaseOf(world);
    const codes = [401, 403, 429, 500, 503];
    let calls = 0;
    let writes = 0;
    world.kube.trouble = ({ member, verb }) => {
      if (member !== holder) return undefined;
      if (verb === 'writeLease') writes += 1;
      if (verb === 'writeLease' && writes % 4 === 0) return undefined;
      calls += 1;
      return answer(codes[calls % 5] ?? 500);
    };
    world.mark();
    await world.run(60_000);
    assert.equal(leaseOf(world).term, term);
    assert.ok(world.longestGap() < 100, `gap ${world.longestGap()} ms`);
  });

  test('that deny the lease for good end the primary with its permit', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.nobodyPromises = true;
    const deniedAt = world.clock.now();
    world.kube.trouble = ({ member, verb }) => (member === old && verb.includes('Lease') ? answer(403) : undefined);
    await world.run(30_000);
    assert.deepEqual(
      world.database.acked.filter((ack) => ack.by === old && ack.at > deniedAt + 7000),
      [],
    );
    world.singleWriter();
    assert.notEqual(world.primary(), old);
  });

  test('that come late do not make the permit longer: it counts from when the renewal was sent', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    world.nobodyPromises = true;
    let sentAt = 0;
    world.kube.trouble = ({ member, verb }) => {
      if (member !== old || verb !== 'writeLease') return undefined;
      sentAt = world.clock.now();
      return 900;
    };
    await world.run(20_000);
    const last = sentAt;
    await world.until('the next renewal', () => sentAt > last);
    await world.run(950);
    world.kube.cut.add(old);
    await world.run(20_000);
    const ended = Math.max(...world.database.acked.filter((ack) => ack.by === old).map((ack) => ack.at));
    assert.ok(ended <= sentAt + 6050, `acknowledged ${ended - sentAt} ms after the last renewal was sent`);
  });

  for (const nth of [1, 2, 3]) {
    test(`to write ${nth} of a take-over that are lost delay it and harm nothing`, async () => {
      const world = await settledWorld();
      const old = world.primary() ?? '';
      let writes = 0;
      world.kube.trouble = ({ member, verb }) => {
        if (member === old || verb !== 'writeLease') return undefined;
        writes += 1;
        return writes === nth ? 'lost' : undefined;
      };
      world.killNode(old);
      await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old);
      await world.run(3000);
      world.singleWriter();
      world.loseNothing();
    });
  }
});

describe('observers', () => {
  test('whose API server was away take over soon after it is back, as the version was seen long ago', async () => {
    const world = await settledWorld();
    const old = world.primary() ?? '';
    for (const name of world.nodes.keys()) world.kube.cut.add(name);
    await world.run(3000);
    world.killNode(old);
    await world.run(90_000);
    world.kube.cut.clear();
    await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old, 3000);
    world.loseNothing();
  });

  test('read the lease every 10 s although a watch tells them everything', async () => {
    const world = await settledWorld();
    const standby = world.standbys()[0];
    let reads = 0;
    world.kube.trouble = ({ member, verb }) => {
      if (member === standby && verb === 'readLease') reads += 1;
      return undefined;
    };
    await world.run(60_000);
    assert.ok(reads >= 5 && reads <= 8, `${reads} reads in a minute`);
  });

  test('whose watches are silent take over hardly later than others', async () => {
    const takeOver = async (deaf: boolean, after: number): Promise<number> => {
      const world = await settledWorld();
      for (const name of deaf ? world.standbys() : []) world.kube.deaf.add(name);
      await world.run(20_000 + after);
      const old = world.primary() ?? '';
      const lostAt = world.clock.now();
      world.killNode(old);
      await world.until('another one leads', () => world.primary() !== undefined && world.primary() !== old, 30_000);
      return world.clock.now() - lostAt;
    };
    for (const after of [0, 2500, 5000, 7500]) {
      const [heard, silent] = [await takeOver(false, after), await takeOver(true, after)];
      assert.ok(silent < heard + 2000, `after ${after} ms: ${silent} ms, with a watch ${heard} ms`);
    }
  });

  test('who are told an older version by a lagging watch stay with the newer one', async () => {
    const world = await settledWorld();
    const old = leaseOf(world);
    await world.run(5000);
    const standby = world.standbys()[0] ?? '';
    let tried = 0;
    world.kube.trouble = ({ member, verb }) => {
      if (member === standby && verb === 'writeLease') tried += 1;
      return undefined;
    };
    world.kube.lag(standby, { ...old, holder: '', heir: standby });
    await world.run(3000);
    assert.equal(leaseOf(world).holder, old.holder);
    assert.equal(tried, 0);
  });
});

describe('a change of the lease settings at run time', () => {
  const slow = `${off}lease:\n  durationSeconds: 30\n  fenceSeconds: 24\n`;
  const fast = `${off}lease:\n  durationSeconds: 8\n  fenceSeconds: 6\n`;

  for (const [before, after] of [
    [slow, fast],
    [fast, slow],
  ] as const) {
    const words = before === slow ? 'to a shorter lease' : 'to a longer lease';
    for (const lostFor of [0, 1, 2]) {
      test(`${words} leaves one writer when the primary is cut off around it, ${lostFor} answers lost`, async () => {
        const world = await settledWorld({ config: before });
        const old = world.primary() ?? '';
        world.kube.setConfig(after);
        let writes = 0;
        world.kube.trouble = ({ member, verb }) => {
          if (member !== old || verb !== 'writeLease') return undefined;
          writes += 1;
          if (writes <= 2 - lostFor) return undefined;
          world.cut(old, 'all');
          return 'lost';
        };
        await world.until('the cut', () => world.kube.cut.has(old), 60_000);
        world.database.cutPairs.clear();
        await world.until('another primary', () => world.primary() !== undefined && world.primary() !== old, 90_000);
        await world.run(5000);
        world.singleWriter();
      });
    }
  }

  test('ends with the new duration in the record', async () => {
    const world = await settledWorld({ config: slow });
    assert.equal(leaseOf(world).durationSeconds, 30);
    world.kube.setConfig(fast);
    await world.run(5000);
    assert.ok(leaseOf(world).durationSeconds > 8, 'not yet while a longer permit could run');
    await world.run(30_000);
    assert.equal(leaseOf(world).durationSeconds, 8);
  });
});
