/**
 * The shape of `agent status -o json`: stable, versioned, camelCase. Fields may be added and are never
 * renamed. What is not known is null, never invented. Types only.
 */

export type ClusterState = 'Healthy' | 'Degraded' | 'NoPrimary' | 'Paused';

export interface Warning {
  /** Null: about the cluster as a whole. */
  member: string | null;
  code: string;
  message: string;
  hint: string;
}

export interface VolumeStatus {
  mount: string;
  capacityBytes: number;
  availableBytes: number;
  usedRatio: number;
  /** The last look at it, or a small write to it, has not come back; the figures are old. */
  stalled: boolean;
  inodesFree: number | null;
  /** How fast it fills; below 0: it empties. */
  fillBytesPerSecond: number | null;
  /** Until nothing is left at that rate; null while it does not fill. */
  fullInSeconds: number | null;
  /** What is wrong with the volume itself: absent, replaced, read-only, failed. */
  fault: string | null;
  /** Which volume it is. */
  device: string | null;
  fileSystem: string | null;
  /** Where it lies, and the PersistentVolumeClaim that is mounted there. */
  path: string | null;
  claim: string | null;
}

export interface BuildStatus {
  mode: 'full' | 'incremental';
  ratio: number | null;
  startedAt: string;
}

export interface MemberStatus {
  name: string;
  uid: string | null;
  address: string | null;
  role: string;
  state: string;
  detail: string | null;
  sync: 'sync' | 'potential' | 'async' | null;
  receivedLsn: string | null;
  replayedLsn: string | null;
  lagBytes: number | null;
  term: number | null;
  volumes: VolumeStatus[];
  build: BuildStatus | null;
  readable: boolean | null;
  eligible: boolean | null;
  reason: string | null;
  since: string | null;
  createdAt: string | null;
  node: string | null;
  agentVersion: string | null;
  /** By hand, alone or with the whole cluster. */
  paused: boolean | null;
}

export interface ClusterStatus {
  apiVersion: 'opengauss.agent/v1';
  kind: 'ClusterStatus';
  cluster: string;
  namespace: string;
  state: ClusterState;
  term: number | null;
  paused: boolean;
  /** When the pause ends by itself. */
  pausedUntil: string | null;
  readOnly: { on: boolean | null; owner: string | null };
  lease: { holder: string | null; renewTime: string | null; durationSeconds: number | null; remainingSeconds: number | null };
  sync: { mode: string | null; expected: string[] | null; observed: string[] | null; degraded: boolean | null };
  members: MemberStatus[];
  warnings: Warning[];
  /** Which member answered, what its agent is doing and why, as of when. */
  source: { member: string; reason: string; note: string | null; cycle: number; at: string };
}
