/**
 * A node with its pod: PID 1 with the fence, the agent, the server, the kubelet that starts containers and tells their
 * state. Whatever dies, dies as it would: with the container all its processes, with the node also the network's resets.
 */
import { clusterLabels } from '../../agent/core/labels.ts';
import type { LocalRecords } from '../../agent/core/model.ts';
import { failed, ok, type Result } from '../../agent/core/result.ts';
import type { DynamicConfig } from '../../agent/core/config.ts';
import { createLoop } from '../../agent/loop/loop.ts';
import type { BrakePort, FencePort, RecordsPort, VolumesPort } from '../../agent/ports/others.ts';
import { type Calls, createCalls } from './calls.ts';
import { createInstance } from './instance.ts';
import type { Machine, World } from './model.ts';
import { createPeers } from './peers.ts';
import { bootTime, clockOf, freeze, newProc, type Proc, post, trueTime, wallTime } from './process.ts';
import { end, kill } from './server.ts';
import { useOf } from './volumes.ts';

export interface Lives {
  /** Which configuration stands behind a text. */
  configOf(text: string | undefined): DynamicConfig;
  startContainer(machine: Machine): void;
  crashAgent(machine: Machine): void;
  /** The kubelet starts it again at once, or after that time. */
  killContainer(machine: Machine, backOffMs?: number): void;
  powerOff(machine: Machine): void;
  powerOn(machine: Machine): void;
  /** Stops the whole pod; the returned function lets it go on. */
  freezePod(machine: Machine): () => void;
  /** PID 1 looks at its clock, which runs at another rate now. */
  fenceAgain(machine: Machine): void;
  deletePod(machine: Machine): void;
  forceDelete(machine: Machine): void;
  /** The pod is deleted, and not made again until it is scaled out. */
  scaleIn(machine: Machine): void;
  scaleOut(machine: Machine): void;
}

/** A text that nobody can read as a configuration. */
export const nonsense = 'nonsense';

const quiet = (): void => {};

/** Starts and ends the processes of all machines. */
export function createLives(world: World, configOf: Lives['configOf']): Lives {
  const { engine, dice, kube } = world;

  function startContainer(machine: Machine): void {
    // A container belongs to a pod that exists; the kubelet starts none for one that is gone.
    if (!machine.powered || machine.pid1 !== undefined || kube.pods.get(machine.name)?.uid !== machine.uid) return;
    const pid1 = newProc();
    machine.pid1 = pid1;
    machine.incarnation += 1;
    machine.container = `${machine.name}-c${machine.incarnation}`;
    machine.bornAt = bootTime(engine, machine.clock);
    machine.fence = undefined;
    machine.echo = undefined;
    world.tell?.(machine.name, `container ${machine.container} starts`);
    post(engine, pid1, dice.between(20, 150), () => startAgent(machine));
    const id = machine.container;
    // The kubelet tells whole seconds.
    const startedAt = `${wallTime(engine, machine.clock).slice(0, 19)}Z`;
    engine.after(dice.between(100, 800), () => tellContainer(machine, id, 'running', startedAt));
  }

  /** The kubelet's word, for the pod that is still there. */
  function tellContainer(machine: Machine, id: string, state: 'running' | 'terminated', startedAt?: string): void {
    const pod = kube.pods.get(machine.name);
    if (!machine.powered || pod === undefined || pod.uid !== machine.uid) return;
    if (state === 'running' && machine.container !== id) return;
    const before = pod.container.id;
    const last = before === id || before === undefined ? (pod.container.ended ?? []) : [before];
    const ended = state === 'terminated' ? [id] : last.filter((one) => one !== id);
    kube.setPod({ ...pod, ip: machine.ip, container: { id, state, ...(startedAt === undefined ? {} : { startedAt }), ended } });
  }

  function startAgent(machine: Machine): void {
    const { pid1, server } = machine;
    if (pid1 === undefined || pid1.dead || machine.agent !== undefined) return;
    const proc = newProc();
    const calls = createCalls(world, machine, proc);
    const { name, uid, ip } = machine;
    const incarnation = String(machine.incarnation);
    const tell = world.tell;
    const line = (level: string) =>
      tell === undefined
        ? quiet
        : (msg: string, fields?: Record<string, unknown>) => {
            if (!proc.dead) tell(name, `${level} ${msg} ${fields === undefined ? '' : textOf(fields)}`);
          };
    const counters = world.counters;
    const tellError = line('error');
    const error = (msg: string, fields?: Record<string, unknown>): void => {
      if (typeof fields?.['reason'] === 'string') counters.count('reason', fields['reason']);
      tellError(msg, fields);
    };
    const log = { info: line('info'), warn: line('warn'), error, debug: quiet };
    const loop = createLoop({
      ports: {
        clock: clockOf(engine, machine.clock, proc),
        kube: kube.port(machine, calls),
        instance: createInstance(world, machine, calls),
        peers: createPeers(world, machine, calls),
        fence: fenceOf(machine, calls),
        records: recordsOf(machine, calls),
        brake: brakeOf(machine, calls),
        volumes: volumesOf(machine, proc),
        board: {
          show: ({ decision: { reason, blocked }, view }) => {
            const version = view.lease.known ? view.lease.value.record?.resourceVersion : undefined;
            const pausedAt = view.paused ? engine.now : machine.shown?.pausedAt;
            machine.shown = { reason, blocked, paused: view.paused, pausedAt, version };
          },
        },
      },
      self: {
        ...{ name, uid, incarnation, identity: `${name}/${uid}/${incarnation}`, cluster: 'demo', namespace: 'default', ip },
        ...{
          port: 5432,
          haPort: 5433,
          version: '0',
          startedAt: bootTime(engine, machine.clock),
          guarded: true,
          provesDeath: true,
          readsNodes: true,
          bornAt: machine.bornAt,
        },
      },
      log,
      tally: {
        cycle: (reason) => counters.count('reason', reason),
        renewed: quiet,
        fenced: (reason) => counters.count('fence', reason),
        promoted: quiet,
        switched: (outcome) => counters.count('switchover', outcome),
        built: (mode, outcome) => counters.count('build', `${mode} ${outcome}`),
      },
      parseConfig: (text) =>
        text === nonsense
          ? { ok: false, problems: [{ field: '', message: 'this is no configuration' }] }
          : { ok: true, config: configOf(text) },
      haPort: 5433,
    });
    machine.agent = { proc, loop };
    if (server.process !== undefined) counters.count('path', 'running server adopted');
    void loop.run().then(
      () => {
        if (!proc.dead) agentEnded(machine);
      },
      (error: unknown) => world.oracle.fail('bug', String(error instanceof Error ? error.stack : error)),
    );
  }

  /** The agent has stopped by itself: the container ends, and with it the pod that was to go. */
  function agentEnded(machine: Machine): void {
    world.tell?.(machine.name, 'the agent has ended');
    endContainer(machine);
    if (kube.pods.get(machine.name)?.terminating === true) replacePod(machine);
    else restartLater(machine);
  }

  function replacePod(machine: Machine): void {
    const { uid } = machine;
    kube.removePod(machine.name);
    engine.after(dice.between(300, 1500), () => {
      if (machine.uid !== uid || machine.scaledIn) return;
      makePod(machine);
      startContainer(machine);
    });
  }

  function makePod(machine: Machine): void {
    const number = Number(machine.uid.slice(machine.uid.lastIndexOf('-') + 1)) + 1;
    machine.uid = `uid-${machine.index}-${number}`;
    machine.ip = `10.0.${number}.${10 + machine.index}`;
    kube.setPod(podOf(machine));
  }

  function crashAgent(machine: Machine): void {
    const { agent, pid1 } = machine;
    if (agent === undefined) return;
    agent.proc.dead = true;
    world.oracle.agentDied();
    machine.agent = undefined;
    machine.crashIn = undefined;
    world.tell?.(machine.name, 'the agent dies');
    if (pid1 !== undefined) post(engine, pid1, dice.between(50, 1000), () => startAgent(machine));
  }

  function endContainer(machine: Machine): void {
    const { agent, pid1, server } = machine;
    if (agent !== undefined) agent.proc.dead = true;
    world.oracle.agentDied();
    machine.agent = undefined;
    machine.crashIn = undefined;
    if (pid1 !== undefined) pid1.dead = true;
    machine.pid1 = undefined;
    server.exits.length = 0;
    end(world, server);
  }

  function restartLater(machine: Machine, backOffMs = 0): void {
    const id = machine.container;
    engine.after(dice.between(200, 1200), () => tellContainer(machine, id, 'terminated'));
    engine.after(backOffMs + dice.between(400, 3000), () => startContainer(machine));
  }

  function killContainer(machine: Machine, backOffMs = 0): void {
    if (machine.pid1 === undefined) return;
    world.tell?.(machine.name, 'the container dies');
    endContainer(machine);
    restartLater(machine, backOffMs);
  }

  function deletePod(machine: Machine): void {
    const pod = kube.pods.get(machine.name);
    const { agent, pid1 } = machine;
    if (pod === undefined || pid1 === undefined || pod.terminating) return;
    world.tell?.(machine.name, 'the pod is deleted, grace 30 s');
    kube.setPod({ ...pod, terminating: true });
    if (agent !== undefined) {
      post(engine, agent.proc, 5, () => {
        engine.woken = true;
        agent.loop.stop();
      });
    }
    const { uid } = machine;
    engine.after(30_000, () => {
      if (machine.uid !== uid) return;
      endContainer(machine);
      replacePod(machine);
    });
  }

  return {
    configOf,
    startContainer,
    crashAgent,
    killContainer,
    powerOff(machine) {
      machine.powered = false;
      world.tell?.(machine.name, 'the node loses power');
      endContainer(machine);
    },
    powerOn(machine) {
      if (machine.powered) return;
      machine.powered = true;
      world.tell?.(machine.name, 'the node is back');
      engine.after(dice.between(100, 2000), () => startContainer(machine));
    },
    freezePod(machine) {
      const go = freeze(engine, [machine.server.proc, machine.pid1, machine.agent?.proc]);
      return () => {
        world.oracle.excused(machine);
        go();
      };
    },
    fenceAgain(machine) {
      if (machine.fence !== undefined) awaitDue(machine, machine.fence.deadline);
    },
    deletePod,
    forceDelete(machine) {
      if (machine.pid1 === undefined) return;
      world.tell?.(machine.name, 'the pod is deleted by force; its processes go on');
      const { uid } = machine;
      kube.removePod(machine.name);
      engine.after(dice.between(1000, 15_000), () => {
        if (machine.uid !== uid) return;
        endContainer(machine);
        if (machine.scaledIn) return;
        makePod(machine);
        engine.after(dice.between(100, 2000), () => startContainer(machine));
      });
    },
    scaleIn(machine) {
      machine.scaledIn = true;
      deletePod(machine);
    },
    scaleOut(machine) {
      if (!machine.scaledIn) return;
      machine.scaledIn = false;
      // Whoever still ends its container makes it again.
      if (kube.pods.get(machine.name) !== undefined || machine.pid1 !== undefined) return;
      makePod(machine);
      startContainer(machine);
    },
  };

  function fenceOf(machine: Machine, calls: Calls): FencePort {
    return {
      present: true,
      arm(process, deadline) {
        const { pid1 } = machine;
        if (calls.dead || pid1 === undefined) return ok();
        const rounded = Math.floor(deadline / 10) * 10;
        post(engine, pid1, dice.between(0.05, 2), () => armed(machine, process, rounded));
        return ok();
      },
      echo: () => machine.echo,
    };
  }

  function armed(machine: Machine, process: { pid: number; startTime: string }, deadline: number): void {
    if (machine.server.process?.pid !== process.pid) return;
    const before = machine.fence?.process.pid === process.pid ? machine.fence.deadline : 0;
    machine.fence = { process, deadline: Math.max(before, deadline) };
    machine.echo = machine.fence;
    awaitDue(machine, machine.fence.deadline);
  }

  function awaitDue(machine: Machine, deadline: number): void {
    const { clock, pid1 } = machine;
    if (pid1 !== undefined) post(engine, pid1, Math.max(0, trueTime(clock, deadline) - engine.now), () => due(machine, deadline));
  }

  /** PID 1 kills the server when the last deadline has passed. */
  function due(machine: Machine, deadline: number): void {
    const { fence, server } = machine;
    // Of a later line it is told again.
    if (fence === undefined || fence.deadline > deadline) return;
    if (bootTime(engine, machine.clock) < deadline - 1e-3) {
      awaitDue(machine, deadline);
      return;
    }
    machine.fence = undefined;
    if (server.process?.pid !== fence.process.pid) return;
    world.counters.count('fence', 'PID 1');
    world.tell?.(machine.name, 'PID 1 kills the server');
    kill(world, server);
  }

  function volumesOf(machine: Machine, proc: Proc): VolumesPort {
    machine.volumeLooks.length = 0;
    return {
      seen: () => useOf(machine),
      watch(listener) {
        const look = (): void => {
          post(engine, proc, dice.between(1, 50), () => {
            engine.woken = true;
            listener();
          });
        };
        machine.volumeLooks.push(look);
        look();
        return { stop: () => void machine.volumeLooks.splice(0) };
      },
    };
  }

  /** The mark beside the data that says who set the server read-only. */
  function brakeOf(machine: Machine, calls: Calls): BrakePort {
    const stuck = () => Math.max(0, machine.weak.diskStuckUntil - engine.now);
    return {
      load: () => calls.answer('brake.load', dice.between(0.2, 2) + stuck(), () => ok(machine.brake)),
      save: (mark) =>
        calls.call<Result<void>>('brake.save', dice.between(0.3, 2) + stuck(), 0.2, () => {
          machine.brake = mark;
          return ok();
        }),
    };
  }

  function recordsOf(machine: Machine, calls: Calls): RecordsPort {
    const stuck = () => Math.max(0, machine.weak.diskStuckUntil - engine.now);
    return {
      load: () => calls.answer('records.load', dice.between(0.2, 2) + stuck(), () => ok(machine.records)),
      save: (records: LocalRecords) =>
        calls.call<Result<void>>('records.save', dice.between(0.5, 4) + stuck(), 0.2, () => {
          if (machine.weak.saveFails)
            return failed({ of: 'disk', kind: 'refused', done: 'maybe', detail: 'the record could not be written' });
          world.oracle.recorded(machine, machine.records, records);
          machine.records = records;
          return ok();
        }),
    };
  }
}

/** A pod as the API server shows it before its container runs. */
export function podOf(machine: Machine) {
  return {
    name: machine.name,
    uid: machine.uid,
    ip: machine.ip,
    resourceVersion: '0',
    labels: clusterLabels('demo'),
    annotations: {},
    terminating: false,
    createdAt: '',
    node: `node-${machine.index}`,
    container: { id: undefined, state: 'waiting' as const },
  };
}

function textOf(fields: Record<string, unknown>): string {
  return JSON.stringify(fields, (_, value) => (typeof value === 'bigint' ? `0/${value.toString(16).toUpperCase()}` : value));
}
