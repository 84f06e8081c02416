/** Promises while the API server is away, routing, and the control that has to survive. */
import { cuts, type Mutation } from './mutation.ts';

export const outageMutations: Mutation[] = [
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
    name: 'cut-off',
    rule: 'a primary that nobody acknowledges any more hands over to whoever says by the API server that it can lead',
    protects: 'L1',
    edits: [
      {
        file: 'core/cutoff.ts',
        from: 'if (view.now - acknowledgedAt < stalledMs) return undefined;',
        to: 'if (acknowledgedAt !== undefined) return undefined;',
      },
    ],
    row: 'F24',
    focus: cuts,
    modes: ['quorum', 'strict'],
  },
  {
    name: 'cut-off-kills-first',
    rule: 'a primary that is cut off kills its server before it leaves the lease to anybody',
    protects: 'S3, S1',
    edits: [
      {
        file: 'core/cutoff.ts',
        from: "return renewing(view, 'cut-off', { instance: { do: 'fence' }, note });",
        to: "return { ...renewing(view, 'cut-off', { note }), lease: { do: 'release', heir } };",
      },
      { file: 'core/decide.ts', from: 'return reapFirst(view, policy(view));', to: 'return policy(view);' },
    ],
    row: 'F24',
    focus: cuts,
    modes: ['quorum', 'strict'],
  },
  {
    name: 'heir-with-standbys',
    rule: 'a primary that is cut off leaves the lease only to whoever would have enough standbys beside it',
    protects: 'L3, L4',
    edits: [
      {
        file: 'core/cutoff.ts',
        from: 'return beside > 0 && beside >= acksFor(rest, view.config.sync.acks);',
        to: 'return beside >= 0 || rest < 0;',
      },
    ],
    row: 'F24',
    focus: cuts,
    modes: ['quorum', 'strict'],
  },
  {
    name: 'forgotten-taint',
    rule: 'a machine whose kubelet is well is not taken for off, whatever taint was left on it',
    protects: 'S5, S20',
    edits: [
      {
        file: 'core/outofservice.ts',
        from: 'return reading.sight.outOfService && !reading.sight.ready;',
        to: 'return reading.sight.outOfService;',
      },
    ],
    row: 'F17',
    focus: ['node declared off', 'node declared off', 'switchover asked for', 'cut from everything'],
  },
  {
    name: 'pods-read-again',
    rule: 'the pods are listed again before a new primary is labelled',
    protects: 'S11',
    edits: [{ file: 'loop/jobs.ts', from: "memory.stale.add('pods');\n    ctx.nudge();", to: '' }],
    row: 'F39',
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
