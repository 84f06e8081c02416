/** Rows F46, F47, F55 to F58, F67 and F69: who has which data, whose volumes are full or hang, and who is a member at all. */
import { other, P, S1, S2, type Scene, type Step, same } from './scene.ts';

/** In mode off, with a limit that a standby without the stream is beyond after a moment. */
const lagging = { mode: 'off', config: { maximumLagOnFailover: 0x400n } } as const;

/** The standbys miss what the primary wrote before it lost its power. */
const leftBehind: Step[] = [
  { kind: 'cut from the members', lasts: 6000 },
  { at: 5000, kind: 'node without power', lasts: 35_000 },
];

export const dataScenes: Scene[] = [
  {
    row: 'F46',
    title: 'the standby that is ahead may never be primary',
    steps: [
      { member: S1, kind: 'member never primary', lasts: 30_000 },
      { at: 1000, kind: 'primary dies with a standby behind', amount: 0.06 },
    ],
    expect: { leader: 'any', promotions: [1, 1], outageMs: 9000 },
  },
  {
    row: 'F46',
    title: 'the standby that is ahead is paused, and its vote is needed: the lease waits until people let it go on',
    steps: [
      { member: S1, kind: 'member paused', lasts: 30_000 },
      { at: 1000, kind: 'primary dies with a standby behind', amount: 0.06 },
      { at: 1010, kind: 'node without power', lasts: 40_000 },
    ],
    untilMs: 60_000,
    expect: { leader: 'other', promotions: [1, 1], outageMs: 34_000 },
  },
  {
    row: 'F47',
    title: 'only standbys that lag too far are left (off): blocked, until people accept the loss',
    ...lagging,
    steps: [...leftBehind, { at: 20_000, kind: 'failover asked for, loss allowed', other: S1 }],
    untilMs: 60_000,
    expect: { leader: S1, promotions: [1, 1], outageMs: 18_000, blockedAt: 18_000 },
  },
  {
    row: 'F47',
    title: 'only standbys that lag too far are left (off): blocked, until the old primary is back',
    ...lagging,
    steps: leftBehind,
    untilMs: 60_000,
    expect: { leader: 'same', promotions: [1, 1], outageMs: 40_000, blockedAt: 20_000 },
  },
  {
    row: 'F55',
    title: 'volumes of the primary and of one standby nearly full: people ask for a switchover, and it goes to the one with room',
    steps: [
      { member: S1, kind: 'volume nearly full', lasts: 40_000, amount: 0.2 },
      { at: 3000, kind: 'volume nearly full', lasts: 37_000, amount: 0.2 },
      { at: 7000, kind: 'switchover asked for', other: P },
    ],
    expect: { leader: S2, promotions: [1, 1], outageMs: 6500, stoppedMs: 4000 },
  },
  {
    row: 'F55',
    title: 'server of the primary dies of a full volume: handed over once, and not back while it is full',
    steps: [{ kind: 'server dies of a full volume', lasts: 37_000 }],
    expect: other(3000),
  },
  ...[0.2, 0.9].map(
    (amount): Scene => ({
      row: 'F56',
      title: `every volume ${amount < 0.5 ? 'at 96 %' : 'at 99.9 %'} for 20 s: no writes and no failover, and writes again when there is room`,
      steps: [P, S1, S2].map((member) => ({ member, kind: 'volume nearly full', lasts: 20_000, amount })),
      untilMs: 60_000,
      expect: { ...same(33_000), stoppedMs: 20_000 },
    }),
  ),
  {
    row: 'F57',
    title: 'volume of the primary hangs for 40 s',
    steps: [{ kind: 'disk stuck', lasts: 40_000 }],
    expect: { leader: 'any', promotions: [1, 2], outageMs: 13_000 },
  },
  {
    row: 'F58',
    title: 'volume of a standby hangs for 30 s',
    steps: [{ member: S1, kind: 'disk stuck', lasts: 30_000 }],
    expect: same(1000),
  },
  {
    row: 'F67',
    title: 'scaled from three to one and back while the server of the primary is killed',
    steps: [
      { kind: 'server killed' },
      { at: 200, member: S2, kind: 'member scaled in', lasts: 30_000 },
      { at: 400, member: S1, kind: 'member scaled in', lasts: 30_000 },
    ],
    untilMs: 65_000,
    expect: { leader: 'any', promotions: [1, 4], outageMs: 34_000 },
  },
  {
    row: 'F67',
    title: 'a standby scaled in while the lease of a primary without power runs out: its vote is waited for',
    steps: [
      { kind: 'node without power', lasts: 45_000 },
      { at: 3000, member: S2, kind: 'member scaled in', lasts: 25_000 },
    ],
    untilMs: 65_000,
    expect: { leader: 'other', promotions: [1, 1], outageMs: 32_000 },
  },
  {
    row: 'F67',
    title: 'scaled from three to one, then the server of the one is killed, then scaled to three',
    steps: [
      { member: S1, kind: 'member scaled in', lasts: 40_000 },
      { member: S2, kind: 'member scaled in', lasts: 40_000 },
      { at: 30_000, kind: 'server killed' },
    ],
    untilMs: 70_000,
    expect: { leader: 'same', promotions: [1, 1], outageMs: 12_500 },
  },
  {
    row: 'F69',
    title: 'a standby comes back with the volume of another cluster: it takes no part',
    steps: [{ member: S1, kind: 'volume of another cluster', lasts: 30_000 }],
    untilMs: 60_000,
    expect: same(1000),
  },
  {
    row: 'F69',
    title: 'the primary comes back with the volume of another cluster: it does not lead, nor do others follow it',
    steps: [{ kind: 'volume of another cluster', lasts: 30_000 }],
    untilMs: 60_000,
    expect: other(5000),
  },
  {
    row: 'F69',
    title: 'a member with the volume of another cluster is no successor (R=2)',
    members: 2,
    steps: [
      { member: S1, kind: 'volume of another cluster', lasts: 40_000 },
      { at: 8000, kind: 'node without power', lasts: 20_000 },
    ],
    untilMs: 65_000,
    expect: { leader: 'same', promotions: [1, 1], outageMs: 31_000 },
  },
];
