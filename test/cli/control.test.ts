/** Goal: log level and reload reach the agent of the same container, and nobody else can ask. Method: the real socket. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { request } from 'node:http';
import { test, type TestContext } from 'node:test';
import { type Control, controlPath, serveControl } from '../../agent/adapters/http/control.ts';
import { failed, ok, type Result } from '../../agent/core/result.ts';
import { aDirectory, agent } from './support.ts';

async function aSocket(t: TestContext, reload: () => Result<void> = ok) {
  const runDir = aDirectory(t);
  const levels: string[] = [];
  const setLevel = (level: string): boolean => {
    levels.push(level);
    return level !== 'fatal';
  };
  const start = async (): Promise<Control> => {
    const served = await serveControl({ runDir, setLevel, reload: async () => reload() });
    assert.ok(served.ok);
    t.after(served.value.close);
    return served.value;
  };
  await start();
  return { runDir, levels, start, env: { OG_RUN_DIR: runDir } };
}

function post(socketPath: string, path: string, body: string, method = 'POST'): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('the level of the log is changed while the agent runs', async (t) => {
  const { env, levels } = await aSocket(t);
  assert.deepEqual(await agent(env, ['log-level', 'debug']), { code: 0, out: 'done: the level is debug\n', err: '' });
  assert.deepEqual(levels, ['debug']);
  const wrong = await agent(env, ['log-level', 'loud']);
  assert.deepEqual([wrong.code, levels.length], [1, 1]);
  assert.match(wrong.err, /^error: no level "loud"\nhint: There are fatal, /);
  assert.equal((await agent(env, ['log-level', 'fatal'])).code, 1);
});

test('a reload says whether the server was told', async (t) => {
  const { env } = await aSocket(t);
  assert.deepEqual(await agent(env, ['reload']), { code: 0, out: 'done: read again\n', err: '' });
  const down = await aSocket(t, () => failed({ of: 'command', kind: 'absent', done: 'no', detail: 'the server is down' }));
  assert.deepEqual(await agent(down.env, ['reload']), {
    code: 1,
    out: '',
    err: 'error: the server is down\nhint: Look at the log of the container og.\n',
  });
});

test('only the user of the container may open the socket, and an agent that was killed leaves nothing in the way', async (t) => {
  const { runDir, start, env } = await aSocket(t);
  assert.equal(statSync(controlPath(runDir)).mode & 0o777, 0o600);
  await start();
  assert.equal((await agent(env, ['log-level', 'info'])).code, 0);
});

test('what is not a wish is refused, and a long body is not read', async (t) => {
  const { runDir, levels } = await aSocket(t);
  const path = controlPath(runDir);
  assert.equal(await post(path, '/promote', ''), 400);
  assert.equal(await post(path, '/log-level', '', 'GET'), 400);
  assert.equal(await post(path, '/log-level', 'x'.repeat(100_000)).catch(() => 400), 400);
  assert.deepEqual(levels, []);
});

test('without an agent the command says so', async (t) => {
  const ran = await agent({ OG_RUN_DIR: aDirectory(t) }, ['reload']);
  assert.equal(ran.code, 4);
  assert.match(ran.err, /^error: the agent does not answer at .*control: ENOENT\nhint: /);
});
