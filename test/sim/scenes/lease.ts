/** Rows F33 to F41: writes of the Lease that are lost, late or forbidden, what people do to it, and watches that lie. */
import { other, P, S1, S2, type Scene, same } from './scene.ts';

export const leaseScenes: Scene[] = [
  {
    row: 'F33',
    title: 'renewals are applied and their answers lost for 40 s',
    steps: [{ kind: 'answers of lease writes lost', lasts: 40_000, amount: 0.9 }],
    expect: same(500),
  },
  {
    row: 'F34',
    title: "the primary's renewal arrives after it has been succeeded",
    steps: [
      { kind: 'lease writes held up', lasts: 3000, amount: 0.75 },
      { at: 2900, kind: 'pod frozen', lasts: 25_000 },
    ],
    expect: other(10_000),
  },
  { row: 'F35', title: 'the Lease deleted under a healthy primary', steps: [{ kind: 'lease deleted' }], expect: same(500) },
  {
    row: 'F35',
    title: 'the Lease deleted when it has just been taken from a primary without power: its winner makes it again',
    steps: [
      { kind: 'lease deleted as it is taken', lasts: 30_000 },
      { kind: 'node without power', lasts: 30_000 },
    ],
    expect: other(9000),
  },
  {
    row: 'F35',
    title: 'the Lease deleted while that of a primary without power runs out: nobody makes it up, and a person puts it back',
    steps: [
      { kind: 'node without power', lasts: 40_000 },
      { at: 4000, kind: 'lease deleted and put back', lasts: 16_000 },
    ],
    untilMs: 60_000,
    expect: other(30_000),
  },
  {
    row: 'F36',
    title: 'the Lease edited to name somebody else',
    steps: [{ kind: 'lease given away' }],
    expect: { leader: 'any', promotions: [1, 1], outageMs: 11_000 },
  },
  { row: 'F36', title: 'the Lease damaged', steps: [{ kind: 'lease damaged', lasts: 60_000 }], expect: same(500) },
  {
    row: 'F37',
    title: 'the rights to the Lease taken from the primary for 40 s',
    steps: [{ kind: 'rights taken away', lasts: 40_000 }],
    expect: same(500),
  },
  {
    row: 'F39',
    title: 'the watches of both standbys silent, then the primary without power',
    steps: [
      { member: S1, kind: 'watch silent', lasts: 30_000 },
      { member: S2, kind: 'watch silent', lasts: 30_000 },
      { at: 4000, kind: 'node without power', lasts: 30_000 },
    ],
    // A renewal that the watch owes is found by a reading, up to a second late; the observer's clock starts then.
    expect: other(10_000),
  },
  {
    row: 'F39',
    title: 'the watch of the third primary has missed who was the second',
    steps: [
      { member: S2, kind: 'member never primary', lasts: 3000 },
      { at: 100, member: S2, kind: 'watch silent', lasts: 29_000 },
      { at: 400, kind: 'server killed' },
      { at: 3000, member: P, kind: 'member never primary', lasts: 50_000 },
      { at: 6000, member: S1, kind: 'node without power', lasts: 40_000 },
    ],
    expect: { leader: 'other', promotions: [2, 2], outageMs: 9000 },
  },
  {
    row: 'F40',
    title: 'watches repeat old records while the primary is without power',
    steps: [
      { kind: 'node without power', lasts: 30_000 },
      { at: 6500, member: S1, kind: 'watch repeats' },
      { at: 7300, member: S2, kind: 'watch repeats' },
    ],
    expect: other(9000),
  },
  {
    row: 'F40',
    title: 'both watches are told 410 Gone as the lease of a primary without power runs out',
    steps: [
      { kind: 'node without power', lasts: 30_000 },
      { at: 6500, member: S1, kind: 'watch too old' },
      { at: 6800, member: S2, kind: 'watch too old' },
    ],
    expect: other(9000),
  },
  {
    row: 'F40',
    title: 'both watches deliver versions of the Lease late and out of order, then the primary is without power',
    steps: [
      { member: S1, kind: 'watch in disorder', lasts: 40_000, amount: 1 },
      { member: S2, kind: 'watch in disorder', lasts: 40_000, amount: 1 },
      { at: 10_000, kind: 'node without power', lasts: 30_000 },
    ],
    expect: other(10_000),
  },
  {
    row: 'F41',
    title: 'two equal standbys, one stands still for 1.5 s between its reading and its swap',
    steps: [
      { kind: 'node without power', lasts: 30_000 },
      { at: 1000, member: S1, kind: 'agent stands still before its swap', lasts: 20_000, amount: 0.15 },
    ],
    expect: other(10_500),
  },
  {
    row: 'F41',
    title: 'four equal standbys, one stands still for 6 s between its reading and its swap: another one wins (R=5)',
    members: 5,
    steps: [
      { kind: 'node without power', lasts: 30_000 },
      { at: 1000, member: S1, kind: 'agent stands still before its swap', lasts: 20_000, amount: 0.6 },
    ],
    expect: { leader: S2, promotions: [1, 1], outageMs: 11_500 },
  },
  {
    row: 'F41',
    title: 'two equal standbys, one stalls when the lease runs out',
    steps: [
      { kind: 'node without power', lasts: 30_000 },
      { at: 7000, member: S1, kind: 'agent frozen', lasts: 1500 },
    ],
    expect: other(10_500),
  },
];
