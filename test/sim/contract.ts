/**
 * The contract of the stand-in as far as the model server represents it: each title of test/standin/contract is played
 * here on model servers, through the very port that agents use, or is named with why the model leaves it out.
 */
import type { Instance } from '../../agent/core/model.ts';
import { type LeaderPermit, permitFrom } from '../../agent/core/permit.ts';
import type { InstancePort } from '../../agent/ports/instance.ts';
import { defaultConfig } from '../../agent/core/config.ts';
import { createCalls } from './calls.ts';
import { createInstance } from './instance.ts';
import type { Machine } from './model.ts';
import { bootTime, freeze, newProc } from './process.ts';
import { commit } from './server.ts';
import { createWorld, type Simulation } from './world.ts';

/** Three machines without agents: whoever plays a case is the agent of all. */
export interface Stage {
  sim: Simulation;
  machines: Machine[];
  ports: InstancePort[];
  /** Lets a call come back. */
  got<T>(call: Promise<T>): T;
  pass(ms: number): void;
  look(index: number): Instance;
  promote(index: number, term: number, names?: string): boolean;
  permit(index: number, term: number): LeaderPermit;
  writeTerm(index: number, term: number): void;
  commit(index: number): void;
}

function stage(): Stage {
  const sim = createWorld({ seed: 1, members: 3, config: defaultConfig, commitMs: 1e9 });
  const { engine, machines } = sim;
  // Nobody holds a lease here, so that no oracle has anything to judge.
  sim.oracle.fail = () => undefined;
  const ports = machines.map((machine) => {
    machine.pid1 = newProc();
    machine.weak.promotionLost = 0;
    machine.server.conf.peers = machines
      .filter((one) => one !== machine)
      .map(({ name, ip }) => ({ name, host: ip, haPort: 5433 }));
    return createInstance(sim, machine, createCalls(sim, machine, newProc()));
  });
  const portOf = (index: number) => ports[index] as InstancePort;
  const machineOf = (index: number) => machines[index] as Machine;
  const clock = (index: number) => bootTime(engine, machineOf(index).clock);
  const permit = (index: number, term: number) => permitFrom(clock(index), term, 1e6);
  const play: Stage = {
    sim,
    machines,
    ports,
    got(call) {
      let back: { value: Awaited<typeof call> } | undefined;
      void call.then((value) => {
        back = { value: value as Awaited<typeof call> };
      });
      const limit = engine.now + 120_000;
      while (back === undefined && engine.now < limit) engine.run(engine.now + 5);
      if (back === undefined) throw new Error('a call has not come back');
      return (back as { value: Awaited<typeof call> }).value;
    },
    pass: (ms) => engine.run(engine.now + ms),
    permit,
    look: (index) => play.got(portOf(index).observe(1000)),
    promote(index, term, names = '') {
      const deadline = clock(index) + 20_000;
      return play.got(portOf(index).promote({ permit: permit(index, term), names, deadline })).ok;
    },
    writeTerm(index, term) {
      play.got(portOf(index).writeTerm(permit(index, term), 1000));
    },
    commit(index) {
      commit(sim, machineOf(index).server);
      play.pass(20);
    },
  };
  return play;
}

const goesOn = new AbortController().signal;

/** A primary of term 1 on the first machine, and two standbys built from it that stream. */
function cluster(): Stage {
  const play = stage();
  const { ports, got, pass, machines } = play;
  got((ports[0] as InstancePort).initialise(goesOn));
  got((ports[0] as InstancePort).start('standby', undefined));
  pass(1000);
  play.promote(0, 1);
  play.writeTerm(0, 1);
  for (const index of [1, 2]) {
    built(play, index, 'full', 0);
    got((ports[index] as InstancePort).start('standby', undefined));
  }
  pass(2000);
  if (machines[1]?.server.upstream === undefined) throw new Error('the cluster has not come up');
  return play;
}

function built(play: Stage, index: number, mode: 'full' | 'incremental', from: number): boolean {
  const { name, ip: host } = play.machines[from] as Machine;
  const options = { mode, from: { name, host, haPort: 5433 }, onProgress: () => undefined, signal: goesOn };
  return play.got((play.ports[index] as InstancePort).build(options)).ok;
}

const port = (play: Stage, index: number) => play.ports[index] as InstancePort;
const server = (play: Stage, index: number) => (play.machines[index] as Machine).server;
const kill = (play: Stage, index: number) => play.got(port(play, index).kill(5000)).ok;
const startStandby = (play: Stage, index: number): void => {
  play.got(port(play, index).start('standby', undefined));
  play.pass(1500);
};
const streams = (play: Stage, index: number, from: number) => server(play, index).upstream?.primary === server(play, from);
const at = (play: Stage, index: number) => server(play, index).data?.position.lsn ?? 0;
const acks = (play: Stage) => play.sim.oracle.acks;

/** True when the case comes out as the stand-in's does. */
export type Case = (play: Stage) => boolean;

export const played: Record<string, Case> = {
  'two full builds give a primary with two streaming standbys': (play) => {
    const seen = play.look(0);
    return seen.is === 'primary' && seen.senders.filter(({ state }) => state === 'Streaming').length === 2;
  },
  'a full build of a running standby speaks as recorded, wipes what it does not know and keeps what is its own': (play) => {
    const before = server(play, 1).data?.dataId;
    const { peers } = server(play, 1).conf;
    return built(play, 1, 'full', 0) && server(play, 1).data?.dataId !== before && server(play, 1).conf.peers === peers;
  },
  'a build with -q leaves the server stopped and is complete': (play) =>
    built(play, 1, 'incremental', 0) && play.look(1).is === 'stopped',
  'a build without a primary exits 1, has stopped the standby, and touched no data': (play) => {
    kill(play, 0);
    const before = server(play, 1).data;
    return !built(play, 1, 'full', 0) && play.look(1).is === 'stopped' && server(play, 1).data === before;
  },
  'a build over a running Primary is refused, and querybuild calls that a failed build': (play) =>
    !built(play, 0, 'full', 0) && play.look(0).is === 'primary',
  'a kill of gs_ctl in the destructive phase leaves a mark that stops gaussdb, gs_guc and an incremental build, and an automatic one goes full':
    (play) => {
      const { name, ip: host } = play.machines[0] as Machine;
      const options = { mode: 'full' as const, from: { name, host, haPort: 5433 }, onProgress: () => undefined, signal: goesOn };
      void port(play, 1).build(options);
      play.pass(400);
      const under = server(play, 1).data?.unfinished === 'full';
      server(play, 1).work += 1;
      kill(play, 0);
      return under && play.look(1).is === 'unfinished';
    },
  'a former primary with writes nobody has is rewound by an incremental build, killed as it was': (play) => {
    for (const index of [1, 2]) play.sim.network.cut(0, index, true);
    play.commit(0);
    kill(play, 0);
    play.sim.network.heal();
    play.promote(1, 2);
    play.writeTerm(1, 2);
    startStandby(play, 0);
    const diverged = !streams(play, 0, 1);
    const ok = built(play, 0, 'incremental', 1);
    startStandby(play, 0);
    return diverged && ok && streams(play, 0, 1);
  },
  'a standby learns a term from a WAL record only': (play) => {
    kill(play, 0);
    play.promote(1, 5);
    play.pass(3000);
    const before = play.look(2);
    play.writeTerm(1, 5);
    play.pass(500);
    const after = play.look(2);
    return before.is === 'standby' && before.term === 1 && after.is === 'standby' && after.term === 5;
  },
  'specify_connection to nowhere cuts the stream, redo finishes, then prohibit_connection is accepted': (play) => {
    play.got(port(play, 1).pointAt({ host: '10.9.9.9', haPort: 5433 }, 1000));
    const early = play.look(1);
    play.pass(2000);
    const late = play.look(1);
    const finished = (seen: Instance) => seen.is === 'standby' && seen.lock?.redoFinished === true && seen.receiver === undefined;
    return !finished(early) && finished(late);
  },
  'the lock survives a restart and polling_connection takes it away': (play) => {
    play.got(port(play, 1).pointAt({ host: '10.9.9.9', haPort: 5433 }, 1000));
    kill(play, 1);
    startStandby(play, 1);
    const locked = play.look(1);
    play.got(port(play, 1).unlock(1000));
    play.pass(2000);
    return (
      locked.is === 'standby' &&
      locked.lock?.mode === 'specify_connection' &&
      locked.receiver === undefined &&
      streams(play, 1, 0)
    );
  },
  'the calls do nothing on a primary; one that started cleanly refuses prohibit_connection as not redone': (play) => {
    play.got(port(play, 0).pointAt({ host: '10.9.9.9', haPort: 5433 }, 1000));
    return server(play, 0).data?.lock === undefined && play.look(0).is === 'primary';
  },
  'a standby that lost its primary says Disconnected or Connecting..., and its receive location becomes NULL': (play) => {
    kill(play, 0);
    play.pass(500);
    const seen = play.look(1);
    if (seen.is !== 'standby') return false;
    return ['Disconnected', 'Connecting...'].includes(seen.detail) && seen.received === undefined && seen.receiver === undefined;
  },
  'a failover promotes with its term; the other standby follows and learns the term from the WAL': (play) => {
    kill(play, 0);
    const ok = play.promote(1, 7);
    play.writeTerm(1, 7);
    play.pass(3000);
    const seen = play.look(2);
    return ok && streams(play, 2, 1) && seen.is === 'standby' && seen.term === 7;
  },
  'the killed, idle old primary rejoins by a plain start as standby': (play) => {
    kill(play, 0);
    play.promote(1, 2);
    play.writeTerm(1, 2);
    startStandby(play, 0);
    return streams(play, 0, 1);
  },
  'a failover beside a living primary gives two primaries that both write, and n3 stays with the old one': (play) => {
    const ok = play.promote(1, 2);
    const before = [at(play, 0), at(play, 1)];
    play.commit(0);
    play.commit(1);
    return ok && streams(play, 2, 0) && at(play, 0) > (before[0] ?? 0) && at(play, 1) > (before[1] ?? 0);
  },
  'after a fast stop of the old primary its follower has diverged for good, until a build': (play) => {
    play.promote(1, 2);
    play.writeTerm(1, 2);
    play.got(port(play, 0).stop(10_000));
    play.pass(8000);
    const diverged = server(play, 2).sticky !== undefined && !streams(play, 2, 1);
    const ok = built(play, 2, 'incremental', 1);
    startStandby(play, 2);
    return diverged && ok && streams(play, 2, 1);
  },
  'a standby of a higher term refuses a primary of a lower one without asking for a build': (play) => {
    play.sim.network.cut(0, 2, true);
    play.promote(1, 9);
    play.writeTerm(1, 9);
    play.got(port(play, 2).pointAt({ host: (play.machines[1] as Machine).ip, haPort: 5433 }, 1000));
    play.pass(3000);
    kill(play, 1);
    play.sim.network.heal();
    play.got(port(play, 2).unlock(1000));
    play.pass(3000);
    return !streams(play, 2, 0) && server(play, 2).sticky === undefined;
  },
  'a notify makes it Primary with the term given, its messages on one line': (play) => {
    kill(play, 0);
    play.got(port(play, 0).start('pending', undefined));
    play.pass(1000);
    const pending = play.look(0).is === 'pending';
    return pending && play.promote(0, 4) && play.look(0).is === 'primary' && server(play, 0).term === 4;
  },
  'a late failover is 1 and succeeds afterwards': (play) => {
    kill(play, 0);
    (play.machines[1] as Machine).weak.promotionMs = 80_000;
    const ok = play.promote(1, 2);
    play.pass(80_000);
    return !ok && play.look(1).is === 'primary';
  },
  'a lost failover request is made up for by the next one, a second later': (play) => {
    kill(play, 0);
    (play.machines[1] as Machine).weak.promotionLost = 0.9;
    return play.promote(1, 2) && play.look(1).is === 'primary';
  },
  'a hung server still is Primary and Normal for query, five seconds late, in the other layout, exit 0': (play) => {
    const go = freeze(play.sim.engine, [server(play, 0).proc]);
    const hung = play.look(0);
    go();
    play.pass(100);
    return hung.is === 'hung' && play.look(0).is === 'primary';
  },
  'SIGTERM to gaussdb is a clean, fast stop': (play) => {
    play.got(port(play, 0).stop(10_000));
    const seen = play.look(0);
    return seen.is === 'stopped' && seen.data.clusterState === 'shut down';
  },
  'after SIGKILL status is 1, query is 1, stop is 0, and the state file still says Primary and Normal': (play) => {
    const killed = kill(play, 0);
    const seen = play.look(0);
    const stopped = play.got(port(play, 0).stop(1000)).ok;
    return killed && stopped && seen.is === 'stopped' && seen.data.clusterState === 'in production';
  },
  'SIGSTOP ends every acknowledgement within 50 ms, and SIGCONT brings all back': (play) => {
    const go = freeze(play.sim.engine, [server(play, 0).proc]);
    const before = acks(play);
    for (let turn = 0; turn < 10; turn += 1) play.commit(0);
    const frozen = acks(play) === before;
    go();
    play.pass(100);
    play.commit(0);
    return frozen && acks(play) > before;
  },
  'SIGKILL ends every acknowledgement within 50 ms, and no acknowledged row is lost': (play) => {
    play.commit(0);
    const before = acks(play);
    const end = at(play, 0);
    kill(play, 0);
    play.commit(0);
    play.got(port(play, 0).start('pending', undefined));
    play.pass(1000);
    return acks(play) === before && at(play, 0) >= end;
  },
  'a single instance takes writes of twenty sessions': (play) => {
    const before = acks(play);
    for (let turn = 0; turn < 20; turn += 1) commit(play.sim, server(play, 0));
    play.pass(200);
    return acks(play) === before + 20;
  },
  'an incremental build of a healthy standby succeeds, and an unknown kind is the automatic one': (play) => {
    const ok = built(play, 1, 'incremental', 0);
    startStandby(play, 1);
    return ok && streams(play, 1, 0);
  },
  'a standby that was killed is built incrementally without ending its recovery': (play) => {
    kill(play, 1);
    play.commit(0);
    const ok = built(play, 1, 'incremental', 0);
    startStandby(play, 1);
    return ok && streams(play, 1, 0) && at(play, 1) === at(play, 0);
  },
  'the primary shows both senders, a standby its receiver, byte for byte': (play) => {
    const primary = play.look(0);
    const standby = play.look(1);
    if (primary.is !== 'primary' || standby.is !== 'standby') return false;
    const from = `${(play.machines[0] as Machine).ip}:5433`;
    return primary.senders.length === 2 && standby.receiver?.from === from && standby.receiver.state === 'Normal';
  },
  'synchronous names give Sync and Potential, Quorum, or Async': (play) => {
    const states = (names: string): string => {
      play.got(port(play, 0).setSync({ permit: play.permit(0, 1), names, mostAvailable: false }, 1000));
      const seen = play.look(0);
      return seen.is === 'primary' ? seen.senders.map(({ sync }) => sync).join() : seen.is;
    };
    const [, one, two] = play.machines.map(({ name }) => name);
    return states(`ANY 1 (${one},${two})`) === 'Quorum,Quorum' && states('') === 'Async,Async';
  },
  'prohibit_connection is refused while the standby streams': (play) => {
    const seen = play.look(1);
    return seen.is === 'standby' && seen.receiver !== undefined && seen.lock?.redoFinished === false;
  },
  'a restart to pending refuses SQL, answers maintenance, and gs_ctl shows the full view': (play) => {
    play.got(port(play, 0).stop(10_000));
    play.got(port(play, 0).start('pending', undefined));
    play.pass(1000);
    const before = acks(play);
    play.commit(0);
    return acks(play) === before && play.look(0).is === 'pending';
  },
  'a slow start beyond -t is not started, and answers later': (play) => {
    kill(play, 1);
    play.got(port(play, 1).start('standby', undefined));
    const early = play.look(1).is;
    play.pass(3000);
    return early === 'starting' && play.look(1).is === 'standby' && streams(play, 1, 0);
  },
};

/** Plays one case on a cluster of its own. Must not be called from within a promise. */
export function playCase(title: string): boolean {
  return played[title]?.(cluster()) ?? false;
}
