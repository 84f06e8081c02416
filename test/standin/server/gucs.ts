// The table of openGauss parameters the stand-in knows: default, type, range, and who acts on it. A row's `own` says that PostgreSQL
// does not have the parameter (or must see another value): it is kept as `og.<name>` and SHOW is answered from there.
// Parameters outside the table are kept as text and judged by nobody.

/** One parameter. */
export interface Guc {
  type: 'bool' | 'int' | 'enum' | 'string';
  standard: string;
  /** kept as og.<name> */
  own: boolean;
  /** needs a restart */
  postmaster?: true;
  min?: number;
  max?: number;
  /** unit of a bare number: milliseconds, seconds or kilobytes */
  unit?: 'ms' | 's' | 'kB' | 'min' | '8kB';
  values?: readonly string[];
  check?(value: string): boolean;
}

const bool = (standard: string, own = true): Guc => ({ type: 'bool', standard, own });
const int = (standard: string, min: number, max: number, own = true): Guc => ({ type: 'int', standard, own, min, max });
const timed = (standard: string, unit: 'ms' | 's' | 'min', own = true): Guc => ({
  type: 'int',
  standard,
  own,
  min: 0,
  max: 2147483647,
  unit,
});
const words = (standard: string, values: readonly string[], own = true): Guc => ({ type: 'enum', standard, own, values });
const text = (standard: string, own = true, check?: (value: string) => boolean): Guc => ({
  type: 'string',
  standard,
  own,
  ...(check === undefined ? {} : { check }),
});
const fixed = (guc: Guc): Guc => ({ ...guc, postmaster: true });

/** Is this a usable replconninfo, or none? */
export function validReplConnInfo(value: string): boolean {
  if (value.trim() === '') return true;
  const info = parseReplConnInfo(value);
  return info !== undefined;
}

/** A replconninfo entry, taken apart. */
export interface ReplConnInfo {
  localHost: string;
  localPort: number;
  remoteHost: string;
  remotePort: number;
  cascade: boolean;
}

/** Parses one replconninfo; undefined when it is not one. Only the first channel of a list counts. */
export function parseReplConnInfo(value: string): ReplConnInfo | undefined {
  const first = value.split(',')[0] ?? '';
  const word = (name: string) => new RegExp(`(?:^|\\s)${name}=(\\S*)`).exec(first)?.[1];
  const number = (name: string) => (/^\d+$/.test(word(name) ?? '') ? Number(word(name)) : 0);
  const localHost = word('localhost') ?? '';
  const remoteHost = (word('remotehost') ?? '').slice(0, 63);
  const localPort = number('localport');
  const remotePort = number('remoteport');
  if (localHost === '' || remoteHost === '' || localHost.length > 62 || localPort === 0 || remotePort === 0) return undefined;
  if (!/^[0-9A-Za-z:]/.test(localHost) || !/^[0-9A-Za-z:]/.test(remoteHost)) return undefined;
  return { localHost, localPort, remoteHost, remotePort, cascade: /(?:^|\s)iscascade=true/i.test(first) };
}

/** The parsed synchronous_standby_names. */
export interface SyncRule {
  method: 'first' | 'any';
  count: number;
  names: string[];
}

/** Parses `list`, `N (..)`, `FIRST N (..)`, `ANY N (..)`; undefined when invalid, a rule of no names when empty. */
export function parseSyncNames(value: string): SyncRule | undefined {
  if (value.trim() === '') return { method: 'first', count: 0, names: [] };
  const grouped = /^\s*(?:(first|any)\s+)?(\d+)\s*\(([^()]*)\)\s*$/i.exec(value);
  const names = (grouped?.[3] ?? value).split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  if (grouped === null && /[()]/.test(value)) return undefined;
  if (names.some((name) => name === '' || /\s/.test(name) || name.length > 63)) return undefined;
  const count = grouped === null ? 1 : Number(grouped[2]);
  const method = grouped?.[1]?.toLowerCase() === 'any' ? 'any' : 'first';
  if (count < 1 || (grouped !== null && !names.includes('*') && count > names.length)) return undefined;
  return { method, count, names };
}

const replConnInfo = Object.fromEntries(
  Array.from({ length: 8 }, (_, i) => [`replconninfo${i + 1}`, text('', true, validReplConnInfo)]),
);

/** Every parameter the stand-in knows. */
export const gucs: Readonly<Record<string, Guc>> = {
  ...replConnInfo,
  synchronous_standby_names: text('*', true, (value) => parseSyncNames(value) !== undefined),
  synchronous_commit: words(
    'on',
    ['on', 'remote_receive', 'remote_write', 'remote_apply', 'local', 'off', 'true', 'false', 'yes', 'no', '1', '0'],
    false,
  ),
  most_available_sync: bool('off'),
  keep_sync_window: timed('0', 's'),
  catchup2normal_wait_time: int('-1', -1, 10000),
  default_transaction_read_only: bool('off', false),
  wal_level: fixed(words('hot_standby', ['minimal', 'archive', 'hot_standby', 'logical'])),
  hot_standby: fixed(bool('on')),
  max_wal_senders: fixed(int('4', 0, 1024)),
  max_replication_slots: fixed(int('8', 0, 1024)),
  wal_keep_segments: int('16', 2, 2147483647),
  enable_xlog_prune: bool('on'),
  max_size_for_xlog_prune: int('2147483647', 0, 2147483647),
  max_size_xlog_force_prune: int('0', 0, 2147483647),
  enable_slot_log: bool('off'),
  wal_sender_timeout: timed('6s', 'ms', false),
  wal_receiver_timeout: timed('6s', 'ms', false),
  wal_receiver_connect_timeout: timed('2s', 's'),
  wal_receiver_connect_retries: int('1', 1, 2147483647),
  wal_receiver_status_interval: timed('5s', 's'),
  replication_type: fixed(int('1', 0, 2)),
  enable_stream_replication: bool('on'),
  listen_addresses: text('localhost'),
  local_bind_address: fixed(text('0.0.0.0')),
  port: fixed(int('5432', 1, 65534)),
  unix_socket_directory: fixed(text('')),
  unix_socket_permissions: fixed(text('0700')),
  pgxc_node_name: fixed(text('')),
  application_name: text(''),
  archive_mode: bool('off'),
  archive_command: text(''),
  archive_dest: text(''),
  sync_config_strategy: fixed(words('all_node', ['all_node', 'only_sync_node', 'none_node'])),
  session_timeout: timed('10min', 's'),
  password_encryption_type: int('2', 0, 3),
  enable_thread_pool: fixed(bool('off')),
  max_connections: fixed(int('200', 10, 262143)),
  sysadmin_reserved_connections: fixed(int('3', 0, 262143)),
  max_inner_tool_connections: fixed(int('50', 1, 262143)),
  restart_after_crash: bool('on'),
  recovery_time_target: timed('0', 's'),
  recovery_max_workers: fixed(int('1', 0, 20)),
  remote_read_mode: fixed(words('authentication', ['off', 'non_authentication', 'authentication'])),
  available_zone: fixed(text('')),
  repl_auth_mode: text('default'),
  repl_uuid: text(''),
  primary_slotname: text(''),
  upgrade_mode: int('0', 0, 2147483647),
  incremental_checkpoint_timeout: timed('60s', 's'),
  enable_incremental_checkpoint: fixed(bool('on')),
  cluster_run_mode: fixed(words('cluster_primary', ['cluster_primary', 'cluster_standby'])),
  checkpoint_timeout: timed('15min', 's', false),
  enable_double_write: fixed(bool('on')),
  failed_login_attempts: int('10', 0, 1000),
  password_policy: int('1', 0, 1),
  xc_maintenance_mode: bool('off'),
  statement_timeout: timed('0', 'ms', false),
  idle_in_transaction_session_timeout: timed('0', 'ms', false),
  log_min_duration_statement: { ...timed('30min', 'ms', false), min: -1 },
  work_mem: { ...int('64MB', 64, 2147483647, false), unit: 'kB' },
  maintenance_work_mem: { ...int('16MB', 1024, 2147483647, false), unit: 'kB' },
  shared_buffers: fixed({ ...int('32MB', 16, 1073741823), unit: '8kB' }),
  cstore_buffers: fixed({ ...int('16MB', 16384, 1073741823), unit: 'kB' }),
  max_process_memory: fixed({ ...int('12GB', 1, 2147483647), unit: 'kB' }),
  wal_buffers: fixed({ ...int('16MB', -1, 262144), unit: '8kB' }),
  max_prepared_transactions: fixed(int('10', 0, 262143)),
  recovery_min_apply_delay: timed('0', 'ms', false),
  client_min_messages: words(
    'notice',
    ['debug5', 'debug4', 'debug3', 'debug2', 'debug1', 'debug', 'log', 'info', 'notice', 'warning', 'error'],
    false,
  ),
  log_line_prefix: text('%m '),
  log_directory: text('pg_log'),
  ssl: fixed(bool('off')),
  fsync: bool('on', false),
  full_page_writes: bool('on', false),
  autovacuum: bool('on', false),
};

const truths = ['on', 'true', 'yes', '1', 't', 'y'];
const lies = ['off', 'false', 'no', '0', 'f', 'n'];
const factors: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  min: 6e4,
  h: 36e5,
  d: 864e5,
  B: 1 / 1024,
  kB: 1,
  MB: 1024,
  GB: 1048576,
  TB: 1073741824,
  '8kB': 8,
};

/** The truth of a boolean value, undefined when it is none. */
export function readBool(value: string): boolean | undefined {
  const word = value.trim().toLowerCase();
  return truths.includes(word) ? true : lies.includes(word) ? false : undefined;
}

/** A number in the parameter's unit, undefined when it is none. */
export function readNumber(value: string, unit: Guc['unit']): number | undefined {
  const parts = /^\s*(-?\d+)\s*(ms|s|min|h|d|kB|MB|GB|TB)?\s*$/.exec(value);
  if (parts === null) return undefined;
  const number = Number(parts[1]);
  if (parts[2] === undefined) return number;
  if (unit === undefined) return undefined;
  const factor = factors[parts[2]];
  const base = factors[unit];
  return factor === undefined || base === undefined ? undefined : Math.round((number * factor) / base);
}

/** Would the server take this value? Unknown names are taken as they are. */
export function validValue(name: string, value: string): boolean {
  const guc = gucs[name];
  if (guc === undefined) return true;
  if (guc.type === 'bool') return readBool(value) !== undefined;
  if (guc.type === 'enum') return guc.values?.includes(value.trim().toLowerCase()) ?? true;
  if (guc.type === 'string') return guc.check?.(value) ?? true;
  const number = readNumber(value, guc.unit);
  return number !== undefined && number >= (guc.min ?? -2147483648) && number <= (guc.max ?? 2147483647);
}
