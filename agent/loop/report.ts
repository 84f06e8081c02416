/**
 * Both ends of a report through the API server (core/cutoff.ts): a standby that has lost a primary which goes on renewing
 * writes it on its own pod, every few seconds and only for as long; the primary notes when it first saw each text, and
 * since when nothing of its own has been acknowledged.
 */
import { renderReport, reportKey, stalledAt } from '../core/cutoff.ts';
import { flushedBy } from '../core/flushed.ts';
import { recordOf } from '../core/lease.ts';
import { exactPod } from '../core/pods.ts';
import type { Mono } from '../core/model.ts';
import { reportLook, reportOf } from '../core/report.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';

/** Written again at most this often. */
const repeatMs = 4000;

/** What stands on the pods; an unchanged text keeps the moment at which it was first seen. */
export function noteReports({ memory, ports }: Context): void {
  if (!memory.pods.known) return;
  const isTold = memory.pods.value.some(({ annotations }) => annotations[reportKey] !== undefined);
  if (!isTold && Object.keys(memory.reports).length === 0) return;
  const now = ports.clock.now();
  const entries = memory.pods.value.flatMap(({ name, uid, annotations }) => {
    const text = annotations[reportKey];
    if (text === undefined) return [];
    const before = memory.reports[name];
    return [[name, before?.uid === uid && before.text === text ? before : { uid, text, at: now }] as const];
  });
  memory.reports = Object.fromEntries(entries);
}

/** Follows what W standbys have of the WAL; a primary that has just begun to lead has waited for nobody yet. */
export function noteAcknowledged(memory: Memory, view: View): void {
  const { instance, now } = view;
  const last = recordOf(view.lease)?.entries.at(-1);
  if (instance.is !== 'primary' || instance.written === undefined || memory.promotion === undefined || last === undefined) {
    memory.acknowledged = undefined;
    return;
  }
  const mark = memory.acknowledged;
  if (
    mark !== undefined &&
    flushedBy({ peers: view.peers, promotion: memory.promotion }, instance, last.names, mark.lsn) < last.w
  )
    return;
  memory.acknowledged = { lsn: instance.written, at: now };
}

/** When the next cycle may have something to report, or to conclude from a report. */
export function nextReportLook(view: View): Mono | undefined {
  return view.instance.is === 'primary' ? stalledAt(view) : reportLook(view);
}

/** Writes the own report, writes it again while it lasts, and takes it away. */
export async function report(ctx: Context, view: View): Promise<void> {
  const { memory, ports, self } = ctx;
  const own = exactPod(view, self);
  if (own === undefined || view.now - memory.reportedAt < repeatMs) return;
  const due = reportOf(view);
  if (due === undefined && own.annotations[reportKey] === undefined) return;
  memory.reportedAt = view.now;
  const text = due === undefined ? null : renderReport(due, ports.clock.wall());
  const deadlineMs = memory.config.lease.requestTimeoutSeconds * 1000;
  const patched = await ports.kube.patchPod({ name: own.name, uid: own.uid }, { annotations: { [reportKey]: text } }, deadlineMs);
  if (!patched.ok) ctx.log.debug('report not written', { fault: patched.fault });
  else if (due !== undefined) ctx.log.info('reported that this member could lead', { term: due.term, beside: due.with });
}
