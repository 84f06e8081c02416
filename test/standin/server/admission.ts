// Who may come in: openGauss's rules for ordinary clients, inner tools and replication, as far as an agent and its tests can meet them.
// It decides from the start-up packet and the two ends of the socket; passwords are checked in login.ts.
import type { Mode } from '../shared/state.ts';
import { type HbaLine, hbaMethod } from './hba.ts';
import { optionSettings, type Startup } from './protocol.ts';

/** The two ends of a client's socket. */
export interface Origin {
  unix: boolean;
  /** the HA port or its unix socket */
  ha: boolean;
  remote: string;
  remotePort: number;
  local: string;
  localPort: number;
}

/** A start-up packet, understood. */
export interface Request {
  user: string;
  database: string;
  applicationName: string;
  replication: boolean;
  /** the slot a standby's WAL receiver asks for */
  slot: string | undefined;
  innerTool: boolean;
  maintenance: boolean;
  /** settings from `options`, without those that only openGauss has a meaning for */
  settings: [string, string][];
  /** further start-up parameters to hand on */
  others: [string, string][];
}

/** A refusal, in the words of the FATAL message. */
export interface Refusal {
  code: string;
  text: string;
}

/** What must be shown before coming in. */
export type Verdict = { kind: 'refused'; refusal: Refusal } | { kind: 'welcome' } | { kind: 'password' };

/** The start-up parameter by which a relay names the slot of its standby. */
export const slotParameter = '_pq_.standin_slot';

const innerNames: ReadonlySet<string> = new Set([
  'gs_ctl',
  'gs_rewind',
  'cm_agent',
  'gs_clean',
  'OM',
  'WDRXdb',
  'gs_basebackup',
  'pg_basebackup',
]);
const maintenanceNames: ReadonlySet<string> = new Set(['gsql', 'cm_agent', 'gs_ctl']);
const knownParams: ReadonlySet<string> = new Set(
  'client_encoding datestyle timezone extra_float_digits search_path statement_timeout idle_in_transaction_session_timeout default_transaction_read_only synchronous_commit geqo intervalstyle'.split(
    ' ',
  ),
);

/** Understands a start-up packet; an unknown parameter is refused. */
export function readRequest(startup: Startup): Request | Refusal {
  const params = startup.params;
  const user = params.get('user') ?? '';
  if (user === '') return { code: '28000', text: 'no openGauss user name specified in startup packet' };
  const all = optionSettings(params.get('options') ?? '');
  const option = (name: string) => all.find(([key]) => key === name)?.[1];
  const applicationName = params.get('application_name') ?? '';
  const maintenanceMode = option('xc_maintenance_mode') === 'on';
  const settings = all.filter(([name]) => name !== 'xc_maintenance_mode' && name !== 'remotetype');
  const others: [string, string][] = [];
  for (const [name, value] of params) {
    if (
      ['user', 'database', 'application_name', 'options', 'replication', 'fallback_application_name'].includes(name) ||
      name.startsWith('_pq_.')
    )
      continue;
    if (!knownParams.has(name.toLowerCase())) return { code: '42704', text: `unrecognized configuration parameter "${name}"` };
    others.push([name, value]);
  }
  const unknown = settings.find(([name]) => name === 'lock_timeout');
  if (unknown !== undefined) return { code: '42704', text: `unrecognized configuration parameter "${unknown[0]}"` };
  const replication = /^(true|on|yes|1|database)$/i.test(params.get('replication') ?? '');
  return {
    user,
    database: params.get('database') || user,
    applicationName,
    replication,
    slot: params.get(slotParameter),
    innerTool: innerNames.has(applicationName) || (!maintenanceMode && option('remotetype') === 'internaltool'),
    maintenance: maintenanceMode && maintenanceNames.has(applicationName),
    settings,
    others,
  };
}

/** What an admission depends on. */
export interface Gate {
  initialUser: string;
  role: Mode;
  /** undefined when connections are taken */
  closed: Refusal | undefined;
  hba: readonly HbaLine[];
  /** addresses of the members named in replconninfo */
  members: readonly string[];
}

const refuse = (code: string, text: string): Verdict => ({ kind: 'refused', refusal: { code, text } });
const loopback = (address: string) => address === '127.0.0.1' || address === '::1';

/** Is the peer this server itself, or a member named in replconninfo? */
export function isMember(gate: Gate, origin: Origin): boolean {
  if (origin.unix || origin.remote === origin.local) return true;
  // a client of a server on another loopback address comes from 127.0.0.1
  if (loopback(origin.remote) && origin.local.startsWith('127.')) return true;
  return gate.members.some((member) => member.toLowerCase().includes(origin.remote.toLowerCase()));
}

function innerToolVerdict(gate: Gate, origin: Origin, request: Request): Verdict {
  if (!isMember(gate, origin)) return refuse('28000', '[FATAL] Forbid remote connection via internal maintenance tools.');
  if (request.user !== gate.initialUser) return refuse('28000', 'Inner maintenance tools only for the initial user.');
  const method = hbaMethod(gate.hba, { ...request, remote: origin.remote, local: origin.local });
  if (method === 'trust') return { kind: 'welcome' };
  if (method === undefined || method === 'reject') return noEntry(origin, request);
  return refuse('28000', 'Forbid remote connection with initial user.');
}

function noEntry(origin: Origin, request: Request): Verdict {
  const subject = request.replication ? `replication connection from host "${origin.remote}"` : `host "${origin.remote}"`;
  return refuse('28000', `no pg_hba.conf entry for ${subject}, user "${request.user}", database "${request.database}", SSL off`);
}

function remoteVerdict(gate: Gate, origin: Origin, request: Request): Verdict {
  const method = hbaMethod(gate.hba, { ...request, remote: origin.remote, local: origin.local });
  if (method === undefined || method === 'reject') return noEntry(origin, request);
  if (loopback(origin.remote)) return { kind: 'password' };
  if (method === 'trust') return refuse('28000', 'Forbid remote connection with trust method!');
  if (request.user === gate.initialUser) return refuse('28000', 'Forbid remote connection with initial user.');
  return { kind: 'password' };
}

/** May this client come in? */
export function admit(gate: Gate, origin: Origin, request: Request): Verdict {
  if (gate.closed !== undefined) return { kind: 'refused', refusal: gate.closed };
  if (gate.role === 'Pending' && (!request.maintenance || request.replication))
    return refuse('57P03', 'can not accept connection in pending mode.');
  if (origin.unix) return request.user === gate.initialUser ? { kind: 'welcome' } : { kind: 'password' };
  if (request.replication) {
    if (isMember(gate, origin)) return { kind: 'welcome' };
    const method = hbaMethod(gate.hba, { ...request, remote: origin.remote, local: origin.local });
    if (method === undefined || method === 'reject') return noEntry(origin, request);
    return method === 'trust' ? { kind: 'welcome' } : { kind: 'password' };
  }
  if (request.innerTool) return innerToolVerdict(gate, origin, request);
  if (origin.ha) return refuse('57P03', 'the local listen ip and port is not for the gsql client');
  return remoteVerdict(gate, origin, request);
}
