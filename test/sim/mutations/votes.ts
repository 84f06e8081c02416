/** Votes, freezes and promotions: who may follow whom. */
import { cuts, deaths, type Mutation } from './mutation.ts';

export const voteMutations: Mutation[] = [
  {
    name: 'term-check',
    rule: 'no vote for a lower term than was voted for',
    protects: 'S9, S22',
    edits: [
      { file: 'core/grant.ts', from: 'if (ask.term < records.granted)', to: 'if (ask.term < 0)' },
      { file: 'core/grant.ts', from: 'if (ask.term < term) return', to: 'if (ask.term < 0) return' },
      { file: 'core/grant.ts', from: 'freeze.term > term ? refusal(', to: 'freeze.term > term + 1000 ? refusal(' },
    ],
    small: ['silent', 'silent'],
    focus: ['pod frozen', 'agent frozen', 'API server slow', 'bad network', 'cut from the API server'],
  },
  {
    name: 'one-vote-a-term',
    rule: 'no second candidate of the same term gets a vote',
    protects: 'S3, S22',
    edits: [{ file: 'core/grant.ts', from: 'if (other) return refusal(', to: 'if (other && ask.term < 0) return refusal(' }],
    small: ['silent', 'switchover'],
    focus: ['switchover asked for', 'pod frozen', 'agent frozen', 'API server slow', 'bad network'],
  },
  {
    name: 'late-plan',
    rule: 'no plan for a second candidate of a term in which somebody was promoted, also when the freeze of that term is gone',
    protects: 'S22',
    edits: [
      {
        file: 'core/grant.ts',
        from: 'if (promoting !== undefined && promoting.term === ask.term && promoting.member !== ask.candidate)',
        to: 'if (promoting !== undefined && ask.term < 0)',
      },
    ],
    small: ['switchover', 'switchover'],
    rows: 0,
    focus: ['switchover asked for', 'switchover asked for', 'bad network', 'pod frozen', 'agent frozen'],
  },
  {
    name: 'term-jump',
    rule: 'every promotion has a term of its own, above all that were seen',
    protects: 'S3',
    edits: [
      {
        file: 'core/leader.ts',
        from: 'const term = used >= record.term ? highestTerm(view) + 1 : record.term;',
        to: 'const term = used >= 0 ? record.term : highestTerm(view);',
      },
    ],
    small: ['cut', 'death'],
    focus: deaths,
  },
  {
    name: 'votes-before-swap',
    rule: 'the lease is taken only with a vote set in reach',
    protects: 'S7',
    edits: [
      { file: 'core/follower.ts', from: 'if (!isVoteSet(record, [self, ...voters(view)])) {', to: 'if (record.term < 0) {' },
    ],
    small: ['silent', 'cut'],
    focus: ['node without power', 'cut from everything', 'every node without power'],
  },
  {
    name: 'grants-on-disk',
    rule: 'a vote is on disk before it is given',
    protects: 'S22',
    edits: [
      {
        file: 'loop/records.ts',
        from: 'const saved = await ports.records.save(changed.value);',
        to: 'const saved = ports.clock.now() > 0 ? ok() : await ports.records.save(changed.value);',
      },
    ],
    focus: deaths,
  },
  {
    name: 'no-vote-in-build',
    rule: 'a member that is being built does not vote',
    protects: 'S6, S22',
    edits: [
      { file: 'core/grant.ts', from: "if (records.build !== undefined || view.job?.kind === 'build')", to: 'if (view.now < 0)' },
      { file: 'core/grant.ts', from: "if (view.instance.is !== 'standby') return", to: 'if (view.now < 0) return' },
    ],
    focus: ['primary dies as a build begins', 'primary dies as a build begins', 'reinit asked for', 'server killed'],
  },
  {
    name: 'freeze-first',
    rule: 'standbys are taken away from the old primary before a promotion',
    protects: 'S7, S6',
    edits: [
      {
        file: 'core/leader.ts',
        from: 'return freezeAndCompare(view, instance, record);\n}',
        to: 'return instance.is === undefined ? freezeAndCompare(view, instance, record) : recordPromotion(view, instance, record);\n}',
      },
    ],
    small: ['silent'],
    focus: ['pod frozen', 'server killed', 'node without power', ...cuts],
  },
  {
    name: 'compare',
    rule: 'whoever is ahead of the candidate gets the lease',
    protects: 'S8, S6',
    edits: [
      {
        file: 'core/compare.ts',
        from: '.filter((state) => isAhead(state, me))',
        to: '.filter(() => false)',
      },
    ],
    small: ['silent'],
    focus: ['primary dies with a standby behind'],
  },
  {
    name: 'freeze-has-no-end',
    rule: 'a freeze never ends by time, only by a later one or a primary of its term',
    protects: 'S7',
    edits: [
      {
        file: 'core/follower.ts',
        from: 'if (record === undefined) return undefined;\n  if (primary !== undefined && divergence',
        to: "if (record === undefined) return undefined;\n  if (primary === undefined && me.lock?.mode === 'specify_connection') return only('follows', { instance: { do: 'unlock' } });\n  if (primary !== undefined && divergence",
      },
    ],
    small: ['silent'],
    focus: ['pod frozen', 'cut from everything', 'promotion slow', 'cut from the API server'],
  },
  {
    name: 'freeze-at-start',
    rule: 'a freeze is written back before every start',
    protects: 'S7',
    edits: [
      {
        file: 'core/grant.ts',
        from: 'return freeze === undefined ? undefined : { host: freeze.host, haPort: freeze.port };',
        to: 'return freeze === undefined || freeze.term > 0 ? undefined : { host: freeze.host, haPort: freeze.port };',
      },
    ],
    small: ['silent', 'death'],
    focus: ['container killed', 'every node without power', 'pod frozen', 'promotion slow', 'server killed again and again'],
  },
  {
    name: 'data-id',
    rule: "a primary's own vote counts only with the very data of its entry",
    protects: 'S6, S14',
    edits: [
      {
        file: 'core/sync.ts',
        from: 'if (primary !== undefined && primary.dataId === entry.dataId) return true;',
        to: 'if (primary !== undefined) return true;',
      },
    ],
    focus: ['volume exchanged', ...cuts],
  },
  {
    name: 'promoting-rises',
    rule: '`promoting` is never lowered or cleared',
    protects: 'S3, S9',
    edits: [
      {
        file: 'core/lease.ts',
        from: 'promoting: higher(record.promoting, change.promoting),',
        to: 'promoting: change.promoting,',
      },
    ],
    small: ['silent'],
    focus: deaths,
  },
  {
    name: 'promoting-recorded',
    rule: '`promoting` is recorded before a server is asked to promote',
    protects: 'S3, S9, S22',
    edits: [
      {
        file: 'loop/lease.ts',
        from: 'const draft = renewed(record, { ...change, written }, lastingFor(ctx, record, sentAt));',
        to: 'const draft = renewed(record, { ...change, promoting: record.promoting, written }, lastingFor(ctx, record, sentAt));',
      },
      {
        file: 'core/leader.ts',
        from: 'if (promotion !== undefined && record.promoting?.member === view.self.name && record.promoting.term === promotion.term) {',
        to: 'if (promotion !== undefined) {',
      },
    ],
    focus: deaths,
  },
  {
    name: 'reap-before-release',
    rule: 'a winner that recorded its promotion kills its server before it releases',
    protects: 'S3, S9',
    edits: [
      {
        file: 'core/leader.ts',
        from: "return renewing(view, 'promotion-stalled', { instance: { do: 'fence' } });",
        to: "return only('promotion-stalled', { lease: { do: 'release', heir: undefined } });",
      },
      { file: 'core/decide.ts', from: 'return reapFirst(view, policy(view));', to: 'return policy(view);' },
      {
        file: 'core/decide.ts',
        from: 'if (!mayAcknowledge(view)) return undefined;',
        to: 'if (!mayAcknowledge({ ...view, promotion: undefined })) return undefined;',
      },
    ],
    focus: ['promotion slow', 'promotion requests lost', ...deaths],
  },
];
