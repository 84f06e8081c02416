/**
 * The server parameters that a member has: the agent's defaults, what people set in `parameters`, and what the agent
 * owns, in rising order of force. Pure. What changes with the role (synchronous names, the read-only brake) is set by
 * the act that changes it and only carried along here.
 */
import type { InstanceConfig } from '../../ports/instance.ts';
import { type Result, ok } from '../../core/result.ts';
import { nobody } from '../../core/sync.ts';
import { type InstanceOptions, isWildcard } from './options.ts';
import { renderAll } from './replconninfo.ts';

/** Set by promote, setSync and setReadOnly; configure() leaves them as they are. */
export const roleParameters = ['synchronous_standby_names', 'most_available_sync', 'default_transaction_read_only'];

/** Good for a cluster and open to people. */
const defaults: Record<string, string> = {
  wal_level: 'hot_standby',
  // Eight standbys, and a build takes two; the sample file's 4 does not hold three members and a build.
  max_wal_senders: '20',
  max_replication_slots: '20',
  wal_keep_segments: '128',
  // A configured standby that is away may pin 2 TB of WAL by default.
  max_size_for_xlog_prune: '10485760',
  password_encryption_type: '1',
  remote_read_mode: 'non_authentication',
};

/** Not open to people: the agent's promises rest on them. */
const owned: Record<string, string> = {
  hot_standby: 'on',
  replication_type: '1',
  // Else the primary would overwrite this file with its own.
  sync_config_strategy: 'none_node',
  // Else a crashed primary comes back as primary without anybody being asked.
  restart_after_crash: 'off',
  enable_slot_log: 'off',
  // Else the agent's own idle session is cut after ten minutes.
  session_timeout: '0',
};

/** What no primary needs until it is promoted: nobody acknowledges, nobody waits. */
export const initialRoleParameters: Record<string, string> = {
  synchronous_standby_names: '',
  most_available_sync: 'off',
  default_transaction_read_only: 'off',
};

/** The whole managed block of one member. `current` is the block as it is. */
export function wantedParameters(
  options: Pick<InstanceOptions, 'member' | 'port' | 'haPort' | 'bindAddress' | 'socketDir'>,
  wanted: InstanceConfig,
  current: ReadonlyMap<string, string>,
): Result<Map<string, string>> {
  const local = { host: isWildcard(options.bindAddress) ? wanted.self.host : options.bindAddress, haPort: options.haPort };
  const replication = renderAll(local, wanted.peers);
  if (!replication.ok) return replication;
  const people = Object.entries(wanted.parameters).map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  const mine = Object.entries({ ...owned, ...addresses(options) });
  const asIs = (name: string) => current.get(name) ?? initialRoleParameters[name] ?? '';
  const silenced: Record<string, string> =
    wanted.silent === true ? { synchronous_standby_names: nobody, most_available_sync: 'off' } : {};
  const role = roleParameters.map((name): [string, string] => [name, silenced[name] ?? asIs(name)]);
  return ok(new Map([...Object.entries(defaults), ...people, ...mine, ...replication.value, ...role]));
}

/** What a database has before any peer is known. */
export function initialParameters(
  options: Pick<InstanceOptions, 'member' | 'port' | 'bindAddress' | 'socketDir'>,
): Map<string, string> {
  return new Map(Object.entries({ ...defaults, ...owned, ...addresses(options), ...initialRoleParameters }));
}

function addresses(options: Pick<InstanceOptions, 'member' | 'port' | 'bindAddress' | 'socketDir'>): Record<string, string> {
  const anywhere = isWildcard(options.bindAddress);
  return {
    port: String(options.port),
    listen_addresses: anywhere ? '*' : options.bindAddress,
    local_bind_address: anywhere ? '0.0.0.0' : options.bindAddress,
    unix_socket_directory: options.socketDir,
    // Upper case never connects: the name becomes a slot's (opengauss-interface 4.4).
    application_name: options.member.toLowerCase(),
  };
}
