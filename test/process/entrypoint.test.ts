/**
 * Goal: entrypoint.sh as PID 1: preflight, one agent at a time, signals, orphans, its own end. Method: the shipped script
 * as a process (in a PID namespace where the rule is about PID 1) with a stub agent that notes what happens to it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  type Container,
  type ContainerOptions,
  echoed,
  entrypointDir,
  eventually,
  line,
  namespacesWork,
  startContainer,
  startServer,
  uptime,
} from './container.ts';

const namespaces = namespacesWork() ? {} : { skip: 'this machine does not allow PID namespaces' };

function start(t: TestContext, options: ContainerOptions = {}): Container {
  const container = startContainer(options);
  t.after(() => container.stop());
  return container;
}

async function runs(container: Container, count = 1): Promise<void> {
  await eventually(`${count} runs of the agent`, () => agents(container).length >= count);
}

function agents(container: Container): number[] {
  return container
    .notes()
    .filter((note) => note.what === 'run')
    .map((note) => note.pid);
}

function children(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
  return text.split(' ').filter(Boolean).map(Number);
}

/** A zombie has no command line; nobody may be there to reap it. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1') !== '';
  } catch {
    return false;
  }
}

describe('entrypoint.sh', { concurrency: 4 }, () => {
  test('the preflight runs before the agent, in a process of its own', async (t) => {
    const container = start(t);
    await runs(container);
    const [first, second] = container.notes();
    assert.equal(first?.what, 'preflight');
    assert.equal(second?.what, 'run');
    assert.notEqual(first?.pid, second?.pid);
  });

  test('a failed preflight ends the container with its code, and the agent never runs', async (t) => {
    const container = start(t, { preflight: 'echo "error: OG_PORT is missing" >&2; exit 78' });
    assert.equal(await container.ended, 78);
    assert.match(container.output(), /OG_PORT is missing/);
    assert.deepEqual(agents(container), []);
  });

  test('a preflight that hangs ends the container at its deadline', async (t) => {
    const container = start(t, { preflight: 'trap "" TERM; idle', env: { OG_PREFLIGHT_SECONDS: '1' } });
    assert.equal(await container.ended, 124);
    assert.match(container.output(), /the preflight did not end in time/);
  });

  test('SIGTERM during the preflight ends it and the container', async (t) => {
    const container = start(t, { preflight: 'trap "note term; exit 9" TERM; idle' });
    await eventually('the preflight runs', () => container.notes().length > 0);
    container.child.kill('SIGTERM');
    assert.equal(await container.ended, 9);
    assert.deepEqual(agents(container), []);
  });

  test('an agent that ended is started again after it was reaped, with the same incarnation', async (t) => {
    const check =
      'p=$(sed -n "s/^run \\([0-9]*\\) .*/\\1/p" "$STUB_DIR/notes" | tail -n 2 | head -n 1); [ "$p" = $$ ] || [ ! -e /proc/$p ] || note overlap';
    const container = start(t, { run: check });
    await runs(container, 1);
    process.kill(agents(container)[0] ?? 0, 'SIGKILL');
    await runs(container, 2);
    process.kill(agents(container)[1] ?? 0, 'SIGKILL');
    await runs(container, 3);
    const notes = container.notes();
    assert.equal(new Set(notes.map((note) => note.incarnation)).size, 1);
    assert.match(notes[0]?.incarnation ?? '', /^[0-9a-f-]{36}$/);
    assert.ok(!notes.some((note) => note.what === 'overlap'));
  });

  test('an agent that keeps crashing is started again with growing pauses', async (t) => {
    const container = start(t, { run: 'exit 1' });
    const pauses = () => [...container.output().matchAll(/"exitCode":1,"delayMs":(\d+)/g)].map((match) => Number(match[1]));
    // In the pause after the fourth: bash may forget the code of a child that ends just as a signal comes.
    await eventually('the fourth end', () => pauses().length >= 4);
    assert.deepEqual(pauses().slice(0, 3), [100, 200, 400]);
    container.child.kill('SIGTERM');
    assert.equal(await container.ended, 1, container.output());
  });

  test('an agent that finds its settings invalid ends the container', async (t) => {
    const container = start(t, { run: 'exit 78' });
    assert.equal(await container.ended, 78);
    assert.equal(agents(container).length, 1);
  });

  test('SIGTERM goes to the agent only, and the container ends with the agent', async (t) => {
    const slow = `trap 'note term; while [ ! -e "$STUB_DIR/done" ]; do read -r -t 0.05 -u 8; done; exit 5' TERM`;
    const container = start(t, { run: slow });
    await runs(container);
    const server = startServer();
    t.after(() => server.kill());
    container.write(line(server.process, uptime() + 60));
    await eventually('armed', () => echoed(container) !== '');
    container.child.kill('SIGTERM');
    await eventually('the agent heard', () => container.notes().some((note) => note.what === 'term'));
    assert.ok(server.alive(), 'the server is the agent’s to stop');
    assert.equal(container.child.exitCode, null);
    writeFileSync(join(container.dir, 'done'), '');
    assert.equal(await container.ended, 5);
    await server.ended;
    assert.equal(server.signal(), 'SIGKILL', 'what the agent left armed is killed at the end');
  });

  test('without its supervisor the container ends, and takes server and agent along', async (t) => {
    const container = start(t);
    await runs(container);
    const server = startServer();
    t.after(() => server.kill());
    container.write(line(server.process, uptime() + 60));
    await eventually('armed', () => echoed(container) !== '');
    const [supervisor = 0] = children(container.child.pid ?? 0);
    process.kill(supervisor, 'SIGKILL');
    assert.equal(await container.ended, 137);
    await server.ended;
    await eventually('the agent is gone', () => !isRunning(agents(container)[0] ?? 0));
  });

  test('what an earlier container left in the run directory is not believed', async (t) => {
    const first = startContainer();
    await runs(first);
    const server = startServer();
    t.after(() => server.kill());
    first.write(line(server.process, uptime() + 60));
    await eventually('armed', () => echoed(first) !== '');
    first.child.kill('SIGTERM');
    await first.ended;
    const incarnation = first.notes()[0]?.incarnation;
    const second = start(t, { dir: first.dir });
    await runs(second);
    assert.equal(echoed(second), '');
    assert.notEqual(second.notes()[0]?.incarnation, incarnation);
  });

  test('a run directory that cannot be used is named with its cure', async (t) => {
    const container = start(t, { env: { OG_RUN_DIR: '/proc/nowhere' } });
    assert.equal(await container.ended, 78);
    await eventually('the message', () => /"directory":"\/proc\/nowhere".*tmpfs/.test(container.output()));
  });

  test('PID 1 reaps orphans', namespaces, async (t) => {
    const orphans = `( (exit 0) & ); ( (exit 0) & ); read -r -t 0.3 -u 8 8<> <(:); zombies=0
    for f in /proc/[0-9]*/stat; do s=$(<$f); s=\${s##*) }; [ "\${s%% *}" = Z ] && zombies=1; done; note "zombies=$zombies"`;
    const container = start(t, { namespace: true, run: orphans });
    await eventually('the count', () => container.notes().some((note) => note.what.startsWith('zombies')));
    assert.ok(container.notes().some((note) => note.what === 'zombies=0'));
  });

  test('as PID 1 it hears SIGTERM, fences, and its end ends everything', namespaces, async (t) => {
    const run = `note "entrypoint=$OG_ENTRYPOINT_PID"
    sleep 300 & s=$!; stat=$(</proc/$s/stat); stat=\${stat##*) }; set -- $stat; read -r up _ </proc/uptime
    printf '%d.00 %s %s\\n' $((\${up%.*} + 1)) $s \${20} >"$OG_RUN_DIR/fence"
    wait $s; note "server=$?"; ( sleep 300 & )`;
    const container = start(t, { namespace: true, run, termCode: 4 });
    await eventually('the server was fenced', () => container.notes().some((note) => note.what === 'server=137'));
    assert.ok(container.notes().some((note) => note.what === 'entrypoint=1'));
    const [init = 0] = children(container.child.pid ?? 0);
    process.kill(init, 'SIGTERM');
    assert.equal(await container.ended, 4);
    assert.ok(container.notes().some((note) => note.what === 'term'));
  });

  test('a second container on the same volume runs no agent until the first has ended', async (t) => {
    const volume = mkdtempSync(join(tmpdir(), 'og-volume-'));
    t.after(() => rmSync(volume, { recursive: true, force: true }));
    const env = { OG_DATA_DIR: volume };
    const first = start(t, { env });
    await runs(first);
    const second = start(t, { env });
    await eventually('it tells why it waits', () => second.output().includes('another container still works on this volume'));
    assert.deepEqual(agents(second), []);
    first.child.kill('SIGTERM');
    await first.ended;
    await runs(second);
    assert.deepEqual(agents(second).length, 1);
  });

  test('a container that waits for a volume ends when it is told to', async (t) => {
    const volume = mkdtempSync(join(tmpdir(), 'og-volume-'));
    t.after(() => rmSync(volume, { recursive: true, force: true }));
    const first = start(t, { env: { OG_DATA_DIR: volume } });
    await runs(first);
    const second = start(t, { env: { OG_DATA_DIR: volume } });
    await eventually('it waits', () => second.output().includes('another container still works on this volume'));
    second.child.kill('SIGTERM');
    assert.equal(await second.ended, 0);
  });

  test('both of its processes together stay under ten megabytes', async (t) => {
    const container = start(t);
    await runs(container);
    const pid = container.child.pid ?? 0;
    const kilobytes = [pid, ...children(pid)].map((each) =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, 'latin1'))?.[1]),
    );
    assert.equal(kilobytes.length, 2);
    assert.ok(kilobytes.reduce((sum, each) => sum + each, 0) < 10_240, `${kilobytes.join(' + ')} kB`);
  });

  test('the scripts are small and shellcheck finds nothing', (t) => {
    const scripts = readdirSync(entrypointDir).map((name) => join(entrypointDir, name));
    assert.ok(readFileSync(join(entrypointDir, 'entrypoint.sh'), 'utf8').split('\n').length <= 150);
    const found = spawnSync('shellcheck', ['-x', '--source-path', join(entrypointDir, '..'), ...scripts], { encoding: 'utf8' });
    if (found.error !== undefined) return t.skip('shellcheck is not installed');
    assert.equal(found.stdout, '');
  });
});
