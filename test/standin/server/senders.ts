// The replication clients of a primary: who they are (for the SQL views), and whether any of them is a synchronous standby, on which
// most_available_sync decides if commits wait at all. It also keeps the list of ordinary sessions' addresses.
import type { Origin, Request } from './admission.ts';
import type { Context } from './context.ts';
import { parseSyncNames } from './gucs.ts';
import { writeJson } from './live.ts';

/** The watch over an instance's senders. */
export interface Senders {
  opened(pid: number, origin: Origin, request: Request): void;
  closed(pid: number, replication: boolean): void;
  /** decides anew whether commits wait; applies it */
  judge(): Promise<void>;
  /** keeps judging while most_available_sync is on */
  watch(): void;
}

const judgeMs = 200;
const advanceMs = 2_000;
const slotMs = 500;
const sessionsMs = 50;

/** openGauss allows dots, dashes and question marks in slot names, PostgreSQL does not: they are kept as underscores with a number. */
function slotForm(name: string): string {
  return name.replaceAll(/[?.-]/g, (letter) => `__${'?.-'.indexOf(letter)}_`);
}

/** Senders of the instance that `get` gives. */
export function createSenders(get: () => Context): Senders {
  const clients = new Map<number, { address: string | null; port: number }>();
  const slots = new Map<number, string>();
  let noting = false;
  let judging = false;

  function noteSessions(): void {
    if (noting) return;
    noting = true;
    setTimeout(() => {
      noting = false;
      if (!get().stopping) writeJson(get().pgdata, 'og_sessions.json', Object.fromEntries(clients));
    }, sessionsMs);
  }

  async function anySynchronous(context: Context): Promise<boolean> {
    const names = parseSyncNames(context.settings.get('synchronous_standby_names'))?.names ?? [];
    const answer = await context.control?.query(
      `select application_name from pg_catalog.og_pg_stat_replication where state = 'streaming' and flush_lsn is not null`,
    );
    if (answer === undefined || !answer.ok) return !context.standalone;
    const live = answer.rows.map((row) => (row[0] ?? '').toLowerCase());
    return names.some((name) => (name === '*' ? live.length > 0 : live.includes(name.toLowerCase())));
  }

  async function createSlot(name: string): Promise<void> {
    const { control, log } = get();
    if (!/^[a-z0-9_?.-]+$/.test(name)) return log(`ERROR:  replication slot name "${name}" contains invalid character`);
    const made = await control?.query(
      `select pg_catalog.og_pg_create_physical_replication_slot('${slotForm(name)}', true, false)`,
    );
    if (made?.ok === false && made.code !== '42710') log(`WARNING:  could not create replication slot ${name}: ${made.text}`);
  }

  /** Lets the slots of streaming standbys follow what those have flushed: PostgreSQL's own walsenders do not use them. */
  async function advanceSlots(): Promise<void> {
    if (slots.size === 0) return;
    const pairs = [...slots].map(([pid, name]) => `(${pid}, '${slotForm(name)}')`).join(', ');
    await get().control?.query(
      `select pg_catalog.pg_replication_slot_advance(s.slot_name, w.flush_lsn) from (values ${pairs}) as x(pid, name)
         join pg_catalog.og_pg_stat_get_wal_senders() as w on w.pid = x.pid join pg_catalog.og_pg_get_replication_slots() as s on s.slot_name = x.name
         where w.flush_lsn > s.restart_lsn`,
    );
  }

  async function judge(): Promise<void> {
    const context = get();
    if (judging || context.stopping) return;
    judging = true;
    const before = context.standalone;
    context.standalone = context.settings.bool('most_available_sync') && !(await anySynchronous(context));
    judging = false;
    if (context.standalone === before) return;
    context.log(context.standalone ? 'WARNING:  synchronous master is now standalone' : 'LOG:  synchronous replication goes on');
    context.configure();
  }

  return {
    opened(pid, origin, request) {
      const { live } = get();
      const address = origin.unix ? null : origin.remote;
      if (!request.replication) {
        clients.set(pid, { address, port: origin.remotePort });
        noteSessions();
        return;
      }
      const channel = `${origin.local}:${origin.localPort}-->${origin.remote}:${origin.remotePort}`;
      live.update({ senders: new Map(live.facts().senders).set(pid, { address, port: origin.remotePort, channel }) });
      if (request.slot !== undefined) {
        slots.set(pid, request.slot);
        // later, as its fsyncs would be felt at the moment of a failover
        const { slot } = request;
        setTimeout(() => slots.get(pid) === slot && void createSlot(slot), slotMs).unref();
      }
    },
    closed(pid, replication) {
      const { live } = get();
      if (!replication) {
        clients.delete(pid);
        noteSessions();
        return;
      }
      slots.delete(pid);
      const left = new Map(live.facts().senders);
      left.delete(pid);
      live.update({ senders: left });
      void judge();
    },
    judge,
    watch() {
      setInterval(() => {
        const context = get();
        if (context.live.facts().role === 'Primary' && context.settings.bool('most_available_sync')) void judge();
      }, judgeMs).unref();
      setInterval(() => void advanceSlots(), advanceMs).unref();
    },
  };
}
