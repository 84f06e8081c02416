// How the parts of an instance hear of each other: what the relay, the sessions and the backend are given of their instance. Each function
// turns a context into the narrow view one part needs; the parts themselves never see the context.
import { join } from 'node:path';
import { delayMs } from '../shared/pace.ts';
import { postgresData } from '../shared/postgres.ts';
import type { Gate, Refusal } from './admission.ts';
import type { BackendEvents } from './backend.ts';
import { takeCall } from './calls.ts';
import type { Context } from './context.ts';
import { forever } from './live.ts';
import { confName, demoteName } from './peers.ts';
import type { RelayNeeds } from './relay.ts';
import { demote } from './roles.ts';
import type { SessionNeeds } from './sessions.ts';
import { shippedConf } from './shipping.ts';
import { readHistory } from './terms.ts';
import { adoptHistories, readHistories } from './timelines.ts';

/** Clients PostgreSQL has room for, whatever max_connections says. */
const clientRoom = 110;

const walOf = (context: Context) => join(postgresData(context.pgdata), 'pg_wal');

/** What the backend tells its instance. */
export function backendEvents(get: () => Context): BackendEvents {
  return {
    log(line) {
      if (line !== '' && !/^(STATEMENT|CONTEXT):/.test(line) && !takeCall(get(), line)) get().log(line);
    },
    started: (pid) => get().watcher?.stdin?.write(`${pid}\n`),
    died(code, signal) {
      const context = get();
      if (context.stopping) return;
      context.log(`LOG:  server process ended with ${signal ?? `code ${code}`}`);
      if (context.control === undefined && code === 1) context.finish(1);
      context.panic('the server behind ended');
    },
  };
}

/** PostgreSQL must start anew when it may have chosen a branch of the WAL that the primary does not follow. */
async function adopt(context: Context, files: Record<string, string>): Promise<boolean> {
  if (!adoptHistories(walOf(context), files)) return false;
  context.log('LOG:  the local server was on a branch of the WAL that the primary does not follow; it starts anew');
  context.control?.close();
  context.control = undefined;
  await context.backend.stop('fast');
  await context.launch(true);
  return true;
}

/** An attempt at a stream may end after the promotion that it was overtaken by: a primary's state is not about streams. */
function leads(context: Context): boolean {
  const { role } = context.live.facts();
  return role === 'Primary' || role === 'Normal';
}

function noteDetached(context: Context): void {
  context.streamEnded = Date.now();
  const { dbState } = context.live.facts();
  const changing = dbState === 'Wait promoting' || dbState === 'Promoting' || leads(context);
  context.live.update({
    receiver: undefined,
    receiveUntil: Date.now() + delayMs('receiveNullMs'),
    ...(changing ? {} : { dbState: 'Need repair', reason: 'Normal' }),
  });
}

function noteDrained(context: Context): void {
  const since = context.streamEnded;
  const waitMs = Math.max(delayMs('redoFinishedMs') - (Date.now() - since), 0);
  setTimeout(() => {
    if (context.streamEnded === since && context.live.facts().receiver === undefined) context.live.update({ redoFinished: true });
  }, waitMs).unref();
}

/** What the relay needs. */
export function relayNeeds(get: () => Context): RelayNeeds {
  const facts = () => get().live.facts();
  const setting = (name: string) => get().settings.get(name);
  return {
    peers: () => get().settings.peers(),
    lock: () => facts().lock,
    systemId: () => get().systemId,
    cascade: () => facts().role === 'Cascade Standby',
    applicationName: () => setting('application_name'),
    slotName: () =>
      setting('primary_slotname') ||
      setting('application_name') ||
      `${setting('pgxc_node_name')}_${facts().localHost}_${facts().localPort}`,
    log: (line) => get().log(line),
    async history() {
      const { control, unchecked } = get();
      if (unchecked) return 'unchecked';
      return control === undefined ? undefined : readHistory(control, true);
    },
    adopt: (primary) => adopt(get(), primary.files),
    attached(_peer, channel, peerRole, catchingUp) {
      get().unchecked = false;
      const dbState = catchingUp ? 'Catchup' : 'Normal';
      get().live.update({
        dbState,
        reason: 'Normal',
        receiver: { channel, peerRole },
        receiveUntil: forever,
        redoFinished: false,
      });
    },
    detached: () => noteDetached(get()),
    reason(reason) {
      if (!leads(get())) get().live.update({ reason, dbState: 'Need repair' });
    },
    drained: () => noteDrained(get()),
  };
}

/** A standby without hot_standby takes nobody. */
function coldStandby(context: Context): Refusal | undefined {
  const standby = ['Standby', 'Cascade Standby'].includes(context.live.facts().role);
  return standby && !context.settings.bool('hot_standby')
    ? { code: '57P03', text: 'can not accept connection if hot standby off' }
    : undefined;
}

function gateOf(context: Context): Gate {
  const { initialUser, hba, members, live } = context;
  return { initialUser, role: live.facts().role, closed: context.closed ?? coldStandby(context), hba, members };
}

/** What this instance is, for a peer that asks; a standby says little, as nobody but a cascade standby follows it. */
async function selfDescription(context: Context): Promise<string> {
  const { role, dbState } = context.live.facts();
  const cascades = context.settings.peers().some((peer) => peer.cascade);
  if (role !== 'Primary' && !cascades) return JSON.stringify({ role });
  const standby = role !== 'Primary' && role !== 'Normal';
  const history = context.control === undefined ? undefined : await readHistory(context.control, standby);
  if (history === undefined) return 'unknown';
  return JSON.stringify({ role, dbState, systemId: context.systemId, history, files: readHistories(walOf(context)) });
}

/** What the sessions need. */
export function sessionNeeds(get: () => Context): SessionNeeds {
  return {
    gate: () => gateOf(get()),
    control: () => get().control,
    ownNames: () => get().own,
    clientLimit: () => Math.min(get().settings.number('max_connections'), clientRoom),
    opened: (pid, origin, request) => get().senders.opened(pid, origin, request),
    closed: (pid, replication) => get().senders.closed(pid, replication),
    async question(name) {
      const context = get();
      if (name === confName) return shippedConf(context.settings.get('sync_config_strategy'));
      if (name !== demoteName) return selfDescription(context);
      return new Promise((resolve) => void demote(context, () => resolve('demoted')).then(() => resolve('refused')));
    },
  };
}
