/**
 * The gauges, filled from a snapshot when somebody scrapes. What is not known has no sample: a 0 would be a lie that
 * an alert believes.
 */
import type { Gauge } from 'prom-client';
import { judge, limitsOf } from '../../core/disk.ts';
import { freshPeer } from '../../core/election.ts';
import { recordOf } from '../../core/lease.ts';
import { dbStates, type Mono, roles } from '../../core/model.ts';
import { isValid } from '../../core/permit.ts';
import type { Snapshot, View } from '../../core/view.ts';
import type { ClusterStatus } from './document.ts';
import type { Instruments } from './instruments.ts';
import { primariesOf } from './members.ts';
import { statusDocument } from './status.ts';

type Plain = Gauge<never>;

function put(gauge: Plain, value: number | bigint | boolean | null | undefined): void {
  // Removing takes the sample away; reset() would leave a 0.
  if (value === null || value === undefined) gauge.remove();
  else gauge.set(Number(value));
}

/** Takes the samples of everything that no cycle has told yet. */
export function clearGauges(into: Instruments): void {
  for (const gauge of plainGauges(into)) gauge.remove();
}

function plainGauges(into: Instruments): Plain[] {
  return [
    into.hasLease,
    into.term,
    into.leaseRemainingSeconds,
    into.buildProgress,
    into.replayLag,
    into.syncDegraded,
    into.multiplePrimaries,
    into.paused,
    into.backupLastSuccess,
    into.backupSize,
    into.archiveOldestPending,
  ];
}

/** Fills all gauges from the last cycle, as of now. */
export function fillGauges(into: Instruments, snapshot: Snapshot, now: Mono): void {
  const { view } = snapshot;
  const status = statusDocument(snapshot, now);
  put(into.hasLease, recordOf(view.lease)?.holder === view.self.identity && isValid(view.permit, now));
  put(into.term, status.term);
  put(into.leaseRemainingSeconds, status.lease.remainingSeconds);
  into.decision.reset();
  into.decision.set({ reason: snapshot.decision.reason }, 1);
  put(into.buildProgress, view.job?.progress?.ratio);
  put(into.syncDegraded, status.sync.degraded);
  put(into.multiplePrimaries, primariesOf(view).length > 1);
  put(into.paused, status.paused);
  fillOwn(into, status, view);
  fillWal(into, view);
  fillCluster(into, status);
  fillVolumes(into, view);
}

function fillOwn(into: Instruments, status: ClusterStatus, view: View): void {
  const own = status.members.find((member) => member.name === view.self.name);
  for (const role of roles) into.role.set({ role }, own?.role === role ? 1 : 0);
  for (const state of dbStates) into.state.set({ state }, own?.state === state ? 1 : 0);
  into.readOnly.reset();
  if (view.instance.is === 'primary')
    into.readOnly.set({ owner: status.readOnly.owner ?? 'nobody' }, view.instance.readOnly ? 1 : 0);
}

function fillWal(into: Instruments, view: View): void {
  const { instance } = view;
  into.walPosition.reset();
  into.replicationLag.reset();
  const position = (kind: string, lsn: bigint | undefined) => {
    if (lsn !== undefined) into.walPosition.set({ kind }, Number(lsn));
  };
  const standby = instance.is === 'standby' ? instance : undefined;
  position('received', standby?.received);
  position('replayed', standby?.replayed);
  const both = standby?.received !== undefined && standby.replayed !== undefined;
  put(into.replayLag, both ? Math.max(0, Number((standby.received ?? 0n) - (standby.replayed ?? 0n))) : undefined);
  if (instance.is !== 'primary') return;
  position('written', instance.written);
  for (const sender of instance.senders) {
    // A standby that nobody waits for shows no position before it was once behind; then its own word is all there is.
    const flushed = sender.flushed ?? freshPeer(view, sender.name)?.received;
    if (flushed === undefined || instance.written === undefined) continue;
    into.replicationLag.set({ standby: sender.name }, Math.max(0, Number(instance.written - flushed)));
  }
}

function fillCluster(into: Instruments, status: ClusterStatus): void {
  into.syncStandbys.reset();
  if (status.sync.expected !== null) into.syncStandbys.set({ kind: 'expected' }, status.sync.expected.length);
  if (status.sync.observed !== null) into.syncStandbys.set({ kind: 'observed' }, status.sync.observed.length);
  into.members.reset();
  for (const member of status.members) into.members.inc({ state: member.state });
}

const volumeStates = ['fine', 'warn', 'read-only', 'critical', 'unknown', 'failed'] as const;

function fillVolumes(into: Instruments, view: View): void {
  const gauges = [
    into.volumeCapacity,
    into.volumeAvailable,
    into.volumeUsed,
    into.volumeInodes,
    into.volumeStalled,
    into.volumeState,
  ];
  for (const gauge of gauges) gauge.reset();
  for (const volume of view.volumes) {
    const { mount } = volume;
    into.volumeCapacity.set({ mount }, volume.capacityBytes);
    into.volumeAvailable.set({ mount }, volume.availableBytes);
    into.volumeUsed.set({ mount }, volume.usedRatio);
    into.volumeStalled.set({ mount }, volume.stalled === true ? 1 : 0);
    const level = volume.fault === undefined ? judge(volume, limitsOf(view.config.disk, mount), 0).level : 'failed';
    for (const state of volumeStates) into.volumeState.set({ mount, state }, state === level ? 1 : 0);
    if (volume.inodesFree !== undefined) into.volumeInodes.set({ mount }, volume.inodesFree);
  }
}
