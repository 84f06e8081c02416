/**
 * A primary that is cut off from its standbys and not from the API server keeps its lease and acknowledges nothing (F24).
 * The standby that would take over says so where the primary can still read it, on its own pod, and the primary hands over:
 * it is killed first, and its lease released in a later cycle that shows it gone. Here is what such a report means to the
 * primary. It is only a hint about who could go on: the heir needs votes, freeze and compare like any other.
 */
import { renewing } from './decision.ts';
import { recordOf } from './lease.ts';
import { formatLsn, type Lsn, parseLsn } from './lsn.ts';
import type { LeaseRecord, MemberName, Mono, PodSight, PrimaryInstance, Term } from './model.ts';
import { comparePositions } from './position.ts';
import { acksFor, isVoteSet, others } from './sync.ts';
import type { Decision, View } from './view.ts';

/** The annotation, on the standby's own pod. */
export const reportKey = 'opengauss.agent/could-lead';
/** Commits may wait for so long before a way out is looked for. */
const stalledMs = 5000;
/** A report is written again every few seconds; one that has not been seen to change for so long tells nothing. */
const reportFreshMs = 10_000;
const reportLimit = 1024;

/** "If the lease were free I would take it, with these": for one term of the lease. */
export interface Report {
  term: Term;
  with: MemberName[];
  wal: { term: Term; lsn: Lsn };
}

/** As the annotation holds it; `at` makes each one another text. */
export function renderReport(report: Report, at: string): string {
  const { term, wal } = report;
  return JSON.stringify({ term, with: report.with, wal: { term: wal.term, lsn: formatLsn(wal.lsn) }, at });
}

/** Undefined: not one. */
export function parseReport(text: string): Report | undefined {
  if (text.length > reportLimit) return undefined;
  try {
    const { term, with: names, wal } = JSON.parse(text);
    const lsn = parseLsn(String(wal?.lsn));
    if (!Number.isSafeInteger(term) || !Number.isSafeInteger(wal?.term) || lsn === undefined || !Array.isArray(names))
      return undefined;
    return { term, with: names.map(String), wal: { term: wal.term, lsn } };
  } catch {
    return undefined;
  }
}

/** Whether a member that leads with these beside it would be a primary whose commits are acknowledged. */
export function couldAcknowledge(view: View, beside: number): boolean {
  const rest = view.pods.known ? view.pods.value.length - 1 : Number.POSITIVE_INFINITY;
  return beside > 0 && beside >= acksFor(rest, view.config.sync.acks);
}

/** The member that says, through the API server, that it could lead now, the furthest first; undefined: nobody does. */
export function reportedHeir(view: View): MemberName | undefined {
  const record = recordOf(view.lease);
  if (record === undefined || !view.pods.known) return undefined;
  const able = view.pods.value.flatMap((pod) => {
    const report = reportOf(view, record, pod);
    return report === undefined ? [] : [{ name: pod.name, ...report.wal }];
  });
  return able.sort((a, b) => comparePositions(a, b) || (a.name < b.name ? -1 : 1))[0]?.name;
}

function reportOf(view: View, record: LeaseRecord, pod: PodSight): Report | undefined {
  const sight = view.reports?.[pod.name];
  if (sight === undefined || sight.uid !== pod.uid || view.now - sight.at > reportFreshMs) return undefined;
  if (pod.terminating || !others(view).includes(pod.name)) return undefined;
  const report = parseReport(sight.text);
  if (report === undefined || report.term !== record.term) return undefined;
  // Of whom nobody can be asked nothing but the name is known: it counts as a standby, never as the primary of an entry.
  const votes = [pod.name, ...report.with].map((name) => ({ name, dataId: undefined }));
  return isVoteSet(record, votes) && couldAcknowledge(view, report.with.length) ? report : undefined;
}

/** When commits of this primary will have waited for long enough, if somebody reports. */
export function stalledAt(view: View): Mono | undefined {
  const since = view.acknowledged?.at;
  return since === undefined || reportedHeir(view) === undefined ? undefined : since + stalledMs;
}

/** The end of a primary that nobody acknowledges any more, where others can go on without it. */
export function cutOff(view: View, me: PrimaryInstance): Decision | undefined {
  const last = recordOf(view.lease)?.entries.at(-1);
  const acknowledgedAt = view.acknowledged?.at;
  if (last === undefined || last.w === 0 || me.mostAvailableSync || acknowledgedAt === undefined) return undefined;
  if (view.now - acknowledgedAt < stalledMs) return undefined;
  const heir = reportedHeir(view);
  if (heir === undefined) return undefined;
  const seconds = Math.round((view.now - acknowledgedAt) / 1000);
  const note = `nothing was acknowledged for ${seconds} s, and ${heir} says by the API server that it can lead`;
  return renewing(view, 'cut-off', { instance: { do: 'fence' }, note });
}
