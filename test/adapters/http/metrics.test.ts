/**
 * The metrics: every name of the contract is there, what is not known has no sample, and promtool agrees where it is
 * installed.
 */
import assert from 'node:assert/strict';
import { noHand } from '../../../agent/core/hand.ts';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createBoard } from '../../../agent/adapters/http/board.ts';
import { openMetrics, wantsOpenMetrics } from '../../../agent/adapters/http/openmetrics.ts';
import { createMetrics } from '../../../agent/adapters/http/metrics.ts';
import type { VolumeUse } from '../../../agent/core/model.ts';
import { fenceReasons } from '../../../agent/core/reap.ts';
import { reasons } from '../../../agent/core/reasons.ts';
import { known, unknown } from '../../../agent/core/result.ts';
import type { Snapshot, View } from '../../../agent/core/view.ts';
import { aLeadingView, aPeer, aPrimary, aPrimaryPeer, aSeen, aSender, aView, lsn, me, now } from '../../core/builders.ts';

function shot(view: View): Snapshot {
  return {
    view,
    decision: { lease: { do: 'nothing' }, instance: { do: 'nothing' }, reason: 'leads' },
    cycle: 7,
    at: '2026-11-21T07:16:00Z',
  };
}

function made() {
  const board = createBoard();
  const metrics = createMetrics({ version: '0.1.0', cluster: 'demo', pod: me, board, clock: { now: () => now } });
  return { board, metrics };
}

/** The samples by name and labels, as scraped. */
async function scrape({ metrics }: ReturnType<typeof made>): Promise<Record<string, number>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')).replace('opengauss_agent_', ''),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

const contract = `info role state has_lease term lease_renew_seconds lease_remaining_seconds lease_transitions_total permit_margin_seconds
cycle_seconds cycles_total decision fences_total promotions_total failover_seconds switchovers_total builds_total build_progress_ratio
replication_lag_bytes replay_lag_bytes wal_position_bytes sync_standbys sync_degraded members multiple_primaries paused
volume_capacity_bytes volume_available_bytes volume_used_ratio volume_inodes_free volume_probe_stalled volume_state read_only
kube_request_seconds peer_request_seconds backup_last_success_timestamp_seconds backup_size_bytes backups_total archive_failed_total
archive_oldest_pending_seconds log_lines_dropped_total`;

test('every metric of the contract is there, with a help text', async () => {
  const text = await made().metrics.render();
  for (const name of contract.split(/\s+/)) assert.match(text, new RegExp(`^# HELP opengauss_agent_${name} .{10,}$`, 'm'), name);
  assert.match(text, /^process_resident_memory_bytes /m);
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m);
});

test('what nobody has seen yet has no sample', async () => {
  const samples = await scrape(made());
  for (const name of [
    'has_lease',
    'term',
    'paused',
    'sync_degraded',
    'multiple_primaries',
    'lease_remaining_seconds',
    'backup_size_bytes',
  ]) {
    assert.equal(samples[name], undefined, name);
  }
  assert.equal(samples['info{version="0.1.0",cluster="demo",pod="og-demo-1"}'], 1);
});

test('a leading primary is told as one', async () => {
  const { board, metrics } = made();
  const volumes = [{ mount: 'data', capacityBytes: 1000, availableBytes: 600, usedRatio: 0.4, inodesFree: 9 }];
  const untold = { flushed: undefined };
  const senders = [
    aSender('og-demo-0', { flushed: lsn('0/5000000') }),
    aSender('og-demo-2', untold),
    aSender('stranger', { ...untold, sync: 'Async' }),
  ];
  board.show(shot(aLeadingView({ volumes, instance: aPrimary({ senders }) })));
  const samples = await scrape({ board, metrics });
  const expected = {
    has_lease: 1,
    term: 7,
    lease_remaining_seconds: 7,
    'role{role="Primary"}': 1,
    'role{role="Standby"}': 0,
    'state{state="Normal"}': 1,
    'decision{reason="leads"}': 1,
    'wal_position_bytes{kind="written"}': 0x5000100,
    'replication_lag_bytes{standby="og-demo-0"}': 0x100,
    // What the server does not know of it, it says itself.
    'replication_lag_bytes{standby="og-demo-2"}': 0,
    'sync_standbys{kind="expected"}': 2,
    'sync_standbys{kind="observed"}': 2,
    'members{state="Normal"}': 3,
    multiple_primaries: 0,
    paused: 0,
    'volume_used_ratio{mount="data"}': 0.4,
    'volume_inodes_free{mount="data"}': 9,
    'volume_probe_stalled{mount="data"}': 0,
    'read_only{owner="nobody"}': 0,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(samples[name], value, name);
  assert.equal(samples['replication_lag_bytes{standby="stranger"}'], undefined);
});

test('what is no longer known, or no longer so, loses its sample', async () => {
  const { board, metrics } = made();
  board.show(shot(aLeadingView()));
  await metrics.render();
  board.show({
    ...shot(aView({ lease: unknown({ of: 'kube', kind: 'timeout', done: 'no', detail: 'x' }) })),
    decision: { lease: { do: 'nothing' }, instance: { do: 'nothing' }, reason: 'lease-unknown' },
  });
  const samples = await scrape({ board, metrics });
  for (const name of [
    'term',
    'lease_remaining_seconds',
    'decision{reason="leads"}',
    'wal_position_bytes{kind="written"}',
    'sync_standbys{kind="expected"}',
  ]) {
    assert.equal(samples[name], undefined, name);
  }
  assert.equal(samples['has_lease'], 0);
  assert.equal(samples['decision{reason="lease-unknown"}'], 1);
});

test('what an alert watches the rise of stands at zero before it happens for the first time', async () => {
  const samples = await scrape(made());
  for (const reason of fenceReasons) assert.equal(samples[`fences_total{reason="${reason}"}`], 0, reason);
  for (const outcome of ['done', 'refused', 'rolled-back'])
    assert.equal(samples[`switchovers_total{outcome="${outcome}"}`], 0, outcome);
});

test('the gauge of a pause is the cluster’s: a member that is paused alone leaves it at 0', async () => {
  const { board, metrics } = made();
  board.show(shot(aLeadingView({ paused: true, hand: { ...noHand, member: true } })));
  assert.equal((await scrape({ board, metrics }))['paused'], 0);
  board.show(shot(aLeadingView({ paused: true, hand: { ...noHand, cluster: true } })));
  assert.equal((await scrape({ board, metrics }))['paused'], 1);
});

test('a volume stands in one state, by its own limits; a broken one is failed whatever its figures', async () => {
  const parts = made();
  const at = (mount: string, usedRatio: number, part: Partial<VolumeUse> = {}): VolumeUse => ({
    ...{ mount, capacityBytes: 1000, availableBytes: 1000 * (1 - usedRatio), usedRatio },
    ...part,
  });
  const volumes = [
    at('data', 0.96),
    at('wal', 0.1, { fault: 'read-only' }),
    at('log', 0.88),
    at('archive', 0.1, { stalled: true }),
    at('backup', 0.99),
  ];
  parts.board.show(shot(aLeadingView({ volumes })));
  const samples = await scrape(parts);
  const states = Object.entries(samples).filter(([name, value]) => name.startsWith('volume_state{') && value === 1);
  assert.deepEqual(
    states.map(([name]) => name),
    [
      ['data', 'read-only'],
      ['wal', 'failed'],
      ['log', 'warn'],
      ['archive', 'unknown'],
      ['backup', 'critical'],
    ].map(([mount, state]) => `volume_state{mount="${mount}",state="${state}"}`),
  );
});

test('two primaries show at once', async () => {
  const { board, metrics } = made();
  board.show(shot(aLeadingView({ peers: { 'og-demo-0': aPrimaryPeer(), 'og-demo-2': aPeer('og-demo-2') } })));
  assert.equal((await scrape({ board, metrics }))['multiple_primaries'], 1);
});

test('changes of the holder are counted; a release and the same holder again are none', async () => {
  const { board, metrics } = made();
  for (const holder of ['og-demo-0/u/i', 'og-demo-0/u/i', '', 'og-demo-0/u/i', 'og-demo-2/u/i', '', 'og-demo-1/u/i']) {
    board.show(shot(aView({ lease: known(aSeen({ holder }), now) })));
  }
  assert.equal((await scrape({ board, metrics }))['lease_transitions_total'], 2);
});

test('events are counted under their words', async () => {
  const { board, metrics } = made();
  metrics.tally.cycle('leads', 0.02);
  metrics.tally.renewed(0.03, 4.1);
  metrics.tally.fenced('permit-lost');
  metrics.tally.promoted(0.7);
  metrics.tally.switched('done');
  metrics.tally.built('full', 'completed');
  metrics.telemetry.observeKubeRequest({ verb: 'update', resource: 'leases', code: '409', seconds: 0.01 });
  metrics.telemetry.observePeerRequest({ route: 'state', outcome: 'timeout', seconds: 0.5 });
  metrics.countDroppedLogLines(3);
  const samples = await scrape({ board, metrics });
  for (const name of [
    'cycles_total{reason="leads"}',
    'lease_renew_seconds_count',
    'permit_margin_seconds_count',
    'fences_total{reason="permit-lost"}',
    'promotions_total',
    'failover_seconds_count{kind="failover"}',
    'switchovers_total{outcome="done"}',
    'builds_total{mode="full",outcome="completed"}',
    'kube_request_seconds_count{verb="update",resource="leases",code="409"}',
    'peer_request_seconds_count{route="state",outcome="timeout"}',
  ]) {
    assert.equal(samples[name], 1, name);
  }
  assert.equal(samples['log_lines_dropped_total'], 3);
});

const promtool = spawnSync('promtool', ['--version']).error === undefined;
test('promtool has nothing to say', { skip: promtool ? false : 'promtool is not installed' }, async () => {
  const { board, metrics } = made();
  board.show(shot(aLeadingView()));
  metrics.tally.cycle('leads', 0.02);
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: await metrics.render(), encoding: 'utf8' });
  assert.deepEqual([checked.status, checked.stdout, checked.stderr], [0, '', '']);
});

test('OpenMetrics is given to those who ask for it', () => {
  assert.equal(wantsOpenMetrics('application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'), true);
  for (const accept of [undefined, '*/*', 'text/plain', 'application/openmetrics-text;version=0.0.1'])
    assert.equal(wantsOpenMetrics(accept), false, accept);
});

test('OpenMetrics names counters without their ending and marks the end', async () => {
  const { board, metrics } = made();
  board.show(shot(aLeadingView()));
  metrics.tally.cycle('leads', 0.02);
  const lines = openMetrics(await metrics.render()).split('\n');
  assert.deepEqual(lines.slice(-2), ['# EOF', '']);
  assert.ok(lines.includes('# TYPE opengauss_agent_cycles counter'));
  assert.ok(lines.includes('opengauss_agent_cycles_total{reason="leads"} 1'));
  assert.ok(lines.includes('# TYPE opengauss_agent_term gauge'));
  assert.equal(lines.slice(0, -1).includes(''), false);
});

test('a cluster of nine with every label at its most stays below a thousand series', async () => {
  const { board, metrics } = made();
  board.show(shot(aLeadingView()));
  for (const reason of Object.keys(reasons)) metrics.tally.cycle(reason, 0.02);
  for (const verb of ['get', 'list', 'watch', 'create', 'update', 'patch'])
    for (const code of ['200', '409', 'timeout'])
      metrics.telemetry.observeKubeRequest({ verb, resource: 'leases', code, seconds: 0.1 });
  const series = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.ok(series.length < 1000, `${series.length} series`);
});
