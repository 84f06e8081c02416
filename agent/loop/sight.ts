/**
 * What this member knows of the lease, and since when it has seen it. Reading and watching feed one sight: a version's
 * first sight is never moved, an older version never replaces a newer one, and only a GET confirms (S5, K26).
 */
import { isReleasedBy } from '../core/failsafe.ts';
import { expiresAt, holds, isExpired, seen } from '../core/lease.ts';
import type { LeaseRecord, Mono, SeenLease } from '../core/model.ts';
import { isValid } from '../core/permit.ts';
import { known, unknown } from '../core/result.ts';
import type { View } from '../core/view.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';

/** A standby reads it at least this often; the watch makes it fresh in between. */
const leaseAgeMs = 10_000;
/** While the watch owes a renewal it is read at most this often, */
const leaseOwedMs = 1000;
/** and this often around the moment at which the next one is expected: who sees it late waits longer for its end. */
const leaseCloseMs = 250;
/** After so long without a reading that succeeds it counts as unknown. */
const graceMs = 60_000;

/**
 * The lease: the holder knows it from its own renewals, the others from the watch, confirmed by a GET at least every
 * 10 s and always at the expiry (the GET must be *sent* after it, S5). A renewal that is late is asked for: where the watch
 * is silent, an expiry is counted from a first sight that is hardly later than the renewal.
 */
export async function refreshLease(ctx: Context, view: View, deadlineMs: number): Promise<void> {
  const { memory, ports } = ctx;
  const now = view.now;
  const lease = memory.lease;
  if (lease.known && !memory.stale.has('lease')) {
    if (holds(view)) return;
    const end = expiresAt(lease.value, memory.config.lease.durationSeconds);
    const due = now >= end && !isExpired(lease.value, view);
    if (!due && now < nextLeaseRead(ctx, view)) return;
  }
  const sentAt = ports.clock.now();
  memory.leaseReadAt = sentAt;
  memory.stale.delete('lease');
  const result = await ports.kube.readLease(deadlineMs);
  if (result.ok) {
    adoptLease(ctx, result.value, sentAt);
    return;
  }
  memory.stale.add('lease');
  // What was seen stays seen: an expiry is never concluded from it, as that needs a confirmation.
  // A holder that nobody can have followed knows what stands in it, for as long as it knows that.
  const held = memory.held !== undefined && isValid(memory.permit, now);
  if (!held && (!lease.known || now - lease.at > graceMs)) memory.lease = unknown(result.fault);
}

/**
 * When it is read again, whatever the watch delivers meanwhile. What a reading found was written after the reading before: the
 * next renewal comes a period after that at the earliest, and is looked for closely until a period after the sight.
 */
export function nextLeaseRead(ctx: Context, view: View): Mono {
  const { memory } = ctx;
  if (!memory.lease.known) return memory.leaseReadAt + leaseOwedMs;
  if (!isRenewalOwed(ctx, view)) return memory.leaseReadAt + leaseAgeMs;
  const renewMs = memory.config.lease.renewSeconds * 1000;
  const isClose = view.now < memory.lease.value.firstSeenAt + renewMs + leaseOwedMs;
  const step = isClose ? leaseCloseMs : leaseOwedMs;
  return Math.max(memory.leaseReadAt + step, memory.leaseAbsentAt + renewMs);
}

/** The watch has not delivered the holder's last renewal: a reading had to find it, or none has come when it should have. */
export function isRenewalOwed(ctx: Context, view: View): boolean {
  const { memory } = ctx;
  if (!memory.lease.known || memory.lease.value.record === undefined || holds(view)) return false;
  return memory.foundByReading || view.now - memory.lease.value.firstSeenAt > memory.config.lease.renewSeconds * 1250;
}

/**
 * Takes a newer reading of the lease; an older version than the one known is a lagging cache and is ignored (K26). A
 * reading confirms a version, what a watch delivers (`sentAt` undefined) does not: it may have been on its way for long.
 */
export function adoptLease(ctx: Context, found: LeaseRecord | undefined, sentAt: Mono | undefined): void {
  const { memory, ports } = ctx;
  const before = memory.sighting;
  // A Lease that was deleted is made again with a later version: until a reading shows it, what is older is from before the end.
  const last = before?.record ?? (sentAt === undefined ? memory.lastRecord : undefined);
  const isPast = last !== undefined && found !== undefined && isOlder(found, last);
  const hasGoneBack = isPast && sentAt !== undefined && before !== undefined && sentAt > before.firstSeenAt;
  if (isPast && !hasGoneBack) return;
  const record = hasGoneBack ? fromBackup(found, last) : sameAs(before?.record, found);
  const now = ports.clock.now();
  if (record?.resourceVersion !== before?.record?.resourceVersion) noteVersion(memory, before, sentAt, now);
  memory.sighting = seen(before, record, sentAt, now);
  memory.lease = known(memory.sighting, now);
  // For good: the next version of the record will not show the release any more.
  if (memory.promised !== undefined && isReleasedBy(memory.promised, record)) memory.promised = undefined;
  if (record === undefined) return;
  memory.lastRecord = record;
  if (record.holder !== ctx.self.identity) memory.held = undefined;
  else if (record.garbage === undefined) memory.held = record;
  // A write over a version that is not the last any more cannot happen any more.
  memory.unanswered = memory.unanswered.filter((draft) => draft.over === record.resourceVersion);
}

function noteVersion(memory: Memory, before: SeenLease | undefined, sentAt: Mono | undefined, now: Mono): void {
  memory.foundByReading = sentAt !== undefined;
  memory.leaseAbsentAt = sentAt === undefined ? now : Math.max(before?.firstSeenAt ?? now, before?.confirmedAt ?? now);
}

/**
 * A reading shows the last version that was written before it was sent (Kubernetes API concepts, "resourceVersion unset"). One that is
 * older than what was seen before shows a store that has gone back: nobody builds upon what stood there, but for the holder, who
 * writes again what it knows.
 */
function fromBackup(found: LeaseRecord, last: LeaseRecord): LeaseRecord {
  const versions = `from ${last.resourceVersion} to ${found.resourceVersion}`;
  return { ...found, garbage: `its version has gone back ${versions}: the API server was restored from a backup` };
}

/** What was found out about a version stays found out. */
function sameAs(before: LeaseRecord | undefined, found: LeaseRecord | undefined): LeaseRecord | undefined {
  return before !== undefined && before.resourceVersion === found?.resourceVersion ? before : found;
}

function isOlder(a: LeaseRecord, b: LeaseRecord): boolean {
  const digits = /^[0-9]{1,20}$/;
  if (!digits.test(a.resourceVersion) || !digits.test(b.resourceVersion)) return a.term < b.term;
  return BigInt(a.resourceVersion) < BigInt(b.resourceVersion);
}
