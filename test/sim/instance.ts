/**
 * The InstancePort over a model server: what SQL, gs_ctl and files would show and do, each with its time and its traps.
 * As the real adapter it believes no tool, checks the permit right before it asks for a promotion, and asks again when a
 * request was lost; a server promotes late even when nobody waits any more.
 */
import type { DataState, Instance, Role, ServerExit, ServerProcess } from '../../agent/core/model.ts';
import { isValid } from '../../agent/core/permit.ts';
import { failed, type Fault, ok, type Result } from '../../agent/core/result.ts';
import type { InstancePort } from '../../agent/ports/instance.ts';
import { build, initialise } from './build.ts';
import type { Calls } from './calls.ts';
import type { Machine, World } from './model.ts';
import { bootTime } from './process.ts';
import { applyNames, end, kill, append, requestPromotion, startServer, writeTerm } from './server.ts';
import { isUp, leave, release, seek } from './stream.ts';
import { lookAt } from './look.ts';

/** How soon a look notices that the server has ended under it. */
const stepMs = 50;

export const fault = (kind: Fault['kind'], done: Fault['done'], detail: string): Result<never> =>
  failed({ of: 'command', kind, done, detail });

/** What one agent remembers of the process it looks at. */
export interface Mind {
  pid: number;
  seenAt: number;
  answered: boolean;
  silentSince: number | undefined;
  role: Role;
  exit: ServerExit | undefined;
}

/** The port of the agent that makes these calls. */
export function createInstance(world: World, machine: Machine, calls: Calls): InstancePort {
  const { engine, dice } = world;
  const { server } = machine;
  const mind: Mind = { pid: 0, seenAt: 0, answered: false, silentSince: undefined, role: 'Unknown', exit: undefined };
  const now = () => bootTime(engine, machine.clock);
  const stuck = () => Math.max(0, machine.weak.diskStuckUntil - engine.now);

  server.exits.length = 0;
  server.exits.push((process, role) => {
    mind.exit = { process, role: mind.pid === process.pid && mind.role !== 'Unknown' ? mind.role : role, at: now() };
  });

  /** Something done by SQL, which needs a server that answers. */
  function sql(port: string, deadlineMs: number, effect: () => Result<void>): Promise<Result<void>> {
    if (server.proc?.frozen === true) return calls.answer(port, deadlineMs, () => fault('timeout', 'maybe', 'no answer'));
    const fails = dice.chance(machine.weak.sqlFails);
    return calls.call<Result<void>>(port, dice.between(0.5, 4), dice.between(0.2, 2), () => {
      if (!isUp(world, server)) return fault('refused', 'no', 'the server does not answer');
      const result = fails && dice.chance(0.5) ? ok() : effect();
      return fails ? fault('timeout', 'maybe', 'the connection broke') : result;
    });
  }

  function reload(names: string, mostAvailable: boolean): void {
    server.conf.names = names;
    server.conf.mostAvailable = mostAvailable;
    applyNames(server);
    world.oracle.namesSet(server);
    release(world, server);
  }

  async function untilGone(deadlineMs: number): Promise<Result<void>> {
    const { process } = server;
    const limit = engine.now + deadlineMs;
    while (server.process !== undefined && server.process === process) {
      if (engine.now >= limit) return fault('timeout', 'maybe', 'the process is not gone');
      await calls.answer('wait', 3, () => undefined);
    }
    return ok();
  }

  return {
    async observe(deadlineMs): Promise<Instance> {
      const silent = server.proc?.frozen === true || (server.proc === undefined && stuck() > 0);
      const startedAt = bootTime(world.engine, machine.clock);
      const { process } = server;
      // The session of a server that ends under the question breaks; nobody waits for its answer any longer.
      for (let waited = 0; silent && waited < deadlineMs - stepMs && process === server.process; waited += stepMs)
        await calls.answer('wait', stepMs, () => undefined);
      const mute = process === server.process ? silent : server.proc === undefined && stuck() > 0;
      return await calls.answer('instance.observe', mute ? stepMs : dice.between(0.4, 1.5), () =>
        lookAt(world, server, mind, mute, startedAt),
      );
    },
    onExit(listener) {
      server.exits.push(() => {
        const exit = mind.exit;
        if (exit !== undefined) listener(exit);
      });
    },
    initialise: () => initialise(world, machine, calls),
    start(mode, lock) {
      return calls.call<Result<ServerProcess>>('instance.start', dice.between(1, 10) + stuck(), 1, () => {
        if (server.process !== undefined) return fault('exists', 'no', `a server runs already as pid ${server.process.pid}`);
        if (server.data === undefined) return fault('absent', 'no', 'no data directory');
        if (lock !== undefined) server.data.lock = { host: lock.host, port: lock.haPort };
        startServer(world, server, mode);
        return server.process === undefined ? fault('exited', 'no', 'the server did not start') : ok(server.process);
      });
    },
    async kill(deadlineMs) {
      await calls.call('instance.kill', dice.between(0.1, 0.5), 0, () => kill(world, server));
      return await untilGone(deadlineMs);
    },
    async stop(deadlineMs) {
      const { process } = server;
      await calls.call('instance.stop', 1, 1, () => stopFast());
      const gone = await untilGone(deadlineMs);
      if (gone.ok || server.process !== process) return ok();
      await calls.call('instance.kill', 0.2, 0, () => kill(world, server));
      return await untilGone(5000);
    },
    async promote({ permit, names, deadline }) {
      const { process } = server;
      world.oracle.promotionAsked(machine, permit.term);
      if (process === undefined) return fault('absent', 'no', 'no server runs that could be promoted');
      if (!isValid(permit, now())) return fault('cancelled', 'no', 'the permit has ended');
      const prepared = await calls.call<Result<void>>('instance.prepare', dice.between(2, 12) + stuck(), 1, () => {
        if (server.data === undefined) return fault('absent', 'no', 'no data');
        server.data.promotedTerm = permit.term;
        reload(names, false);
        return ok();
      });
      if (!prepared.ok) return prepared;
      if (!isValid(permit, now())) return fault('cancelled', 'no', 'the permit has ended');
      for (;;) {
        if (server.process !== process) return fault('exited', 'maybe', 'the server ended while it was promoted');
        if (isUp(world, server) && server.role === 'Primary' && server.proc?.frozen === false) return ok();
        if (!isValid(permit, now())) return fault('cancelled', 'maybe', 'the permit ended during the promotion');
        if (now() >= deadline) return fault('timeout', 'maybe', 'not primary at the deadline');
        const asks = server.promotingTerm === undefined && server.proc?.frozen === false;
        await calls.call('instance.promote', 5, 5, () => {
          if (asks && server.process === process && isValid(permit, now())) requestPromotion(world, server, permit.term);
        });
      }
    },
    notifyStandby: () =>
      sql('instance.notifyStandby', 1000, () => {
        if (server.role !== 'Pending') return server.role === 'Standby' ? ok() : fault('refused', 'no', 'a primary');
        server.role = 'Standby';
        seek(world, server);
        return ok();
      }),
    writeTerm: (permit, deadlineMs) =>
      sql('instance.writeTerm', deadlineMs, () => {
        if (!isValid(permit, now()) || server.role !== 'Primary') return fault('refused', 'no', 'not a primary with a permit');
        writeTerm(world, server);
        return ok();
      }),
    pointAt: (peer, deadlineMs) =>
      sql('instance.pointAt', deadlineMs, () => {
        if (server.data === undefined) return fault('absent', 'no', 'no data');
        if (server.role === 'Primary') return ok();
        server.data.lock = { host: peer.host, port: peer.haPort };
        leave(world, server);
        seek(world, server);
        return ok();
      }),
    unlock: (deadlineMs) =>
      sql('instance.unlock', deadlineMs, () => {
        if (server.data !== undefined) server.data.lock = undefined;
        seek(world, server, dice.between(50, 1000));
        return ok();
      }),
    configure(wanted) {
      return calls.call('instance.configure', dice.between(0.2, 1), 0.2, () => {
        const before = server.conf.peers;
        const same = before.length === wanted.peers.length && before.every((peer, at) => peer.host === wanted.peers[at]?.host);
        if (!same) server.conf.peers = wanted.peers;
        return ok({ changed: !same });
      });
    },
    setSync: ({ permit, names, mostAvailable }, deadlineMs) =>
      sql('instance.setSync', deadlineMs, () => {
        if (!isValid(permit, now())) return fault('refused', 'no', 'the permit has ended');
        reload(names, mostAvailable);
        return ok();
      }),
    setReadOnly(on) {
      return calls.call<Result<void>>('instance.setReadOnly', dice.between(1, 4), 1, () => {
        server.conf.readOnly = on;
        return ok();
      });
    },
    settleUsers: (_permit, deadlineMs) =>
      sql('instance.settleUsers', deadlineMs, () => {
        append(world, server);
        return ok();
      }),
    build: (options) => build(world, machine, calls, options),
    close: async () => {},
  };

  /** A fast stop cuts the clients, writes a shutdown checkpoint and streams what it can. */
  function stopFast(): void {
    const { proc } = server;
    if (proc === undefined || server.doomed) return;
    server.waiting = [];
    if (server.role === 'Primary') {
      server.conf.readOnly = server.conf.readOnly || false;
      append(world, server);
    }
    engine.after(dice.between(30, 100) + machine.weak.stopMs, () => {
      if (server.proc !== proc || proc.frozen) return;
      if (server.data !== undefined) server.data.clusterState = 'shut down';
      end(world, server);
    });
  }
}

export type { DataState };
