/**
 * The dynamic configuration as it is in force: the last one that was valid as a whole, which is on disk for the next agent.
 * A typo, or a deleted ConfigMap, must not turn `strict` into something weaker, nor end a pause or `failover: manual` with the
 * next restart. Where no valid one was ever seen the defaults stand, with one exception: the synchronous mode stays what the
 * record of the lease says.
 */
import type { DynamicConfig } from '../core/config.ts';
import type { LeaseRecord } from '../core/model.ts';
import { ok } from '../core/result.ts';
import type { Context } from './context.ts';
import { noteFailure } from './memory.ts';
import { amend } from './records.ts';

/** Readings older than this are taken again; the watch makes them fresh in between. */
const maxAgeMs = 60_000;
/** What takes more room in the records, as they are written, is not kept for the next agent. */
const keptBytesMax = 32 * 1024;

/** What decisions are made with. */
export function configInForce({ memory }: Context): DynamicConfig {
  if (memory.configGood) return memory.config;
  const record = memory.lease.known ? memory.lease.value.record : memory.held;
  return record === undefined || record.garbage !== undefined ? memory.config : asRecorded(memory.config, record);
}

/** More acknowledgements than the default asks for were asked for by people, too. */
function asRecorded(config: DynamicConfig, record: LeaseRecord): DynamicConfig {
  const last = record.entries.at(-1);
  const acks = last !== undefined && last.w > Math.ceil(last.names.length / 2) ? last.w : config.sync.acks;
  return { ...config, sync: { ...config.sync, mode: record.syncMode, acks } };
}

/** Reads the configuration; an edit that is not valid as a whole changes nothing, and neither does a ConfigMap that is gone. */
export async function refreshConfig(ctx: Context, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  const now = ports.clock.now();
  if (memory.configKnown && now - memory.configAt < maxAgeMs && !memory.stale.has('config')) return;
  memory.stale.delete('config');
  const result = await ports.kube.readConfig(deadlineMs);
  if (!result.ok) {
    memory.stale.add('config');
    return;
  }
  memory.configAt = now;
  const { text } = result.value;
  if (memory.configKnown && text === memory.configText) return;
  const before = memory.configKnown;
  memory.configText = text;
  // Without any good one yet, the defaults stand: a member that waits for ever for an edit would be worse.
  memory.configKnown = true;
  if (text === undefined) {
    const had = takeKept(ctx) || before;
    // A cluster may well have none; one that had one has lost it.
    if (had) reject(ctx, [{ field: 'config.yaml', message: 'it is gone; write it again' }]);
    return;
  }
  const parsed = ctx.parseConfig(text);
  if (!parsed.ok) {
    takeKept(ctx);
    return reject(ctx, parsed.problems);
  }
  if (before) ctx.log.info('configuration changed');
  memory.config = parsed.config;
  memory.configGood = true;
  delete memory.failures['config'];
  const kept = Buffer.byteLength(JSON.stringify(JSON.stringify(text))) > keptBytesMax ? undefined : text;
  // Beside the cycle: a volume that hangs must not hold up the lease.
  void amend(ctx, (records) => ok(records.config === kept ? records : { ...records, config: kept }));
}

/** An agent that starts on what is not valid goes on with what the one before it, or a start before, last found valid. */
function takeKept({ memory, parseConfig, log }: Context): boolean {
  const { config: text } = memory.records;
  if (text === undefined) return false;
  const parsed = memory.configGood ? undefined : parseConfig(text);
  if (parsed?.ok !== true) return true;
  memory.config = parsed.config;
  memory.configGood = true;
  log.warn('the last valid configuration is in force', {});
  return true;
}

function reject(ctx: Context, problems: { field: string; message: string }[]): void {
  const fields = problems.map((problem) => `${problem.field}: ${problem.message}`).join('; ');
  ctx.log.error('configuration rejected', { reason: 'config-rejected', problems });
  ctx.event({ reason: 'ConfigRejected', type: 'Warning', action: 'ReadConfiguration', note: fields.slice(0, 900) });
  noteFailure(ctx.memory, 'config', { of: 'kube', kind: 'malformed', done: 'no', detail: fields }, ctx.ports.clock.now());
}
