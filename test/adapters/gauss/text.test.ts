// The pure parts: files that are rewritten and answers that are read. Tables for what openGauss was seen to print (5.0.3 and 6.0.2),
// properties for what must hold of any input.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nobody } from '../../../agent/core/sync.ts';
import { managedParameters, renderConf } from '../../../agent/adapters/gauss/conf.ts';
import { parseControlData } from '../../../agent/adapters/gauss/controldata.ts';
import { decodeLock, encodeLock, parseLock } from '../../../agent/adapters/gauss/freeze.ts';
import { renderHba } from '../../../agent/adapters/gauss/hba.ts';
import { initialParameters, wantedParameters } from '../../../agent/adapters/gauss/parameters.ts';
import { isServerOf, parseStat } from '../../../agent/adapters/gauss/proc.ts';
import { parseQuery } from '../../../agent/adapters/gauss/query.ts';
import { renderAll, renderReplconninfo } from '../../../agent/adapters/gauss/replconninfo.ts';
import { parseState } from '../../../agent/adapters/gauss/state.ts';
import { lastLine } from '../../../agent/adapters/gauss/tool.ts';

const name = fc.constantFrom(
  'port',
  'wal_level',
  'replconninfo1',
  'synchronous_standby_names',
  'Listen_Addresses',
  'max_wal_senders',
);
const value = fc.string({ unit: fc.constantFrom('a', 'Z', '1', ' ', "'", '=', '#', '*', '(', ')', ','), maxLength: 12 });
const confLine = fc.oneof(
  fc.tuple(name, value).map(([key, text]) => `${key} = '${text.replaceAll("'", "''")}'  # of a person`),
  fc.constantFrom('', '# a comment', "include 'other.conf'", 'shared_buffers = 32MB', '  wal_level=minimal', 'port 5432'),
);

function uncommented(text: string, key: string): string[] {
  return text.split('\n').filter((line) => line.trim().toLowerCase().startsWith(key.toLowerCase()));
}

test('a managed parameter has exactly one uncommented line, whatever the file said before', () => {
  fc.assert(
    fc.property(fc.array(confLine), fc.dictionary(name, value), (lines, wishes) => {
      const wanted = new Map(Object.entries(wishes));
      const text = renderConf(lines.join('\n'), wanted);
      for (const key of wanted.keys()) assert.equal(uncommented(text, key).length, 1, text);
      assert.equal(/^\s*include/m.test(text), false);
      assert.equal(renderConf(text, wanted), text, 'a second rendering changes nothing');
    }),
  );
});

test('what is written to the managed block is read back from it', () => {
  fc.assert(
    fc.property(fc.dictionary(name, value), (wishes) => {
      const wanted = new Map(Object.entries(wishes).map(([key, text]) => [key.toLowerCase(), text]));
      assert.deepEqual(managedParameters(renderConf('', wanted)), wanted);
    }),
  );
});

test('a parameter of people that the agent does not set stays as it is', () => {
  const text = renderConf('work_mem = 64MB\n#port = 1\nport = 5432\n', new Map([['port', '5433']]));
  assert.match(text, /^work_mem = 64MB$/m);
  assert.match(text, /^#port = 1$/m);
  assert.doesNotMatch(text, /^port = 5432$/m);
  assert.match(text, /^port = 5433$/m);
});

test('a managed parameter that is no longer wanted is gone', () => {
  const text = renderConf(renderConf('', new Map([['work_mem', '64MB']])), new Map([['port', '1']]));
  assert.doesNotMatch(text, /work_mem/);
});

const wishes = { superuser: 'omm', replicationUser: 'repuser', peers: ['10.0.0.2', 'fd00::3', 'og-demo-1'] };

test('the lines of people stay between the blocks of pg_hba.conf and rendering again changes nothing', () => {
  const text = renderHba('local all all trust\nhost all all 127.0.0.1/32 trust\nhost app app 10.9.0.0/16 cert\n', wishes);
  const lines = text.split('\n');
  const person = lines.indexOf('host app app 10.9.0.0/16 cert');
  assert.ok(lines.indexOf('host all omm 10.0.0.2/32 trust') < person);
  assert.ok(lines.indexOf('host all omm fd00::3/128 trust') < person);
  assert.ok(lines.indexOf('host all all 0.0.0.0/0 sha256') > person);
  assert.doesNotMatch(text, /local all all trust|og-demo-1/);
  assert.match(text, /^local all omm trust$/m);
  assert.match(text, /^host all all 127\.0\.0\.1\/32 trust$/m);
  assert.equal(renderHba(text, wishes), text);
});

test('the keys of replconninfo keep the order that openGauss reads them in', () => {
  assert.equal(
    renderReplconninfo({ host: '10.0.0.1', haPort: 5433 }, { host: '10.0.0.2', haPort: 6433 }),
    'localhost=10.0.0.1 localport=5433 localheartbeatport=5437 localservice=5436 remotehost=10.0.0.2 remoteport=6433 remoteheartbeatport=6437 remoteservice=6436',
  );
});

test('entries of members that left are emptied, a ninth peer is refused', () => {
  const peer = (index: number) => ({ host: `10.0.0.${index}`, haPort: 5433 });
  const two = renderAll(peer(1), [peer(2), peer(3)]);
  assert.ok(two.ok);
  assert.equal(two.value.size, 8);
  assert.equal(two.value.get('replconninfo3'), '');
  const nine = renderAll(peer(1), [2, 3, 4, 5, 6, 7, 8, 9, 10].map(peer));
  assert.equal(nine.ok, false);
  for (const host of ['', "10.0.0.1'", 'has blank', 'a-remotehost', `${'x'.repeat(64)}`]) {
    assert.equal(renderAll(peer(1), [{ host, haPort: 5433 }]).ok, false, host);
  }
});

const member = { member: 'OG-Demo-0', port: 5432, haPort: 5433, bindAddress: '0.0.0.0', socketDir: '/run/opengauss' };

test('what the agent owns cannot be set by people, and the role parameters are carried along', () => {
  const wanted = {
    self: { name: 'og-demo-0', host: '10.0.0.1', haPort: 5433 },
    peers: [],
    parameters: { Port: '1', Work_Mem: '8MB', restart_after_crash: 'on' },
  };
  const made = wantedParameters(member, wanted, new Map([['synchronous_standby_names', 'ANY 1 (og-demo-1)']]));
  assert.ok(made.ok);
  assert.equal(made.value.get('port'), '5432');
  assert.equal(made.value.get('work_mem'), '8MB');
  assert.equal(made.value.get('restart_after_crash'), 'off');
  assert.equal(made.value.get('application_name'), 'og-demo-0');
  assert.equal(made.value.get('synchronous_standby_names'), 'ANY 1 (og-demo-1)');
  const silent = wantedParameters(member, { ...wanted, silent: true }, new Map([['most_available_sync', 'on']]));
  assert.ok(silent.ok);
  assert.equal(silent.value.get('synchronous_standby_names'), nobody);
  assert.equal(silent.value.get('most_available_sync'), 'off');
  assert.equal(made.value.get('listen_addresses'), '*');
  assert.equal(initialParameters(member).get('sync_config_strategy'), 'none_node');
});

test('the freeze file has the bytes that the server writes', () => {
  const bytes = encodeLock({ host: '10.99.0.13', haPort: 15453 });
  assert.ok(bytes.ok);
  assert.equal(bytes.value.length, 72);
  assert.equal(bytes.value.subarray(0, 16).toString('hex'), '0100000031302e39392e302e31330000');
  assert.equal(bytes.value.subarray(68).toString('hex'), '5d3c0000');
  assert.deepEqual(decodeLock(bytes.value), { mode: 'specify_connection', host: '10.99.0.13', haPort: 15453 });
  assert.equal(encodeLock({ host: 'og-demo-1', haPort: 5433 }).ok, false);
  assert.equal(decodeLock(Buffer.alloc(8)), undefined);
});

test('a lock is read from its row, with nothing invented', () => {
  const row = { disconn_mode: 'polling_connection', disconn_host: '', disconn_port: '0', redo_finished: 'false' };
  assert.deepEqual(parseLock(row), { mode: 'polling_connection', host: undefined, port: undefined, redoFinished: false });
  assert.equal(parseLock({ ...row, disconn_mode: 'else' }), undefined);
  assert.equal(parseLock(undefined), undefined);
});

test('pg_controldata without a system identifier is not understood', () => {
  const text =
    'pg_control version number: 923\nDatabase system identifier:           5832911\nDatabase cluster state:               in production\n';
  assert.deepEqual(parseControlData(text), { systemId: '5832911', clusterState: 'in production' });
  assert.equal(parseControlData('Database cluster state: in production\n'), undefined);
});

test('gaussdb.state is read by its offsets, a short file is not read', () => {
  const bytes = Buffer.alloc(72);
  bytes.writeInt32LE(3, 0);
  bytes.writeInt32LE(7, 8);
  bytes.writeBigUInt64LE(214333n, 48);
  bytes.writeInt32LE(37, 56);
  assert.deepEqual(parseState(bytes), {
    role: 'Standby',
    state: 'Building',
    build: { mode: 0, doneKb: 0n, totalKb: 214333n, percent: 37 },
  });
  assert.equal(parseState(bytes.subarray(0, 71)), undefined);
});

const banner = '[2025-08-20 10:15:42.118][15657][][gs_ctl]: gs_ctl query ,datadir is /data \n';
const full = `${banner} HA state:           
\tlocal_role                     : Primary
\tstatic_connections             : 2
\tdb_state                       : Normal
\tdetail_information             : Normal

 Senders info:       
\tsender_pid                     : 15464
\tlocal_role                     : Primary
\tpeer_role                      : Standby
\tsync_state                     : Sync
\tchannel                        : 10.42.1.11:5433-->10.42.2.12:35446

\tsender_pid                     : 15466
\tlocal_role                     : Primary
\tsync_state                     : Potential

 Receiver info:      
No information 
`;
const fallback = `${banner} HA state:
        local_role                    : Primary
        static_connections            : 2
        db_state                      : Normal
        detail_information            : (connect to V5 server) wait localhost:5433 timeout expired
(connect to V1 server) wait localhost:5433 timeout expired

        sync_mode                     : Async

 Senders info:
        No information
 Receiver info:
        No information
`;

test('gs_ctl query of a primary gives one block for each sender', () => {
  const answer = parseQuery(full);
  assert.equal(answer.ha?.['local_role'], 'Primary');
  assert.deepEqual(
    answer.senders.map((sender) => sender['sync_state']),
    ['Sync', 'Potential'],
  );
  assert.equal(answer.receiver, undefined);
  assert.equal(answer.stale, false);
});

test('gs_ctl query of a hung primary still says Primary and Normal, and is known to be stale', () => {
  const answer = parseQuery(fallback);
  assert.equal(answer.ha?.['local_role'], 'Primary');
  assert.equal(answer.ha?.['db_state'], 'Normal');
  assert.equal(answer.stale, true);
  assert.deepEqual(answer.senders, []);
});

test('gs_ctl query of anything does not throw', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseQuery(text)));
});

test('the last line of gs_ctl is read without its prefix', () => {
  assert.equal(
    lastLine('[2026-11-21 09:49:58.806][22538][][gs_ctl]:  cannot failover server; server is not in standby\n...\n'),
    'cannot failover server; server is not in standby',
  );
  assert.equal(lastLine(''), '');
});

test('a server is told from everybody else by its arguments', () => {
  const cases: [string[], string | undefined, boolean][] = [
    [['/opt/bin/gaussdb', '-D', '/d/pgdata', '-M', 'standby'], '/d/pgdata', true],
    [['gaussdb', '-D', '/d/pgdata/'], undefined, true],
    [['/bin/bash', '/opt/bin/gaussdb', '-D', '/d/pgdata'], '/', true],
    [['gaussdb', '-D/d/pgdata'], '/', true],
    [['gaussdb'], '/d/pgdata', true],
    [['gaussdb', '-D', '/d/other'], '/d/pgdata', false],
    [['vi', '/opt/bin/gaussdb.log'], '/d/pgdata', false],
    [['gs_ctl', 'build', '-D', '/d/pgdata'], '/d/pgdata', false],
    [[], '/d/pgdata', false],
  ];
  for (const [args, cwd, expected] of cases) assert.equal(isServerOf(args, cwd, '/d/pgdata'), expected, args.join(' '));
});

test('the stat of a process whose name holds blanks and parentheses is read', () => {
  const rest = `S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 7 0 123456 1 1`;
  assert.deepEqual(parseStat(`42 (a b) (c)) ${rest}`), {
    pid: 42,
    command: 'a b) (c)',
    state: 'S',
    threads: 7,
    startTime: '123456',
  });
  assert.equal(parseStat('42'), undefined);
});
