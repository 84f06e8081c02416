// Changes of role: promotion (failover, notify, the second half of a switchover), demotion (its first half), and the request files a signal
// announces. Each is one change at a time; a request that does not fit the role is only logged, as openGauss does.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fault, faultMs, takeFault } from '../shared/faults.ts';
import { delayMs, paced } from '../shared/pace.ts';
import { postgresData } from '../shared/postgres.ts';
import { readTerm } from '../shared/state.ts';
import type { Context } from './context.ts';
import { openControl } from './control.ts';
import { askPeer, demoteName } from './peers.ts';
import { backendSocket } from './render.ts';
import { recordPromotion } from './terms.ts';
import { newestTimeline } from './timelines.ts';

const checkpointDelayMs = 300;

const requestFiles = [
  'failover',
  'switchover',
  'primary',
  'standby',
  'cascade_standby',
  'finish_redo_file',
  'switchover_timeout',
] as const;

/** Writes postmaster.opts; a role change replaces the word after -M, or adds both. */
export function writeOpts(context: Context, mode: string | undefined): void {
  const words = [...context.options.words];
  if (mode !== undefined) {
    const at = words.indexOf('-M');
    if (at >= 0) words[at + 1] = mode;
    else words.push('-M', mode);
  }
  const program = join(import.meta.dirname, '..', 'bin', 'gaussdb');
  writeFileSync('postmaster.opts', `${program} ${words.map((word) => `"${word}"`).join(' ')}\n`, { mode: 0o600 });
}

/** Takes over the term that a tool wrote; larger ones than openGauss can hold are its end. */
function adoptTerm(context: Context): void {
  const term = readTerm(context.pgdata) ?? 1;
  if (term > 0x7fffffff) context.panic(`term ${term} is out of range`);
  context.live.update({ term });
}

async function controlReady(context: Context): Promise<void> {
  while (context.control === undefined && !context.stopping) await sleep(10);
}

/** Makes the standby behind a primary; the role changes when it accepts writes and its WAL carries the term. */
export async function promote(context: Context): Promise<void> {
  const { live, relay, backend } = context;
  adoptTerm(context);
  live.update({ dbState: 'Promoting', reason: 'Normal' });
  relay.enable(false);
  const retryMs = delayMs('redoRetryMs') - (Date.now() - context.streamEnded);
  if (delayMs('redoRetryMs') >= 1_000 && retryMs > 0) await sleep(retryMs);
  await controlReady(context);
  backend.promote();
  for (;;) {
    const answer = await context.control?.query('select pg_catalog.pg_is_in_recovery()', 10_000);
    if (context.stopping) return;
    if (answer?.ok && answer.rows[0]?.[0] === 'f') break;
    await sleep(3);
  }
  live.update({ hideTerm: false });
  const { begin } = newestTimeline(join(postgresData(context.pgdata), 'pg_wal'));
  while (!context.stopping && !(context.control !== undefined && (await recordPromotion(context.control, begin))))
    await sleep(20);
  const role = context.settings.peers().length > 0 ? 'Primary' : 'Normal';
  live.update({ role, dbState: 'Normal', reason: 'Normal', receiver: undefined, receiveUntil: 0, redoFinished: true });
  writeOpts(context, 'primary');
  checkpointSoon(context);
  context.log('LOG:  database system is ready to accept connections');
}

/**
 * Completes the checkpoint of a promotion soon, which PostgreSQL spreads over minutes: until then its control file tells the timeline before,
 * and a rewind from or to this member could not find where the histories part. Not at once, as the first commits need the disk.
 */
function checkpointSoon(context: Context): void {
  setTimeout(async () => {
    const control = context.stopping ? undefined : await openControl(backendSocket, context.initialUser, 5_000);
    await control?.query('checkpoint', 120_000);
    control?.close();
  }, checkpointDelayMs).unref();
}

/** Runs one change of role; a second one meanwhile is dropped. */
async function exclusively(context: Context, change: () => Promise<void>): Promise<void> {
  if (context.busy) return;
  context.busy = true;
  await change();
  context.busy = false;
}

const isStandby = (context: Context) => ['Standby', 'Cascade Standby'].includes(context.live.facts().role);

async function failover(context: Context): Promise<void> {
  if (takeFault('failover-lost') !== undefined) return;
  const { role } = context.live.facts();
  if (!isStandby(context)) return context.log("LOG:  Instance can't be promoted in none standby mode.");
  const lateMs = faultMs('failover-late');
  if (lateMs > 0) await sleep(lateMs);
  if (role === 'Standby') return promote(context);
  context.live.update({ role: 'Standby' });
  writeOpts(context, 'standby');
}

async function switchover(context: Context): Promise<void> {
  const upstream = context.relay.upstream();
  if (!isStandby(context) || upstream === undefined || context.live.facts().receiver === undefined) return;
  if (fault('switchover-timeout') !== undefined) return;
  const before = context.live.facts().dbState;
  context.live.update({ dbState: 'Wait promoting' });
  const headless = fault('switchover-headless') !== undefined;
  const answer = await askPeer(upstream, demoteName, [], headless ? 50 : 6_000);
  if (headless || answer !== 'demoted') {
    context.log('LOG:  the primary did not answer the switchover request in time');
    const { receiver } = context.live.facts();
    context.live.update({ dbState: receiver === undefined ? 'Need repair' : before });
    return;
  }
  for (let waited = 0; context.live.facts().receiver !== undefined && waited < 2_000; waited += 5) await sleep(5);
  context.streamEnded = 0;
  await promote(context);
}

async function notify(context: Context, to: 'primary' | 'standby' | 'cascade_standby'): Promise<void> {
  const { role } = context.live.facts();
  if (role === 'Normal' && to === 'primary') {
    adoptTerm(context);
    context.live.update({ role: 'Primary' });
    writeOpts(context, 'primary');
    return context.configure();
  }
  if (role !== 'Pending') return context.log(`LOG:  Instance can't be notified to ${to} in ${role} mode.`);
  if (to === 'primary') {
    // without replconninfo it is Primary for the moment of the promotion, which is what gs_ctl waits for, and Normal from then on
    if (context.settings.peers().length === 0) context.live.update({ role: 'Primary' });
    return promote(context);
  }
  adoptTerm(context);
  context.live.update({ role: to === 'standby' ? 'Standby' : 'Cascade Standby' });
  writeOpts(context, to);
  context.relay.enable(true);
}

/** Handles the request files of a SIGUSR1. */
export async function handleRequests(context: Context): Promise<void> {
  const asked = requestFiles.filter((name) => existsSync(name));
  for (const name of asked) {
    const content = name === 'switchover' ? readFileSync(name) : undefined;
    rmSync(name, { force: true });
    if (context.busy || context.stopping) continue;
    if (name === 'failover') await exclusively(context, () => failover(context));
    else if (name === 'switchover' && content !== undefined) await exclusively(context, () => switchover(context));
    else if (name === 'primary' || name === 'standby' || name === 'cascade_standby')
      await exclusively(context, () => notify(context, name));
  }
}

/** A standby asks this primary to step down: PostgreSQL stops fast, and comes back as a standby in the same process. */
export async function demote(context: Context, done: () => void): Promise<void> {
  if (context.live.facts().role !== 'Primary' || context.busy || context.stopping) return;
  context.busy = true;
  context.live.update({ dbState: 'Demoting' });
  context.closed = { code: '57P03', text: 'the database system is shutting down' };
  await paced('demoteMs');
  context.control?.close();
  context.control = undefined;
  await context.backend.stop('fast');
  done();
  context.live.update({ role: 'Standby', dbState: 'Need repair', redoFinished: false, hideTerm: false, senders: new Map() });
  writeOpts(context, 'standby');
  await context.launch(true);
  context.relay.enable(true);
  context.busy = false;
}
