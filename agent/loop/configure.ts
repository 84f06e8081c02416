/** Level-triggered configuration of the local server: who the members are and what people set. Never decides. */
import { ok, type Result } from '../core/result.ts';
import type { Context } from './context.ts';

const deadlineMs = 1000;

/** Keeps the server's files in step with who the members are; only what differs is written (level, not edge). */
export async function configure(ctx: Context): Promise<Result<unknown>> {
  const { memory, ports, self } = ctx;
  if (!memory.pods.known) return ok();
  const own = ctx.addressOf(self.name);
  if (own === undefined) return ok();
  const peers = memory.pods.value.filter((pod) => pod.name !== self.name).flatMap((pod) => ctx.addressOf(pod.name) ?? []);
  const { parameters } = memory.config;
  const applied = await ports.instance.configure({ self: own, peers, parameters, silent: isSilent(ctx) }, deadlineMs);
  if (applied.ok && applied.value.changed)
    ctx.log.info('server configuration rewritten', { peers: peers.map((peer) => `${peer.name}=${peer.host}:${peer.haPort}`) });
  return applied;
}

/** A standby that somebody promotes past the agents must not acknowledge: nobody votes for what it writes. */
function isSilent(ctx: Context): boolean {
  const { memory } = ctx;
  const record = memory.lease.known ? memory.lease.value.record : undefined;
  const sync = (record?.syncMode ?? memory.config.sync.mode) !== 'off';
  return sync && memory.promotion === undefined && ['standby', 'pending', 'stopped'].includes(memory.instance.is);
}
