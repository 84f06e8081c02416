// What the server's rows become. Rows as a real openGauss 5.0.3 returned them to the pg driver; shapes by role.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row } from '../../../agent/adapters/gauss/sql.ts';
import { parseStatus, senderOf, standbyNameOf } from '../../../agent/adapters/gauss/status.ts';

const sender = {
  pid: '139987194472128',
  state: 'Streaming',
  sync_state: 'Quorum',
  sender_sent_location: '0/50003D8',
  receiver_received_location: '0/50003D8',
  receiver_write_location: '0/50003D8',
  receiver_flush_location: '0/50003D8',
  receiver_replay_location: '0/50003D8',
};
const client = { pid: '139987194472128', application_name: 'WalSender to Standby[og-demo-1]', since: '1763740000.123' };

function rows(
  change: Partial<Record<'ha' | 'wal' | 'replay' | 'senders' | 'clients' | 'receiver' | 'lock' | 'readOnly', Row[]>> = {},
): Row[][] {
  return [
    change.ha ?? [{ local_role: 'Primary', db_state: 'Normal', detail_information: 'Normal' }],
    change.wal ?? [{ recovering: false, written: '0/50003D8' }],
    change.replay ?? [{ term: '0', lsn: '0/0', received: null }],
    change.senders ?? [],
    change.clients ?? [],
    change.receiver ?? [],
    change.lock ?? [],
    [{ synchronous_standby_names: 'ANY 1 (og-demo-1)' }],
    [{ most_available_sync: 'off' }],
    change.readOnly ?? [{ default_transaction_read_only: 'off' }],
  ];
}

test('a primary has its senders by the name in the brackets', () => {
  const level = rows({ senders: [sender], clients: [client] });
  const status = parseStatus(level, parseStatus(level)?.heard);
  assert.deepEqual(status?.primary.senders, [
    { name: 'og-demo-1', state: 'Streaming', sync: 'Quorum', sent: 0x50003d8n, flushed: 0x50003d8n, replayed: 0x50003d8n },
  ]);
  assert.equal(status?.primary.writable, true);
  assert.equal(status?.primary.syncNames, 'ANY 1 (og-demo-1)');
});

// A receiver position of 0/0, nothing acknowledged, is printed as the sent one (walsender.cpp SETXLOGLOCATION).
const idle = { ...sender, sync_state: 'Async' };
const flushedOf = (row: Row, heard?: ReadonlySet<string>, from: Row = client) =>
  parseStatus(rows({ senders: [row], clients: [from] }), heard)?.primary.senders[0]?.flushed;
const heardOf = (row: Row, from: Row = client) => parseStatus(rows({ senders: [row], clients: [from] }))?.heard;

test('a sender that has acknowledged nothing yet is not believed, however long it has been there', () => {
  assert.equal(flushedOf(idle), undefined);
  assert.equal(flushedOf(idle, heardOf(idle)), undefined, 'looking twice tells nothing new');
  assert.equal(flushedOf({ ...idle, receiver_replay_location: '0/50003A0' }), undefined, 'replayed, and flushed nothing');
});

test('a sender is believed once its flushed position was another than the sent one, and from then on', () => {
  const behind = { ...idle, receiver_flush_location: '0/50003A0' };
  assert.equal(flushedOf(behind), 0x50003a0n);
  assert.equal(flushedOf(idle, heardOf(behind)), 0x50003d8n);
});

test('a sender that counts as synchronous has flushed something, which the next look reads', () => {
  assert.equal(flushedOf(sender), undefined, 'the positions of a row are read before its word');
  for (const word of ['Sync', 'Quorum', 'Potential'])
    assert.equal(flushedOf(sender, heardOf({ ...sender, sync_state: word })), 0x50003d8n, word);
});

test('a connection made anew has acknowledged nothing, whatever the one before had', () => {
  const behind = { ...idle, receiver_flush_location: '0/50003A0' };
  assert.equal(flushedOf(idle, heardOf(behind), { ...client, since: '1763740009.5' }), undefined);
  const gone = parseStatus(rows(), heardOf(behind))?.heard;
  assert.equal(gone?.size, 0, 'what is gone is forgotten');
});

test('a primary with the brake on, or still in recovery, is not writable', () => {
  assert.equal(parseStatus(rows({ readOnly: [{ default_transaction_read_only: 'on' }] }))?.primary.writable, false);
  assert.equal(parseStatus(rows({ wal: [{ recovering: true, written: null }] }))?.primary.writable, false);
});

test('a standby that lost its primary has no received position and invents none', () => {
  const status = parseStatus(
    rows({
      ha: [{ local_role: 'Standby', db_state: 'Need repair', detail_information: 'Connecting...' }],
      wal: [{ recovering: true, written: null }],
      replay: [{ term: '50', lsn: '0/B0038C8', received: null }],
      lock: [{ disconn_mode: 'specify_connection', disconn_host: '10.99.0.13', disconn_port: '15453', redo_finished: 'true' }],
    }),
  );
  assert.deepEqual(status?.standby, {
    term: 50,
    received: undefined,
    replayed: 0xb0038c8n,
    receiver: undefined,
    lock: { mode: 'specify_connection', host: '10.99.0.13', port: 15453, redoFinished: true },
  });
});

test('words that openGauss does not have become Unknown', () => {
  const status = parseStatus(rows({ ha: [{ local_role: 'Leader', db_state: 'Great', detail_information: null }] }));
  assert.equal(status?.role, 'Unknown');
  assert.equal(status?.state, 'Unknown');
  assert.equal(status?.detail, '');
});

test('an answer of the wrong shape is no status', () => {
  assert.equal(parseStatus([]), undefined);
  assert.equal(parseStatus([[{ local_role: 'Primary' }]]), undefined);
});

test('names and channels are read as openGauss prints them', () => {
  assert.equal(standbyNameOf('WalSender to Standby[og-demo-1]'), 'og-demo-1');
  assert.equal(standbyNameOf('walreceiver'), 'walreceiver');
  assert.equal(senderOf('10.99.0.11:42950<--10.99.0.11:15433'), '10.99.0.11:15433');
  assert.equal(senderOf(''), undefined);
});
