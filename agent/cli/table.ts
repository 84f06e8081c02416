/** The status table, from the document; pure text, made the same for a terminal and a pipe. */
import { isPrimary } from './members.ts';
import type { ClusterStatus, MemberStatus } from '../adapters/http/document.ts';
import { formatBytes } from '../core/quantity.ts';
import { age, columns } from './format.ts';

export interface TableOptions {
  wide: boolean;
  headers: boolean;
  /** Wall-clock milliseconds, for AGE. */
  now: number;
}

/** The whole screen; without headers only the rows of the members. */
export function statusTable(status: ClusterStatus, options: TableOptions): string {
  const rows = status.members.map((member) => row(member, options));
  if (!options.headers) return lines(columns(rows));
  const head = [
    'MEMBER',
    'ROLE',
    'STATE',
    'SYNC',
    'RECEIVED',
    'REPLAYED',
    'LAG',
    'DATA',
    'LOG',
    'AGE',
    ...(options.wide ? wideHead : []),
  ];
  const parts = [summary(status), '', ...columns([head, ...rows])];
  if (options.wide) parts.push(...volumes(status));
  if (status.warnings.length > 0) parts.push('', 'WARNINGS', ...warnings(status, options.wide));
  return lines(parts);
}

const wideHead = ['ADDRESS', 'NODE', 'TERM', 'READABLE', 'ELIGIBLE', 'AGENT', 'REASON'];

function lines(parts: string[]): string {
  return parts.map((part) => `${part}\n`).join('');
}

function summary(status: ClusterStatus): string {
  const { members } = status;
  const primaries = members.filter(isPrimary).length;
  const sync = members.filter((member) => member.sync === 'sync').length;
  const counts = `${members.length} ${members.length === 1 ? 'member' : 'members'}, ${primaries} primary, ${sync} sync`;
  return [
    `CLUSTER  ${status.cluster} (${counts})`,
    `STATE  ${status.state}`,
    `TERM  ${status.term ?? '-'}`,
    `LEASE  ${lease(status.lease)}`,
  ].join('   ');
}

function lease({ holder, durationSeconds, remainingSeconds }: ClusterStatus['lease']): string {
  if (durationSeconds === null) return 'unknown';
  if (holder === null) return 'free';
  if (remainingSeconds === null) return holder;
  if (remainingSeconds <= 0) return `${holder}, expired`;
  const renewed = Math.max(0, Math.round(durationSeconds - remainingSeconds));
  return `${holder}, renewed ${renewed}s ago, expires in ${Math.round(remainingSeconds)}s`;
}

function row(member: MemberStatus, options: TableOptions): string[] {
  const used = (mount: string) => {
    const volume = member.volumes.find((one) => one.mount === mount);
    return volume === undefined ? '-' : `${Math.round(volume.usedRatio * 100)}%`;
  };
  const cells = [
    member.name,
    member.role,
    member.state,
    member.sync ?? '-',
    member.receivedLsn ?? '-',
    member.replayedLsn ?? '-',
    member.lagBytes === null ? '-' : formatBytes(member.lagBytes),
    used('data'),
    used('log'),
    age(member.createdAt, options.now),
  ];
  const word = (flag: boolean | null) => (flag === null ? '-' : flag ? 'yes' : 'no');
  if (!options.wide) return cells;
  const wide = [
    member.address ?? '-',
    member.node ?? '-',
    String(member.term ?? '-'),
    word(member.readable),
    word(member.eligible),
    member.agentVersion ?? '-',
    member.reason ?? '-',
  ];
  return [...cells, ...wide];
}

const volumeHead = ['MEMBER', 'MOUNT', 'CLAIM', 'DEVICE', 'TYPE', 'SIZE', 'FREE', 'USED', 'STATE'];

/** Which volume is whose, and how it stands. */
function volumes(status: ClusterStatus): string[] {
  const rows = status.members.flatMap(({ name, volumes: own }) =>
    own.map((volume) => [
      name,
      volume.mount,
      volume.claim ?? '-',
      volume.device ?? '-',
      volume.fileSystem ?? '-',
      formatBytes(volume.capacityBytes),
      formatBytes(volume.availableBytes),
      `${Math.round(volume.usedRatio * 100)}%`,
      volume.stalled ? 'stalled' : (volume.fault ?? (volume.fullInSeconds === null ? '-' : `full in ${volume.fullInSeconds}s`)),
    ]),
  );
  return rows.length === 0 ? [] : ['', ...columns([volumeHead, ...rows])];
}

function warnings(status: ClusterStatus, wide: boolean): string[] {
  return status.warnings.flatMap(({ member, message, hint }) => {
    const text = `  ${member === null ? '' : `${member}: `}${message}`;
    return wide ? [text, `    hint: ${hint}`] : [text];
  });
}
