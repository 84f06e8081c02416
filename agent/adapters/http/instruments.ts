/**
 * The agent's metrics by name: what each means, its labels and its buckets. Definitions
 * only; gauges.ts fills the gauges from a snapshot, metrics.ts the rest from events.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const prefix = 'opengauss_agent_';

const quick = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];
const slow = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 10, 15, 30, 60];

/** Makes every metric of the agent in a registry. */
export function instruments(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: prefix + name, help, labelNames, registers });
  const histogram = <L extends string = never>(name: string, help: string, buckets: number[], labelNames: L[] = []) =>
    new Histogram<L>({ name: prefix + name, help, buckets, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name: prefix + name, help, labelNames, registers });
  return {
    info: gauge('info', 'Always 1; the labels tell which agent this is.', ['version', 'cluster', 'pod']),
    role: gauge('role', '1 for the role the server has by its own word, 0 for the others.', ['role']),
    state: gauge('state', '1 for the state the server has by its own word, 0 for the others.', ['state']),
    hasLease: gauge('has_lease', '1 while this member holds the lease with a valid permit.'),
    term: gauge('term', 'The term of the lease: it grows with every change of holder and every promotion.'),
    leaseRenewSeconds: histogram('lease_renew_seconds', 'How long a confirmed renewal of the lease took.', quick),
    leaseRemainingSeconds: gauge('lease_remaining_seconds', 'How long until the lease runs out, as this member sees it.'),
    leaseTransitions: counter('lease_transitions_total', 'How often this member saw the holder of the lease change.'),
    permitMarginSeconds: histogram(
      'permit_margin_seconds',
      'How much of the permit was left when its renewal was confirmed.',
      [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 10, 30],
    ),
    cycleSeconds: histogram('cycle_seconds', 'How long a cycle of the loop took.', quick),
    cycles: counter('cycles_total', 'Cycles of the loop, by the reason of their decision.', ['reason']),
    decision: gauge('decision', '1 for the reason of the last decision.', ['reason']),
    fences: counter('fences_total', 'How often this agent killed its server to make sure it takes no write.', ['reason']),
    promotions: counter('promotions_total', 'Promotions of this member that ended with a writable primary.'),
    failoverSeconds: histogram(
      'failover_seconds',
      'From the first sign of trouble to a writable primary, on the member that became it.',
      slow,
      ['kind'],
    ),
    switchovers: counter('switchovers_total', 'Planned changes of primary that this member led, by outcome.', ['outcome']),
    builds: counter('builds_total', 'Builds of this member from the primary, by mode and outcome.', ['mode', 'outcome']),
    buildProgress: gauge('build_progress_ratio', 'How much of the running build is done.'),
    replicationLag: gauge('replication_lag_bytes', 'On the primary: WAL that a standby has not flushed yet.', ['standby']),
    replayLag: gauge('replay_lag_bytes', 'On a standby: WAL received and not replayed yet.'),
    walPosition: gauge('wal_position_bytes', 'WAL positions of this member, in bytes since the beginning.', ['kind']),
    syncStandbys: gauge('sync_standbys', 'Synchronous standbys: that the record expects, and that the primary observes.', [
      'kind',
    ]),
    syncDegraded: gauge('sync_degraded', '1 while commits do not wait for a standby although they should.'),
    members: gauge('members', 'Members of the cluster by state, as this member sees them.', ['state']),
    multiplePrimaries: gauge('multiple_primaries', '1 while more than one member says that it is primary.'),
    paused: gauge('paused', '1 while the cluster is paused.'),
    volumeCapacity: gauge('volume_capacity_bytes', 'Size of a volume.', ['mount']),
    volumeAvailable: gauge('volume_available_bytes', 'Bytes of a volume that an ordinary user can still write.', ['mount']),
    volumeUsed: gauge('volume_used_ratio', 'Share of a volume in use.', ['mount']),
    volumeInodes: gauge('volume_inodes_free', 'Free inodes of a volume.', ['mount']),
    volumeStalled: gauge('volume_probe_stalled', '1 while a look at the volume has not come back.', ['mount']),
    volumeState: gauge('volume_state', '1 for how a volume stands, by the configured limits.', ['mount', 'state']),
    readOnly: gauge('read_only', '1 while the server is read-only, by who set it.', ['owner']),
    kubeRequestSeconds: histogram('kube_request_seconds', 'Requests to the API server.', quick, ['verb', 'resource', 'code']),
    peerRequestSeconds: histogram('peer_request_seconds', 'Requests to other members.', quick, ['route', 'outcome']),
    backupLastSuccess: gauge('backup_last_success_timestamp_seconds', 'When the last base backup was completed.'),
    backupSize: gauge('backup_size_bytes', 'Size of the last base backup.'),
    backups: counter('backups_total', 'Base backups by outcome.', ['outcome']),
    archiveFailed: counter('archive_failed_total', 'WAL segments whose archiving failed.'),
    archiveOldestPending: gauge('archive_oldest_pending_seconds', 'Age of the oldest WAL segment that waits for archiving.'),
    logLinesDropped: counter('log_lines_dropped_total', 'Log lines dropped because nobody read the log fast enough.'),
  };
}

export type Instruments = ReturnType<typeof instruments>;
