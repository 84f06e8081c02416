// postgresql.conf and pg_hba.conf as gs_initdb leaves them: the lines an agent or a test looks at, in the sample's own spelling.

/** postgresql.conf of a fresh instance. */
export function sampleConf(nodeName: string): string {
  return `# -----------------------------
# PostgreSQL configuration file
# -----------------------------
#listen_addresses = 'localhost'		# what IP address(es) to listen on;
#local_bind_address = '0.0.0.0'
#port = 5432				# (change requires restart)
max_connections = 200			# (change requires restart)
#sysadmin_reserved_connections = 3	# (change requires restart)
#unix_socket_directory = ''		# (change requires restart)
#unix_socket_permissions = 0700		# begin with 0 to use octal notation
#session_timeout = 10min		# allowed duration of any unused session, 0s-86400s(1 day), 0 is disabled
#password_encryption_type = 2		#Password storage type, 0 is md5 for PG, 1 is sha256 + md5, 2 is sha256 only
shared_buffers = 32MB			# min 128kB
wal_level = hot_standby			# minimal, archive, hot_standby or logical
#fsync = on				# turns forced synchronization on or off
#synchronous_commit = on		# synchronization level;
checkpoint_timeout = 15min		# range 30s-1h
#archive_mode = off		# allows archiving to be done
#archive_command = ''		# command to use to archive a logfile segment
max_wal_senders = 4		# max number of walsender processes
wal_keep_segments = 16		# in logfile segments, 16MB each normal, 1GB each in share storage mode; 0 disables
#wal_sender_timeout = 6s	# in milliseconds; 0 disables
enable_slot_log = off
max_replication_slots = 8		# max number of replication slots
#replconninfo1 = ''		# replication connection information used to connect primary on standby, or standby on primary,
#replconninfo2 = ''		# replication connection information used to connect secondary on primary or standby,
#replconninfo3 = ''             # replication connection information used to connect primary on standby, or standby on primary,
#replconninfo4 = ''             # replication connection information used to connect primary on standby, or standby on primary,
#replconninfo5 = ''             # replication connection information used to connect primary on standby, or standby on primary,
#replconninfo6 = ''             # replication connection information used to connect primary on standby, or standby on primary,
#replconninfo7 = ''             # replication connection information used to connect primary on standby, or standby on primary,
#replconninfo8 = ''             # replication connection information used to connect primary on standby, or standby on primary,
synchronous_standby_names = '*'	# standby servers that provide sync rep
#most_available_sync = off	# Whether master is allowed to continue
hot_standby = on			# "on" allows queries during recovery
#wal_receiver_status_interval = 5s	# send replies at least this often
#wal_receiver_timeout = 6s		# time that receiver waits for
#wal_receiver_connect_timeout = 1s	# timeout that receiver connect master
#wal_receiver_connect_retries = 1	# max retries that receiver connect master
#recovery_max_workers = 1		# The max number of recovery threads allowed to run in parallel.
log_directory = 'pg_log'		# directory where log files are written,
pgxc_node_name = '${nodeName}'			# Coordinator or Datanode name
#default_transaction_read_only = off
application_name = ''
#restart_after_crash = on		# reinitialize after backend crash?
#sync_config_strategy = all_node	# Synchronization strategy for configuration files between host and standby.
remote_read_mode = non_authentication
#replication_type = 1
#upgrade_mode = 0
#available_zone = ''
`;
}

/** pg_hba.conf of a fresh instance. */
export const sampleHba = `# PostgreSQL Client Authentication Configuration File
# TYPE  DATABASE        USER            ADDRESS                 METHOD

# "local" is for Unix domain socket connections only
local   all             all                                     trust
# IPv4 local connections:
host    all             all             127.0.0.1/32            trust
# IPv6 local connections:
host    all             all             ::1/128                 trust
# Allow replication connections from localhost, by a user with the
# replication privilege.
#local   replication     omm                                trust
#host    replication     omm        127.0.0.1/32            trust
#host    replication     omm        ::1/128                 trust
`;
