/**
 * The safety rules, each with the small change that takes it away. The simulator has to catch every change; the control
 * changes nothing that matters and has to survive. Texts are found exactly, and once: when the code changes, the table
 * has to follow. `focus` names the faults under which the rule matters, so that few seeds are needed.
 */
import type { DynamicConfig } from '../../agent/core/config.ts';
import type { FaultKind } from './faults.ts';
import type { SmallFault } from './small/state.ts';

export interface Edit {
  /** Below agent/. */
  file: string;
  from: string;
  to: string;
}

export interface Mutation {
  name: string;
  /** What is taken away, as a rule. */
  rule: string;
  protects: string;
  edits: Edit[];
  focus: FaultKind[];
  modes?: DynamicConfig['sync']['mode'][];
  /** The test that holds the rule, where schedules seldom come to it. */
  test?: string;
  /** The row of the table of faults whose scenes notice. */
  row?: string;
  /** The faults with which the small model notices. */
  small?: SmallFault[];
  /** Changes nothing that matters. */
  control?: true;
}

const cuts: FaultKind[] = ['cut from everything', 'cut from the members', 'cut from one member', 'deaf to the members'];
const deaths: FaultKind[] = ['server killed', 'container killed', 'node without power'];

export const mutations: Mutation[] = [
  {
    name: 'fence-deadline',
    rule: 'a permit ends fenceSeconds after the renewal was sent',
    protects: 'I1, S2, S10',
    edits: [
      {
        file: 'core/permit.ts',
        from: 'until: sentAt + fenceSeconds * 1000, term',
        to: 'until: sentAt + fenceSeconds * 2500, term',
      },
    ],
    focus: ['cut from everything', 'cut from the API server'],
  },
  {
    name: 'fence-armed-first',
    rule: 'the fence is armed for the server before its promotion is asked for, and PID 1 has said so',
    protects: 'I1, S2',
    edits: [
      {
        file: 'loop/permit.ts',
        from: 'if (process === undefined || memory.permit === undefined || !mayAcknowledge({ ...memory, self: ctx.self })) return;',
        to: "if (process === undefined || memory.permit === undefined || memory.instance.is !== 'primary') return;",
      },
      { file: 'loop/jobs.ts', from: 'if (!guarded.ok) return guarded;', to: '' },
    ],
    focus: deaths,
  },
  {
    name: 'echo',
    rule: 'nothing is promoted without the echo of PID 1',
    protects: 'I1, S2',
    edits: [{ file: 'loop/jobs.ts', from: 'if (!guarded.ok) return guarded;', to: '' }],
    focus: ['PID 1 frozen', ...deaths],
  },
  {
    name: 'fresh-read',
    rule: 'a lease has run out only when a read sent after its end still shows it',
    protects: 'S5',
    edits: [
      { file: 'core/lease.ts', from: 'return view.now >= end && lease.confirmedAt >= end;', to: 'return view.now >= end;' },
    ],
    focus: ['node without power', 'cut from everything', 'watch silent'],
  },
  {
    name: 'whole-duration',
    rule: 'a foreign lease is left alone for its whole duration',
    protects: 'S5',
    edits: [
      {
        file: 'core/lease.ts',
        from: 'return lease.firstSeenAt + seconds * 1000;',
        to: 'return lease.firstSeenAt + seconds * 700;',
      },
    ],
    focus: ['node without power', 'cut from everything', 'cut from the API server'],
  },
  {
    name: 'longer-duration',
    rule: "an observer waits the longer of its own and the record's duration",
    protects: 'S5, S2',
    edits: [
      {
        file: 'core/lease.ts',
        from: 'const seconds = Math.max(lease.record?.durationSeconds ?? 0, ownDurationSeconds);',
        to: 'const seconds = ownDurationSeconds;',
      },
    ],
    focus: ['lease settings edited', 'cut from everything', 'cut from the API server', 'node without power'],
  },
  {
    name: 'duration-order',
    rule: 'a shorter duration is written only when every longer permit has ended',
    protects: 'S2',
    edits: [
      {
        file: 'core/permit.ts',
        from: 'return Math.max(lease.durationSeconds, Math.floor(needed) + 1);',
        to: 'return needed > 0 ? lease.durationSeconds : 0;',
      },
    ],
    focus: ['lease settings edited'],
  },
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
        from: '(vote) => comparePositions(positionOf(vote), mine) < 0',
        to: '() => false',
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
    name: 'swap-on-decided',
    rule: 'a lease write replaces the very version that was decided on',
    protects: 'S4',
    edits: [
      {
        file: 'loop/lease.ts',
        from: 'const result = await ports.kube.writeLease({ record, ...version, ...uid }, deadlineMs);',
        to: "let result = await ports.kube.writeLease({ record, ...version, ...uid }, deadlineMs);\n  if (!result.ok && result.fault.kind === 'conflict') {\n    const fresh = await ports.kube.readLease(deadlineMs);\n    if (fresh.ok) result = await ports.kube.writeLease({ record, over: fresh.value?.resourceVersion }, deadlineMs);\n  }",
      },
    ],
    focus: ['node without power', 'cut from everything', 'every node without power'],
  },
  {
    name: 'record-before-names',
    rule: 'set and lease are one record, and it changes before the names do',
    protects: 'S13',
    edits: [
      {
        file: 'core/sync.ts',
        from: "return { do: 'record', entries: [last, desired], syncMode: mode === 'off' ? 'off' : record.syncMode };",
        to: "return sameNames(me.syncNames, renderNames(desired)) ? { do: 'record', entries: [last, desired], syncMode: mode === 'off' ? 'off' : record.syncMode } : { do: 'set', names: renderNames(desired), mostAvailable };",
      },
    ],
    focus: ['node without power', 'server killed', 'acks edited', ...cuts],
  },
  {
    name: 'old-entry-stays',
    rule: 'the old entry stays beside the new one',
    protects: 'S13',
    edits: [
      {
        file: 'core/sync.ts',
        from: "entries: [last, desired], syncMode: mode === 'off'",
        to: "entries: [desired], syncMode: mode === 'off'",
      },
    ],
    focus: ['node without power', 'server killed', 'acks edited', ...cuts],
  },
  {
    name: 'winner-keeps-entries',
    rule: 'a winner adds its entry to those that stand',
    protects: 'S13, S6',
    edits: [{ file: 'core/leader.ts', from: 'withEntry(record.entries, entry)', to: 'withEntry([], entry)' }],
    focus: ['server killed again and again', 'every node without power', ...deaths, ...cuts],
  },
  {
    name: 'flushed-before-drop',
    rule: 'the old entry is dropped only when W of the new names have flushed the position of the change',
    protects: 'S13, S6',
    edits: [
      {
        file: 'core/sync.ts',
        from: 'return view.syncBarrier !== undefined && flushedBy(view, me, entry.names, view.syncBarrier) >= entry.w;',
        to: 'return view.now > 0;',
      },
    ],
    focus: ['acks edited', ...cuts, ...deaths],
  },
  {
    name: 'sent-is-not-flushed',
    rule: 'a sender is believed only once it is known to have had an acknowledgement',
    protects: 'S13, S6',
    edits: [
      {
        file: 'adapters/gauss/status.ts',
        from: 'return { now, next: now || counted };',
        to: 'return { now: true, next: true };',
      },
    ],
    focus: ['bad network', 'bad network', 'container killed', 'server killed'],
  },
  {
    name: 'every-entry',
    rule: 'a vote set meets every entry',
    protects: 'S13, S6',
    edits: [
      {
        file: 'core/sync.ts',
        from: 'return record.entries.filter((entry) => !meets(entry, votes));',
        to: 'return record.entries.some((entry) => meets(entry, votes)) ? [] : record.entries;',
      },
    ],
    small: ['silent', 'cut', 'death'],
    focus: ['acks edited', ...cuts, ...deaths],
  },
  {
    name: 'vote-arithmetic',
    rule: 'a vote set has n − W + 1 of the names',
    protects: 'S7, S13',
    edits: [
      {
        file: 'core/sync.ts',
        from: 'return given >= entry.names.length - entry.w + 1;',
        to: 'return given >= entry.names.length - entry.w;',
      },
    ],
    small: ['silent'],
    focus: [...cuts, ...deaths],
  },
  {
    name: 'term-before-names',
    rule: 'no commit of a term is acknowledged before W members carry that term',
    protects: 'S8, S6',
    edits: [
      {
        file: 'core/leader.ts',
        from: "const names = record.syncMode === 'off' ? '' : nobody;",
        to: "const names = renderNames(record.entries.at(-1) ?? { term: 0, primary: '', dataId: '', names: [], w: 0 });",
      },
    ],
    focus: deaths,
  },
  {
    name: 'term-for-certain',
    rule: 'a term that is perhaps written is written again',
    protects: 'S8',
    edits: [
      {
        file: 'loop/settle.ts',
        from: 'if (!written.ok) return written;\n  if (memory.promotion',
        to: "if (!written.ok && written.fault.done === 'no') return written;\n  if (memory.promotion",
      },
    ],
    focus: ['SQL breaks', ...deaths],
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
    focus: deaths,
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
    test: 'test/core/reap.test.ts',
    focus: ['promotion slow', 'promotion requests lost', ...deaths],
  },
  {
    name: 'no-grant-after-start',
    rule: 'after a start a promise binds for its whole duration again',
    protects: 'S20, S22',
    edits: [
      {
        file: 'loop/promised.ts',
        from: 'if (binding === undefined) return;',
        to: 'if (binding === undefined || ctx.self.name !== "") return;',
      },
    ],
    row: 'F22',
    focus: ['cut from the API server', 'cut from the API server', 'agent killed', 'container killed', 'cut from one member'],
  },
  {
    name: 'no-vote-in-build',
    rule: 'a member that is being built does not vote',
    protects: 'S6, S22',
    edits: [
      { file: 'core/grant.ts', from: "if (records.build !== undefined || view.job?.kind === 'build')", to: 'if (view.now < 0)' },
      { file: 'core/grant.ts', from: "if (view.instance.is !== 'standby') return", to: 'if (view.now < 0) return' },
    ],
    test: 'test/core/grant.test.ts',
    focus: ['volume lost', 'server killed', 'container killed', 'server killed again and again', 'reinit asked for'],
  },
  {
    name: 'incarnation',
    rule: 'a lease belongs to one incarnation, not to a name',
    protects: 'S16',
    edits: [
      {
        file: 'core/lease.ts',
        from: 'return recordOf(view.lease)?.holder === view.self.identity;',
        to: "return memberOf(recordOf(view.lease)?.holder ?? '') === view.self.name;",
      },
    ],
    focus: ['container killed', 'pod deleted by force', 'node without power'],
  },
  {
    name: 'container-of-the-lease',
    rule: 'only the end of the very container that the lease names proves its holder dead',
    protects: 'S5',
    edits: [
      {
        file: 'core/death.ts',
        from: 'return pod?.container.ended?.includes(record.containerId) === true;',
        to: 'return (pod?.container.ended?.length ?? 0) > 0;',
      },
    ],
    focus: ['container killed', 'node without power'],
  },
  {
    name: 'own-container',
    rule: 'a holder names its container once the status certainly shows this one and not the one before',
    protects: 'S5',
    edits: [
      { file: 'core/death.ts', from: 'const statusLagMs = 5000;', to: 'const statusLagMs = 0;' },
      {
        file: 'core/death.ts',
        from: 'return startedAsWe(view, own.container, self.bornAt) ? own.container.id : undefined;',
        to: 'return own.container.id;',
      },
    ],
    focus: ['container killed', 'node without power'],
  },
  {
    name: 'degrade-recorded',
    rule: 'a primary acknowledges alone only after the record says so',
    protects: 'S13',
    edits: [
      {
        file: 'core/sync.ts',
        from: "const mostAvailable = last.w === 0 && record.syncMode !== 'off';",
        to: "const mostAvailable = (last.w === 0 || me.senders.length === 0) && record.syncMode !== 'off';",
      },
    ],
    focus: [...cuts, ...deaths],
  },
  {
    name: 'degraded-is-not-off',
    rule: 'degraded is not mode off: only its primary may lead by itself',
    protects: 'S13',
    edits: [
      {
        file: 'core/sync.ts',
        from: "if (record.syncMode === 'off') return [];",
        to: "if (record.syncMode === 'off' || record.entries.at(-1)?.w === 0) return [];",
      },
    ],
    focus: ['mode edited', ...cuts, ...deaths],
  },
  {
    name: 'absent-is-not-free',
    rule: 'a Lease that is away is not a free one',
    protects: 'S5, S6, K5',
    edits: [
      {
        file: 'core/follower.ts',
        from: "return { free: false, reason: isExpired(lease, view) ? 'lease-absent' : 'waits-for-expiry' };",
        to: "return isExpired(lease, view) ? { free: true, reason: 'lease-free' } : { free: false, reason: 'waits-for-expiry' };",
      },
    ],
    focus: ['lease deleted', 'every node without power', 'pod frozen'],
  },
  {
    name: 'promises-in-off',
    rule: 'in mode off a primary goes on without the API server only while everybody promises',
    protects: 'S20, S1',
    edits: [
      {
        file: 'core/failsafe.ts',
        from: "if (record.syncMode === 'off' || record.entries.length === 0) return least([held.own, ...held.others.map(endOf)]);",
        to: "if (record.syncMode === 'off' || record.entries.length === 0) return held.own;",
      },
    ],
    focus: ['cut from everything', 'cut from the API server', 'cut from one member'],
    modes: ['off'],
  },
  {
    name: 'promises',
    rule: 'a primary goes on without the API server only while W candidates promise',
    protects: 'S20',
    edits: [
      {
        file: 'core/failsafe.ts',
        from: 'return ends.length === 0 ? undefined : Math.min(held.own, Math.max(...ends));',
        to: 'return ends.length < 0 ? undefined : held.own;',
      },
    ],
    focus: ['cut from everything'],
  },
  {
    name: 'promise-kept',
    rule: 'a member that has promised gives no vote',
    protects: 'S20',
    edits: [
      {
        file: 'core/grant.ts',
        from: 'if (bound !== undefined)\n    return refusal(`promised',
        to: 'if (bound !== undefined && ask.term < 0)\n    return refusal(`promised',
      },
      {
        file: 'core/failsafe.ts',
        from: 'if (promised === undefined || promised.holder === view.self.identity) return false;',
        to: 'if (promised !== undefined) return false;\n  if (promised === undefined) return false;',
      },
    ],
    focus: ['cut from the API server', 'cut from one member', 'cut from the members'],
  },
  {
    name: 'other-holder',
    rule: 'a primary that sees another holder kills its server',
    protects: 'S9, I1',
    edits: [
      {
        file: 'core/decide.ts',
        from: 'if (view.lease.known && record?.holder !== view.self.identity) {',
        to: 'if (view.lease.known && view.now < 0) {',
      },
      {
        file: 'core/decide.ts',
        from: "if (view.permit !== undefined || !view.self.guarded) return only('permit-lost', { instance: fence });",
        to: '',
      },
      { file: 'loop/permit.ts', from: 'if (memory.permit !== permit) return;', to: 'if (ports.clock.now() > 0) return;' },
    ],
    row: 'F21',
    focus: ['pod frozen', 'cut from the API server', 'agent frozen', 'PID 1 frozen'],
    modes: ['off'],
  },
  {
    name: 'pods-read-again',
    rule: 'the pods are listed again before a new primary is labelled',
    protects: 'S11',
    edits: [{ file: 'loop/jobs.ts', from: "memory.stale.add('pods');\n    ctx.nudge();", to: '' }],
    focus: ['watch silent', 'server killed', 'node without power'],
  },
  {
    name: 'control',
    rule: 'a standby in a hurry looks again after 25 ms',
    protects: '–',
    edits: [{ file: 'loop/loop.ts', from: 'const hurryMs = 25;', to: 'const hurryMs = 27;' }],
    focus: [],
    control: true,
  },
];
