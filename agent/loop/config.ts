/**
 * The dynamic configuration as it is in force: the last one that was valid as a whole. Where none was read since the agent
 * started, because it is not valid or is not there, the defaults stand with one exception: the synchronous mode stays what
 * the record of the lease says. A typo, or a deleted ConfigMap, must not turn `strict` into something weaker.
 */
import type { DynamicConfig } from '../core/config.ts';
import type { LeaseRecord } from '../core/model.ts';
import type { Context } from './context.ts';
import { noteFailure } from './memory.ts';

/** Readings older than this are taken again; the watch makes them fresh in between. */
const maxAgeMs = 60_000;

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
    // A cluster may well have none; one that had one has lost it.
    if (before) reject(ctx, [{ field: 'config.yaml', message: 'it is gone; write it again' }]);
    return;
  }
  const parsed = ctx.parseConfig(text);
  if (!parsed.ok) return reject(ctx, parsed.problems);
  if (before) ctx.log.info('configuration changed');
  memory.config = parsed.config;
  memory.configGood = true;
  delete memory.failures['config'];
}

function reject(ctx: Context, problems: { field: string; message: string }[]): void {
  const fields = problems.map((problem) => `${problem.field}: ${problem.message}`).join('; ');
  ctx.log.error('configuration rejected', { reason: 'config-rejected', problems });
  ctx.event({ reason: 'ConfigRejected', type: 'Warning', action: 'ReadConfiguration', note: fields.slice(0, 900) });
  noteFailure(ctx.memory, 'config', { of: 'kube', kind: 'malformed', done: 'no', detail: fields }, ctx.ports.clock.now());
}
