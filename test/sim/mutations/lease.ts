/** The lease, the permit and the fence: who may act, and until when. */
import { deaths, type Mutation } from './mutation.ts';

export const leaseMutations: Mutation[] = [
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
      { file: 'loop/permit.ts', from: 'if (replaced.aborted) return;', to: 'if (ports.clock.now() > 0) return;' },
    ],
    row: 'F21',
    focus: ['pod frozen', 'cut from the API server', 'agent frozen', 'PID 1 frozen'],
    modes: ['off'],
  },
];
