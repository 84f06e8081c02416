/**
 * The metrics: a registry of its own, counters and histograms fed by events through the Telemetry port, gauges read
 * from the board when somebody scrapes. A scrape asks nobody anything.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { recordOf } from '../../core/lease.ts';
import { fenceReasons } from '../../core/reap.ts';
import type { Clock } from '../../ports/others.ts';
import type { Tally, Telemetry } from '../../ports/telemetry.ts';
import type { ReadableBoard } from './board.ts';
import { clearGauges, fillGauges } from './gauges.ts';
import { type Instruments, instruments } from './instruments.ts';

/** Gauges of prom-client whose names end in `_total`, which promtool rejects. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

export interface Metrics {
  telemetry: Telemetry;
  tally: Tally;
  countDroppedLogLines(lines: number): void;
  contentType: string;
  /** The text exposition format, as of now. */
  render(): Promise<string>;
}

export interface MetricsOptions {
  version: string;
  cluster: string;
  pod: string;
  board: ReadableBoard;
  clock: Pick<Clock, 'now'>;
}

/** Makes the registry with everything in it. */
export function createMetrics({ version, cluster, pod, board, clock }: MetricsOptions): Metrics {
  const registry = new Registry();
  // The precision is the period of a timer: the default of 10 ms wakes an idle agent a hundred times a second, and each
  // time costs as much as a request.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  for (const name of misnamed) registry.removeSingleMetric(name);
  const into = instruments(registry);
  into.info.set({ version, cluster, pod }, 1);
  clearGauges(into);
  beginAtZero(into);
  countTransitions(into, board);
  return {
    telemetry: telemetryOf(into),
    tally: tallyOf(into),
    countDroppedLogLines: (lines) => into.logLinesDropped.inc(lines),
    contentType: registry.contentType,
    render() {
      const snapshot = board.last();
      if (snapshot !== undefined) fillGauges(into, snapshot, clock.now());
      return registry.metrics();
    },
  };
}

/** A counter that first appears with a 1 never rose, as far as Prometheus can tell: no alert would see the first time. */
function beginAtZero(into: Instruments): void {
  for (const reason of fenceReasons) into.fences.inc({ reason }, 0);
  for (const outcome of ['done', 'refused', 'rolled-back']) into.switchovers.inc({ outcome }, 0);
  for (const mode of ['full', 'incremental'])
    for (const outcome of ['completed', 'failed']) into.builds.inc({ mode, outcome }, 0);
}

function telemetryOf(into: Instruments): Telemetry {
  return {
    observeKubeRequest: ({ seconds, ...labels }) => into.kubeRequestSeconds.observe(labels, seconds),
    observePeerRequest: ({ seconds, ...labels }) => into.peerRequestSeconds.observe(labels, seconds),
  };
}

function tallyOf(into: Instruments): Tally {
  return {
    cycle(reason, seconds) {
      into.cycleSeconds.observe(seconds);
      into.cycles.inc({ reason });
    },
    renewed(seconds, marginSeconds) {
      into.leaseRenewSeconds.observe(seconds);
      into.permitMarginSeconds.observe(marginSeconds);
    },
    fenced: (reason) => into.fences.inc({ reason }),
    promoted(seconds, kind = 'failover') {
      into.promotions.inc();
      into.failoverSeconds.observe({ kind }, seconds);
    },
    switched: (outcome) => into.switchovers.inc({ outcome }),
    built: (mode, outcome) => into.builds.inc({ mode, outcome }),
  };
}

/** Counts changes of the lease's holder, as one cycle after the other shows them. */
function countTransitions(into: Instruments, board: ReadableBoard): void {
  let last: string | undefined;
  board.onShow(({ view }) => {
    const holder = recordOf(view.lease)?.holder;
    // A release is half of a change: the count goes up when somebody else has it.
    if (holder === undefined || holder === '') return;
    if (last !== undefined && last !== holder) into.leaseTransitions.inc();
    last = holder;
  });
}
