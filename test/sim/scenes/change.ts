/** Rows F42 to F54 and F64 to F68: deaths in the middle of a change, cold starts, and what people ask for. */
import { deadlySteps } from '../deaths.ts';
import { other, P, S1, S2, type Scene, type Step } from './scene.ts';

/** The amount that makes the fault pick that step of a take-over, before or after its effect. */
function amountFor(port: (typeof deadlySteps)[number], phase: 'before' | 'after'): number {
  for (let thousandth = 0; thousandth < 2000; thousandth += 1) {
    const amount = thousandth / 2000 + 0.0001;
    const half = (amount * 1000) % 2 < 1 ? 'before' : 'after';
    if (half === phase && deadlySteps[Math.floor(amount * 997) % deadlySteps.length] === port) return amount;
  }
  throw new Error(`no amount for ${phase} ${port}`);
}

/** Whichever standby comes to that step first dies there, with its container. */
function winnerDies(port: (typeof deadlySteps)[number], phase: 'before' | 'after', members = [S1, S2]): Step[] {
  return members.map((member) => ({
    member,
    kind: 'container killed at a write' as const,
    lasts: 12_000,
    amount: amountFor(port, phase),
  }));
}

export const changeScenes: Scene[] = [
  {
    row: 'F42',
    title: 'the winner dies right after it has taken the lease',
    steps: [{ kind: 'node without power', lasts: 30_000 }, ...winnerDies('kube.writeLease', 'after')],
    untilMs: 60_000,
    expect: { leader: 'any', promotions: [1, 2], outageMs: 35_000 },
  },
  {
    row: 'F43',
    title: 'the winner dies between freeze and promotion',
    steps: [{ kind: 'server killed' }, ...winnerDies('instance.p', 'before')],
    untilMs: 60_000,
    expect: { leader: 'any', promotions: [1, 3], outageMs: 20_000 },
  },
  {
    row: 'F44',
    title: 'the winner dies when it has been promoted, before its label',
    steps: [{ kind: 'server killed' }, ...winnerDies('kube.patchPod', 'before')],
    untilMs: 60_000,
    expect: { leader: 'any', promotions: [1, 4], outageMs: 20_000 },
  },
  {
    row: 'F44',
    title: 'the winner dies before its term is in its WAL',
    steps: [{ kind: 'server killed' }, ...winnerDies('instance.writeTerm', 'before')],
    untilMs: 60_000,
    expect: { leader: 'any', promotions: [1, 4], outageMs: 20_000 },
  },
  {
    row: 'F51',
    title: 'mode off is asked for while the primary is cut from its peers',
    steps: [
      { kind: 'cut from the members', lasts: 30_000 },
      { at: 1000, kind: 'mode edited', amount: 0.9, lasts: 20_000 },
    ],
    expect: { leader: 'any', promotions: [0, 1] },
  },
  { row: 'F52', title: 'switchover (R=3)', steps: [{ kind: 'switchover asked for', other: S1 }], expect: other(2000) },
  {
    row: 'F52',
    title: 'switchover (R=2)',
    members: 2,
    steps: [{ kind: 'switchover asked for', other: S1 }],
    expect: other(2000),
  },
  {
    row: 'F52',
    title: 'switchover (R=3, off)',
    mode: 'off',
    steps: [{ kind: 'switchover asked for', other: S1 }],
    expect: other(2000),
  },
  {
    row: 'F53',
    title: 'the target dies when it is to be promoted: it had the last word, the others wait for it or for the old primary',
    steps: [...winnerDies('instance.p', 'before', [S1]), { at: 10, kind: 'switchover asked for', other: S1 }],
    untilMs: 60_000,
    expect: { leader: 'any', promotions: [1, 3], outageMs: 20_000 },
  },
  {
    row: 'F53',
    title: 'the target loses its power while it is handed over to',
    steps: [
      { kind: 'switchover asked for', other: S1 },
      { at: 300, member: S1, kind: 'node without power', lasts: 20_000 },
    ],
    untilMs: 60_000,
    expect: { leader: 'any', promotions: [0, 2], outageMs: 5000 },
  },
  {
    row: 'F54',
    title: 'switchover while a third member is built',
    weak: { buildMs: 8000 },
    steps: [
      { member: S2, kind: 'volume lost' },
      { at: 4000, kind: 'switchover asked for', other: S1 },
    ],
    untilMs: 60_000,
    expect: other(3500),
  },
  ...[300, 700, 1100, 1500, 1900, 2300].map(
    (at): Scene => ({
      row: 'F54',
      title: `the server of the primary killed ${at} ms after a standby was asked to be built anew`,
      weak: { buildMs: 6000 },
      steps: [
        { kind: 'reinit asked for', other: S2 },
        { at, kind: 'server killed' },
      ],
      untilMs: 60_000,
      expect: { leader: 'any', promotions: [1, 2], outageMs: 12_000 },
    }),
  ),
  ...[0.1, 0.5, 0.9].map(
    (amount): Scene => ({
      row: 'F54',
      title: `the server of the primary killed ${amount * 20} ms after the build of a standby has begun`,
      weak: { buildMs: 6000 },
      steps: [{ kind: 'primary dies as a build begins', lasts: 8000, amount }],
      untilMs: 60_000,
      expect: { leader: 'any', promotions: [1, 2], outageMs: 12_000 },
    }),
  ),
  {
    row: 'F64',
    title: 'every node without power, back in any order',
    steps: [{ kind: 'every node without power', lasts: 15_000 }],
    untilMs: 60_000,
    expect: { leader: 'any', promotions: [1, 2], outageMs: 40_000 },
  },
  {
    row: 'F65',
    title: "every node without power, the primary's volume lost",
    steps: [
      { kind: 'every node without power', lasts: 15_000 },
      { at: 100, kind: 'volume lost' },
    ],
    untilMs: 65_000,
    expect: { leader: 'other', promotions: [1, 2], outageMs: 45_000 },
  },
  {
    row: 'F68',
    title: 'paused, then the primary dies: nothing until the pause ends',
    steps: [
      { kind: 'paused', lasts: 20_000 },
      { at: 1000, kind: 'server killed' },
    ],
    expect: { leader: 'any', promotions: [1, 1], outageMs: 24_000 },
  },
  {
    row: 'F68',
    title: 'the primary alone is paused, then its node loses power',
    steps: [
      { member: P, kind: 'member paused', lasts: 40_000 },
      { at: 1000, kind: 'node without power', lasts: 30_000 },
    ],
    expect: other(9000),
  },
  {
    row: 'F68',
    title: 'the primary is fenced by hand: it hands over first',
    steps: [{ kind: 'member fenced', lasts: 30_000 }],
    expect: other(3000),
  },
];
