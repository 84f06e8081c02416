/**
 * What the end of the server means for later decisions: a start that failed, a primary that crashed, the moment the
 * trouble began. An end that the agent brought about on purpose, or because its permit had ended, is no crash.
 */
import { isPrimaryRole } from '../core/acting.ts';
import type { ServerExit } from '../core/model.ts';
import type { Context } from './context.ts';
import { noteFailure } from './memory.ts';

const endedEarly = { of: 'command', kind: 'exited', done: 'no', detail: 'the server ended before it answered' } as const;
const crashesKept = 16;
/** Kills that say something about the server, or about where it is, and not about the lease. */
const ownFault: readonly string[] = ['hung', 'promotion-stalled', 'cut-off'];

export function noteExit(ctx: Context, exit: ServerExit): void {
  const { memory } = ctx;
  memory.lastExit = exit;
  memory.downSince ??= exit.at;
  noteFailedStart(ctx, exit);
  noteCrash(ctx, exit);
}

/** The next try waits. */
function noteFailedStart(ctx: Context, exit: ServerExit): void {
  const { memory, ports } = ctx;
  const { instance } = memory;
  const starting = instance.is === 'starting' && instance.process.pid === exit.process.pid;
  if (exit.role === 'Unknown' || starting) noteFailure(memory, 'start', endedEarly, ports.clock.now());
}

function noteCrash(ctx: Context, exit: ServerExit): void {
  const { memory } = ctx;
  const { promotion } = memory;
  const led = isPrimaryRole(exit.role);
  if (led) memory.troubleAt = exit.at;
  const asked = promotion?.process.pid === exit.process.pid;
  const meant = memory.job?.kind === 'hand-over' || memory.job?.kind === 'stop' || memory.stopping;
  const fenced = memory.fencing !== undefined && !ownFault.includes(memory.fencing);
  if ((!led && !asked) || meant || fenced) return;
  const reignMs = led && promotion?.settled === true ? exit.at - promotion.recordedAt : 0;
  memory.crashes = [...memory.crashes, { at: exit.at, reignMs }].slice(-crashesKept);
}
