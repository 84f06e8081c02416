// gs_ctl without a server: what it refuses, in which words and with which exit code (transcripts 02, 13, 43, 46).
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { launch, normalise, real, run, sockets } from './harness.ts';

const nowhere = join(sockets, 'nosuch');
const empty = join(sockets, 'empty');
mkdirSync(empty, { mode: 0o700 });

interface Case {
  words: string[];
  code: number;
  says: string;
}

async function check({ words, code, says }: Case): Promise<void> {
  const done = await run('gs_ctl', words);
  assert.deepEqual({ says: normalise(done.out).replaceAll(nowhere, 'DATA'), code: done.code }, { says, code });
}

const noPid = '[][gs_ctl]:  PID file "DATA/postmaster.pid" does not exist';

for (const row of [
  {
    words: ['query'],
    code: 1,
    says: `[T][P][][gs_ctl]: gs_ctl query ,datadir is DATA \n[T][P]${noPid}\n[T][P][][gs_ctl]: Is server running?\n`,
  },
  { words: ['status'], code: 3, says: '[T][P][][gs_ctl]: gs_ctl status,datadir is DATA \nno server running\n' },
  {
    words: ['start'],
    code: 1,
    says: '[T][P][][gs_ctl]: gs_ctl started,datadir is DATA \n[T][P][][gs_ctl]: can\'t create lock file "DATA/pg_ctl.lock" : No such file or directory',
  },
  {
    words: ['stop'],
    code: 1,
    says: `[T][P][][gs_ctl]: gs_ctl stopped ,datadir is DATA \n[T][P]${noPid}.\n[T][P][][gs_ctl]: Is server running?\n`,
  },
  {
    words: ['restart'],
    code: 1,
    says: '[T][P][][gs_ctl]: gs_ctl restarted ,datadir is DATA \n[T][P][][gs_ctl]: can\'t create lock file "DATA/pg_ctl.lock" : No such file or directory',
  },
  {
    words: ['reload'],
    code: 1,
    says: `[T][P][][gs_ctl]: gs_ctl reload ,datadir is DATA \n[T][P]${noPid}\n[T][P][][gs_ctl]: Is server running?\n`,
  },
  {
    words: ['querybuild'],
    code: 1,
    says: '[T][P][][gs_ctl]: gs_ctl build query ,datadir is DATA \n[T][P][][gs_ctl]:  file "DATA/gaussdb.state" is not exist\n',
  },
  {
    words: ['finishredo'],
    code: 1,
    says: '[T][P][][gs_ctl]: gs_ctl finish redo ,datadir is DATA \n[T][P][][gs_ctl]: fail to open finish redo file\n',
  },
]) {
  test(`gs_ctl ${row.words[0]} on a directory that does not exist says so and exits ${row.code}`, () =>
    check({ ...row, words: [...row.words, '-D', nowhere] }));
}

const noData =
  '[T][P][][gs_ctl]:  no database directory specified and environment variable PGDATA unset\nTry "gs_ctl --help" for more information.\n';

test('gs_ctl without -D and PGDATA asks for a directory and exits 1', async () => {
  for (const command of ['query', 'status', 'start', 'stop', 'build', 'failover'])
    await check({ words: [command], code: 1, says: noData });
});

test('gs_ctl refuses what it does not understand with exit 1', async () => {
  await check({
    words: ['stop', '-D', nowhere, '-m', 'smart'],
    code: 1,
    says: '[T][P][][gs_ctl]:  unrecognized shutdown mode "smart"\n',
  });
  await check({
    words: ['frobnicate', '-D', nowhere],
    code: 1,
    says: '[T][P][][gs_ctl]:  unrecognized operation mode "frobnicate"\nTry "gs_ctl --help" for more information.\n',
  });
  await check({
    words: ['query', '-D', `${nowhere};x`],
    code: 1,
    says: '[T][P][][gs_ctl]: Error: variable "DATA;x" token invaild symbol ";".\n',
  });
  await check({
    words: ['build', '-D', nowhere, '-b', 'copy_secure_files'],
    code: 1,
    says: '[T][P][][gs_ctl]: When copy secure files from remote, need remote host and authentication!\n',
  });
  const unknown = await run('gs_ctl', ['query', '-D', nowhere, '--nosuch']);
  assert.deepEqual(
    [unknown.code, unknown.out, unknown.err],
    [1, 'Try "gs_ctl --help" for more information.\n', "gs_ctl: unrecognized option '--nosuch'\n"],
  );
});

test('a failover writes the term before it finds that no server runs', async () => {
  const data = join(sockets, 'termed');
  mkdirSync(data, { mode: 0o700 });
  const done = await run('gs_ctl', ['failover', '-D', data, '-T', '7']);
  assert.equal(done.code, 1);
  assert.equal(
    normalise(done.out).replaceAll(data, 'DATA'),
    `[T][P][][gs_ctl]: gs_ctl failover ,datadir is DATA \n[T][P][][gs_ctl]: failover term (7)\n[T][P]${noPid}\n[T][P][][gs_ctl]:  Is server running?\n`,
  );
  assert.deepEqual([...readFileSync(join(data, 'term_file'))], [7, 0, 0, 0]);
});

test('a conflict about pg_ctl.lock is 0 for start and restart, 1 for the others, and none for the unlocked commands', async () => {
  const holder = launch('perl', [
    '-e',
    "use Fcntl; open(F, '>', $ARGV[0]) or die; my $l = pack('s s x![l!] l! l! i x![l!]', F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; $| = 1; print qq(held\\n); sleep 60",
    join(empty, 'pg_ctl.lock'),
  ]);
  await new Promise<void>((resolve, reject) => {
    holder.stdout?.once('data', () => resolve());
    holder.once('exit', () => reject(new Error('the lock holder ended')));
  });
  const conflict = async (command: string, banner: string, code: number): Promise<void> => {
    const done = await run('gs_ctl', [command, '-D', empty]);
    const says = `[T][P][][gs_ctl]: ${banner}\n[T][P][][gs_ctl]: Another gs_ctl command is still running,${command} failed !\n`;
    assert.deepEqual([done.code, normalise(done.out).replaceAll(empty, 'DATA')], [code, says]);
  };
  await conflict('start', 'gs_ctl started,datadir is DATA ', 0);
  await conflict('restart', 'gs_ctl restarted ,datadir is DATA ', 0);
  await conflict('failover', 'gs_ctl failover ,datadir is DATA ', 1);
  await conflict('switchover', 'gs_ctl switchover ,datadir is DATA ', 1);
  await conflict('build', 'gs_ctl incremental build ,datadir is DATA', 1);
  assert.equal((await run('gs_ctl', ['status', '-D', empty])).code, 3);
  assert.equal((await run('gs_ctl', ['stop', '-D', empty])).code, 1);
  holder.kill('SIGKILL');
});

test('an immediate stop without a pid file kills by force and exits 0', async () => {
  const done = await run('gs_ctl', ['stop', '-D', empty, '-m', 'i']);
  assert.equal(done.code, 0);
  assert.match(
    done.out,
    /Is server running\?\n.*stop failed, killing gaussdb by force \.\.\.\n.*command \[ps c -eo .* path: \[.*\] \n.*server stopped\n$/,
  );
});

test('a querybuild tells from gs_build.pid alone: missing is completed, a dead pid is failed', async () => {
  const state = Buffer.alloc(72);
  state.writeInt32LE(3, 0);
  state.writeInt32LE(7, 8);
  writeFileSync(join(empty, 'gaussdb.state'), state);
  writeFileSync(join(empty, 'postgresql.conf'), '');
  const ask = async (): Promise<[number | null, string]> => {
    const done = await run('gs_ctl', ['querybuild', '-D', empty]);
    return [done.code, /db_state\s+: (.*)/.exec(done.out)?.[1] ?? ''];
  };
  assert.deepEqual(await ask(), [0, 'Build completed']);
  writeFileSync(join(empty, 'gs_build.pid'), '4194303');
  assert.deepEqual(await ask(), [0, 'Build failed']);
  writeFileSync(join(empty, 'gs_build.pid'), '0');
  assert.deepEqual(await ask(), [0, 'Build completed']);
});

test('the programs tell their versions', async () => {
  assert.equal((await run('gs_ctl', ['-V'])).out, real ? (await run('gs_ctl', ['--version'])).out : 'gs_ctl (openGauss) 9.2.4\n');
});
