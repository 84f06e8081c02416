/** The log: its fields, what never reaches it, and that a reader who stops reading does not stop the writer. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLog, wordFirst } from '../../../agent/adapters/os/log.ts';

function aFile(t: TestContext): { fd: number; path: string } {
  const dir = mkdtempSync(join(tmpdir(), 'og-log-'));
  const path = join(dir, 'log');
  const fd = openSync(path, 'w');
  t.after(() => {
    closeSync(fd);
    rmSync(dir, { recursive: true, force: true });
  });
  return { fd, path };
}

async function linesOf(path: string, count: number): Promise<Record<string, unknown>[]> {
  const end = performance.now() + 10_000;
  for (;;) {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    if (lines.length >= count) return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    if (performance.now() > end) throw new Error(`only ${lines.length} lines`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a line carries time, level, pod, cluster and component', async (t) => {
  const { fd, path } = aFile(t);
  const { log } = createLog({ level: 'info', pod: 'og-demo-0', cluster: 'demo', fd });
  wordFirst(log, 'loop').info('decision', { reason: 'leads', term: 7 });
  const [line] = await linesOf(path, 1);
  assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.deepEqual(
    { ...line, time: 0 },
    { level: 'info', time: 0, pod: 'og-demo-0', cluster: 'demo', component: 'loop', msg: 'decision', reason: 'leads', term: 7 },
  );
});

test('passwords, tokens and keys never reach the log', async (t) => {
  const { fd, path } = aFile(t);
  const { log } = createLog({ level: 'info', pod: 'p', cluster: 'c', fd });
  log.info(
    {
      password: 'hunter2',
      user: { password: 'hunter2' },
      request: { headers: { authorization: 'hunter2' } },
      peerKey: 'hunter2',
      token: 'hunter2',
    },
    'x',
  );
  await linesOf(path, 1);
  assert.ok(!readFileSync(path, 'utf8').includes('hunter2'));
});

test('the level can be changed while it runs, also for those who have their own part of the log', async (t) => {
  const { fd, path } = aFile(t);
  const sink = createLog({ level: 'info', pod: 'p', cluster: 'c', fd });
  const part = wordFirst(sink.log, 'loop');
  part.debug('not seen');
  assert.equal(sink.setLevel('debug'), true);
  part.debug('seen');
  assert.equal(sink.setLevel('loud'), false);
  assert.deepEqual(
    (await linesOf(path, 1)).map((line) => line['msg']),
    ['seen'],
  );
});

test('flushing on the way out writes what waits', (t) => {
  const { fd, path } = aFile(t);
  const sink = createLog({ level: 'info', pod: 'p', cluster: 'c', fd });
  // It is on its way by itself; what comes after it waits.
  sink.log.info('a word');
  sink.log.error('last words');
  sink.flush();
  assert.match(readFileSync(path, 'utf8'), /last words/);
});

const writer = `
import { createLog } from ${JSON.stringify(fileURLToPath(new URL('../../../agent/adapters/os/log.ts', import.meta.url)))};
import { writeSync } from 'node:fs';
let dropped = 0;
const { log } = createLog({ level: 'info', pod: 'p', cluster: 'c', fd: Number(process.argv[1]), onDrop: (n) => { dropped += n; } });
let turns = 0;
const timer = setInterval(() => {
  for (let line = 0; line < 500; line++) log.info({ text: 'x'.repeat(400) }, 'line');
  if (++turns < 40) return;
  clearInterval(timer);
  writeSync(1, JSON.stringify({ turns, dropped }));
  process.exit(0);
}, 1);
`;

test('a pipe that nobody reads drops lines and counts them; the loop goes on', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'og-log-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const fifo = join(dir, 'pipe');
  execFileSync('mkfifo', [fifo]);
  // Opened for reading as well, so that it has a reader who never reads.
  const fd = openSync(fifo, 'r+');
  t.after(() => closeSync(fd));
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer, '3'], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
    timeout: 30_000,
  });
  let out = '';
  child.stdout?.on('data', (data: Buffer) => {
    out += data.toString();
  });
  // Its end may be seen before its last words; those are there when its pipe is closed.
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0);
  const { turns, dropped } = JSON.parse(out) as { turns: number; dropped: number };
  assert.equal(turns, 40);
  assert.ok(dropped > 1000, `${dropped} dropped`);
});
