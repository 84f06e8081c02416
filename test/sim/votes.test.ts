/**
 * Goal: a vote against a promise is heard (S20), and a vote that takes nothing from whom it was promised to is not.
 * Method: one member's disk and the Lease as they change, step by step, told to the judge of votes alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseRecord, LocalRecords } from '../../agent/core/model.ts';
import type { Machine, World } from './model.ts';
import { createVotes } from './votes.ts';

const holder = 'a/uid/1';
const promise = { holder, term: 3, durationMs: 8000 };
const voteOf = (candidate: string, term: number, askedBy = candidate) => ({ term, candidate, host: '', port: 1, askedBy });

/** A member that follows the holder of term 3, and what the judge says of it. */
function bench() {
  const heard: string[] = [];
  let lease = { holder, term: 3 } as LeaseRecord;
  const clock = { rate: 1, offset: 0 };
  const records: LocalRecords = { granted: 0, freeze: undefined, build: undefined };
  const machine = { index: 0, name: 'b', clock, records, server: { data: {} } } as unknown as Machine;
  const world = { engine: { now: 0 }, kube: () => ({ lease }) } as unknown as Pick<World, 'engine'> & {
    kube: () => World['kube'];
  };
  const votes = createVotes(world, (invariant) => heard.push(invariant));
  return {
    heard,
    saves(part: Partial<LocalRecords>) {
      const before = machine.records;
      machine.records = { ...before, ...part };
      votes.recorded(machine, before, machine.records);
    },
    answers(candidate: string, term: number, askedBy = candidate) {
      votes.granted(machine, { term, candidate, askedBy });
    },
    writes(identity: string, part: Partial<LeaseRecord>) {
      lease = { ...lease, ...part };
      votes.leaseWritten(identity, lease);
    },
  };
}

type Bench = ReturnType<typeof bench>;

function votes(one: Bench, candidate: string, term: number): void {
  one.saves({ granted: term, freeze: voteOf(candidate, term) });
  one.answers(candidate, term);
}

const cases: { title: string; heard: boolean; steps(one: Bench): void }[] = [
  {
    title: 'for somebody else',
    heard: true,
    steps(one) {
      one.saves({ promise });
      votes(one, 'c', 4);
    },
  },
  {
    title: 'for somebody else, who has the lease by now',
    heard: true,
    steps(one) {
      one.saves({ promise });
      one.writes('c/uid/1', { holder: 'c/uid/1', term: 4 });
      votes(one, 'c', 4);
    },
  },
  {
    title: 'for somebody else, who has taken the lease that its holder released',
    heard: false,
    steps(one) {
      one.saves({ promise });
      one.writes(holder, { holder: '', releasedBy: holder });
      one.writes('c/uid/1', { holder: 'c/uid/1', term: 4 });
      votes(one, 'c', 4);
    },
  },
  {
    title: 'for somebody else, who has taken the lease that the next container of its holder released',
    heard: false,
    steps(one) {
      one.saves({ promise });
      one.writes('a/uid/2', { holder: '', releasedBy: holder });
      one.writes('c/uid/1', { holder: 'c/uid/1', term: 4 });
      votes(one, 'c', 4);
    },
  },
  {
    title: 'for somebody else, who released the lease in the name of its holder',
    heard: true,
    steps(one) {
      one.saves({ promise });
      one.writes('c/uid/1', { holder: '', releasedBy: holder });
      votes(one, 'c', 4);
    },
  },
  {
    title: 'for the holder that it has promised, in a higher term that came without a release',
    heard: true,
    steps(one) {
      one.saves({ promise });
      one.writes(holder, { term: 4 });
      votes(one, 'a', 4);
    },
  },
  {
    title: 'for the holder that released that term and came back with a higher one',
    heard: false,
    steps(one) {
      one.saves({ promise });
      one.writes(holder, { holder: '', releasedBy: holder });
      one.writes(holder, { holder, term: 4 });
      votes(one, 'a', 4);
    },
  },
  {
    title: 'for the holder that released that term and took the same one again',
    heard: true,
    steps(one) {
      one.saves({ promise });
      one.writes(holder, { holder: '', releasedBy: holder });
      one.writes(holder, { holder });
      votes(one, 'a', 4);
    },
  },
  {
    title: 'for the holder that came back after its name was taken out by hand',
    heard: true,
    steps(one) {
      one.saves({ promise });
      one.writes('', { holder: '' });
      one.writes(holder, { holder, term: 4 });
      votes(one, 'a', 4);
    },
  },
  {
    title: 'for the holder that came back after somebody else had written that it released',
    heard: true,
    steps(one) {
      one.saves({ promise });
      one.writes('c/uid/1', { holder: '', releasedBy: holder });
      one.writes(holder, { holder, term: 4 });
      votes(one, 'a', 4);
    },
  },
  {
    title: 'for the holder in a higher term, and it has released none but an older one',
    heard: true,
    steps(one) {
      one.writes(holder, { holder: '', releasedBy: holder });
      one.writes(holder, { holder, term: 4 });
      one.saves({ promise: { ...promise, term: 4 } });
      one.writes(holder, { term: 5 });
      votes(one, 'a', 5);
    },
  },
  {
    title: 'for the holder itself in that term, on disk before it promised',
    heard: false,
    steps(one) {
      one.saves({ granted: 3, freeze: voteOf('a', 3) });
      one.saves({ promise });
      one.answers('a', 3);
    },
  },
  {
    title: 'for the holder itself in that term, on disk after it promised',
    heard: true,
    steps(one) {
      one.saves({ promise });
      votes(one, 'a', 3);
    },
  },
  {
    title: 'for somebody else, on disk before it promised',
    heard: true,
    steps(one) {
      one.saves({ granted: 3, freeze: voteOf('c', 3) });
      one.saves({ promise });
      one.answers('c', 3);
    },
  },
  {
    title: 'for a higher term of the holder’s name, on disk before it promised',
    heard: true,
    steps(one) {
      one.saves({ granted: 4, freeze: voteOf('a', 4) });
      one.saves({ promise });
      one.answers('a', 4);
    },
  },
  {
    title: 'for the holder itself, of which a plan of somebody else’s was on disk before it promised',
    heard: true,
    steps(one) {
      one.saves({ granted: 3, freeze: voteOf('a', 3, 'c') });
      one.saves({ promise });
      one.answers('a', 3);
    },
  },
  {
    title: 'by a plan of somebody else’s, the holder’s own vote being on disk before it promised',
    heard: true,
    steps(one) {
      one.saves({ granted: 3, freeze: voteOf('a', 3) });
      one.saves({ promise });
      one.answers('a', 3, 'c');
    },
  },
  {
    title: 'for the holder that gave its lease up without saying that it did, and came back',
    heard: true,
    steps(one) {
      one.saves({ promise });
      one.writes(holder, { holder: '' });
      one.writes(holder, { holder, term: 4 });
      votes(one, 'a', 4);
    },
  },
  {
    title: 'for the holder in that term, a vote for an older one being on disk before it promised',
    heard: true,
    steps(one) {
      one.saves({ granted: 2, freeze: voteOf('a', 2) });
      one.saves({ promise });
      votes(one, 'a', 3);
    },
  },
  {
    title: 'for the holder in that term, the holder’s plan for another one being on disk before it promised',
    heard: true,
    steps(one) {
      one.saves({ granted: 3, freeze: voteOf('c', 3, 'a') });
      one.saves({ promise });
      votes(one, 'a', 3);
    },
  },
];

for (const { title, heard, steps } of cases) {
  test(`S20 is ${heard ? 'heard' : 'not heard'} when who has promised votes ${title}`, () => {
    const one = bench();
    steps(one);
    assert.deepEqual(one.heard, heard ? ['S20'] : []);
  });
}
