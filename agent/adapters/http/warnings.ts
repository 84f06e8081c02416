/**
 * The warnings of the status document. Each has a stable code, one sentence with names and numbers, and a hint. Which
 * of them make the cluster Degraded stands with each: a build or a filling disk is told, not alarmed about.
 */
import type { Failure } from '../../core/model.ts';
import { recordOf } from '../../core/lease.ts';
import { formatBytes } from '../../core/quantity.ts';
import { reasons } from '../../core/reasons.ts';
import type { Snapshot, View } from '../../core/view.ts';
import type { MemberStatus, Warning } from './document.ts';
import { primariesOf, readOnlyOf } from './members.ts';

/** A failure is shown for so long after its next try was due. */
const overtakenMs = 15_000;

export interface Finding extends Warning {
  /** Whether the cluster counts as Degraded for it. */
  degrades: boolean;
}

function finding(degrades: boolean, member: string | null, code: string, message: string, hint: string): Finding {
  return { degrades, member, code, message, hint };
}

/** Everything that is worth a warning, the cluster's first, then by member. */
export function findingsOf(snapshot: Snapshot, members: MemberStatus[], syncDegraded: boolean): Finding[] {
  const { view } = snapshot;
  return [
    ...clusterFindings(view, syncDegraded),
    ...readOnlyFindings(view),
    ...kubeFindings(view),
    ...ownFindings(view),
    ...members.flatMap((member) => memberFindings(view, member)),
  ];
}

function clusterFindings(view: View, syncDegraded: boolean): Finding[] {
  const primaries = primariesOf(view);
  const found: Finding[] = [];
  if (primaries.length === 0)
    found.push(
      finding(true, null, 'no-primary', 'no member is primary', 'The REASON column of -o wide says what each member waits for.'),
    );
  if (primaries.length > 1) {
    found.push(
      finding(
        true,
        null,
        'multiple-primaries',
        `${primaries.join(' and ')} say that they are primary`,
        'Only the holder of the lease takes writes; the others are killed within the fence. If it lasts, look at their logs.',
      ),
    );
  }
  if (syncDegraded) {
    found.push(
      finding(
        true,
        null,
        'sync-degraded',
        'commits do not wait for any standby',
        'Bring a standby back; until then only the present primary may lead without an operator.',
      ),
    );
  }
  if (isPaused(view))
    found.push(
      finding(
        false,
        null,
        'paused',
        `the cluster is paused${untilText(view)}: nothing fails over`,
        'Run `agent resume` when the work is done.',
      ),
    );
  if (view.config.failover === 'manual' && !view.paused) {
    found.push(
      finding(false, null, 'failover-manual', 'no standby takes over by itself', 'Set `failover: auto` in the configuration.'),
    );
  }
  const garbage = recordOf(view.lease)?.garbage;
  if (garbage !== undefined) {
    found.push(
      finding(
        true,
        null,
        'lease-garbage',
        `the lease og-${view.self.cluster}-leader cannot be understood: ${garbage}`,
        'Somebody else wrote to it. Mend or delete the annotation it names; nobody promotes until then.',
      ),
    );
  }
  return found;
}

/** A hand-over stops writes for a moment and says so itself; what a human set is his affair, and is told all the same. */
function readOnlyFindings(view: View): Finding[] {
  const { on, owner } = readOnlyOf(view);
  if (on !== true || owner === 'switchover') return [];
  const room = 'Grow the volume or delete data; it takes writes again by itself.';
  if (owner === 'agent')
    return [finding(true, null, 'read-only', 'the primary takes no writes: a volume of it is too full', room)];
  const hint = 'Whoever set default_transaction_read_only takes it back; an agent never takes it back.';
  return [finding(false, null, 'read-only', 'the primary takes no writes: somebody set it read-only', hint)];
}

/** The cluster is, not only the member that answers. */
export function isPaused(view: View): boolean {
  return view.paused && (view.hand.cluster || !view.hand.member);
}

function untilText(view: View): string {
  return view.hand.until === undefined ? '' : ` until ${view.hand.until}`;
}

function kubeFindings(view: View): Finding[] {
  const hint = 'Look at the API server, the service account and the network policy.';
  if (view.failsafe !== undefined) {
    const { promisers } = view.failsafe;
    const by = promisers.length === 0 ? 'because nobody else may lead' : `by the promises of ${promisers.join(' and ')}`;
    return [finding(true, view.self.name, 'failsafe', `the lease cannot be renewed; it goes on ${by}`, hint)];
  }
  if (!view.lease.known)
    return [
      finding(
        true,
        view.self.name,
        'lease-unknown',
        `the lease could not be read: ${view.lease.fault.detail}`,
        view.lease.fault.hint ?? hint,
      ),
    ];
  if (!view.pods.known)
    return [
      finding(
        true,
        view.self.name,
        'pods-unknown',
        `the pods could not be listed: ${view.pods.fault.detail}`,
        view.pods.fault.hint ?? hint,
      ),
    ];
  return [];
}

/** What is tried again long ago no more has been overtaken by events; a rejected edit stands until it is mended. */
function isLive(failure: Failure, now: number): boolean {
  return failure.what === 'config' || now < failure.retryAt + overtakenMs;
}

function failureFinding(me: string, { what, fault, count }: Failure): Finding {
  if (what === 'config') {
    return finding(
      false,
      me,
      'config-rejected',
      `the last edit of the configuration was rejected: ${fault.detail}`,
      'The last good one is in force. `agent config show` lists what is wrong.',
    );
  }
  const times = count === 1 ? 'once' : `${count} times`;
  return finding(
    false,
    me,
    `failed-${what}`,
    `${what} failed ${times}: ${fault.detail}`,
    fault.hint ?? 'It is tried again by itself.',
  );
}

/** What only the own agent knows: failures that it tries again, and data that it leaves alone. */
function ownFindings(view: View): Finding[] {
  const me = view.self.name;
  const found = Object.values(view.failures)
    .filter((failure) => isLive(failure, view.now))
    .map((failure) => failureFinding(me, failure));
  if (view.instance.is === 'unusable') found.push(finding(true, me, 'data-unusable', view.instance.detail, view.instance.hint));
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  const own = 'data' in view.instance ? view.instance.data?.systemId : undefined;
  if (systemId !== undefined && own !== undefined && own !== systemId) {
    found.push(
      finding(
        true,
        me,
        'foreign-data',
        `its data has system id ${own}, the cluster's is ${systemId}`,
        'The volume belongs to another cluster. Attach the right one; nothing is deleted.',
      ),
    );
  }
  return found;
}

function memberFindings(view: View, member: MemberStatus): Finding[] {
  const { name } = member;
  const found: Finding[] = [];
  const add = (...rest: [boolean, string, string, string]) => found.push(finding(rest[0], name, rest[1], rest[2], rest[3]));
  if (member.build !== null) {
    const ratio = member.build.ratio === null ? '' : ` at ${Math.floor(member.build.ratio * 100)}%`;
    add(
      false,
      'building',
      `${member.build.mode} build${ratio} since ${member.build.startedAt}`,
      'It counts as no standby until it is done.',
    );
  } else if (member.role === 'Unknown' && member.agentVersion === null) {
    add(true, 'member-unreachable', `${member.reason}`, 'Look at the pod, its agent and the network policy for the peer port.');
  } else if (member.role === 'Unknown') {
    add(
      true,
      'server-down',
      `its server is not up: ${reasonText(member.reason)}`,
      member.reason === 'fenced by hand'
        ? `Run \`agent unfence ${name}\` when it may come back.`
        : 'The log of its agent says what it is doing about it.',
    );
  }
  if (member.paused === true && !isPaused(view))
    add(false, 'member-paused', 'it is paused by hand', `Run \`agent resume ${name}\` when the work is done.`);
  if (member.state === 'Need repair')
    add(
      true,
      'need-repair',
      `it needs repair: ${member.detail ?? 'no detail'}`,
      'It is rebuilt by itself when its data does not continue the primary.',
    );
  if (member.lagBytes !== null && BigInt(member.lagBytes) > view.config.readLagLimit) {
    add(
      false,
      'lag',
      `it is ${formatBytes(member.lagBytes)} behind; the limit for reads is ${formatBytes(view.config.readLagLimit)}`,
      'Look at its disk and at the network.',
    );
  }
  for (const volume of member.volumes) {
    if (volume.stalled)
      add(
        true,
        'disk-stalled',
        `volume ${volume.mount} does not answer`,
        'Look at the storage behind it; the figures shown are old.',
      );
    if (volume.fault !== null) add(true, `disk-${volume.fault}`, `volume ${volume.mount} ${faultText[volume.fault]}`, faultHint);
    const used = volume.usedRatio * 100;
    const limits = { ...view.config.disk, ...view.config.disk.mounts[volume.mount] };
    const text = `volume ${volume.mount} is ${Math.round(used)}% full, ${formatBytes(volume.availableBytes)} free`;
    if (used >= limits.warnPercent)
      add(
        used >= limits.readOnlyPercent,
        used >= limits.readOnlyPercent ? 'disk-full' : 'disk-filling',
        text,
        'Grow the volume or delete data.',
      );
  }
  return found;
}

const faultText: Record<string, string> = {
  absent: 'was there and is not any more',
  replaced: 'is not the one that was there when the agent started',
  'read-only': 'was remounted read-only',
  failed: 'gives errors',
};
const faultHint =
  'Look at the node and at the storage behind the volume; this member does not become primary until it is mended.';

function reasonText(reason: string | null): string {
  return reason !== null && Object.hasOwn(reasons, reason)
    ? reasons[reason as keyof typeof reasons]
    : (reason ?? 'for an unknown reason');
}
