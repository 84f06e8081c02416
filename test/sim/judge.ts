/**
 * Judges every write of the Lease: by whom, over what, when, and what may follow from it (S2 to S7, S9, S13, S16, S20, K5).
 * It knows true time, every server and every fence; agents learn nothing from it. Promotions and acknowledgements are
 * judged in oracle.ts.
 */
import type { LeaseRecord } from '../../agent/core/model.ts';
import type { Machine, World } from './model.ts';
import { bootTime, clocksAgree } from './process.ts';
import { type Acked, anotherMayLead, isLossAccepted, setsMeet, votersHoldAll, votesInReach } from './rules.ts';
import { isPrimary } from './stream.ts';

export interface Judge {
  /** A write is sent: over this version. */
  sent(by: Machine, over: string | undefined): void;
  /** `identity` is the writer's when it sent this: a dead agent's write may arrive late. */
  written(by: Machine, identity: string, before: LeaseRecord | undefined, after: LeaseRecord, sentAt: number): void;
  read(by: Machine, sentAt: number): void;
  namesSet(): void;
  agentDied(): void;
  /** How the lease came to whoever holds it; 'in place' once that has been told. */
  how(): string;
}

export interface Bench {
  world: Pick<World, 'engine' | 'machines' | 'counters' | 'network'> & { kube: () => World['kube'] };
  fail(invariant: string, text: string): void;
  acked: Acked[];
  isExcused(machine: Machine): boolean;
}

/** How late a fence may be: the time a signal takes. */
export const fenceSlackMs = 30;

/** The ways in which a member may come to be promoted. */
export const paths = [
  'first',
  'heir',
  'released',
  'expired',
  'own past',
  'proof of death',
  'in place',
  'after everything was down',
];

/** The time of killing and reaping, with the room for a stall (ha-semantics 7.2). */
const stopSeconds = 1.3;

/** The judge of one world's Lease. */
export function createJudge({ world, fail, acked, isExcused }: Bench): Judge {
  const { engine, machines, network } = world;
  /** By member: when its last GET of the lease was sent. */
  const readAt = new Map<Machine, number>();
  /** By member: its own clock at the last write. */
  const writtenAt = new Map<Machine, number>();
  let diedAt = 0;
  let how = 'first';
  let afterWrite: LeaseRecord | undefined;
  /** Whom the last write of a member left as the holder; who writes by hand may name anybody. */
  let held: string | undefined;

  /** By member: what its last lease write lacked when it was sent. */
  const lacked = new Map<Machine, string | undefined>();
  /** How long that was, by the member's own clock. */
  const waitedBy = (by: Machine, until: number): number =>
    bootTime(engine, by.clock) - (writtenAt.get(by) ?? 0) - (engine.now - until) * by.clock.rate;

  /** S5, K5: a Lease that was deleted is written again by its holder, which by hand may have been made nobody that exists, and by nobody else. */
  function anew(by: Machine, identity: string, after: LeaseRecord): void {
    const { deleted } = world.kube();
    if (deleted?.promoting === undefined) return;
    const isMember = machines.some(({ name }) => deleted.holder.startsWith(`${name}/`));
    const last = isMember || deleted.holder === '' ? deleted.holder : held;
    if (last !== identity) fail('S5', `${by.name} makes a Lease anew that was deleted under ${deleted.holder || 'nobody'}`);
    else if ((after.promoting?.term ?? 0) < deleted.promoting.term || after.term < deleted.term)
      fail('S3', `${by.name} makes the Lease anew with term ${after.term}, it had ${deleted.term}`);
  }

  /** S3, S9: nobody gives up the lease over a server that is primary, or is about to be. */
  function giveUp(by: Machine): void {
    const { server } = by;
    if (server.proc === undefined || server.doomed) return;
    if (server.promotingTerm !== undefined) fail('S3', `${by.name} releases the lease while its server is being promoted`);
    else if (server.role === 'Primary') fail('S3', `${by.name} releases the lease over its server, which is primary`);
  }

  /** S5: a live holder is overtaken only after the whole duration by the taker's own clock. */
  function takeover(by: Machine, before: LeaseRecord, after: LeaseRecord, sentAt: number): void {
    const [member, uid, incarnation] = before.holder.split('/');
    const without = lacked.get(by);
    if (without !== undefined) fail('S7', `${by.name} takes the lease, and ${without}`);
    for (const machine of machines) stillMayAct(by, machine);
    if (before.holder === '') {
      how = before.heir === by.name ? 'heir' : 'released';
      return;
    }
    const holder = machines.find((machine) => machine.name === member);
    const dead =
      holder === undefined || holder.pid1 === undefined || holder.uid !== uid || `${holder.incarnation}` !== incarnation;
    const waited = waitedBy(by, sentAt);
    how = waited >= after.durationSeconds * 1000 ? 'expired' : by.name === member ? 'own past' : 'proof of death';
    const looked = waitedBy(by, readAt.get(by) ?? 0);
    if (dead || (waited >= before.durationSeconds * 1000 && looked >= before.durationSeconds * 1000)) return;
    if (waited >= before.durationSeconds * 1000)
      fail('S5', `${by.name} takes the lease from ${member} without having read it since it ran out`);
    else fail('S5', `${by.name} takes the lease from ${member} ${Math.round(waited)} ms after its last renewal`);
  }

  /** S7: why it has no vote set in reach that it could take the lease with; people may have accepted that. */
  function outOfTouch(by: Machine): string | undefined {
    const { lease, request } = world.kube();
    if (lease === undefined || lease.syncMode === 'off' || lease.holder.startsWith(`${by.name}/`)) return undefined;
    // Who was cut off or died a moment ago was asked before.
    if (engine.now - network.changedAt <= 3000 || engine.now - diedAt <= 3000) return undefined;
    const reach = (one: Machine) => one === by || (one.agent !== undefined && network.bothOpen(by.index, one.index));
    const without = votesInReach(machines, lease, reach);
    return without === undefined || isLossAccepted(request, by.name) ? undefined : without;
  }

  /** S20: with or without promises, nobody takes the lease while another one may still act, released or not. */
  function stillMayAct(by: Machine, holder: Machine): void {
    if (holder === by || holder.fence === undefined) return;
    const { fence, server } = holder;
    const lives = server.process?.pid === fence.process.pid && server.role === 'Primary' && !server.doomed;
    if (!lives || isExcused(holder) || holder.pid1?.frozen !== false || !clocksAgree(engine, machines)) return;
    if (bootTime(engine, holder.clock) < fence.deadline)
      fail('S20', `${by.name} takes the lease while ${holder.name} has a permit`);
  }

  /** S13: every set of acknowledgements meets every set of votes. */
  function setRule(): void {
    const record = afterWrite ?? world.kube().lease;
    if (record === undefined || record.syncMode === 'off' || record.promoting === undefined) return;
    const primary = machines.find((machine) => machine.name === record.promoting?.member);
    if (primary === undefined || !record.holder.startsWith(`${primary.name}/`)) return;
    const { server } = primary;
    if (!isPrimary(world, server) || server.term !== record.promoting.term) return;
    const unmet = setsMeet(machines, primary, record);
    if (unmet !== undefined) fail('S13', unmet);
  }

  /** S2, S9, S16: a renewal is by the very holder, its record lasts longer than what PID 1 was told, and nobody leads on the past. */
  function sameHolder(by: Machine, identity: string, after: LeaseRecord): void {
    if (after.holder === '') return;
    if (after.holder !== identity) {
      fail('S16', `${identity} renews the lease of ${after.holder}`);
      return;
    }
    if (identity !== `${by.name}/${by.uid}/${by.incarnation}`) return;
    const { server } = by;
    const recorded = after.promoting?.term ?? 0;
    if (server.role === 'Primary' && !server.doomed && server.term < recorded && after.promoting?.member !== by.name)
      fail('S9', `${by.name} leads with term ${server.term} after term ${recorded} was recorded for ${after.promoting?.member}`);
    if (by.fence === undefined || by.fence.process.pid !== server.process?.pid) return;
    const outstanding = (by.fence.deadline - bootTime(engine, by.clock)) / 1000 + stopSeconds;
    const covered = after.durationSeconds * 0.99 + fenceSlackMs / 1000;
    // What the record does not cover may stand on promises, as long as they leave nobody a set of votes.
    if (outstanding * 1.01 > covered && anotherMayLead(machines, by, after, outstanding))
      fail('S2', `${by.name} writes a duration of ${after.durationSeconds} s, its fence ends in ${outstanding.toFixed(1)} s`);
  }

  return {
    sent(by, over) {
      if (by.shown !== undefined && by.shown.version !== over)
        fail('S4', `${by.name} writes the lease over version ${over}, and has decided on ${by.shown.version}`);
      // A write may be under way for long: it rests on what was so when it was sent.
      lacked.set(by, outOfTouch(by));
    },
    written(by, identity, before, after, sentAt) {
      if (before !== undefined && after.term < before.term) fail('S3', `${by.name} lowers the term to ${after.term}`);
      const raised = after.promoting?.term ?? 0;
      if (raised < (before?.promoting?.term ?? 0)) fail('S3', `${by.name} lowers promoting to ${raised}`);
      if (before !== undefined && after.holder === '' && before.holder === identity) giveUp(by);
      if (before !== undefined && before.holder !== after.holder && after.holder !== '') takeover(by, before, after, sentAt);
      if (before === undefined) {
        how = 'first';
        anew(by, identity, after);
      } else if (before.holder === after.holder) sameHolder(by, identity, after);
      if (after.holder === identity) by.renewedBy = by.agent?.proc;
      for (const machine of machines) writtenAt.set(machine, bootTime(engine, machine.clock));
      afterWrite = after;
      setRule();
      afterWrite = undefined;
      held = after.holder;
      if (after.syncMode === 'off' || before?.entries === after.entries) return;
      // Data of another cluster is never started, and so never votes.
      const { systemId } = world.kube().facts;
      const ours = machines.filter(({ server }) => systemId === undefined || server.data?.systemId === systemId);
      const unsafe = votersHoldAll(ours, after, acked);
      if (unsafe !== undefined) fail('S6', `after a write by ${by.name} ${unsafe}`);
    },
    read: (by, sentAt) => void readAt.set(by, sentAt),
    namesSet: setRule,
    agentDied() {
      diedAt = engine.now;
    },
    how() {
      const now = how;
      how = 'in place';
      return now;
    },
  };
}
