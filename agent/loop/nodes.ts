/**
 * Reads the Node of a silent holder, where people have given the right to (core/outofservice.ts): not while the holder is
 * heard or renews, at most every two seconds, and seldom once it was refused. What goes wrong is told once, and proves nothing.
 */
import { recordOf } from '../core/lease.ts';
import { isSilent } from '../core/outofservice.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';

const everyMs = 2000;
/** After a refusal: rights are given by people. */
const refusedMs = 60_000;
/** Pods whose nodes are remembered. */
const homesMax = 32;

/** Where each pod was bound to; a pod that is gone was there too. */
export function noteHomes({ memory }: Context): void {
  if (!memory.pods.known) return;
  const news = memory.pods.value.filter(({ uid, node }) => node !== undefined && memory.homes[uid] !== node);
  if (news.length === 0) return;
  const listed = Object.fromEntries(news.map(({ uid, node = '' }) => [uid, node]));
  memory.homes = Object.fromEntries(Object.entries({ ...memory.homes, ...listed }).slice(-homesMax));
}

/** To be called in every cycle. */
export async function refreshHolderNode(ctx: Context, view: View, deadlineMs: number): Promise<void> {
  const { memory, ports, self } = ctx;
  const record = recordOf(view.lease);
  if (self.readsNodes !== true) return;
  if (record === undefined || !isSilent(view, record)) {
    memory.holderNode = undefined;
    return;
  }
  const name = memory.homes[record.holder.split('/')[1] ?? ''];
  const at = ports.clock.now();
  const { nodeAsked } = memory;
  const pause = nodeAsked.fault === 'denied' ? refusedMs : everyMs;
  if (name === undefined || at - nodeAsked.at < pause) return;
  memory.nodeAsked = { ...nodeAsked, at };
  const read = await ports.kube.readNode(name, deadlineMs);
  const sight = read.ok ? read.value : undefined;
  const before = memory.holderNode;
  memory.holderNode = sight === undefined ? undefined : { holder: record.holder, name, sight, at };
  const fault = read.ok ? undefined : read.fault.kind;
  memory.nodeAsked = { at, fault };
  if (!read.ok && fault !== nodeAsked.fault)
    ctx.log.warn('the node of the silent holder cannot be read', { node: name, fault: read.fault });
  const declared = sight?.outOfService === true;
  if (declared && before?.sight.outOfService !== true)
    ctx.log.warn('the machine of the silent holder was declared off', { node: name, ready: sight.ready });
}
