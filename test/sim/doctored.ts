/** Worlds that are doctored in one place at one moment, for those who ask which oracle speaks then. */
import { defaultConfig } from '../../agent/core/config.ts';
import type { LeaseRecord } from '../../agent/core/model.ts';
import type { Machine } from './model.ts';
import type { Violation } from './oracle.ts';
import { type Plan, runPlan } from './seed.ts';
import type { Simulation } from './world.ts';

/** When it is doctored: the cluster has come up by then. */
export const at = 30_000;

export interface Doctored {
  title: string;
  invariant: string;
  doctor(sim: Simulation, primary: Machine, standbys: Machine[]): void;
  plan?: Partial<Plan>;
  mode?: 'quorum' | 'off';
}

/** What was heard first; a doctor that stops the engine asks for what is heard at once. */
export function heardOf({
  doctor,
  plan,
  mode = 'quorum',
}: Omit<Doctored, 'title' | 'invariant'>): Promise<Violation | undefined> {
  const config = { ...defaultConfig, sync: { ...defaultConfig.sync, mode } };
  return new Promise((resolve, reject) => {
    let came = false;
    const run = (sim: Simulation): void => {
      const [primary] = sim.primaries();
      if (primary === undefined || !sim.settled()) return;
      came = true;
      doctor(
        sim,
        primary,
        sim.machines.filter((one) => one !== primary),
      );
    };
    // The engine wants to be called outside of any promise.
    setImmediate(() => {
      const whole = { seed: 3, world: { seed: 3, members: 3, config }, faults: [], ...plan };
      const { violation } = runPlan(whole, { watch: [{ at, run }] });
      if (came) resolve(violation);
      else reject(new Error('the cluster has not come up'));
    });
  });
}

export const leaseOf = (sim: Simulation): LeaseRecord => sim.kube.lease as LeaseRecord;
export const identityOf = ({ name, uid, incarnation }: Machine): string => `${name}/${uid}/${incarnation}`;

/** The winner takes the released lease with term 99. */
export function takes(sim: Simulation, winner: Machine): void {
  const before = leaseOf(sim);
  const after = { ...before, holder: identityOf(winner), term: 99 };
  sim.oracle.leaseWritten(winner, identityOf(winner), { ...before, holder: '' }, after, sim.engine.now);
}

/** Another process is asked to promote, and labelled with nothing read since. */
export function labelsUnread(sim: Simulation, machine: Machine): void {
  const { server } = machine;
  if (server.process === undefined) return;
  server.process = { ...server.process, pid: 9_999_999 };
  sim.oracle.promotionAsked(machine);
  sim.oracle.labels(machine);
}

/** Frozen for that winner in that term, with more than it has. */
export function votedAndAhead(voter: Machine, { name, ip }: Machine, term: number): void {
  voter.records = { ...voter.records, freeze: { term, candidate: name, host: ip, port: 5433, askedBy: name } };
  const { data } = voter.server;
  if (data !== undefined) data.position = { ...data.position, lsn: data.position.lsn + 0x1000 };
}
