/**
 * openGauss parameters that only the agent may set: a hand-set one would make a second primary, break replication or
 * put the server where the agent does not find it. A name that ends in `*` stands for all that begin so.
 */
export const ownedPatterns = [
  'replconninfo*',
  'cross_cluster_replconninfo*',
  'synchronous_standby_names',
  'most_available_sync',
  'sync_config_strategy',
  'application_name',
  'primary_slotname',
  'pgxc_node_name',
  'listen_addresses',
  'local_bind_address',
  'port',
  'pooler_port',
  'unix_socket_directory',
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'external_pid_file',
  'log_directory',
  'logging_collector',
  'restart_after_crash',
  'hot_standby',
  'default_transaction_read_only',
  'enable_dcf',
  'repl_auth_mode',
  'repl_uuid',
  'include*',
] as const;

/** Whether the agent owns a parameter; names are case-insensitive, as in openGauss. */
export function isOwned(name: string): boolean {
  const lower = name.toLowerCase();
  return ownedPatterns.some((pattern) => (pattern.endsWith('*') ? lower.startsWith(pattern.slice(0, -1)) : lower === pattern));
}
