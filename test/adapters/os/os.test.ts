/**
 * Goal: the clock never steps back and counts suspends; the fence's lines are rounded down; records are whole or a fault.
 * Method: the real files of this machine where there are some, scripted clock sources where a suspend is needed.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { createClock } from '../../../agent/adapters/os/clock.ts';
import { createFence, fenceLine, parseEcho } from '../../../agent/adapters/os/fence.ts';
import { createRecords, decodeRecords, emptyRecords, encodeRecords } from '../../../agent/adapters/os/records.ts';
import type { LocalRecords } from '../../../agent/core/model.ts';

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'og-os-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('the clock does not take a reading that was held up for a sleep', () => {
  let truth = 1_000_000;
  let heldUp = 500;
  const clock = createClock({
    uptime: () => `${(truth / 1000).toFixed(2)} 0.00\n`,
    steady: () => {
      truth += heldUp;
      heldUp = 1;
      return truth;
    },
  });
  clock.suspended?.();
  for (let turn = 0; turn < 20; turn += 1) assert.ok((clock.suspended?.() ?? 0) < 20, `${clock.suspended?.()} ms`);
});

test('the clock tells boot time, never ahead of the kernel’s own', () => {
  const clock = createClock();
  for (let i = 0; i < 200; i += 1) {
    const now = clock.now();
    const after = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000 + 10;
    assert.ok(now <= after, `${now} is ahead of ${after}`);
    assert.ok(now > after - 1000);
  }
});

test('a process held up between its two readings is behind the truth, not ahead of it', () => {
  let truth = 100_000;
  const tick = <T>(value: () => T): T => {
    const read = value();
    truth += 300;
    return read;
  };
  const clock = createClock({
    uptime: () => tick(() => `${(truth / 1000).toFixed(2)} 0.00\n`),
    steady: () => tick(() => truth - 40_000),
  });
  for (let i = 0; i < 5; i += 1) assert.ok(clock.now() <= truth);
});

test('a suspend counts, though the finer clock stood still', () => {
  let uptime = '100.00 0.00\n';
  let steady = 5_000;
  const clock = createClock({ uptime: () => uptime, steady: () => steady });
  const before = clock.now();
  assert.equal(clock.suspended?.(), 0);
  uptime = '160.00 0.00\n';
  steady += 1;
  assert.equal(clock.now() - before, 60_000);
  assert.ok(Math.abs((clock.suspended?.() ?? 0) - 59_999) < 20, 'and it is told for how long');
  steady += 500;
  uptime = '160.50 0.00\n';
  assert.ok(Math.abs((clock.suspended?.() ?? 0) - 59_999) < 20);
});

test('the clock never steps back, whatever the two sources say', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50_000), fc.nat(30), fc.nat(40))), (steps) => {
      let boot = 1_000;
      let suspended = 0;
      let now = Number.NEGATIVE_INFINITY;
      let readAt = Number.NEGATIVE_INFINITY;
      const uptime = () => `${(Math.floor(boot / 10) / 100).toFixed(2)} 1.00\n`;
      const clock = createClock({ uptime, steady: () => boot - suspended });
      for (const [suspend, run, fraction] of steps) {
        boot += suspend + run + fraction / 100;
        suspended += suspend;
        const next = clock.now();
        assert.ok(next >= now && next <= boot + 1e-6);
        now = next;
        // What is asked within a millisecond of running is one moment; a suspend in it is seen by the next one.
        if (boot - suspended - readAt < 1) continue;
        readAt = boot - suspended;
        assert.ok(next > boot - 10.001);
      }
    }),
  );
});

test('a wait ends at its moment, and at once when it is cancelled', async () => {
  const clock = createClock();
  const moment = clock.now() + 30;
  await clock.until(moment);
  assert.ok(clock.now() >= moment);
  const abort = new AbortController();
  const waiting = clock.until(clock.now() + 3_600_000, abort.signal);
  abort.abort();
  await waiting;
  await clock.until(clock.now() + 3_600_000, AbortSignal.abort());
});

test('a fence line is rounded down, and its echo reads back as the same process', () => {
  const process = { pid: 42, startTime: '9876543210' };
  assert.equal(fenceLine(process, 123_459.99), '123.45 42 9876543210\n');
  assert.equal(fenceLine(process, 1_009), '1.00 42 9876543210\n');
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (deadline) => {
      const echo = parseEcho(fenceLine(process, deadline));
      assert.ok(echo !== undefined && echo.deadline <= deadline && echo.deadline > deadline - 10.001);
      assert.deepEqual(echo.process, process);
    }),
  );
});

test('half an echo is no echo', () => {
  const whole = fenceLine({ pid: 42, startTime: '98' }, 123_450);
  for (let length = 0; length < whole.length; length += 1) assert.equal(parseEcho(whole.slice(0, length)), undefined);
  assert.equal(parseEcho(`${whole}${whole}`), undefined);
});

test('without PID 1 at the other end there is no fence, and arming is a fault', (t) => {
  const runDir = directory(t);
  assert.equal(createFence({ runDir }).present, false);
  execFileSync('mkfifo', [join(runDir, 'fence')]);
  const fence = createFence({ runDir });
  assert.equal(fence.present, false);
  const result = fence.arm({ pid: 42, startTime: '1' }, 1000);
  assert.ok(!result.ok);
  assert.equal(result.fault.code, 'ENXIO');
  assert.equal(fence.echo(), undefined);
});

const full: LocalRecords = {
  granted: 12,
  freeze: { term: 12, candidate: 'og-demo-1', host: '127.0.0.2', port: 5433, askedBy: 'og-demo-1' },
  build: { mode: 'full', startedAt: '2026-11-21T07:00:00Z' },
  promise: { holder: 'og-demo-0/uid-0/inc-0', term: 11, durationMs: 8000 },
  undone: { term: 10, by: 'og-demo-0' },
  peers: [{ name: 'og-demo-1', uid: 'uid-1', ip: '127.0.0.2' }],
  config: 'sync:\n  mode: strict # "ours"\n',
};

test('records come back as they were saved, and a member without any says that it has none', async (t) => {
  const dataDir = directory(t);
  assert.deepEqual(await createRecords({ dataDir }).load(), { ok: true, value: { ...emptyRecords, fresh: true } });
  const records = createRecords({ dataDir });
  assert.ok((await records.save(full)).ok);
  assert.ok((await records.save({ ...full, granted: 13, freeze: undefined })).ok);
  const again = await createRecords({ dataDir }).load();
  assert.deepEqual(again, { ok: true, value: { ...full, granted: 13, freeze: undefined } });
  assert.deepEqual(readdirSync(join(dataDir, 'agent')), ['records.json']);
});

test('a damaged records file is a fault, never the defaults', async (t) => {
  const dataDir = directory(t);
  const file = join(dataDir, 'agent', 'records.json');
  mkdirSync(join(dataDir, 'agent'));
  const whole = encodeRecords(full);
  const damaged = ['', '{}', 'null', '[]', whole.slice(0, -10), whole.replace('12', '13'), 'x'.repeat(70_000)];
  for (const text of damaged) {
    writeFileSync(file, text);
    const result = await createRecords({ dataDir }).load();
    assert.ok(!result.ok, `accepted ${text.slice(0, 40)}`);
    assert.equal(result.fault.kind, 'malformed');
  }
});

test('every single changed byte of a records file is noticed', () => {
  const whole = encodeRecords(full);
  fc.assert(
    fc.property(fc.nat(whole.length - 2), fc.constantFrom('0', '7', 'x', ' ', '"'), (at, character) => {
      const changed = whole.slice(0, at) + character + whole.slice(at + 1);
      const result = decodeRecords(changed, 'records.json');
      assert.ok(!result.ok || JSON.stringify(result.value) === JSON.stringify(full));
    }),
  );
});

test('a data directory that cannot be written is a fault with its code', async () => {
  const result = await createRecords({ dataDir: '/proc/nowhere' }).save(full);
  assert.ok(!result.ok);
  assert.equal(result.fault.of, 'disk');
  assert.equal(result.fault.code, 'ENOENT');
});

test('a volume that does not answer costs a fault at the deadline, and later operations do not pile up', async (t) => {
  const dataDir = directory(t);
  mkdirSync(join(dataDir, 'agent'));
  // Opening a FIFO that nobody writes to hangs as a file on a dead volume does.
  execFileSync('mkfifo', [join(dataDir, 'agent', 'records.json.new')]);
  const records = createRecords({ dataDir, deadlineMs: 50 });
  const results = await Promise.all(Array.from({ length: 20 }, () => records.save(full)));
  assert.deepEqual([...new Set(results.map((result) => (result.ok ? 'ok' : result.fault.kind)))], ['timeout']);
  assert.equal(results.filter((result) => !result.ok && result.fault.done === 'maybe').length, 1);
  // A reader lets the stuck opening go on, so that no thread is left behind.
  const reader = openSync(join(dataDir, 'agent', 'records.json.new'), constants.O_RDONLY | constants.O_NONBLOCK);
  await createRecords({ dataDir }).load();
  closeSync(reader);
});
