// Where a build takes its data from: the first entry of replconninfo (or the -C string) that answers on its HA port and has
// the wanted role, and what gs_ctl wants to know about it. All connections leave from the address that replconninfo calls
// localhost, so that the source, and whatever stands between, sees which member asks.
import { isIP } from 'node:net';
import { probePeer } from '../server/peers.ts';
import { type Mode, modes } from '../shared/state.ts';
import { type Peer, peer, peers, setting } from './datadir.ts';
import { raw, say, setNode } from './messages.ts';
import type { Control } from './options.ts';
import { ownName } from './session.ts';
import { open, type Wire } from './wire.ts';

const CONNECT_TIMEOUT_MS = 5000;

/** A source that was found good. */
export interface Source extends Peer {
  user: string;
  systemId: string;
  nodeName: string;
}

/** The address to bind to, when the entry names one. */
export const boundTo = (entry: Peer): string | undefined => (isIP(entry.localHost) === 0 ? undefined : entry.localHost);

/** Connects to a source's HA port as a tool. What SQL does not show of a primary, its term, the HA port's own probe does (openGauss: IDENTIFY_VERSION). */
export async function connectSource(entry: Peer, user: string, name: 'gs_ctl' | 'gs_rewind'): Promise<Wire | { error: string }> {
  const from = boundTo(entry);
  return open({
    host: entry.remoteHost,
    called: entry.remoteHost,
    port: entry.remotePort,
    ...(from !== undefined && { localAddress: from }),
    user,
    database: 'postgres',
    parameters: { application_name: name },
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
}

/** The first value of a query, undefined on any error. */
export async function single(connection: Wire, sql: string): Promise<string | undefined> {
  const answer = await connection.query(sql);
  return 'error' in answer ? undefined : answer.rows[0]?.[0];
}

async function inspect(
  entry: Peer,
  user: string,
  connection: Wire,
  term: number,
  wanted: readonly Mode[],
): Promise<Source | undefined> {
  const facts = await probePeer(
    { host: entry.remoteHost, port: entry.remotePort, localHost: boundTo(entry) },
    CONNECT_TIMEOUT_MS,
  );
  const shown = await single(connection, 'select term from pg_last_xlog_replay_location()');
  const theirTerm = facts?.history?.term ?? Number(shown ?? 0);
  if (theirTerm > 0 && term > theirTerm) {
    raw(`the primary term ${theirTerm} is smaller than the standby term ${term}.\n`);
    return undefined;
  }
  const role = await single(connection, 'select local_role from pg_stat_get_stream_replications()');
  if (!wanted.includes(modes.find((mode) => mode === role) ?? 'Unknown')) return undefined;
  const systemId = await single(connection, 'select system_identifier from pg_control_system()');
  if (systemId === undefined) return undefined;
  return { ...entry, user, systemId, nodeName: (await single(connection, 'show pgxc_node_name')) ?? '' };
}

/** Goes once over the entries; says of each whether it will do. */
export async function findSource({ data, options }: Control, kind: 'primary' | 'standby' | 'cross'): Promise<Source | undefined> {
  setNode(setting(data, 'pgxc_node_name') ?? '');
  say('Get repl_auth_mode is  and repl_uuid is \n');
  const given = options.connection === undefined ? undefined : peer(options.connection);
  const entries = kind === 'cross' ? [] : given === undefined ? peers(data) : [given];
  if (entries.length === 0) say(' invalid value for parameter "replconninfo" in postgresql.conf.\n');
  const user = ownName(data);
  const wanted: readonly Mode[] = kind === 'standby' ? ['Standby'] : ['Primary', 'Normal'];
  for (const entry of entries) {
    const connection = await connectSource(entry, user, 'gs_ctl');
    let source: Source | undefined;
    if ('error' in connection) {
      say(
        `build connection to ${entry.remoteHost} failed cause (connect to V5 server) ${connection.error}(connect to V1 server) ${connection.error}.\n`,
      );
    } else {
      source = await inspect(entry, user, connection, options.term, wanted);
      connection.close();
    }
    const what = `${kind === 'standby' ? 'standby ' : ''}build try host(${entry.remoteHost}) port(${entry.remotePort})`;
    say(`${what} ${source === undefined ? 'failed' : 'success'}\n`);
    if (source !== undefined) return source;
  }
  say('could not connect to server.\n');
  return undefined;
}
