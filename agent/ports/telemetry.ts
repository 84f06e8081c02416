/**
 * What the agent counts and measures, by the events of its own life; gauges are not here, they are read from the
 * snapshot when somebody scrapes. Never fails, never waits. Label values are bounded words, never texts.
 */
import type { Reason } from '../core/reasons.ts';

export interface Telemetry {
  /** One request to the API server; `code` is the HTTP status, or the kind of the fault where no answer came. */
  observeKubeRequest(request: { verb: string; resource: string; code: string; seconds: number }): void;
  /** One request to a peer; `outcome` is `ok` or the kind of the fault. */
  observePeerRequest(request: { route: string; outcome: string; seconds: number }): void;
  observeCycle(cycle: { reason: Reason; seconds: number }): void;
  /** One confirmed renewal: how long it took, and how much of the permit before it was left then. */
  observeRenewal(renewal: { seconds: number; marginSeconds: number | undefined }): void;
  /** The lease was seen to change its holder. */
  countLeaseTransition(): void;
  countFence(reason: Reason): void;
  countPromotion(): void;
  /** From the first sign to the writable primary, as this member saw it. */
  observeFailover(failover: { kind: string; seconds: number }): void;
  countSwitchover(outcome: string): void;
  countBuild(build: { mode: 'full' | 'incremental'; outcome: string }): void;
}

/** Counts nothing. */
export const noTelemetry: Telemetry = {
  observeKubeRequest() {},
  observePeerRequest() {},
  observeCycle() {},
  observeRenewal() {},
  countLeaseTransition() {},
  countFence() {},
  countPromotion() {},
  observeFailover() {},
  countSwitchover() {},
  countBuild() {},
};
