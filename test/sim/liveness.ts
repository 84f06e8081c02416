/**
 * What has to come true when nothing is wrong any more, looked for twice a second: routes and labels follow, requests end, a
 * missing Lease is told of, a cluster without a primary says why, leadership stays where it is. *Calm* means that no fault
 * stands and that the last one's time is over. As the oracles do, it only watches.
 */
import type { Reason } from '../../agent/core/reasons.ts';
import type { Machine } from './model.ts';
import { isPrimary } from './stream.ts';
import type { Simulation } from './world.ts';

const everyMs = 500;

/** With these alone nobody is told why there is no primary. */
const mute: Reason[] = ['follows', 'catching-up', 'no-primary', 'lease-held'];
/** A primary that should acknowledge, or is about to. */
const settling: (Reason | undefined)[] = ['leads', 'widening-sync', 'narrowing-sync', 'degrading'];
const ofTheLease: Reason[] = ['lease-absent', 'lease-garbage', 'lease-mended', 'lease-unknown', 'waits-for-expiry'];

interface Rule {
  invariant: string;
  /** How long it may be so, in calm. */
  withinMs: number;
  /** What is wrong now, if anything. */
  wrong: (sim: Simulation) => string | undefined;
}

const labelOf = (sim: Simulation, machine: Machine, key: string) => sim.kube.pods.get(machine.name)?.labels[`opengauss.${key}`];
const lives = (machine: Machine) => machine.agent !== undefined && !machine.agent.proc.frozen && !machine.agent.proc.dead;
const holds = (sim: Simulation, machine: Machine) =>
  sim.kube.lease?.holder === `${machine.name}/${machine.uid}/${machine.incarnation}`;

const rules: Rule[] = [
  {
    invariant: 'L2',
    withinMs: 15_000,
    wrong(sim) {
      const told = sim.machines.filter(lives).map(({ shown }) => shown?.reason);
      if (told.length === 0 || sim.machines.some(({ server }) => isPrimary(sim, server))) return undefined;
      return told.every((reason) => reason === undefined || mute.includes(reason))
        ? `there is no primary, and all that is told is: ${told.join(', ')}`
        : undefined;
    },
  },
  {
    invariant: 'L6',
    withinMs: 20_000,
    wrong(sim) {
      // A member without data is of no use to the Lease, nor the Lease to it.
      const told = sim.machines
        .filter((machine) => lives(machine) && machine.server.data !== undefined)
        .map(({ shown }) => shown?.reason);
      if (sim.kube.lease !== undefined || told.length === 0) return undefined;
      return told.some((reason) => reason !== undefined && ofTheLease.includes(reason))
        ? undefined
        : 'the Lease is away, and nobody says so';
    },
  },
  {
    // The ladder of builds waits up to 30 s between two steps.
    invariant: 'L5',
    withinMs: 90_000,
    wrong(sim) {
      const [primary, other] = sim.primaries();
      if (primary === undefined || other !== undefined || !lives(primary)) return undefined;
      const lost = sim.machines.find((machine) => machine !== primary && lives(machine) && machine.server.upstream === undefined);
      return lost === undefined ? undefined : `${lost.name} does not stream from ${primary.name}`;
    },
  },
  {
    invariant: 'L7',
    withinMs: 3000,
    wrong(sim) {
      const leader = sim.machines.find((machine) => lives(machine) && isPrimary(sim, machine.server) && holds(sim, machine));
      // A pod that was deleted by force has no labels, whatever goes on in it.
      if (leader === undefined || sim.kube.pods.get(leader.name)?.uid !== leader.uid) return undefined;
      if (labelOf(sim, leader, 'role') === 'primary') return undefined;
      return leader.shown?.reason === 'leads' ? `${leader.name} leads and is not labelled` : undefined;
    },
  },
  {
    invariant: 'L8',
    withinMs: 60_000,
    wrong(sim) {
      const { request } = sim.kube;
      if (request === undefined || request.kind !== 'switchover' || sim.primaries().length !== 1) return undefined;
      return request.phase === 'open' || request.phase === 'running' ? `a switchover stays ${request.phase}` : undefined;
    },
  },
  {
    invariant: 'S18',
    withinMs: 15_000,
    wrong(sim) {
      const { request } = sim.kube;
      const [primary] = sim.primaries();
      if (request?.kind !== 'switchover' || request.phase !== 'rolled-back' || primary === undefined) return undefined;
      if (!lives(primary) || primary.shown?.reason !== 'leads') return undefined;
      return primary.server.conf.readOnly ? `a switchover was rolled back, and ${primary.name} takes no writes` : undefined;
    },
  },
  {
    invariant: 'L9',
    withinMs: 5000,
    wrong(sim) {
      const [primary, other] = sim.primaries();
      if (primary === undefined || other !== undefined || !lives(primary) || !settling.includes(primary.shown?.reason))
        return undefined;
      const { server } = primary;
      const there = server.downstream.filter(({ standby }) => server.names.includes(standby.machine.name)).length;
      if (server.conf.readOnly || server.proc?.frozen === true || there < server.need) return undefined;
      const waits = server.waiting[0];
      return waits !== undefined && sim.engine.now - waits.at > 2000
        ? `${primary.name} acknowledges nothing, with ${there} standbys of ${server.need}`
        : undefined;
    },
  },
  {
    invariant: 'S12',
    withinMs: 5000,
    wrong(sim) {
      const stale = sim.machines.find(
        (machine) => lives(machine) && labelOf(sim, machine, 'role') === 'primary' && !isPrimary(sim, machine.server),
      );
      return stale === undefined ? undefined : `${stale.name} is labelled primary and is ${stale.server.role}`;
    },
  },
  {
    invariant: 'S19',
    withinMs: 10_000,
    wrong(sim) {
      if (sim.primaries().length !== 1) return undefined;
      const stale = sim.machines.find(
        (machine) =>
          lives(machine) &&
          labelOf(sim, machine, 'readable') === 'true' &&
          !isPrimary(sim, machine.server) &&
          machine.server.upstream === undefined,
      );
      return stale === undefined ? undefined : `${stale.name} is labelled readable and does not stream`;
    },
  },
];

/** What everybody of a calm cluster writes to the API server, and reads there (ha-semantics 6.2). */
const writesPerSecond = 0.7;
const readsPerMemberAndSecond = 2;
const allowance = 6;

/** Changes of leadership in one calm, before it is called flapping. */
const changesMax = 3;

/** L3: a primary that is healthy stays, with the very server it had. */
export function watchGentle(sim: Simulation, from: number): void {
  const { engine, oracle } = sim;
  let first: { name: string; pid: number } | undefined;
  const look = (): void => {
    engine.after(everyMs, look);
    const [primary] = sim.primaries();
    const pid = primary?.server.process?.pid;
    if (primary !== undefined && pid !== undefined) first ??= { name: primary.name, pid };
    if (first === undefined) return;
    const now = sim.machines.find(({ name }) => name === first?.name)?.server;
    if (now?.process?.pid !== first.pid || now.role !== 'Primary' || now.doomed)
      oracle.fail('L3', `${first.name} was primary and healthy, and is not primary any more`);
    const other = sim.kube.lease?.holder ?? '';
    if (other !== '' && !other.startsWith(`${first.name}/`))
      oracle.fail('L3', `${first.name} is healthy, and ${other} holds the lease`);
  };
  engine.at(from, look);
}

/** L11: what a calm cluster asks of its API server keeps to the budget, and nothing piles up. */
function createBudget(sim: Simulation): (calmSince: number) => void {
  let since = 0;
  let settledAt = 0;
  let before = { reads: 0, writes: 0 };
  const begin = (): void => {
    since = sim.engine.now;
    before = { ...sim.kube.asked };
  };
  return (calmSince) => {
    const { engine, kube, machines, oracle } = sim;
    // What has to be put in order first is none of it.
    if (!sim.settled()) settledAt = engine.now;
    if (engine.now - Math.max(calmSince, settledAt) < 6000) begin();
    const seconds = (engine.now - since) / 1000;
    const writes = kube.asked.writes - before.writes;
    const reads = kube.asked.reads - before.reads;
    if (writes > seconds * writesPerSecond + allowance)
      oracle.fail('L11', `a calm cluster has written ${writes} times to the API server in ${seconds.toFixed(0)} s`);
    if (reads > (seconds * readsPerMemberAndSecond + allowance) * machines.length)
      oracle.fail(
        'L11',
        `${machines.length} calm members have read ${reads} times from the API server in ${seconds.toFixed(0)} s`,
      );
    if (kube.watches() > machines.filter(({ agent }) => agent !== undefined).length)
      oracle.fail('L11', `${kube.watches()} watches are open, by ${machines.length} members`);
  };
}

/** Begins to watch; to be called before the first fault. `faults` say until when there is trouble. */
export function watchLiveness(sim: Simulation, faults: { at: number; lasts: number }[]): void {
  const budget = createBudget(sim);
  const { engine, oracle } = sim;
  const since = new Map<Rule, number>();
  let calmSince = 0;
  let holder = '';
  let changes = 0;
  const troubled = () =>
    sim.standing.size > 0 || faults.some(({ at, lasts }) => engine.now >= at && engine.now < at + lasts + 1000);
  const look = (): void => {
    engine.after(everyMs, look);
    if (troubled()) {
      calmSince = engine.now;
      changes = 0;
      since.clear();
    }
    budget(calmSince);
    const now = sim.kube.lease?.holder ?? '';
    if (now !== '' && now !== holder) {
      changes += 1;
      holder = now;
      if (changes > changesMax && engine.now > calmSince)
        oracle.fail('L4', `leadership changes for the ${changes}th time in a calm`);
    }
    for (const rule of rules) {
      const wrong = rule.wrong(sim);
      if (wrong === undefined) since.delete(rule);
      else if (!since.has(rule)) since.set(rule, engine.now);
      else if (engine.now - (since.get(rule) ?? 0) > rule.withinMs)
        oracle.fail(rule.invariant, `for ${rule.withinMs / 1000} s of calm ${wrong}`);
    }
  };
  engine.after(everyMs, look);
}
