/** Rows F21 to F32 and F60 to F63: cuts, the API server, clocks. */
import { minute, other, P, S1, S2, type Scene, same } from './scene.ts';

export const networkScenes: Scene[] = [
  {
    row: 'F21',
    title: 'the primary cut from everything for 40 s',
    steps: [{ kind: 'cut from everything', lasts: 40_000 }],
    expect: other(9000),
  },
  {
    row: 'F21',
    title: 'the primary cut from everything for 40 s (R=2)',
    members: 2,
    steps: [{ kind: 'cut from everything', lasts: 40_000 }],
    expect: other(9000),
  },
  {
    row: 'F21',
    title: 'the primary cut from everything while PID 1 stands still: the agent alone ends its server (R=3, off)',
    mode: 'off',
    steps: [
      { kind: 'PID 1 frozen', lasts: 40_000 },
      { at: 100, kind: 'cut from everything', lasts: 39_000 },
    ],
    expect: { leader: 'any', promotions: [0, 1], outageMs: 45_000 },
  },
  {
    row: 'F22',
    title: 'the primary cut from the API server for 4 s',
    steps: [{ kind: 'cut from the API server', lasts: 4000 }],
    expect: same(500),
  },
  {
    row: 'F22',
    title: 'the primary cut from the API server for 40 s: its peers promise',
    steps: [{ kind: 'cut from the API server', lasts: 40_000 }],
    expect: same(500),
  },
  {
    row: 'F22',
    title: 'the primary cut from the API server while nobody can write a promise down: it is fenced and succeeded',
    steps: [
      { member: S1, kind: 'records cannot be written', lasts: 8000 },
      { member: S2, kind: 'records cannot be written', lasts: 8000 },
      { kind: 'cut from the API server', lasts: 40_000 },
    ],
    expect: other(10_000),
  },
  {
    row: 'F22',
    title: 'the primary goes on by the promise of one standby, whose agent starts again and again; nobody writes',
    steps: [
      { kind: 'clients away', lasts: 42_000 },
      { kind: 'cut from the API server', lasts: 40_000 },
      { kind: 'cut from one member', other: S1, lasts: 40_000 },
      ...[11_000, 13_300, 15_700, 18_100, 20_400, 22_900, 25_300, 27_800, 30_100].map((at) => ({
        ...{ at, member: S2, kind: 'agent killed' as const },
      })),
    ],
    expect: { leader: 'same', promotions: [0, 0] },
  },
  {
    row: 'F23',
    title: 'the primary and one standby without the API server, the other alone with it',
    steps: [
      { kind: 'cut from the API server', lasts: 40_000 },
      { member: S1, kind: 'cut from the API server', lasts: 40_000 },
      { kind: 'cut from one member', other: S2, lasts: 40_000 },
      { member: S1, kind: 'cut from one member', other: S2, lasts: 40_000 },
    ],
    expect: same(1000),
  },
  {
    row: 'F24',
    title: 'the primary cut from its peers, not from the API server: the others say there that they can go on',
    steps: [{ kind: 'cut from the members', lasts: 30_000 }],
    expect: other(9000),
  },
  {
    row: 'F24',
    title: 'the primary cut from its peers, not from the API server (strict)',
    mode: 'strict',
    steps: [{ kind: 'cut from the members', lasts: 30_000 }],
    expect: other(9000),
  },
  {
    row: 'F24',
    title: 'everybody cut from everybody, not from the API server: nobody could do better',
    steps: [
      { kind: 'cut from the members', lasts: 30_000 },
      { member: S1, kind: 'cut from the members', lasts: 30_000 },
    ],
    expect: { leader: 'same', promotions: [0, 0] },
  },
  {
    row: 'F24',
    title: 'the primary cut from its peers in mode off: nothing waits (off)',
    mode: 'off',
    steps: [{ kind: 'cut from the members', lasts: 30_000 }],
    expect: same(500),
  },
  {
    row: 'F24',
    title: 'two members cut from each other: the other one would wait as well (R=2)',
    members: 2,
    steps: [{ kind: 'cut from the members', lasts: 30_000 }],
    expect: { leader: 'same', promotions: [0, 0] },
  },
  {
    row: 'F25',
    title: 'a standby cut from everything for 40 s',
    steps: [{ member: S1, kind: 'cut from everything', lasts: 40_000 }],
    expect: same(500),
  },
  {
    row: 'F26',
    title: 'what a standby sends is lost',
    steps: [{ member: S1, kind: 'mute to the members', lasts: 30_000 }],
    expect: same(1000),
  },
  {
    row: 'F26',
    title: 'what the primary sends to its standbys is lost',
    steps: [{ kind: 'mute to the members', lasts: 30_000 }],
    expect: other(9000),
  },
  {
    row: 'F27',
    title: 'what the primary sends to the API server is lost, its watch lives',
    steps: [{ kind: 'mute to the API server', lasts: 40_000 }],
    expect: same(500),
  },
  {
    row: 'F28',
    title: 'the network of the primary flaps every second for 50 s',
    steps: [{ kind: 'flapping network', lasts: 50_000, amount: 0.33 }],
    expect: { leader: 'any', promotions: [0, 1] },
  },
  {
    row: 'F28',
    title: 'the network of the primary flaps every second for 5 minutes: one change in two minutes at most',
    steps: [{ kind: 'flapping network', lasts: 5 * minute, amount: 0.33 }],
    expect: { leader: 'any', promotions: [0, 3] },
  },
  { row: 'F29', title: 'the API server down for 5 s', steps: [{ kind: 'API server down', lasts: 5000 }], expect: same(500) },
  { row: 'F29', title: 'the API server down for 60 s', steps: [{ kind: 'API server down', lasts: 60_000 }], expect: same(500) },
  {
    row: 'F29',
    title: 'the API server down for 30 minutes',
    steps: [{ kind: 'API server down', lasts: 30 * minute }],
    expect: same(500),
  },
  {
    row: 'F30',
    title: 'the server of the primary killed while the API server is down for 20 s',
    steps: [
      { kind: 'API server down', lasts: 20_000 },
      { at: 5000, kind: 'server killed' },
    ],
    expect: { leader: 'any', promotions: [1, 1], outageMs: 18_000 },
  },
  {
    row: 'F31',
    title: 'a standby dies while the API server is down for 40 s',
    steps: [
      { kind: 'API server down', lasts: 40_000 },
      { at: 8000, member: S1, kind: 'node without power', lasts: 25_000 },
    ],
    expect: same(1000),
  },
  {
    row: 'F32',
    title: 'the API server refuses most of 60 s',
    steps: [{ kind: 'API server refuses', lasts: 60_000 }],
    expect: same(500),
  },
  {
    row: 'F32',
    title: 'the API server is slow for 60 s',
    steps: [{ kind: 'API server slow', lasts: 60_000 }],
    expect: same(500),
  },
  {
    row: 'F32',
    title: 'the API server refuses and is slow by turns for 10 minutes',
    steps: Array.from({ length: 10 }, (_, at) => {
      return { at: at * minute, kind: at % 2 === 0 ? 'API server refuses' : 'API server slow', lasts: minute };
    }),
    expect: same(500),
  },
  {
    row: 'F32',
    title: 'a standby comes back without its volume while the API server refuses most of 30 s',
    steps: [
      { kind: 'API server refuses', lasts: 30_000 },
      { at: 500, member: S1, kind: 'volume lost' },
    ],
    untilMs: 60_000,
    expect: same(1000),
  },
  {
    row: 'F60',
    title: 'wall clocks jump by an hour',
    steps: [
      { member: P, kind: 'wall clock jumps', amount: 0.99 },
      { at: 3000, member: S1, kind: 'wall clock jumps', amount: 0.01 },
    ],
    expect: same(500),
  },
  {
    row: 'F61',
    title: "a standby's clock runs 40 % fast while the primary is cut off: the freeze protects what time does not",
    rates: [1, 1.4, 1.4],
    steps: [{ kind: 'cut from everything', lasts: 40_000 }],
    expect: { leader: 'any', promotions: [1, 2], outageMs: 12_000 },
  },
  {
    row: 'F63',
    title: 'the network of the primary slow by 300 ms and lossy for 60 s',
    steps: [{ kind: 'bad network', lasts: 60_000, amount: 0.4 }],
    expect: { leader: 'same', promotions: [0, 0] },
  },
  {
    row: 'F63',
    title: 'the network of the primary slow by 300 ms and lossy for 10 minutes',
    steps: [{ kind: 'bad network', lasts: 10 * minute, amount: 0.4 }],
    expect: { leader: 'same', promotions: [0, 0] },
  },
];
