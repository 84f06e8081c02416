/**
 * Port calls of one agent: each takes its time, has its effect in between, and may be where the agent dies or stands still, before
 * or after the effect. A dead agent's calls never return; a frozen one's return when it is thawed.
 */
import type { Machine, World } from './model.ts';
import { freeze, type Proc, post } from './process.ts';

export interface Calls {
  proc: Proc;
  /** The effect after `there` ms, the answer `back` ms later. */
  call<T>(port: string, there: number, back: number, effect: () => T): Promise<T>;
  /** Answers after that time with a value made then. */
  answer<T>(port: string, delay: number, value: () => T): Promise<T>;
  /** A promise that the given function resolves, if the agent still lives then. */
  wait<T>(port: string, begin: (resolve: (value: T, delay: number) => void) => void): Promise<T>;
  readonly dead: boolean;
}

/** The calls of an agent that runs as this process. */
export function createCalls(world: World, machine: Machine, proc: Proc): Calls {
  const never = new Promise<never>(() => {});
  const { engine } = world;

  /** Whether the agent dies at this call, and when. */
  function crash(port: string): Machine['crashIn'] {
    const plan = machine.crashIn;
    if (plan === undefined || (plan.port !== undefined && !port.startsWith(plan.port))) return undefined;
    plan.calls -= 1;
    if (plan.calls > 0) return undefined;
    machine.crashIn = undefined;
    world.counters.count('crash', `${plan.phase} ${port}`);
    return plan;
  }

  /** Its server's death is not the agent's. */
  const diesOf = (plan: NonNullable<Machine['crashIn']>): boolean => plan.takes !== 'server';

  /** All that led to the call has been done; it is sent when the agent goes on. */
  function stalled<T>(ms: number, begin: (resolve: (value: T, delay: number) => void) => void): Promise<T> {
    engine.after(ms, freeze(engine, [proc]));
    return new Promise<T>((resolve) => {
      const send = (): void => begin((value, delay) => post(engine, proc, delay, () => settle(resolve, value)));
      post(engine, proc, 0, send);
    });
  }

  function settle<T>(resolve: (value: T) => void, value: T): void {
    engine.woken = true;
    resolve(value);
  }

  return {
    proc,
    call<T>(port: string, there: number, back: number, effect: () => T): Promise<T> {
      if (proc.dead) return never;
      const plan = machine.crashIn === undefined ? undefined : crash(port);
      if (plan?.phase === 'before') {
        world.crash(machine, plan.takes);
        if (diesOf(plan)) return never;
      }
      return new Promise<T>((resolve) => {
        const act = () => {
          const value = effect();
          if (plan?.phase === 'after') world.crash(machine, plan.takes);
          if (plan?.phase !== 'after' || !diesOf(plan)) post(engine, proc, back, () => settle(resolve, value));
        };
        engine.after(there, () => {
          if (proc.dead) {
            // What was under way when the process died may have happened or not; with the container it has not.
            if (machine.pid1?.dead === false && world.dice.chance(0.5)) effect();
          } else if (proc.frozen) proc.backlog.push(act);
          else act();
        });
      });
    },
    answer<T>(port: string, delay: number, value: () => T): Promise<T> {
      if (proc.dead) return never;
      const plan = machine.crashIn === undefined ? undefined : crash(port);
      if (plan !== undefined) {
        world.crash(machine, plan.takes);
        if (diesOf(plan)) return never;
      }
      return new Promise<T>((resolve) => post(engine, proc, delay, () => settle(resolve, value())));
    },
    wait<T>(port: string, begin: (resolve: (value: T, delay: number) => void) => void): Promise<T> {
      if (proc.dead) return never;
      const plan = machine.crashIn === undefined ? undefined : crash(port);
      if (plan?.takes === 'stall') return stalled(plan.stallMs ?? 0, begin);
      if (plan?.phase === 'before') {
        world.crash(machine, plan.takes);
        if (diesOf(plan)) return never;
      }
      return new Promise<T>((resolve) => {
        begin((value, delay) => post(engine, proc, delay, () => settle(resolve, value)));
        if (plan?.phase === 'after') engine.after(world.dice.between(0, 5), () => world.crash(machine, plan.takes));
      });
    },
    get dead() {
      return proc.dead;
    },
  };
}
