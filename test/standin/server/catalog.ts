// openGauss's SQL names over PostgreSQL's catalog: run once in template1 and postgres by gs_initdb, in single-user mode with system table
// changes allowed. PostgreSQL's own names that openGauss lacks get the prefix `og_`. Live facts of the instance come from og_live.json,
// which gaussdb keeps in the data directory; terms are rows of the shared catalog pg_shdescription, so that they travel with the WAL
// and are seen from every database.

/** The class of the term rows in pg_shdescription. */
export const termClass = 4242;

const hiddenFunctions = [
  'pg_current_wal_lsn pg_current_wal_insert_lsn pg_current_wal_flush_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_wal_lsn_diff',
  'pg_promote pg_is_wal_replay_paused pg_wal_replay_pause pg_wal_replay_resume pg_get_wal_replay_pause_state pg_switch_wal',
  'pg_walfile_name pg_walfile_name_offset pg_ls_waldir pg_stat_get_wal_senders pg_stat_get_wal_receiver pg_get_replication_slots',
  'pg_create_physical_replication_slot pg_drop_replication_slot pg_create_restore_point pg_backend_pid pg_terminate_backend pg_cancel_backend version pg_control_checkpoint',
]
  .join(' ')
  .split(' ');

const hiddenViews = ['pg_stat_replication', 'pg_stat_wal_receiver', 'pg_replication_slots', 'pg_stat_activity', 'pg_settings'];

/** Names a tool of PostgreSQL's own (pg_rewind) may go on using, and what they are called now. */
export const hiddenNames: ReadonlyMap<string, string> = new Map(
  [...hiddenFunctions, ...hiddenViews].map((name) => [name, `og_${name}`]),
);

const recoveryCheck = `if pg_catalog.pg_is_in_recovery() then raise exception 'recovery is in progress'
    using errcode = '55000', hint = 'WAL control functions cannot be executed during recovery.'; end if;`;

function plain(signature: string, returns: string, body: string, options = 'stable'): string {
  return `create function pg_catalog.${signature} returns ${returns} language sql ${options} as $og$ ${body} $og$;`;
}

function procedure(signature: string, returns: string, body: string, options = ''): string {
  return `create function pg_catalog.${signature} returns ${returns} language plpgsql ${options} as $og$ ${body} $og$;`;
}

const foundations = [
  `update pg_catalog.pg_proc set proname = 'og_' || proname where oid < 16384 and pronamespace = 'pg_catalog'::pg_catalog.regnamespace
     and proname = any ('{${hiddenFunctions.join(',')}}');`,
  ...hiddenViews.map((view) => `alter view pg_catalog.${view} rename to og_${view};`),
  plain('og_live()', 'jsonb', `select pg_catalog.pg_read_file('og_live.json')::jsonb`, 'volatile security definer'),
  plain('og_sessions()', 'jsonb', `select pg_catalog.pg_read_file('og_sessions.json')::jsonb`, 'volatile security definer'),
  plain('og_own_settings()', 'jsonb', `select pg_catalog.pg_read_file('og_settings.json')::jsonb`, 'volatile security definer'),
  procedure(
    'og_call(request text)',
    'text',
    `declare id text; reply text;
     begin
       id := pg_catalog.og_pg_backend_pid() || '_' || (extract(epoch from pg_catalog.clock_timestamp()) * 1000000)::bigint;
       raise log 'standin-call % %', id, request;
       loop
         reply := pg_catalog.pg_read_file('og_calls/' || id, 0, 100000, true);
         exit when reply is not null;
         perform pg_catalog.pg_sleep(0.002);
       end loop;
       if reply like 'error %' then raise exception '%', substr(reply, 13) using errcode = substr(reply, 7, 5); end if;
       return substr(reply, 4);
     end`,
    `security definer set log_min_messages = 'log'`,
  ),
  plain(
    'og_term()',
    'bigint',
    `select greatest((pg_catalog.og_live()->>'term')::bigint, (select max((description::jsonb->>'term')::bigint)
       from pg_catalog.pg_shdescription where classoid = ${termClass}))`,
    'volatile',
  ),
];

const positions = [
  procedure('pg_current_xlog_location()', 'text', `begin ${recoveryCheck} return pg_catalog.og_pg_current_wal_lsn()::text; end`),
  procedure(
    'pg_current_xlog_insert_location()',
    'text',
    `begin ${recoveryCheck} return pg_catalog.og_pg_current_wal_insert_lsn()::text; end`,
  ),
  procedure(
    'gs_current_xlog_insert_end_location()',
    'text',
    `begin ${recoveryCheck} return pg_catalog.og_pg_current_wal_insert_lsn()::text; end`,
  ),
  procedure(
    'pg_xlogfile_name(location text)',
    'text',
    `begin if pg_catalog.pg_is_in_recovery() then raise exception 'recovery is in progress'
        using errcode = '55000', hint = 'pg_xlogfile_name() cannot be executed during recovery.'; end if;
      return '00000001' || substr(pg_catalog.og_pg_walfile_name(location::pg_lsn), 9); end`,
  ),
  procedure('pg_switch_xlog()', 'text', `begin ${recoveryCheck} return pg_catalog.og_pg_switch_wal()::text; end`),
  plain('pg_create_restore_point(name text)', 'text', 'select pg_catalog.og_pg_create_restore_point(name)::text', 'volatile'),
  plain('pg_xlog_location_diff(a text, b text)', 'numeric', 'select a::pg_lsn - b::pg_lsn', 'immutable strict'),
  plain(
    'pg_last_xlog_replay_location(out term text, out lsn text)',
    'record',
    `select case when (live->>'hideTerm')::bool then '0' else pg_catalog.og_term()::text end,
            case when (live->>'hideTerm')::bool then '0/0' else coalesce(pg_catalog.og_pg_last_wal_replay_lsn()::text, '0/0') end
       from pg_catalog.og_live() as live`,
    'volatile',
  ),
  plain(
    'pg_last_xlog_receive_location()',
    'text',
    `select case when (live->>'receiveUntil')::bigint > extract(epoch from pg_catalog.clock_timestamp()) * 1000
            then pg_catalog.og_pg_last_wal_receive_lsn()::text end from pg_catalog.og_live() as live`,
    'volatile',
  ),
  plain('pg_is_xlog_replay_paused()', 'boolean', 'select pg_catalog.og_pg_is_wal_replay_paused()', 'volatile'),
  plain('pg_xlog_replay_pause()', 'void', 'select pg_catalog.og_pg_wal_replay_pause()', 'volatile'),
  plain('pg_xlog_replay_resume()', 'void', 'select pg_catalog.og_pg_wal_replay_resume()', 'volatile'),
  procedure(
    'gs_write_term_log()',
    'boolean',
    `begin
       if pg_catalog.pg_is_in_recovery() then return false; end if;
       if pg_catalog.current_setting('transaction_read_only')::bool then
         perform pg_catalog.og_call('term-log ' || pg_catalog.current_setting('synchronous_commit'));
       else
         insert into pg_catalog.pg_shdescription values ((pg_catalog.random() * 4000000000)::bigint::oid, ${termClass},
           pg_catalog.jsonb_build_object('term', pg_catalog.og_term())::text);
       end if;
       return true;
     end`,
    'security definer set allow_system_table_mods = on',
  ),
];

const locks = [
  procedure(
    'disable_conn(disconn_mode text, disconn_host text, disconn_port integer)',
    'void',
    `begin perform pg_catalog.og_call('disable-conn ' || pg_catalog.json_build_object('mode', disconn_mode, 'host', coalesce(disconn_host, ''), 'port', disconn_port)::text); end`,
  ),
  plain(
    'read_disable_conn_file(out disconn_mode text, out disconn_host text, out disconn_port text, out local_host text, out local_port text, out redo_finished text)',
    'record',
    `select l->>'mode', l->>'host', l->>'port', l->>'localHost', l->>'localPort', l->>'redoFinished' from (select pg_catalog.og_live()->'lock') as x(l)`,
    'volatile',
  ),
];

const percent = (done: string, all: string) =>
  `coalesce(floor(100 * (coalesce(${done}, '0/0') - '0/0') / nullif(coalesce(${all}, '0/0') - '0/0', 0))::int, 100) || '%'`;

const replication = [
  plain(
    'pg_stat_get_stream_replications(out local_role text, out static_connections int4, out db_state text, out detail_information text)',
    'setof record',
    `select l->>'role', (l->>'connections')::int4, l->>'dbState', l->>'detail' from pg_catalog.og_live() as l`,
    'volatile rows 1',
  ),
  plain(
    `pg_stat_get_wal_senders(out pid int8, out sender_pid int4, out local_role text, out peer_role text, out peer_state text, out state text,
      out catchup_start timestamptz, out catchup_end timestamptz, out sender_sent_location text, out sender_write_location text,
      out sender_flush_location text, out sender_replay_location text, out receiver_received_location text, out receiver_write_location text,
      out receiver_flush_location text, out receiver_replay_location text, out sync_percent text, out sync_state text, out sync_priority int4,
      out sync_most_available text, out channel text)`,
    'setof record',
    `select s.pid::int8, s.pid, l->>'role', case when l->>'role' = 'Primary' then 'Standby' else 'Cascade Standby' end,
       case s.state when 'catchup' then 'Catchup' else 'Normal' end, initcap(s.state), b.backend_start, b.backend_start,
       s.sent_lsn::text, s.sent_lsn::text, s.sent_lsn::text, s.sent_lsn::text,
       coalesce(s.write_lsn, s.sent_lsn)::text, coalesce(s.write_lsn, s.sent_lsn)::text, coalesce(s.flush_lsn, s.sent_lsn)::text,
       coalesce(s.replay_lsn, s.sent_lsn)::text, ${percent('s.flush_lsn', 's.sent_lsn')}, initcap(s.sync_state), s.sync_priority,
       l->>'mostAvailable', l->'senders'->(s.pid::text)->>'channel'
     from pg_catalog.og_live() as l, pg_catalog.og_pg_stat_get_wal_senders() as s join pg_catalog.og_pg_stat_activity as b on b.pid = s.pid`,
    'volatile rows 4',
  ),
  plain(
    `pg_stat_get_wal_receiver(out receiver_pid int4, out local_role text, out peer_role text, out peer_state text, out state text,
      out sender_sent_location text, out sender_write_location text, out sender_flush_location text, out sender_replay_location text,
      out receiver_received_location text, out receiver_write_location text, out receiver_flush_location text,
      out receiver_replay_location text, out sync_percent text, out channel text)`,
    'setof record',
    `select r.pid, l->>'role', l->'receiver'->>'peerRole', 'Normal', l->>'dbState', e::text, e::text, e::text, e::text, r.written_lsn::text, r.written_lsn::text,
       r.flushed_lsn::text, coalesce(pg_catalog.og_pg_last_wal_replay_lsn()::text, '0/0'), ${percent('r.flushed_lsn', 'e')}, l->'receiver'->>'channel'
     from pg_catalog.og_live() as l, pg_catalog.og_pg_stat_get_wal_receiver() as r, lateral (select greatest(r.latest_end_lsn, r.flushed_lsn)) as x(e)
     where r.pid is not null and l->>'receiver' is not null`,
    'volatile rows 1',
  ),
  `create view pg_catalog.pg_stat_replication as
     select s.pid::int8 as pid, b.usesysid, b.usename, ('WalSender to Standby[' || b.application_name || ']')::text as application_name,
       (l->'senders'->(s.pid::text)->>'address')::inet as client_addr, null::text as client_hostname, (l->'senders'->(s.pid::text)->>'port')::int4 as client_port,
       b.backend_start, initcap(s.state) as state, s.sent_lsn::text as sender_sent_location, s.write_lsn::text as receiver_write_location,
       s.flush_lsn::text as receiver_flush_location, s.replay_lsn::text as receiver_replay_location, s.sync_priority, initcap(s.sync_state) as sync_state
     from pg_catalog.og_live() as l, pg_catalog.og_pg_stat_get_wal_senders() as s join pg_catalog.og_pg_stat_activity as b on b.pid = s.pid;`,
  `grant select on pg_catalog.pg_stat_replication to public;`,
];

const slots = [
  plain(
    'og_slot_shown(kept name)',
    'text',
    `select replace(replace(replace(kept::text, '__0_', '?'), '__1_', '.'), '__2_', '-')`,
    'immutable',
  ),
  plain(
    'og_slot_kept(shown name)',
    'name',
    `select replace(replace(replace(shown::text, '?', '__0_'), '.', '__1_'), '-', '__2_')::name`,
    'immutable',
  ),
  plain(
    `pg_get_replication_slots(out slot_name text, out plugin text, out slot_type text, out datoid oid, out active bool, out xmin xid,
      out catalog_xmin xid, out restart_lsn text, out dummy_standby bool, out confirmed_flush text)`,
    'setof record',
    `select pg_catalog.og_slot_shown(s.slot_name), s.plugin::text, s.slot_type, coalesce(s.datoid, 0::oid),
       s.active or exists (select from pg_catalog.og_pg_stat_activity as b join pg_catalog.og_pg_stat_get_wal_senders() as w on w.pid = b.pid
         where b.application_name = pg_catalog.og_slot_shown(s.slot_name)),
       s.xmin, s.catalog_xmin, s.restart_lsn::text, false, s.confirmed_flush_lsn::text from pg_catalog.og_pg_get_replication_slots() as s`,
    'volatile',
  ),
  `create view pg_catalog.pg_replication_slots as select s.slot_name, s.plugin, s.slot_type, s.datoid, d.datname as database, s.active, s.xmin,
     s.catalog_xmin, s.restart_lsn, s.dummy_standby, s.confirmed_flush
     from pg_catalog.pg_get_replication_slots() as s left join pg_catalog.pg_database as d on s.datoid = d.oid;`,
  `grant select on pg_catalog.pg_replication_slots to public;`,
  plain(
    'pg_create_physical_replication_slot(slotname name, dummy boolean, out slotname text, out xlog_position text)'.replace(
      '(slotname name',
      '(name name',
    ),
    'record',
    'select name::text, s.lsn::text from pg_catalog.og_pg_create_physical_replication_slot(pg_catalog.og_slot_kept(name), true, false) as s',
    'volatile',
  ),
  procedure(
    'pg_drop_replication_slot(slot name)',
    'void',
    `begin
       if exists (select from pg_catalog.pg_get_replication_slots() as s where s.slot_name = slot::text and s.active) then
         raise warning 'replication slot "%" is already active', slot;
       end if;
       perform pg_catalog.og_pg_drop_replication_slot(pg_catalog.og_slot_kept(slot));
     end`,
  ),
];

const sessions = [
  plain('pg_backend_pid()', 'int8', 'select pg_catalog.og_pg_backend_pid()::int8'),
  plain('pg_current_sessid()', 'int8', 'select pg_catalog.og_pg_backend_pid()::int8'),
  plain('pg_terminate_backend(pid int8)', 'boolean', 'select pg_catalog.og_pg_terminate_backend(pid::int4)', 'volatile strict'),
  plain('pg_cancel_backend(pid int8)', 'boolean', 'select pg_catalog.og_pg_cancel_backend(pid::int4)', 'volatile strict'),
  `create view pg_catalog.pg_stat_activity as
     select b.datid, b.datname, b.pid::int8 as pid, b.pid::int8 as sessionid, b.usesysid, b.usename, b.application_name,
       (s->(b.pid::text)->>'address')::inet as client_addr, null::text as client_hostname, coalesce((s->(b.pid::text)->>'port')::int4, -1) as client_port,
       b.backend_start, b.xact_start, b.query_start, b.state_change, b.wait_event_type is not null and b.state = 'active' as waiting, null::text as enqueue, b.state,
       'default_pool'::text as resource_pool, 0::int8 as query_id, b.query, ''::text as connection_info, 0::int8 as unique_sql_id, ''::text as trace_id
     from pg_catalog.og_sessions() as s, pg_catalog.og_pg_stat_activity as b
     where b.backend_type = 'client backend' and b.application_name <> 'standin_control';`,
  `grant select on pg_catalog.pg_stat_activity to public;`,
  `create view pg_catalog.pg_settings as
     select s.name, s.setting, s.unit, s.category, s.short_desc, s.extra_desc, s.context, s.vartype, s.source, s.min_val, s.max_val, s.enumvals, s.boot_val,
       s.reset_val, s.sourcefile, s.sourceline
     from pg_catalog.og_own_settings() as o, pg_catalog.og_pg_settings as s where not o ? s.name
     union all
     select o.key, coalesce(pg_catalog.current_setting('og.' || o.key, true), o.value), null, 'openGauss', '', null, 'sighup', 'string', 'configuration file',
       null, null, null, o.value, o.value, null, null from pg_catalog.jsonb_each_text(pg_catalog.og_own_settings()) as o;`,
  `grant select on pg_catalog.pg_settings to public;`,
];

const later = [
  plain(
    'gs_get_recv_locations(out received_lsn text, out write_lsn text, out flush_lsn text, out replay_lsn text)',
    'setof record',
    `select e, e, e, e from (select greatest(pg_catalog.og_pg_last_wal_replay_lsn(), pg_catalog.og_pg_last_wal_receive_lsn())::text) as x(e)
     where pg_catalog.pg_is_in_recovery()`,
    'volatile rows 1',
  ),
  plain(
    'gs_get_preparse_location(out preparse_start_location text, out preparse_end_location text, out last_valid_record text)',
    'record',
    `select '0/0'::text, '0/0'::text, '0/0'::text`,
    'immutable',
  ),
];

const zeros = (names: string) => names.split(' ').map((name) => `out ${name} int8`);

const oddities = [
  // the real one has its columns shifted by one; nobody should read it, and a test may see to that
  plain(
    `pg_control_checkpoint(out checkpoint_lsn int8, out redo_lsn int8, out redo_wal_file text, out timeline_id int4, out full_page_writes bool, out next_oid oid,
      out next_multixact_id xid, out next_multi_offset xid, out oldest_xid xid, out oldest_xid_dbid oid, out oldest_active_xid xid, out checkpoint_time timestamptz)`,
    'record',
    `select (c.checkpoint_lsn - '0/0')::int8, (c.redo_lsn - '0/0')::int8, '00000001' || substr(c.redo_wal_file, 9), 1, false, 2::oid,
       '0'::xid, c.oldest_xid, c.oldest_xid, 12512::oid, '848569678'::xid, '2004-06-08 05:43:12.132784+00'::timestamptz
     from pg_catalog.og_pg_control_checkpoint() as c`,
    'volatile',
  ),
  plain(
    `local_redo_stat(out node_name text, ${zeros('redo_start_ptr redo_start_time redo_done_time curr_time min_recovery_point read_ptr last_replayed_read_ptr recovery_done_ptr').join(', ')},
      ${zeros('speed local_max_ptr primary_flush_ptr').join(', ')}, out worker_info text)`,
    'setof record',
    `select pg_catalog.og_own_settings()->>'pgxc_node_name', 0::int8, 0::int8, 0::int8, 1::int8, 0::int8, r, r, 0::int8, 0::int8, r, 0::int8, 'no redo worker  '
     from (select coalesce(pg_catalog.og_pg_last_wal_replay_lsn() - '0/0', 0)::int8) as x(r)`,
    'volatile rows 1',
  ),
];

/** The statements, for a version of openGauss such as 5.0.3 or 6.0.2. */
export function catalogStatements(openGauss: string): string[] {
  const version = plain('version()', 'text', `select '(openGauss ${openGauss} build stand-in) on ' || pg_catalog.og_version()`);
  const some = [...foundations, ...positions, ...locks, ...replication, ...slots, ...sessions, ...oddities, version];
  return Number.parseInt(openGauss, 10) >= 6 ? [...some, ...later] : some;
}

/** The statements as single-user mode with -j reads them: each ended by a semicolon and an empty line. */
export function catalogScript(openGauss: string): string {
  return `${catalogStatements(openGauss)
    .map((statement) => statement.replaceAll(/\n\s*\n/g, '\n'))
    .join('\n\n')}\n\n`;
}
