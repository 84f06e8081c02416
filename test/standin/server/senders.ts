// The replication clients of a primary: who they are (for the SQL views), and whether any of them is a synchronous standby, on which
// most_available_sync decides if commits wait at all. It also keeps the list of ordinary sessions' addresses.
import type { Origin } from './admission.ts';
import type { Context } from './context.ts';
import { parseSyncNames } from './gucs.ts';
import { writeJson } from './live.ts';

/** The watch over an instance's senders. */
export interface Senders {
  opened(pid: number, origin: Origin, replication: boolean): void;
  closed(pid: number, replication: boolean): void;
  /** decides anew whether commits wait; applies it */
  judge(): Promise<void>;
  /** keeps judging while most_available_sync is on */
  watch(): void;
}

const judgeMs = 200;
const sessionsMs = 50;

/** Senders of the instance that `get` gives. */
export function createSenders(get: () => Context): Senders {
  const clients = new Map<number, { address: string | null; port: number }>();
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
    opened(pid, origin, replication) {
      const { live } = get();
      const address = origin.unix ? null : origin.remote;
      if (!replication) {
        clients.set(pid, { address, port: origin.remotePort });
        noteSessions();
        return;
      }
      const channel = `${origin.local}:${origin.localPort}-->${origin.remote}:${origin.remotePort}`;
      live.update({ senders: new Map(live.facts().senders).set(pid, { address, port: origin.remotePort, channel }) });
    },
    closed(pid, replication) {
      const { live } = get();
      if (!replication) {
        clients.delete(pid);
        noteSessions();
        return;
      }
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
    },
  };
}
