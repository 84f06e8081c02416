// What PostgreSQL is told: its configuration file rendered from openGauss's effective settings. Pure text; the limits here are the
// stand-in's own (they must be equal on all members, or a standby would refuse its primary's WAL).
import type { Settings } from './conf.ts';
import { gucs, parseSyncNames, readBool } from './gucs.ts';

/** What else decides the file. */
export interface RenderInput {
  settings: Settings;
  major: number;
  user: string;
  /** does anything wait for synchronous standbys now? */
  synchronous: boolean;
}

/** Sockets of the stand-in, relative to PGDATA; they never leave it. */
export const privateSockets = 'pg_stat_tmp';
/** Where PostgreSQL listens, relative to PGDATA. */
export const backendSocket = `${privateSockets}/.s.PGSQL.5432`;
/** Where its WAL receiver finds the relay, relative to PGDATA. */
export const relaySocket = `${privateSockets}/relay/.s.PGSQL.5432`;

const passedOn = [
  'default_transaction_read_only',
  'wal_sender_timeout',
  'wal_receiver_timeout',
  'checkpoint_timeout',
  'statement_timeout',
  'idle_in_transaction_session_timeout',
  'log_min_duration_statement',
  'work_mem',
  'maintenance_work_mem',
  'recovery_min_apply_delay',
  'fsync',
  'full_page_writes',
];

const unitNames: Readonly<Record<string, string>> = { ms: 'ms', s: 's', min: 'min', kB: 'kB', '8kB': '8kB' };

function quote(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** PostgreSQL's synchronous_standby_names for openGauss's: names quoted, as they may hold dashes. */
export function renderSyncNames(value: string): string {
  const rule = parseSyncNames(value);
  if (rule === undefined || rule.names.length === 0) return '';
  const names = rule.names.map((name) => (name === '*' ? '*' : `"${name}"`)).join(', ');
  return `${rule.method.toUpperCase()} ${rule.count} (${names})`;
}

/** openGauss parameters that SHOW must answer from the stand-in, with their values. */
export function ownSettings(settings: Settings): Map<string, string> {
  const own = new Map<string, string>([
    ['server_version', '9.2.4'],
    ['server_version_num', '90204'],
  ]);
  for (const [name, value] of settings.all())
    if (gucs[name] === undefined || gucs[name]?.own) own.set(name, display(name, value));
  return own;
}

function display(name: string, value: string): string {
  const guc = gucs[name];
  if (guc?.type === 'bool') return readBool(value) ? 'on' : 'off';
  return value;
}

/** The whole file. */
export function renderPostgres(input: RenderInput): string {
  const { settings, major } = input;
  const keepMb = Math.max(Math.min(settings.number('wal_keep_segments'), 4096) * 16, 512);
  const applicationName = settings.get('application_name') || 'walreceiver';
  const receive = settings.get('synchronous_commit').toLowerCase();
  const lines: [string, string][] = [
    ['listen_addresses', ''],
    ['unix_socket_directories', `../${privateSockets}`],
    ['port', '5432'],
    ['max_connections', '120'],
    ['superuser_reserved_connections', '3'],
    ['max_wal_senders', '20'],
    ['max_replication_slots', '16'],
    ['max_worker_processes', '8'],
    ['max_parallel_workers_per_gather', '0'],
    ['max_logical_replication_workers', '0'],
    ['shared_buffers', '32MB'],
    ['dynamic_shared_memory_type', 'mmap'],
    ['wal_level', 'replica'],
    // what is written soon goes out soon, even when nobody commits
    ['wal_writer_delay', '20ms'],
    ['wal_log_hints', 'on'],
    ['wal_keep_size', `${keepMb}MB`],
    ['max_wal_size', '1GB'],
    ['min_wal_size', '32MB'],
    ['hot_standby', 'on'],
    ['hot_standby_feedback', 'off'],
    ['max_standby_streaming_delay', '1s'],
    ['max_standby_archive_delay', '1s'],
    ['wal_retrieve_retry_interval', '20ms'],
    ['wal_receiver_status_interval', '1s'],
    ['recovery_target_timeline', 'latest'],
    ['restart_after_crash', 'off'],
    ['shared_preload_libraries', 'plpgsql'],
    ['autovacuum_naptime', '60s'],
    ['autovacuum_max_workers', '1'],
    ['jit', 'off'],
    ['logging_collector', 'off'],
    ['log_destination', 'stderr'],
    ['log_line_prefix', ''],
    ['log_checkpoints', 'off'],
    ['log_statement', 'none'],
    ['log_min_messages', 'warning'],
    ['log_error_verbosity', 'terse'],
    ['lc_messages', 'C'],
    ['password_encryption', settings.number('password_encryption_type') >= 2 ? 'scram-sha-256' : 'md5'],
    ['synchronous_commit', receive === 'remote_receive' ? 'remote_write' : receive],
    ['synchronous_standby_names', input.synchronous ? renderSyncNames(settings.get('synchronous_standby_names')) : ''],
    [
      'primary_conninfo',
      `host=/proc/self/cwd/../${privateSockets}/relay port=5432 user=${input.user} dbname=replication application_name=${applicationName}`,
    ],
  ];
  // one call instead of a thousand after a crash or a build; on a busy disk that is seconds
  if (major >= 14) lines.push(['recovery_init_sync_method', 'syncfs']);
  if (major >= 14) lines.push(['idle_session_timeout', `${settings.number('session_timeout')}s`]);
  for (const name of passedOn) {
    const unit = gucs[name]?.unit;
    const value = settings.get(name);
    lines.push([name, unit !== undefined && /^-?\d+$/.test(value.trim()) ? `${value.trim()}${unitNames[unit]}` : value]);
  }
  for (const [name, value] of ownSettings(settings)) lines.push([`og.${name}`, value]);
  return `${lines.map(([name, value]) => `${name} = ${quote(value)}`).join('\n')}\n`;
}

/** PostgreSQL's pg_hba.conf: it trusts its private socket, as the stand-in has judged every client before. */
export const privateHba = 'local all all trust\nlocal replication all trust\n';
