/** A whole simulated cluster: machines with agents, an API server, a network, clients, and the oracles beside it. */
import { type DynamicConfig, defaultConfig } from '../../agent/core/config.ts';
import { createCounters, type Counters } from './counters.ts';
import { createEngine, installLightAbort } from './engine.ts';
import { createKube } from './kube.ts';
import { createLives, type Lives, podOf } from './machine.ts';
import type { Machine, Weakness, World } from './model.ts';
import { createNetwork } from './network.ts';
import { createOracle } from './oracle.ts';
import { post } from './process.ts';
import { type Random, streamOf } from './random.ts';
import { commit, kill, newServer, resetNumbers } from './server.ts';
import { isPrimary } from './stream.ts';

installLightAbort();

export interface WorldOptions {
  seed: number;
  members: number;
  config: DynamicConfig;
  /** Local milliseconds per true one, by member. */
  rates?: number[];
  /** How slow a good day's network is, in ms. */
  networkMs?: number;
  weak?: Partial<Weakness>;
  /** Mean time between two commits of a client. */
  commitMs?: number;
  counters?: Counters;
  tell?: (at: number, who: string, what: string) => void;
}

export interface Simulation extends World {
  lives: Lives;
  config: DynamicConfig;
  /** What a machine is like when nothing is wrong with it. */
  healthy: Weakness;
  /** How to end each fault that still stands. */
  standing: Set<() => void>;
  /** Who plays whom in a scene: the primary first. */
  cast?: Machine[];
  /** Clients commit nothing before this moment. */
  quietUntil: number;
  /** One volume of this world is gone. */
  volumeLost: boolean;
  /** Another configuration by this name; `edit` puts it into the ConfigMap. */
  edit(config: DynamicConfig): void;
  primaries(): Machine[];
  /** Labelled, streaming everywhere, and commits are acknowledged. */
  settled(): boolean;
  /** Clients commit now on every primary, old ones too. */
  commitNow(): void;
}

const healthy: Weakness = {
  saveFails: false,
  diskStuckUntil: 0,
  startFails: false,
  promotionMs: 150,
  promotionLost: 0.02,
  reapMs: 0,
  stopMs: 0,
  redoMs: 250,
  buildMs: 700,
  sqlFails: 0,
  volumeUsed: 0.4,
  volumeFails: false,
};

function createMachine(index: number, dice: Random, options: WorldOptions): Machine {
  const machine = {
    index,
    name: `og-demo-${index}`,
    ip: `10.0.1.${10 + index}`,
    uid: `uid-${index}-1`,
    clock: {
      rate: options.rates?.[index] ?? 1,
      offset: dice.between(1e5, 1e7),
      wallOffset: dice.between(-2000, 2000),
      suspended: 0,
    },
    powered: true,
    scaledIn: false,
    container: '',
    bornAt: 0,
    incarnation: 0,
    records: { granted: 0, freeze: undefined, build: undefined, fresh: true },
    weak: { ...healthy, ...options.weak },
    volumeLooks: [],
    lookUntil: 0,
  } as unknown as Machine;
  machine.server = newServer(machine);
  return machine;
}

/** Machines are there, containers start within the first moments. */
export function createWorld(options: WorldOptions): Simulation {
  resetNumbers();
  const engine = createEngine();
  const dice = streamOf(options.seed, 'world');
  const machines = Array.from({ length: options.members }, (_, index) => createMachine(index, dice, options));
  const network = createNetwork(options.members, streamOf(options.seed, 'network'), options.networkMs ?? 1, () => engine.now);
  const counters = options.counters ?? createCounters();
  const telling = options.tell;
  // A ConfigMap that is not there means something else: it is there from the first moment.
  const firstText = 'config 0';
  const configs = new Map<string | undefined, DynamicConfig>([[firstText, options.config]]);
  const world = { engine, dice, machines, network, counters } as unknown as Simulation;
  world.config = options.config;
  world.standing = new Set();
  world.volumeLost = false;
  world.quietUntil = 0;
  world.healthy = { ...healthy, ...options.weak };
  world.tell = telling === undefined ? undefined : (who, what) => telling(engine.now, who, what);
  world.oracle = createOracle({ engine, machines, counters, network, tell: world.tell, kube: () => world.kube });
  world.kube = createKube(world);
  world.kube.config = { text: firstText, version: '1' };
  world.lives = createLives(world, (text) => configs.get(text) ?? defaultConfig);
  world.crash = (machine, takes) => {
    if (takes === 'agent') world.lives.crashAgent(machine);
    else if (takes === 'container') world.lives.killContainer(machine);
    else if (takes === 'server') kill(world, machine.server);
    else if (takes === 'node') {
      world.lives.powerOff(machine);
      engine.after(dice.between(2000, 15_000), () => world.lives.powerOn(machine));
    }
  };
  world.serverEnded = (machine, process, role) => {
    if (machine.agent === undefined) return;
    const { exits } = machine.server;
    post(engine, machine.agent.proc, dice.between(1, 12), () => {
      engine.woken = true;
      for (const exit of exits) exit(process, role);
    });
  };
  world.edit = (config) => {
    const text = `config ${configs.size}`;
    configs.set(text, config);
    world.kube.setConfig(text);
  };
  world.primaries = () => machines.filter((machine) => isPrimary(world, machine.server));
  world.commitNow = () => {
    if (engine.now < world.quietUntil) return;
    for (const machine of machines) commit(world, machine.server);
  };
  world.settled = () => isSettled(world);

  for (const machine of machines) {
    world.kube.pods.set(machine.name, podOf(machine));
    engine.after(dice.between(0, 300), () => world.lives.startContainer(machine));
  }
  const every = options.commitMs ?? 300;
  const client = (): void => {
    world.commitNow();
    engine.after(every * dice.between(0.3, 1.7), client);
  };
  engine.after(every, client);
  return world;
}

function isSettled(world: Simulation): boolean {
  const primaries = world.primaries();
  const [primary] = primaries;
  if (primary === undefined || primaries.length !== 1) return false;
  if (world.kube.pods.get(primary.name)?.labels['opengauss.role'] !== 'primary') return false;
  if (world.engine.now - world.oracle.lastAckAt > 3000) return false;
  return world.machines.every((machine) => machine === primary || machine.server.upstream?.primary === primary.server);
}
