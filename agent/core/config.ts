/**
 * The dynamic configuration as the rest of the agent sees it: whole, validated, with every default filled in.
 * The parser and the cross-checks are in settings/; this file holds the shape and the defaults.
 */
import type { SyncMode } from './model.ts';

export interface DynamicConfig {
  lease: {
    durationSeconds: number;
    renewSeconds: number;
    fenceSeconds: number;
    stopSeconds: number;
    requestTimeoutSeconds: number;
  };
  hangSeconds: number;
  failover: 'auto' | 'manual';
  paused: boolean;
  sync: {
    mode: SyncMode;
    /** Undefined: ⌈standbys/2⌉. */
    acks: number | undefined;
    dropAfterSeconds: number;
    degradeAfterSeconds: number;
  };
  maximumLagOnFailover: bigint;
  primaryStartTimeoutSeconds: number;
  readLagLimit: bigint;
  disk: DiskLimits & {
    /** By mount (`data`, `log`, …): what differs there. */
    mounts: Record<string, Partial<DiskLimits>>;
  };
  localRole: 'primary' | 'standby';
  remotePeers: string[];
  parameters: Record<string, string>;
  backup: {
    /** Cron expression; undefined: no scheduled backups. */
    schedule: string | undefined;
    retention: { count: number; days: number };
  };
  scripts: ScheduledScript[];
  logs: { retentionDays: number; maxBytes: bigint };
  /** When `paused` ends by itself: wall-clock ISO time. */
  pausedUntil: string | undefined;
}

/** The mounts that a member may have. */
export const mountNames: readonly string[] = ['data', 'wal', 'log', 'archive', 'backup'];

export interface DiskLimits {
  warnPercent: number;
  readOnlyPercent: number;
  resumePercent: number;
  /** Read-only below this many free bytes, whatever the percentage. */
  minFreeBytes: bigint | undefined;
}

/** A script of the scripts ConfigMap, run by the sidecar. */
export interface ScheduledScript {
  /** Cron expression. */
  schedule: string;
  file: string;
  role: 'any' | 'primary' | 'standby';
  timeoutSeconds: number;
}

export const defaultConfig: DynamicConfig = {
  lease: { durationSeconds: 8, renewSeconds: 2, fenceSeconds: 6, stopSeconds: 1, requestTimeoutSeconds: 1 },
  hangSeconds: 10,
  failover: 'auto',
  paused: false,
  sync: { mode: 'quorum', acks: undefined, dropAfterSeconds: 10, degradeAfterSeconds: 60 },
  maximumLagOnFailover: 1n << 20n,
  primaryStartTimeoutSeconds: 5,
  readLagLimit: 16n << 20n,
  disk: { warnPercent: 85, readOnlyPercent: 95, resumePercent: 90, minFreeBytes: undefined, mounts: {} },
  localRole: 'primary',
  remotePeers: [],
  parameters: {},
  backup: { schedule: undefined, retention: { count: 7, days: 30 } },
  scripts: [],
  logs: { retentionDays: 7, maxBytes: 1n << 30n },
  pausedUntil: undefined,
};
