/** The synchronous set: whose acknowledgements count. */
import { cuts, deaths, type Mutation } from './mutation.ts';

export const setMutations: Mutation[] = [
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
        from: 'return entries.filter((entry) => !meets(entry, votes));',
        to: 'return entries.some((entry) => meets(entry, votes)) ? [] : entries;',
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
        from: "return record.syncMode === 'off' ? [] : unmetOf(record.entries, voters);",
        to: "return record.syncMode === 'off' || record.entries.at(-1)?.w === 0 ? [] : unmetOf(record.entries, voters);",
      },
    ],
    focus: ['mode edited', ...cuts, ...deaths],
  },
];
