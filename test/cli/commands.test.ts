/** The command line: words, options, help, and what status, history, probe, version and config say and return. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { commands } from '../../agent/cli.ts';
import { age, columns } from '../../agent/cli/format.ts';
import { known } from '../../agent/core/result.ts';
import { aLeadingView, aPeer, aPod, aSeen, aView, me, now } from '../core/builders.ts';
import { aDirectory, agent, anAgent, shot } from './support.ts';

test('help lists exactly the commands that exist, and each has help of its own', async () => {
  const { code, out } = await agent({}, ['--help']);
  assert.equal(code, 0);
  const listed = [...out.matchAll(/^ {2}(\S+(?: \S+)?)/gm)].map((match) => match[1]?.trim());
  for (const { name } of [{ name: 'run' }, ...commands])
    assert.ok(
      listed.some((line) => line?.startsWith(name.split(' ')[0] ?? '')),
      name,
    );
  for (const { name, options } of commands) {
    const own = await agent({}, ['help', ...name.split(' ')]);
    assert.equal(own.code, 0);
    assert.match(own.out, new RegExp(`^usage: agent ${name}`));
    for (const option of Object.keys(options)) assert.match(own.out, new RegExp(`--${option}\\b`));
    assert.deepEqual(await agent({}, [...name.split(' '), '--help']), own);
  }
});

const wrong: { words: string[]; error: RegExp; hint: RegExp }[] = [
  { words: ['stauts'], error: /no command "stauts"/, hint: /Did you mean status\?/ },
  { words: ['config'], error: /one more word/, hint: /config show, config edit, config validate/ },
  { words: ['config', 'edti'], error: /one more word/, hint: /config show/ },
  { words: ['status', '--wide'], error: /unknown option '--wide'/, hint: /agent help status/ },
  { words: ['status', 'og-demo-1'], error: /"og-demo-1" is one word too many/, hint: /agent help status/ },
  { words: ['probe'], error: /readiness\|liveness\|startup is missing/, hint: /agent help probe/ },
  { words: ['switchover', '--to'], error: /--to/, hint: /agent help switchover/ },
  { words: ['status', '-o', 'xml'], error: /no output format "xml"/, hint: /There are wide, json/ },
  { words: ['version', '-o', 'xml'], error: /no output format "xml"/, hint: /There are json, yaml/ },
  { words: ['config', 'edit', 'nonsense'], error: /"nonsense" is not KEY=VALUE/, hint: /sync\.mode=strict/ },
  { words: ['config', 'edit', '--file', 'a', 'b=c'], error: /exclude each other/, hint: /one of them/ },
  { words: ['config', 'validate', '/nowhere/at/all'], error: /could not be read/, hint: /may read/ },
  { words: ['restart', '--all', 'og-demo-1'], error: /exclude each other/, hint: /--all alone/ },
  { words: ['fence', 'og-demo-1', '--timeout', 'soon'], error: /--timeout is not/, hint: /--timeout 60/ },
  { words: ['probe', 'liveness', '--mode', 'tcp'], error: /belong to readiness/, hint: /ask for readiness/ },
  { words: ['probe', 'constructor'], error: /no probe "constructor"/, hint: /readiness, liveness, startup/ },
];
for (const { words, error, hint } of wrong) {
  test(`refused with 1, an error and a hint: agent ${words.join(' ')}`, async () => {
    const { code, out, err } = await agent({}, words);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /^error: .+\nhint: .+\n$/);
    assert.match(err, error);
    assert.match(err, hint);
  });
}

test('no words at all print the overview on stderr and return 1', async () => {
  const { code, out, err } = await agent({}, []);
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /^usage: agent COMMAND/);
});

test('status returns 0, 2 or 3 by the state of the cluster', async (t) => {
  const { board, env } = await anAgent(t);
  board.show(shot(aLeadingView()));
  assert.equal((await agent(env, ['status'])).code, 0);
  board.show(shot(aLeadingView({ peers: { 'og-demo-0': aPeer('og-demo-0') } })));
  assert.equal((await agent(env, ['status'])).code, 2);
  board.show(shot(aLeadingView({ paused: true })));
  assert.equal((await agent(env, ['status'])).code, 2);
  board.show(shot(aView({ peers: {}, lease: known(aSeen({ holder: '' }), now) })));
  assert.equal((await agent(env, ['status'])).code, 3);
});

test('status in every format', async (t) => {
  const { board, env } = await anAgent(t);
  board.show(shot(aLeadingView()));
  const inFormat = async (...words: string[]) => (await agent(env, ['status', ...words])).out;
  const json = JSON.parse(await inFormat('-o', 'json')) as { kind: string };
  assert.equal(json.kind, 'ClusterStatus');
  const yaml = parse(await inFormat('--output=yaml')) as { lease: object };
  assert.deepEqual({ ...yaml, lease: undefined }, { ...json, lease: undefined });
  assert.equal(await inFormat('-o', 'name'), 'og-demo-0\nog-demo-1\nog-demo-2\n');
  assert.match(await inFormat(), /^CLUSTER {2}demo \(3 members, 1 primary, 2 sync\)/);
  assert.match(await inFormat('-o', 'wide', '--local'), /REASON/);
  assert.match(await inFormat('--no-headers'), /^og-demo-0 /);
  const refused = await agent(env, ['status', '-o', 'xml']);
  assert.deepEqual([refused.code, refused.out], [1, '']);
  assert.match(refused.err, /no output format "xml"\nhint: There are wide, json, yaml, name\./);
});

test('status -w repeats until it is interrupted', async (t) => {
  const { board, env } = await anAgent(t);
  board.show(shot(aLeadingView()));
  const stop = new AbortController();
  const ran = await agent(env, ['status', '-w', '-o', 'json'], {
    signal: stop.signal,
    onOut: (all) => all.split('"ClusterStatus"').length === 3 && stop.abort(),
  });
  assert.equal(ran.code, 0);
  assert.equal(ran.out.split('"ClusterStatus"').length, 3);
});

test('an agent that is not there, hangs or talks nonsense is unreachable: 4', async (t) => {
  const mute = createServer(() => {});
  const babbler = createServer((socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello'));
  t.after(() => {
    mute.close();
    babbler.close();
  });
  const ports = await Promise.all(
    [mute, babbler].map(
      (server) =>
        new Promise<number>((resolve) =>
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
        ),
    ),
  );
  for (const port of [1, ...ports]) {
    const { code, out, err } = await agent({ OG_HTTP_PORT: String(port) }, ['status']);
    assert.deepEqual([code, out], [4, ''], String(port));
    assert.match(err, /^error: the agent does not answer at 127\.0\.0\.1:\d+: .+\nhint: /);
  }
});

test('an agent before its first cycle says so: 4', async (t) => {
  const { env } = await anAgent(t);
  const { code, err } = await agent(env, ['status']);
  assert.equal(code, 4);
  assert.match(err, /first cycle is not done yet/);
});

test('history is a table, oldest first', async (t) => {
  const { board, env } = await anAgent(t);
  const history = [
    { term: 1, primary: 'og-demo-0', at: '2026-11-21T00:00:00Z', reason: 'promoted' },
    { term: 7, primary: me, at: '2026-11-21T01:00:00Z', reason: 'promoted' },
  ];
  board.show(shot(aLeadingView({ facts: known({ systemId: '42', history, resourceVersion: '5' }, now) })));
  const { code, out } = await agent(env, ['history']);
  assert.equal(code, 0);
  assert.equal(
    out,
    'TERM  PRIMARY     SINCE                  REASON\n1     og-demo-0   2026-11-21T00:00:00Z   promoted\n7     og-demo-1   2026-11-21T01:00:00Z   promoted\n',
  );
  assert.deepEqual((JSON.parse((await agent(env, ['history', '-o', 'json'])).out) as { history: unknown }).history, history);
});

test('probe says yes with 0 and no with 1, and why', async (t) => {
  const { board, env } = await anAgent(t);
  const pods = known([aPod(me, { labels: { 'opengauss.role': 'primary' } })], now);
  board.show(shot(aLeadingView({ pods })));
  assert.deepEqual(await agent(env, ['probe', 'readiness']), {
    code: 0,
    out: 'yes: it holds the lease and takes writes\n',
    err: '',
  });
  board.show(shot(aView()));
  assert.deepEqual(await agent(env, ['probe', 'readiness']), { code: 1, out: 'no: no Service selects this member\n', err: '' });
  assert.equal((await agent(env, ['probe', 'readiness', '--mode', 'streaming', '--lag', '1MiB'])).code, 0);
  assert.equal((await agent(env, ['probe', 'liveness'])).code, 0);
  assert.equal((await agent(env, ['probe', 'startup'])).code, 0);
  assert.match((await agent(env, ['probe', 'readiness', '--lag', 'x'])).err, /error: lag is not an amount/);
  assert.match((await agent(env, ['probe', 'liveness', '--lag', '1'])).err, /belong to readiness/);
});

test('config validate takes a good file and lists everything wrong with a bad one', async (t) => {
  const dir = aDirectory(t);
  const good = join(dir, 'good.yaml');
  const bad = join(dir, 'bad.yaml');
  writeFileSync(good, 'failover: manual\n');
  writeFileSync(bad, 'failover: perhaps\nlease: { fenceSeconds: x }\n');
  assert.deepEqual(await agent({}, ['config', 'validate', good]), { code: 0, out: 'valid\n', err: '' });
  const { code, err } = await agent({}, ['config', 'validate', bad]);
  assert.equal(code, 78);
  assert.match(
    err,
    /failover +"perhaps"[\s\S]*lease\.fenceSeconds +"x"[\s\S]*error: .*bad\.yaml is not valid: 2 problems\nhint: /,
  );
  assert.equal((await agent({}, ['config', 'validate', join(dir, 'none.yaml')])).code, 1);
});

test('commands that need the API server refuse settings that are not valid: 78', async () => {
  for (const words of [['switchover'], ['config', 'show'], ['preflight']]) {
    const { code, out, err } = await agent({ OG_PORT: 'x' }, words);
    assert.deepEqual([code, out], [78, ''], words.join(' '));
    assert.match(err, /POD_NAME +is not set[\s\S]*OG_PORT +"x" is not a port[\s\S]*\nerror: .*not valid\nhint: /);
  }
});

test('ages are in one unit, as kubectl’s', () => {
  const at = Date.parse('2026-11-21T12:00:00Z');
  const ages = [
    '2026-11-21T12:00:05Z',
    '2026-11-21T11:58:01Z',
    '2026-11-21T11:58:00Z',
    '2026-11-21T09:00:01Z',
    '2026-11-21T09:00:00Z',
    '2026-11-19T12:00:00Z',
    'x',
    null,
  ];
  assert.deepEqual(
    ages.map((since) => age(since, at)),
    ['0s', '119s', '2m', '179m', '3h', '2d', '-', '-'],
  );
});

test('columns are as wide as their widest cell, and no line ends in blanks', () => {
  const rows = [
    ['A', 'B'],
    ['long', '', 'x'],
  ];
  assert.deepEqual(columns(rows), ['A     B', 'long      x']);
});
