/**
 * The dynamic configuration as the rest of the agent sees it: whole, validated, with every default filled in.
 * The parser and the cross-checks are in settings/; this file holds the shape and the defaults (contract 4).
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
  disk: { warnPercent: number; readOnlyPercent: number; resumePercent: number };
  localRole: 'primary' | 'standby';
  remotePeers: string[];
  parameters: Record<string, string>;
  logs: { retentionDays: number; maxBytes: bigint };
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
  disk: { warnPercent: 85, readOnlyPercent: 95, resumePercent: 90 },
  localRole: 'primary',
  remotePeers: [],
  parameters: {},
  logs: { retentionDays: 7, maxBytes: 1n << 30n },
};
