/**
 * What adapters measure of their requests and the loop of its steps; the metrics adapter implements it. Never fails, never waits. Label values
 * are bounded words, never texts.
 */

export interface Telemetry {
  /** One request to the API server; `code` is the HTTP status, or the kind of the fault where no answer came. */
  observeKubeRequest(request: { verb: string; resource: string; code: string; seconds: number }): void;
  /** One request to a peer; `outcome` is `ok` or the kind of the fault. */
  observePeerRequest(request: { route: string; outcome: string; seconds: number }): void;
}

/** Counters that only the loop can feed; the metrics adapter implements them. */
export interface Tally {
  cycle(reason: string, seconds: number): void;
  renewed(seconds: number, marginSeconds: number): void;
  fenced(reason: string): void;
  promoted(seconds: number, kind?: 'failover' | 'switchover' | 'start'): void;
  switched(outcome: string): void;
  built(mode: string, outcome: string): void;
}

/** Counts nothing. */
export const noTelemetry: Telemetry = {
  observeKubeRequest() {},
  observePeerRequest() {},
};
