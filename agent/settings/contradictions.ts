/**
 * Relations between dynamic settings. The two of the lease are safety: with a fence that outlasts the lease two
 * members could accept writes at once (I1), with one that leaves no room for a second try a single slow answer
 * would cost a failover.
 */
import { type DiskLimits, type DynamicConfig, mountNames } from '../core/config.ts';
import { clockRate, stopLatencySeconds } from '../core/permit.ts';
import type { Problem } from './problem.ts';

/** Everything in a readable configuration that contradicts something else in it. */
export function contradictions(config: DynamicConfig): Problem[] {
  const problems = [...leaseProblems(config), ...diskProblems('disk', config.disk)];
  for (const [mount, limits] of Object.entries(config.disk.mounts)) {
    const field = `disk.mounts.${mount}`;
    if (mountNames.includes(mount)) problems.push(...diskProblems(field, { ...config.disk, ...limits }));
    else problems.push({ field, problem: 'no member has such a mount', hint: `There are ${mountNames.join(', ')}.` });
  }
  return problems;
}

function leaseProblems({ lease }: DynamicConfig): Problem[] {
  const problems: Problem[] = [];
  const { durationSeconds, fenceSeconds, stopSeconds, renewSeconds, requestTimeoutSeconds } = lease;
  const fenced = (fenceSeconds + stopSeconds + stopLatencySeconds) * (1 + clockRate);
  const expired = durationSeconds * (1 - clockRate);
  if (fenced >= expired) {
    problems.push({
      field: 'lease.fenceSeconds',
      problem: `the fence may end after the lease: (${fenceSeconds} + ${stopSeconds} + ${stopLatencySeconds}) × 1.01 = ${round(fenced)} is not below ${durationSeconds} × 0.99 = ${round(expired)}`,
      hint: 'Raise lease.durationSeconds, or lower lease.fenceSeconds or lease.stopSeconds.',
    });
  }
  const tries = 2 * renewSeconds + 2 * requestTimeoutSeconds;
  if (fenceSeconds < tries) {
    problems.push({
      field: 'lease.fenceSeconds',
      problem: `${fenceSeconds} leaves no room for two tries: 2 × ${renewSeconds} + 2 × ${requestTimeoutSeconds} = ${round(tries)}`,
      hint: 'Raise lease.fenceSeconds, or lower lease.renewSeconds or lease.requestTimeoutSeconds.',
    });
  }
  return problems;
}

function diskProblems(path: string, limits: DiskLimits): Problem[] {
  const problems: Problem[] = [];
  const { warnPercent, readOnlyPercent, resumePercent } = limits;
  if (warnPercent >= readOnlyPercent) {
    problems.push({
      field: `${path}.warnPercent`,
      problem: `${warnPercent} is not below readOnlyPercent, ${readOnlyPercent}`,
      hint: 'Warn before the volume is set read-only.',
    });
  }
  if (resumePercent >= readOnlyPercent) {
    problems.push({
      field: `${path}.resumePercent`,
      problem: `${resumePercent} is not below readOnlyPercent, ${readOnlyPercent}`,
      hint: 'Leave room between the two, or writes flap.',
    });
  }
  return problems;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
