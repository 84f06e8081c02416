/**
 * Processes and machines' clocks. A process is alive, frozen or dead: what arrives at a frozen one waits in order and is
 * dealt with when it is thawed (the danger of thaws); what arrives at a dead one is lost. A clock counts boot time at its
 * own rate and shows wall time that may jump; nobody sees true time.
 */
import type { Clock } from '../../agent/ports/others.ts';
import type { Engine } from './engine.ts';

export interface Proc {
  dead: boolean;
  frozen: boolean;
  /** How many have frozen it; the last one that lets go thaws it. */
  holds: number;
  backlog: (() => void)[];
}

/** A process that runs. */
export function newProc(): Proc {
  return { dead: false, frozen: false, holds: 0, backlog: [] };
}

/** Lets something reach the process after that time. */
export function post(engine: Engine, proc: Proc, delay: number, run: () => void): void {
  engine.after(delay, () => arrive(proc, run));
}

function arrive(proc: Proc, run: () => void): void {
  if (proc.dead) return;
  if (proc.frozen) proc.backlog.push(run);
  else run();
}

/** SIGSTOP for these processes; the returned function is the SIGCONT. */
export function freeze(engine: Engine, procs: (Proc | undefined)[]): () => void {
  const held = procs.filter((proc) => proc !== undefined);
  for (const proc of held) {
    proc.holds += 1;
    proc.frozen = true;
  }
  return () => {
    for (const proc of held) thaw(engine, proc);
  };
}

/** The process goes on; what came meanwhile is dealt with in order, a moment apart. */
function thaw(engine: Engine, proc: Proc): void {
  proc.holds -= 1;
  if (proc.holds > 0) return;
  proc.frozen = false;
  const backlog = proc.backlog;
  proc.backlog = [];
  for (const [at, run] of backlog.entries()) post(engine, proc, 0.02 * (at + 1), run);
}

export interface MachineClock {
  /** Local milliseconds per true one. */
  rate: number;
  /** Boot time at true time zero. */
  offset: number;
  /** How far the wall clock has been set away from the truth. */
  wallOffset: number;
  /** How long the machine was suspended in all. */
  suspended: number;
  /** True time until which it ran beyond the bound that settings are checked against. */
  wildUntil?: number;
}

/** How far rates may differ from the truth (ha-semantics 7.2). */
export const rateBound = 0.01;

/** What was counted by a wild clock may matter for so long. */
const wildMs = 30_000;

/** All clocks run within the bound, and have for a while: beyond it only the freeze protects. */
export function clocksAgree(engine: Engine, clocks: { clock: MachineClock }[]): boolean {
  return clocks.every(
    ({ clock }) => Math.abs(clock.rate - 1) <= rateBound && engine.now > (clock.wildUntil ?? Number.NEGATIVE_INFINITY) + wildMs,
  );
}

/** Boot time of that machine. */
export function bootTime(engine: Engine, clock: MachineClock): number {
  return clock.offset + engine.now * clock.rate;
}

/** When that boot time will be, in true time. */
export function trueTime(clock: MachineClock, boot: number): number {
  return (boot - clock.offset) / clock.rate;
}

const wallStart = Date.UTC(2026, 0, 1);
/** Wall times are texts and costly to make; a resolution of half a second serves all who read them. */
const wallTexts = new Map<number, string>();
let lastSlot = Number.NaN;
let lastText = '';

function wallText(ms: number): string {
  const slot = Math.floor(ms / 500);
  if (slot === lastSlot) return lastText;
  let text = wallTexts.get(slot);
  if (text === undefined) {
    text = new Date(slot * 500).toISOString();
    wallTexts.set(slot, text);
  }
  lastSlot = slot;
  lastText = text;
  return text;
}

/** Wall-clock time of that machine. */
export function wallTime(engine: Engine, clock: MachineClock): string {
  return wallText(wallStart + engine.now + clock.wallOffset);
}

/** The clock as a process on that machine has it. */
export function clockOf(engine: Engine, clock: MachineClock, proc: Proc): Clock {
  return {
    now: () => bootTime(engine, clock),
    wall: () => wallTime(engine, clock),
    suspended: () => clock.suspended,
    until(moment, signal) {
      return new Promise<void>((resolve) => {
        if (signal?.aborted === true) {
          resolve();
          return;
        }
        let done = false;
        const finish = () => {
          if (done) return;
          // The clock runs slower by now.
          if (signal?.aborted !== true && bootTime(engine, clock) < moment - 1e-3) {
            engine.at(trueTime(clock, moment) + 1e-6, () => arrive(proc, finish));
            return;
          }
          done = true;
          engine.woken = true;
          resolve();
        };
        // A timer never fires early: rounding up is what keeps "at the moment" true on the local clock.
        const timer = engine.at(trueTime(clock, moment) + 1e-6, () => arrive(proc, finish));
        signal?.addEventListener('abort', () => {
          engine.cancel(timer);
          if (!proc.dead) finish();
        });
      });
    },
  };
}
