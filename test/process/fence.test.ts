/**
 * Goal: the fence of entrypoint.sh (I1) kills what is due and only that, whatever comes through the FIFO and whoever has
 * died. Method: the shipped script as a process, a stub agent, `sleep` as the server; lines are written by hand.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { createFence } from '../../agent/adapters/os/fence.ts';
import {
  type Container,
  type ContainerOptions,
  echoed,
  eventually,
  line,
  startContainer,
  startServer,
  uptime,
} from './container.ts';

async function running(t: TestContext, options: ContainerOptions = {}) {
  const container = startContainer(options);
  t.after(() => container.stop());
  await eventually('the agent runs', () => container.notes().some((note) => note.what === 'run'));
  const server = startServer();
  t.after(() => server.kill());
  return { container, server };
}

async function armed(t: TestContext, seconds: number, options: ContainerOptions = {}) {
  const { container, server } = await running(t, options);
  const deadline = uptime() + seconds;
  container.write(line(server.process, deadline));
  await eventually('the deadline is echoed', () => echoed(container) === line(server.process, deadline));
  return { container, server, deadline };
}

function agentPid(container: Container): number {
  return container.notes().findLast((note) => note.what === 'run')?.pid ?? 0;
}

/** The server was killed, not before its deadline and no later than a second after it. */
async function assertFenced(server: ReturnType<typeof startServer>, deadline: number) {
  const at = await server.ended;
  assert.equal(server.signal(), 'SIGKILL');
  assert.ok(at >= deadline - 0.01, `killed at ${at}, due at ${deadline}`);
  assert.ok(at <= deadline + 1, `killed at ${at}, due at ${deadline}`);
}

describe('the fence', { concurrency: 4 }, () => {
  test('the fence kills the server at the deadline that nobody renewed', async (t) => {
    const { container, server, deadline } = await armed(t, 1);
    await assertFenced(server, deadline);
    await eventually('the supervisor tells', () => container.output().includes('its deadline passed unrenewed'));
  });

  test('the fence kills the server although the agent is dead', async (t) => {
    const { container, server, deadline } = await armed(t, 1.5);
    process.kill(agentPid(container), 'SIGKILL');
    await assertFenced(server, deadline);
  });

  test('the fence kills the server although the agent is frozen', async (t) => {
    const { container, server, deadline } = await armed(t, 1);
    process.kill(agentPid(container), 'SIGSTOP');
    await assertFenced(server, deadline);
  });

  test('a renewed server lives on, and ends at the last deadline', async (t) => {
    const { container, server, deadline } = await armed(t, 1);
    container.write(line(server.process, deadline + 1));
    await assertFenced(server, deadline + 1);
  });

  test('garbage, half lines and overlong lines never extend a deadline', async (t) => {
    const { container, server, deadline } = await armed(t, 1.5);
    const { pid, startTime } = server.process;
    const far = (deadline + 60).toFixed(2);
    const lines = [
      `${far}\n`,
      `${far} ${pid}\n`,
      `${far} ${pid} ${startTime} 1\n`,
      ` ${far} ${pid} ${startTime}\n`,
      `${far}  ${pid} ${startTime}\n`,
      `${far} ${pid} ${startTime}\r\n`,
      `-${far} ${pid} ${startTime}\n`,
      `${far}0 ${pid} ${startTime}\n`,
      `${Math.floor(deadline + 60)} ${pid} ${startTime}\n`,
      `9${far} ${pid} ${startTime}\n`,
      `a[$(id>&2)] ${pid} ${startTime}\n`,
      `${'0'.repeat(200)}${far} ${pid} ${startTime}\n`,
      `${'x'.repeat(127)}${far} ${pid} ${startTime}\n`,
      '\n\n\u0000\n',
      `${far} ${pid} `,
    ];
    for (const text of lines) container.write(text);
    await assertFenced(server, deadline);
    assert.equal(echoed(container), line(server.process, deadline));
  });

  test('half a line that somebody left does not spoil the next renewal of the agent', async (t) => {
    const { container, server, deadline } = await armed(t, 1.5);
    container.write('9');
    const fence = createFence({ runDir: container.runDir });
    assert.deepEqual(fence.arm(server.process, (deadline + 1) * 1000), { ok: true, value: undefined });
    await assertFenced(server, deadline + 1);
  });

  test('a line in two pieces is one line', async (t) => {
    const { container, server, deadline } = await armed(t, 1.5);
    const text = line(server.process, deadline + 1);
    container.write(text.slice(0, 7));
    const read = uptime();
    await eventually('the fence has read the first piece', () => uptime() > read + 0.3);
    container.write(text.slice(7));
    await assertFenced(server, deadline + 1);
  });

  test('a deadline never moves back for the same process', async (t) => {
    const { container, server, deadline } = await armed(t, 2);
    container.write(line(server.process, deadline - 1.9));
    await assertFenced(server, deadline);
  });

  test('a process that only has the number of the armed one is left alone', async (t) => {
    const { container, server } = await running(t);
    const other = { pid: server.process.pid, startTime: String(Number(server.process.startTime) - 1) };
    container.write(line(other, uptime() + 0.2));
    const armedNext = startServer();
    t.after(() => armedNext.kill());
    const deadline = uptime() + 0.5;
    container.write(line(armedNext.process, deadline));
    await assertFenced(armedNext, deadline);
    assert.ok(server.alive());
    assert.ok(!echoed(container).includes(` ${server.process.pid} `));
  });

  test('arming a second server disarms nothing', async (t) => {
    const { container, server, deadline } = await armed(t, 1);
    const next = startServer();
    t.after(() => next.kill());
    container.write(line(next.process, deadline + 30));
    await assertFenced(server, deadline);
    assert.ok(next.alive());
  });

  test('after a freeze of PID 1 what was due is killed before any line is believed', async (t) => {
    const { container, server, deadline } = await armed(t, 0.7);
    container.child.kill('SIGSTOP');
    container.write(line(server.process, deadline + 60));
    await eventually('the deadline passed', () => uptime() > deadline + 0.1);
    assert.ok(server.alive());
    container.child.kill('SIGCONT');
    await server.ended;
    assert.equal(server.signal(), 'SIGKILL');
  });

  test('a full FIFO is a fault for the agent and never blocks it', async (t) => {
    const { container, server, deadline } = await armed(t, 30);
    const fence = createFence({ runDir: container.runDir });
    container.child.kill('SIGSTOP');
    let last = fence.arm(server.process, deadline * 1000);
    for (let i = 0; i < 10_000 && last.ok; i += 1) last = fence.arm(server.process, deadline * 1000);
    container.child.kill('SIGCONT');
    assert.ok(!last.ok);
    assert.equal(last.fault.code, 'EAGAIN');
    await eventually('the FIFO is drained', () => fence.arm(server.process, deadline * 1000).ok);
    assert.ok(server.alive());
  });

  test('a flood of garbage does not hold the fence up', async (t) => {
    const { container, server, deadline } = await armed(t, 1);
    const flood = setInterval(() => {
      try {
        container.write('x'.repeat(4000));
      } catch {
        // Full: that is the point.
      }
    }, 1);
    t.after(() => clearInterval(flood));
    await assertFenced(server, deadline);
  });

  test('a log pipe that nobody reads does not hold the fence up', async (t) => {
    const chatter = 'trap - TERM; while :; do printf "%4000s\\n" x >&2; done';
    const { container, server, deadline } = await armed(t, 1.5, { run: chatter, deaf: true });
    process.kill(agentPid(container), 'SIGKILL');
    await assertFenced(server, deadline);
  });

  test('a server that ended by itself is forgotten', async (t) => {
    const { container, server, deadline } = await armed(t, 0.5);
    server.kill();
    await server.ended;
    await eventually('the deadline passed', () => uptime() > deadline + 0.3);
    assert.ok(!container.output().includes('unrenewed'));
  });

  test('the echo tells the very process and deadline that the fence keeps', async (t) => {
    const { container, server } = await running(t);
    const fence = createFence({ runDir: container.runDir });
    assert.equal(fence.present, true);
    assert.equal(fence.echo(), undefined);
    const deadline = Math.floor(uptime() * 1000) + 20_009;
    fence.arm(server.process, deadline);
    await eventually('an echo', () => fence.echo() !== undefined);
    assert.deepEqual(fence.echo(), { process: server.process, deadline: Math.floor(deadline / 10) * 10 });
  });
});
