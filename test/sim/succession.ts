/**
 * Judges who comes after whom: a promotion stands in the Lease before it is asked for (S3), nobody that voted, or that could be asked,
 * was ahead of a winner (S8, L12), no other primary can still acknowledge (S7), and a switchover that people were told is done has lost nothing (S18).
 */
import type { LeaseRecord, Request } from '../../agent/core/model.ts';
import { marks } from './byhand.ts';
import type { Machine, Server, World } from './model.ts';
import { isUp } from './stream.ts';
import { continues, type Position, termAt } from './wal.ts';

export interface Succession {
  /** Somebody has become the holder, with that term. */
  took(by: Machine, term: number): void;
  /** The Lease says this from now on; whoever wrote it sent that then. */
  recorded(by: Machine, before: LeaseRecord | undefined, after: LeaseRecord, sentAt: number): void;
  /** A server is asked to become primary. */
  asked(machine: Machine, term: number): void;
  /** A vote has come in at whoever asked for it. */
  voted(by: Machine, voter: string, term: number): void;
  /** Before its branch begins. */
  promoted(winner: Server, term: number): void;
  /** A server has ended. */
  ended(): void;
  /** Something that a client was told is gone, as mode off allows. */
  lost(): void;
  answered(request: Request): void;
}

export interface SuccessionBench {
  world: Pick<World, 'engine' | 'machines' | 'counters' | 'network'> & { kube: () => World['kube'] };
  fail(invariant: string, text: string): void;
  /** It was succeeded in mode off, which promises nothing beyond its fence. */
  isUntaken(server: Server): boolean;
  /** It has reached the others and the API server for a while, and nothing keeps it from writing there. */
  isWell(machine: Machine): boolean;
}

/** How long a member must have been there for everybody to have heard of it. */
const heardMs = 4000;

function isAhead(one: Position, other: Position): boolean {
  const terms = termAt(one) - termAt(other);
  return terms > 0 || (terms === 0 && one.lsn > other.lsn);
}

/** The judge of one world's successions. */
export function createSuccession({ world, fail, isUntaken, isWell }: SuccessionBench): Succession {
  const { engine, machines, network, counters } = world;
  let cold = true;
  let lostAt = Number.NEGATIVE_INFINITY;
  let lossIsExplained = false;
  /** By member: the term with which it took the lease last. */
  const tookWith = new Map<Machine, number>();
  /** Promotions that some version of the Lease has recorded. */
  const promotions = new Set<string>();
  /** By winner and voter: the last vote that came in, and when. */
  const votes = new Map<Machine, Map<string, { term: number; at: number }>>();
  /** By winner: when it sent the record of its promotion, having compared. */
  const decidedAt = new Map<Machine, number>();
  let running: { id: string; since: number } | undefined;

  /** Nobody has forbidden it, nothing hinders it from saying where it is, its volume takes writes, and its pod is there to stay. */
  function mayLead(machine: Machine): boolean {
    const pod = world.kube().pods.get(machine.name);
    // Whoever may not lead is passed over where the others are a vote set, which holds whatever was acknowledged (S6).
    if (pod === undefined || pod.uid !== machine.uid || pod.terminating) return false;
    const forbidden = marks.some((key) => pod.annotations[key] !== undefined);
    // Others hear once a second that a pause is over.
    const pausedMs = engine.now - (machine.shown?.pausedAt ?? Number.NEGATIVE_INFINITY);
    const hasRoom = !machine.weak.volumeFails && machine.weak.volumeUsed < 0.95;
    return !forbidden && hasRoom && pausedMs > heardMs && machine.agent?.proc.frozen === false;
  }

  /**
   * Its redo had not finished when the winner had compared: without a stream it did not know how far it was. It is waited for three
   * seconds at most, in mode off not at all.
   */
  function isBehind(winner: Machine, { slowRedoUntil }: Server): boolean {
    return (decidedAt.get(winner) ?? engine.now) < slowRedoUntil;
  }

  /** Its vote had come in when the winner had compared. */
  function wasHeard(winner: Machine, { name }: Machine): boolean {
    const vote = votes.get(winner)?.get(name);
    return (
      vote !== undefined &&
      vote.term >= (tookWith.get(winner) ?? 0) &&
      vote.at < (decidedAt.get(winner) ?? Number.POSITIVE_INFINITY)
    );
  }

  /**
   * S8: of those whose votes the winner has nobody has more. What one has whose vote is still under way was acknowledged by nobody
   * but itself and the old primary: those votes are a vote set without it (S6). A vote for an earlier turn of the winner's, which it has given
   * up since, is no part of this one's vote set: that has to hold everything by itself, and nobody waits for the rest.
   */
  function best(winner: Server, mine: Position, term: number): void {
    for (const machine of machines) {
      const { data } = machine.server;
      const { freeze } = machine.records;
      if (machine.server === winner || data === undefined || data.unfinished !== undefined) continue;
      if ((freeze?.term ?? 0) < (tookWith.get(winner.machine) ?? 0) || !wasHeard(winner.machine, machine)) continue;
      if (isBehind(winner.machine, machine.server)) continue;
      if (freeze?.candidate !== winner.machine.name || freeze.askedBy !== freeze.candidate || !mayLead(machine)) continue;
      if (isAhead(data.position, mine))
        fail('S8', `${winner.machine.name} is promoted (term ${term}) while ${machine.name}, which voted for it, is ahead`);
    }
  }

  /** L12: after everything was down, the furthest that could be asked leads. */
  function furthest(winner: Server, mine: Position, term: number): void {
    if (engine.now - network.changedAt < heardMs) return;
    for (const machine of machines) {
      const { server } = machine;
      const { data } = server;
      if (server === winner || data === undefined || data.systemId !== winner.data?.systemId || !isUp(world, server)) continue;
      if (server.role !== 'Standby' || engine.now - server.upAt < heardMs || !mayLead(machine)) continue;
      // Whose writes the API server refuses, or has refused a moment ago, could hold no lease.
      if (!network.bothOpen(machine.index, winner.machine.index) || !isWell(machine)) continue;
      if (isBehind(winner.machine, server) || server.proc?.frozen === true) continue;
      if (isAhead(data.position, mine))
        fail('L12', `after a cold start ${winner.machine.name} is promoted (term ${term}), and ${machine.name} has more`);
    }
  }

  /** S7: at a promotion no other primary can find enough standbys that are not taken away from it. */
  function stillAble(winner: Server, term: number): void {
    for (const { server, name, ip } of machines) {
      if (server === winner || server.proc === undefined || server.doomed || server.role !== 'Primary') continue;
      if (isUntaken(server)) continue;
      const able = server.names.filter((standby) => {
        const there = machines.find((machine) => machine.name === standby)?.server;
        // The winner's own WAL only grew until now, and from now on it is nobody's standby.
        if (there?.data === undefined || there === winner) return false;
        // With its volume its lock is gone, and the one in its place was never started here: its agent asks whom to follow first.
        if (there.process === undefined && there.machine.records.fresh === true) return false;
        if (there.data.lock !== undefined && there.data.lock.host !== ip) return false;
        // It has learned of a later term, or has what the other has not: no stream begins.
        if (server.data === undefined || termAt(there.data.position) > server.term) return false;
        return continues(server.data.position, there.data.position);
      });
      if (server.need > 0 && able.length < server.need) continue;
      fail('S7', `${winner.machine.name} is promoted (term ${term}) while ${name} (term ${server.term}) can still acknowledge`);
    }
  }

  return {
    took: (by, term) => void tookWith.set(by, term),
    recorded(by, before, { promoting }, sentAt) {
      if (promoting !== undefined) promotions.add(`${promoting.member} ${promoting.term}`);
      if (promoting?.term !== before?.promoting?.term) decidedAt.set(by, sentAt);
    },
    asked({ name }, term) {
      if (!promotions.has(`${name} ${term}`))
        fail('S3', `${name} is asked to be primary of term ${term}, which no Lease records`);
    },
    voted(by, voter, term) {
      const known = votes.get(by) ?? new Map();
      votes.set(by, known.set(voter, { term, at: engine.now }));
    },
    promoted(winner, term) {
      const mine = winner.data?.position;
      if (mine === undefined) return;
      if (cold) {
        counters.count('path', 'after everything was down');
        furthest(winner, mine, term);
      }
      cold = false;
      if ((world.kube().lease?.syncMode ?? 'off') === 'off') return;
      stillAble(winner, term);
      best(winner, mine, term);
    },
    ended() {
      cold = machines.every(({ server }) => server.process === undefined);
    },
    lost() {
      lostAt = engine.now;
      lossIsExplained = running === undefined;
    },
    answered({ id, kind, phase, target }) {
      if (kind !== 'switchover') return;
      if (phase === 'running' && running?.id !== id) running = { id, since: engine.now };
      if (phase === 'open' || phase === 'running') return;
      const since = running?.since ?? engine.now;
      running = undefined;
      if (phase === 'done' && lostAt >= since && !lossIsExplained)
        fail('S18', `the switchover to ${target} is told as done, and what was acknowledged meanwhile is gone`);
    },
  };
}
