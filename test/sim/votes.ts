/**
 * Judges votes and what lies on a member's disk (S20, S22): one vote a term, none for less than was granted, none while a promise
 * binds or a build is under way, and each on disk before it is answered. A freeze that a primary asks for in another's
 * name is a plan of its own: it may give it up, and plan anew in the same term.
 */
import type { LeaseRecord, LocalRecords } from '../../agent/core/model.ts';
import type { Machine, World } from './model.ts';
import { bootTime } from './process.ts';

export interface Vote {
  term: number;
  candidate: string;
  askedBy: string;
}

export interface Votes {
  granted(machine: Machine, vote: Vote): void;
  recorded(machine: Machine, before: LocalRecords, after: LocalRecords): void;
  /** `identity` is the writer's when it sent this. */
  leaseWritten(identity: string, after: LeaseRecord): void;
}

function isSamePod(one: string, other: string): boolean {
  return one.slice(0, one.lastIndexOf('/')) === other.slice(0, other.lastIndexOf('/'));
}

/** The judge of one world's votes. */
export function createVotes(
  world: Pick<World, 'engine'> & { kube: () => World['kube'] },
  fail: (invariant: string, text: string) => void,
): Votes {
  const given = new Map<string, string>();
  const promisedAt = new Map<Machine, number>();
  /** By member: the freeze that its disk held already when it promised. */
  const frozenBefore = new Map<Machine, LocalRecords['freeze']>();
  /** By holder: the highest term of a lease that it released itself, having ended its server (S3). */
  const released = new Map<string, number>();

  /** S20: who has promised gives no vote before the promise ends, unless its holder has given the lease up. */
  function bound(machine: Machine, vote: Vote): void {
    const { promise } = machine.records;
    if (promise === undefined) return;
    const { lease } = world.kube();
    const hasAgain = lease?.holder === promise.holder && lease.term <= promise.term;
    // What was promised for the term that it gave up lets it act no more, whoever has the lease since.
    if (!hasAgain && (released.get(promise.holder) ?? 0) >= promise.term) return;
    if (isOlder(machine, promise, vote)) return;
    const { term, candidate } = vote;
    const until = (promisedAt.get(machine) ?? 0) + promise.durationMs;
    if (bootTime(world.engine, machine.clock) < until)
      fail('S20', `${machine.name} has promised ${promise.holder} and votes for ${candidate} in term ${term}`);
  }

  /**
   * The vote was on disk before the promise was given, and is that very holder's for that very term: it goes to nobody
   * else, as a term has one holder. Only its answer comes later.
   */
  function isOlder(machine: Machine, promise: NonNullable<LocalRecords['promise']>, { term, candidate, askedBy }: Vote): boolean {
    const freeze = frozenBefore.get(machine);
    if (freeze?.term !== term || freeze.candidate !== candidate || freeze.askedBy !== candidate) return false;
    return askedBy === candidate && promise.term === term && promise.holder.startsWith(`${candidate}/`);
  }

  return {
    granted(machine, vote) {
      const { term, candidate, askedBy } = vote;
      const { records, server } = machine;
      const own = askedBy === candidate;
      const key = `${machine.index} ${term}`;
      const other = given.get(key) ?? candidate;
      if (own) given.set(key, candidate);
      // Whom the record names as promoted in that term nobody else can follow with it: who follows it gives no vote any more.
      const { promoting } = world.kube().lease ?? {};
      const decided = promoting?.term === term && promoting.member === candidate;
      if (other !== candidate && !decided) fail('S22', `${machine.name} votes for ${other} and for ${candidate} in term ${term}`);
      bound(machine, vote);
      if (records.build !== undefined || server.data === undefined || server.data.unfinished !== undefined)
        fail('S22', `${machine.name} votes in term ${term} while it is being built`);
      const { freeze, granted } = records;
      if (granted < term || freeze === undefined || freeze.term < term)
        fail('S22', `${machine.name} gives its vote for term ${term}, and its disk does not know`);
    },
    recorded(machine, before, after) {
      const { promise } = after;
      if (promise !== undefined && promise !== before.promise) {
        promisedAt.set(machine, bootTime(world.engine, machine.clock));
        frozenBefore.set(machine, before.freeze);
      }
      if (after.granted < before.granted)
        fail('S22', `${machine.name} forgets that it granted term ${before.granted}: its disk says ${after.granted}`);
      if (before.freeze === undefined || after.freeze === undefined || after.freeze.term >= before.freeze.term) return;
      fail('S22', `${machine.name} is frozen for term ${after.freeze.term} after term ${before.freeze.term}`);
    },
    leaseWritten(identity, after) {
      const { holder, releasedBy, term } = after;
      // The next container of the very pod releases for the one before it, whose end it proves.
      if (holder !== '' || releasedBy === undefined || !isSamePod(releasedBy, identity)) return;
      released.set(releasedBy, Math.max(released.get(releasedBy) ?? 0, term));
    },
  };
}
