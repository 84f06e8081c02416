/**
 * One seed: a cluster, a schedule of faults and a judgement. The seed says everything; the same seed gives the same run
 * to the last event. A schedule may be given instead of the seed's own, which is how failures are made smaller.
 */
import { type DynamicConfig, defaultConfig } from '../../agent/core/config.ts';
import type { Counters } from './counters.ts';
import { type Fault, type FaultKind, faultKinds, healAll, strike } from './faults.ts';
import { gentleFaults, gentleFromMs } from './gentle.ts';
import { watchGentle, watchLiveness } from './liveness.ts';
import type { Machine } from './model.ts';
import type { Violation } from './oracle.ts';
import { askPerson } from './person.ts';
import { type Random, streamOf } from './random.ts';
import { mayDecide } from './rules.ts';
import { scenes } from './scenes/index.ts';
import { faultsOf, isLong, type Scene } from './scenes/scene.ts';
import { isPrimary } from './stream.ts';
import { createWorld, type Simulation, type WorldOptions } from './world.ts';

const firstFaultMs = 9000;
const lastFaultMs = 80_000;
const healMs = 92_000;
/** How long it is looked at after that in any case. */
const calmMs = 28_000;
/** How long the rest may take to have a primary: two take-overs with a lease each, and a server's long start. */
const withoutMs = 45_000;
/** How long a healed cluster may take to have one primary and everybody streaming: build ladders back off up to 30 s. */
const settleMs = 120_000;

export interface Plan {
  seed: number;
  world: Omit<WorldOptions, 'tell' | 'counters'>;
  faults: Fault[];
  /** When everything is healed; 92 s after the beginning unless it says something else. */
  healAtMs?: number;
  /** Nothing of it may demote a healthy primary. */
  gentle?: true;
  /** Strikes when all the others are over, and stays: the rest has to find a primary all the same. */
  stays?: Fault;
}

export interface Outcome {
  seed: number;
  violation: Violation | undefined;
  acks: number;
  faults: number;
  promotions: number;
  events: number;
  settledAt: number;
}

function configFor(dice: Random, members: number, modes: Focus['modes']): DynamicConfig {
  const roll = dice.next();
  const any = roll < 0.66 ? 'quorum' : roll < 0.84 ? 'strict' : 'off';
  const mode = modes === undefined ? any : dice.pick(modes);
  const acks = dice.chance(0.2) ? dice.whole(1, Math.max(1, members - 1)) : undefined;
  const sync = { mode, acks, dropAfterSeconds: dice.pick([3, 10]), degradeAfterSeconds: dice.pick([6, 20, 60]) } as const;
  return { ...defaultConfig, sync };
}

function faultsFor(dice: Random, members: number, focus: FaultKind[]): Fault[] {
  const faults: Fault[] = [];
  const count = dice.whole(3, 9);
  let at = firstFaultMs;
  for (let index = 0; index < count; index += 1) {
    // Half of them come in the wake of the one before, where take-overs and repairs are under way.
    at = index > 0 && dice.chance(0.5) ? at + dice.between(5, 4000) : dice.between(firstFaultMs, lastFaultMs);
    const fault = faultAt(dice, members, Math.min(at, lastFaultMs));
    faults.push(focus.length > 0 && dice.chance(0.7) ? { ...fault, kind: dice.pick(focus) } : fault);
  }
  return faults.sort((a, b) => a.at - b.at);
}

function faultAt(dice: Random, members: number, at: number): Fault {
  return {
    at,
    kind: dice.pick(faultKinds),
    member: dice.chance(0.5) ? -1 : dice.whole(0, members - 1),
    other: dice.whole(0, members - 1),
    lasts: dice.chance(0.3) ? dice.between(200, 4000) : dice.between(2000, 25_000),
    amount: dice.next(),
  };
}

/** Where to look first. */
export interface Focus {
  focus: FaultKind[];
  modes?: DynamicConfig['sync']['mode'][];
}

/** A scene among what happens anyway, so that its twist meets others. */
function withScene(scene: Scene | undefined, dice: Random, faults: Fault[]): Fault[] {
  if (scene === undefined) return faults;
  const begin = dice.between(firstFaultMs, lastFaultMs - 20_000);
  return [...faultsOf(scene, begin), ...faults.slice(0, dice.whole(3, 5))].sort((a, b) => a.at - b.at);
}

/** Each row as often as any other, however many scenes it has. */
function sceneOf(dice: Random): Scene {
  const row = dice.pick(rows);
  return dice.pick(short.filter((scene) => scene.row === row));
}

/** What one member can have for good, while the others go on. */
const lasting: FaultKind[] = [
  'node without power',
  'server killed and does not start',
  'cut from everything',
  'cut from the members',
];

/** Drawn apart from the rest, so that this changes nothing of what a seed stood for before. */
function stayingFault(seed: number, members: number): Fault | undefined {
  const dice = streamOf(seed, 'stays');
  if (members < 2 || !dice.chance(0.15)) return undefined;
  const member = dice.chance(0.6) ? -1 : dice.whole(0, members - 1);
  return { at: healMs, kind: dice.pick(lasting), member, other: 0, lasts: 2 * withoutMs, amount: dice.next() };
}

/** A scene that lasts longer than a seed meets no other faults. */
const short = scenes.filter((scene) => !isLong(scene));
const rows = [...new Set(short.map((scene) => scene.row))];

/** What that seed stands for. */
export function planOf(seed: number, { focus, modes }: Focus = { focus: [] }): Plan {
  const dice = streamOf(seed, 'plan');
  const members = dice.pick([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 4, 4, 5, 5, 1]);
  const gentle = focus.length === 0 && dice.chance(0.08);
  const scene = focus.length === 0 && !gentle && dice.chance(0.35) ? sceneOf(dice) : undefined;
  const stays = gentle ? undefined : stayingFault(seed, members);
  const rates = Array.from({ length: members }, () => 1 + (dice.chance(0.5) ? dice.between(-0.009, 0.009) : 0));
  return {
    seed,
    world: {
      seed,
      members,
      rates,
      config: configFor(dice, members, scene?.mode === undefined ? modes : [scene.mode]),
      networkMs: dice.pick([0.3, 1, 1, 5]),
      commitMs: dice.between(200, 450),
      weak: {
        promotionMs: dice.pick([40, 150, 1000]),
        redoMs: dice.pick([50, 250, 1100]),
        buildMs: dice.pick([300, 1000, 4000]),
      },
    },
    ...(gentle
      ? { gentle, faults: gentleFaults(dice, members) }
      : { faults: withScene(scene, dice, faultsFor(dice, members, focus)) }),
    ...(stays === undefined ? {} : { stays }),
  };
}

export interface Listeners {
  counters?: Counters;
  tell?: (at: number, who: string, what: string) => void;
  /** Looks at the world in between. */
  watch?: { at: number; run: (sim: Simulation) => void }[];
}

/** Runs a plan to its end or to the first violation. Must not be called from within a promise. */
export function runPlan(plan: Plan, listeners: Listeners = {}): Outcome {
  const { watch = [], ...rest } = listeners;
  const sim = createWorld({ ...plan.world, ...rest });
  const { engine, oracle } = sim;
  for (const { at, run } of watch) engine.at(at, () => run(sim));
  watchLiveness(sim, plan.faults);
  if (plan.gentle === true) watchGentle(sim, gentleFromMs);
  for (const fault of plan.faults) engine.at(fault.at, () => strike(sim, fault));
  const { healAtMs = healMs } = plan;
  engine.run(healAtMs);
  if (!engine.stopped) healAll(sim);
  const overAt = Math.max(...plan.faults.map(({ at, lasts }) => at + lasts));
  if (plan.stays !== undefined) goOnWithout(sim, plan.stays, overAt);
  const healedAt = engine.now;
  let settledAt = 0;
  while (!engine.stopped && engine.now < healedAt + settleMs) {
    engine.run(engine.now + 500);
    if (!sim.settled()) settledAt = 0;
    else if (settledAt === 0) settledAt = engine.now;
    if (settledAt > 0 && engine.now >= healAtMs + calmMs && engine.now - settledAt >= 3000) break;
  }
  if (!engine.stopped && settledAt === 0 && beyondRepair(sim)) askPerson(sim, settleMs, stateOf);
  else if (!engine.stopped && settledAt === 0)
    oracle.fail('L1', `no settled cluster ${settleMs / 1000} s after everything was healed: ${stateOf(sim)}`);
  sim.counters.count('run', 'seeds');
  sim.counters.count('run', 'acknowledged commits', oracle.acks);
  sim.counters.count('run', 'faults', plan.faults.length);
  sim.counters.count('run', 'promotions', oracle.promotions);
  sim.counters.count('run', 'virtual seconds', Math.round(engine.now / 1000));
  return {
    seed: plan.seed,
    violation: oracle.violation,
    acks: oracle.acks,
    faults: plan.faults.length,
    promotions: oracle.promotions,
    events: engine.events,
    settledAt,
  };
}

/** L1 with one fault that stands: whoever is left has a primary, where it may decide and nothing only people can mend is in the way. */
function goOnWithout(sim: Simulation, fault: Fault, overAt: number): void {
  const { engine, oracle, machines } = sim;
  const until = (end: number, holds: () => boolean): void => {
    while (!engine.stopped && engine.now < end && !holds()) engine.run(engine.now + 500);
  };
  // What was frozen catches up first, and a network that flaps would undo a cut.
  engine.run(Math.max(engine.now, overAt) + 1000);
  until(engine.now + settleMs, () => sim.settled());
  const [primary] = sim.primaries();
  const struck = fault.member === -1 ? primary : machines[fault.member];
  if (engine.stopped || !sim.settled() || struck === undefined) return;
  strike(sim, { ...fault, member: machines.indexOf(struck) });
  // Long enough for everybody who watches to see that there is trouble.
  engine.run(engine.now + 2000);
  const rest = machines.filter((one) => one !== struck);
  const leads = (one: Machine) => one.agent !== undefined && isPrimary(sim, one.server);
  until(engine.now + withoutMs, () => rest.some(leads));
  // A primary without its standbys may wait for them: nobody could do more, or in mode off everything goes on.
  const waits = fault.kind === 'cut from the members' && leads(struck);
  const isTold = machines.some(({ shown }) => shown?.blocked !== undefined);
  const record = sim.kube.lease;
  if (!engine.stopped && !rest.some(leads) && !waits && !isTold && record !== undefined && mayDecide(record, rest))
    oracle.fail('L1', `no primary ${withoutMs / 1000} s after ${fault.kind} of ${struck.name} alone: ${stateOf(sim)}`);
  if (!engine.stopped) healAll(sim);
}

/** A volume is gone, and with it what only a person can give up. */
function beyondRepair(sim: Simulation): boolean {
  const record = sim.kube.lease;
  if (!sim.volumeLost || record === undefined) return false;
  // Nobody has whole data, or all of it is to be built over.
  const useless = ({ records, server }: Machine) =>
    server.data === undefined || server.data.unfinished === 'full' || records.build !== undefined;
  if (sim.machines.every(useless)) return true;
  // Nobody votes in mode off; what the last primary alone had is given up by people, who have to be told.
  const last = sim.machines.some(({ server }) => server.data !== undefined && server.data.dataId === record.promoting?.dataId);
  if (record.syncMode === 'off' && !last) return sim.machines.some(({ shown }) => shown?.blocked !== undefined);
  return !mayDecide(
    record,
    // Who is to be built over does not vote.
    sim.machines.filter(
      ({ server, records }) => server.data?.unfinished === undefined && server.data !== undefined && records.build === undefined,
    ),
  );
}

function stateOf(sim: Simulation): string {
  const lease = sim.kube.lease;
  const members = sim.machines.map(({ name, agent, server }) => {
    const from = server.upstream?.primary.machine.name;
    return `${name} ${server.process === undefined ? 'stopped' : server.role}${from === undefined ? '' : ` from ${from}`} ${server.sticky ?? ''}${agent === undefined ? ' (no agent)' : ''}`;
  });
  const entries = lease?.entries
    .map((entry) => `${entry.primary}/${entry.term}: ${entry.w} of ${entry.names.join('+')}`)
    .join('; ');
  return `lease ${lease?.holder || 'free'} term ${lease?.term} mode ${lease?.syncMode} entries [${entries}], ${members.join(', ')}`;
}

export type { FaultKind };
