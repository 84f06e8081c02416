/**
 * The static settings: one row for each environment variable, read in one place and nowhere else. Reading never
 * stops at the first mistake: every unset, malformed or contradictory setting is reported at once, and the process
 * then ends with 78. Everything here is fixed for the life of the process; what may change meanwhile is in dynamic.ts.
 */
import { type Kind, kinds, type ValueOf } from './kinds.ts';
import { nearest, type Problem, quoted } from './problem.ts';

interface Row<K extends Kind = Kind, P extends Presence = Presence> {
  env: string;
  kind: K;
  presence: P;
  /** Of a row with a default: the value, or how it follows from the others. */
  fallback?: string | ((read: (env: string) => string) => string);
  /** How docs print a default that follows from others. */
  fallbackText?: string;
  doc: string;
}
type Presence = 'required' | 'optional' | 'default';

function required<K extends Kind>(env: string, kind: K, doc: string): Row<K, 'required'> {
  return { env, kind, presence: 'required', doc };
}

function optional<K extends Kind>(env: string, kind: K, doc: string): Row<K, 'optional'> {
  return { env, kind, presence: 'optional', doc };
}

function defaults<K extends Kind>(env: string, kind: K, fallback: string, doc: string): Row<K, 'default'> {
  return { env, kind, presence: 'default', fallback, doc };
}

function follows<K extends Kind>(
  env: string,
  kind: K,
  fallbackText: string,
  fallback: (read: (env: string) => string) => string,
  doc: string,
): Row<K, 'default'> {
  return { env, kind, presence: 'default', fallback, fallbackText, doc };
}

/** Every static setting, by the name the code uses. */
export const table = {
  pod: required(
    'POD_NAME',
    'podName',
    'Name of the pod, from the downward API; it is the name of the member and its `application_name`.',
  ),
  namespace: required('POD_NAMESPACE', 'label', 'Namespace of the pod, from the downward API.'),
  ip: required('POD_IP', 'ip', 'Address of the pod, from the downward API; peers reach the member there.'),
  uid: required('POD_UID', 'token', 'UID of the pod, from the downward API; a pod made anew is a new holder of the lease.'),
  cluster: required('OG_CLUSTER', 'clusterName', 'Name of the cluster; the names of its Kubernetes objects follow from it.'),
  dataDir: defaults(
    'OG_DATA_DIR',
    'path',
    '/var/lib/opengauss',
    "The data mount: holds `pgdata/` (the server's) and `agent/` (the agent's records).",
  ),
  gaussHome: defaults('GAUSSHOME', 'path', '/usr/local/opengauss', 'Where openGauss is installed; its programs are in `bin/`.'),
  superuser: defaults('OG_SUPERUSER', 'user', 'omm', "The database's initial user."),
  port: defaults('OG_PORT', 'port', '5432', 'Port of openGauss for clients.'),
  haPort: follows(
    'OG_HA_PORT',
    'port',
    '`OG_PORT` + 1',
    (read) => String(Number(read('OG_PORT')) + 1),
    'Port of openGauss for replication; openGauss fixes it at `OG_PORT` + 1.',
  ),
  haPortAdvertised: follows(
    'OG_HA_PORT_ADVERTISED',
    'port',
    '`OG_HA_PORT`',
    (read) => read('OG_HA_PORT'),
    'Port at which peers reach the replication port of any member.',
  ),
  bindAddress: defaults(
    'OG_BIND_ADDRESS',
    'ip',
    '0.0.0.0',
    'Address on which the agent listens; when it is not a wildcard, also where openGauss listens and from where peers are called.',
  ),
  httpPort: defaults('OG_HTTP_PORT', 'port', '8008', 'Port of status, probes and metrics.'),
  peerPort: defaults('OG_PEER_PORT', 'port', '8009', 'Port of the peer API.'),
  peerPortAdvertised: follows(
    'OG_PEER_PORT_ADVERTISED',
    'port',
    '`OG_PEER_PORT`',
    (read) => read('OG_PEER_PORT'),
    'Port at which peers reach the peer API of any member.',
  ),
  readyPort: defaults(
    'OG_READY_PORT',
    'port',
    '8007',
    'Port that accepts connections only while the member is fit for its Service.',
  ),
  socketDir: defaults('OG_SOCKET_DIR', 'path', '/run/opengauss', "Directory of the server's unix socket."),
  runDir: defaults(
    'OG_RUN_DIR',
    'path',
    '/run/opengauss-agent',
    'Directory on tmpfs that the agent shares with PID 1 (`fence`, `fence.echo`) and its commands (`control`).',
  ),
  authDir: defaults(
    'OG_AUTH_DIR',
    'path',
    '/etc/opengauss-agent/auth',
    'The mounted Secret: files `superuser-password`, `replication-password` and `peer-key`.',
  ),
  logDir: follows(
    'OG_LOG_DIR',
    'path',
    '`OG_DATA_DIR`/log',
    (read) => `${read('OG_DATA_DIR')}/log`,
    "Directory of the server's log files.",
  ),
  archiveDir: optional('OG_ARCHIVE_DIR', 'path', 'Where WAL is archived to, if it is a mount of its own; its use is watched.'),
  backupDir: optional('OG_BACKUP_DIR', 'path', 'Where backups lie, if it is a mount of its own; its use is watched.'),
  logLevel: defaults(
    'OG_LOG_LEVEL',
    'level',
    'info',
    "Level of the agent's log: `fatal`, `error`, `warn`, `info`, `debug` or `trace`.",
  ),
  incarnation: optional('OG_INCARNATION', 'token', 'Made once for each container by PID 1; part of the identity in the lease.'),
  entrypointPid: optional(
    'OG_ENTRYPOINT_PID',
    'token',
    "Set by the entrypoint: its own pid. 1 means that the container's end proves the server's.",
  ),
  kubeHost: optional('KUBERNETES_SERVICE_HOST', 'host', 'Address of the API server, set by Kubernetes.'),
  kubePort: defaults('KUBERNETES_SERVICE_PORT', 'port', '443', 'Port of the API server, set by Kubernetes.'),
  kubeUrlOverride: optional(
    'OG_KUBE_URL',
    'url',
    'Address of the API server (`http://` or `https://`) instead of the one Kubernetes sets.',
  ),
  serviceAccountDir: defaults(
    'OG_SERVICE_ACCOUNT_DIR',
    'path',
    '/var/run/secrets/kubernetes.io/serviceaccount',
    "The service account's mount: `token`, `ca.crt`, `namespace`.",
  ),
  readsNodes: defaults(
    'OG_READ_NODES',
    'flag',
    'false',
    'Whether a silent primary whose Node carries the taint `node.kubernetes.io/out-of-service` counts as dead; needs the right to get Nodes (`manifests/components/out-of-service`).',
  ),
  agentCommand: defaults('OG_AGENT_COMMAND', 'command', 'agent', 'Command by which the entrypoint starts the agent.'),
  preflightSeconds: defaults(
    'OG_PREFLIGHT_SECONDS',
    'seconds',
    '60',
    'Read by the entrypoint: how long the preflight may take before the container gives up.',
  ),
} as const satisfies Record<string, Row>;

type Table = typeof table;
type RowValue<R> = R extends Row<infer K, infer P> ? (P extends 'optional' ? ValueOf<K> | undefined : ValueOf<K>) : never;

/** The static settings, typed and checked, with what follows from them. */
export type Settings = { [K in keyof Table]: RowValue<Table[K]> } & {
  /** Base URL of the API server, without a slash at the end. */
  kubeUrl: string;
};

export type ReadSettings = { ok: true; settings: Settings } | { ok: false; problems: Problem[] };

/** Most members of a cluster: openGauss has slots for eight peers. */
export const membersMax = 9;
/** Longest path of a unix socket that Linux takes. */
const socketPathMax = 107;

/** Reads all settings from an environment; nothing else of the process is looked at. */
export function readSettings(env: Record<string, string | undefined>): ReadSettings {
  const problems: Problem[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, row] of Object.entries<Row>(table)) {
    const text = textOf(env, row);
    if (text === undefined) {
      if (row.presence === 'required') problems.push({ field: row.env, problem: 'is not set', hint: row.doc });
      continue;
    }
    const read = kinds[row.kind](text);
    if (read.ok) values[key] = read.value;
    // A default that follows from a malformed setting is not a second mistake.
    else if (isSet(env, row.env)) problems.push({ field: row.env, problem: `${quoted(text)} ${read.problem}`, hint: read.hint });
  }
  problems.push(...unknownNames(env), ...contradictions(values as Partial<Settings>));
  if (problems.length > 0) return { ok: false, problems };
  const read = values as Settings;
  return { ok: true, settings: { ...read, kubeUrl: kubeUrlOf(read) } };
}

/** Reads one setting, for a command that needs no more; undefined when it is unset or malformed. */
export function readSetting<K extends keyof Table>(
  env: Record<string, string | undefined>,
  key: K,
): RowValue<Table[K]> | undefined {
  const row: Row = table[key];
  const text = textOf(env, row);
  const read = text === undefined ? undefined : kinds[row.kind](text);
  return read?.ok === true ? (read.value as RowValue<Table[K]>) : undefined;
}

function isSet(env: Record<string, string | undefined>, name: string): boolean {
  return (env[name] ?? '') !== '';
}

/** The text of a setting: what is set, or its default. Set but empty counts as not set, as in a shell. */
function textOf(env: Record<string, string | undefined>, row: Row): string | undefined {
  if (isSet(env, row.env)) return env[row.env];
  if (typeof row.fallback !== 'function') return row.fallback;
  const byEnv = (name: string) => Object.values<Row>(table).find((other) => other.env === name);
  return row.fallback((name) => {
    const other = byEnv(name);
    return other === undefined ? '' : (textOf(env, other) ?? '');
  });
}

/** Names that Kubernetes makes up for each Service of the namespace; `og-demo-svc` gives `OG_DEMO_SVC_SERVICE_HOST` and more. */
const serviceLink = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

/** Read by the stand-in of openGauss that the lab runs, which gets its environment through the agent. */
const foreign = /^OG_STANDIN_/;

/** A mistyped name would silently leave the default in force. */
function unknownNames(env: Record<string, string | undefined>): Problem[] {
  const known = Object.values<Row>(table).map((row) => row.env);
  const unknown = Object.keys(env).filter((name) => name.startsWith('OG_') && !foreign.test(name) && !known.includes(name));
  return unknown
    .filter((name) => !(serviceLink.test(name) && looksLikeLink(name, env[name] ?? '')))
    .map((name) => {
      const meant = nearest(name, known);
      return { field: name, problem: 'is not a setting', hint: meant === undefined ? 'Remove it.' : `Did you mean ${meant}?` };
    });
}

function looksLikeLink(name: string, value: string): boolean {
  return !name.endsWith('_PORT') || value.includes('://') || /_(SERVICE|\d+_(TCP|UDP|SCTP))_PORT$/.test(name);
}

function contradictions(read: Partial<Settings>): Problem[] {
  return [...portProblems(read), ...nameProblems(read), ...pathProblems(read), ...kubeProblems(read)];
}

function portProblems(read: Partial<Settings>): Problem[] {
  const problems: Problem[] = [];
  const { port, haPort } = read;
  if (port !== undefined && haPort !== undefined && haPort !== port + 1) {
    problems.push({
      field: 'OG_HA_PORT',
      problem: `is ${haPort}, but OG_PORT is ${port}`,
      hint: `openGauss fixes it at OG_PORT + 1: set ${port + 1}, or leave it unset.`,
    });
  }
  if (port !== undefined && port + 5 > 65535) {
    problems.push({
      field: 'OG_PORT',
      problem: `${port} leaves no room for the five ports above it`,
      hint: 'openGauss listens on OG_PORT + 1, + 4 and + 5 as well: choose at most 65530.',
    });
  }
  const taken = new Map<number, string>();
  const used: [string, number | undefined][] = [
    ['OG_PORT', port],
    ['OG_PORT + 1', port && port + 1],
    ['OG_PORT + 4', port && port + 4],
    ['OG_PORT + 5', port && port + 5],
    ['OG_HTTP_PORT', read.httpPort],
    ['OG_PEER_PORT', read.peerPort],
    ['OG_READY_PORT', read.readyPort],
  ];
  for (const [field, number] of used) {
    if (number === undefined) continue;
    const first = taken.get(number);
    if (first === undefined) taken.set(number, field);
    else
      problems.push({
        field,
        problem: `is ${number}, which ${first} uses already`,
        hint: 'Give every listener a port of its own.',
      });
  }
  return problems;
}

function nameProblems(read: Partial<Settings>): Problem[] {
  const { pod, cluster } = read;
  if (pod === undefined || cluster === undefined) return [];
  const ordinal = pod.startsWith(`og-${cluster}-`) ? pod.slice(`og-${cluster}-`.length) : '';
  if (!/^\d+$/.test(ordinal)) {
    return [
      {
        field: 'POD_NAME',
        problem: `${quoted(pod)} is not a member of cluster ${quoted(cluster)}`,
        hint: `Members are called og-${cluster}-0, og-${cluster}-1 and so on: mend OG_CLUSTER or the name of the StatefulSet.`,
      },
    ];
  }
  if (Number(ordinal) < membersMax) return [];
  return [
    {
      field: 'POD_NAME',
      problem: `${quoted(pod)} is one member too many`,
      hint: `A cluster has at most ${membersMax} members: scale the StatefulSet og-${cluster} down.`,
    },
  ];
}

function pathProblems(read: Partial<Settings>): Problem[] {
  const { socketDir, port } = read;
  if (socketDir === undefined || port === undefined) return [];
  const length = Buffer.byteLength(`${socketDir}/.s.PGSQL.${port + 1}`);
  if (length <= socketPathMax) return [];
  return [
    {
      field: 'OG_SOCKET_DIR',
      problem: `makes a socket path of ${length} bytes`,
      hint: `Linux takes at most ${socketPathMax}: choose a shorter directory.`,
    },
  ];
}

function kubeProblems(read: Partial<Settings>): Problem[] {
  if (read.kubeHost !== undefined || read.kubeUrlOverride !== undefined) return [];
  return [
    {
      field: 'KUBERNETES_SERVICE_HOST',
      problem: 'is not set',
      hint: 'Kubernetes sets it in every pod; outside of one, give OG_KUBE_URL.',
    },
  ];
}

function kubeUrlOf(read: Settings): string {
  if (read.kubeUrlOverride !== undefined) return read.kubeUrlOverride.replace(/\/+$/, '');
  const host = read.kubeHost ?? '';
  return `https://${host.includes(':') ? `[${host}]` : host}:${read.kubePort}`;
}
