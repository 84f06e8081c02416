/**
 * What the agents cost a cluster at rest: resident memory and CPU of each agent from /proc, and the requests per minute
 * that reach the API server from all members together. Changes nothing.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { table } from './report.ts';

export interface Steady {
  seconds: number;
  agents: { pod: string; rssMiB: number; rssMaxMiB: number; cpuPercent: number }[];
  requestsPerMinute: number;
  writesPerMinute: number;
}

/** USER_HZ, which /proc counts CPU time in; Linux has used 100 for decades on every architecture that Node runs on. */
const ticksPerSecond = 100;

function residentMiB(pid: number): number {
  const line = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1] ?? 0) / 1024;
}

function cpuTicks(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Looks once a second for that long; throws when an agent ends meanwhile. */
export async function measureSteady(lab: Lab, lengthSeconds: number, signal: AbortSignal): Promise<Steady> {
  // What the start has stirred up settles first.
  await sleep(5000);
  const agents = lab.members.map((member) => ({
    pod: member.name,
    pid: member.agent()?.pid ?? 0,
    rss: [] as number[],
    ticks: 0,
  }));
  for (const agent of agents) agent.ticks = cpuTicks(agent.pid);
  const before = lab.requests();
  const began = performance.now();
  for (let i = 0; i < lengthSeconds && !signal.aborted; i += 1) {
    await sleep(1000);
    for (const agent of agents) agent.rss.push(residentMiB(agent.pid));
  }
  const seconds = (performance.now() - began) / 1000;
  const after = lab.requests();
  return {
    seconds,
    agents: agents.map(({ pod, pid, rss, ticks }) => ({
      pod,
      rssMiB: rss.reduce((sum, value) => sum + value, 0) / Math.max(rss.length, 1),
      rssMaxMiB: Math.max(...rss),
      cpuPercent: ((cpuTicks(pid) - ticks) / ticksPerSecond / seconds) * 100,
    })),
    requestsPerMinute: ((after.all - before.all) / seconds) * 60,
    writesPerMinute: ((after.writes - before.writes) / seconds) * 60,
  };
}

/** The figures as a table. */
export function steadyTable(steady: Steady): string {
  const rows = steady.agents.map(({ pod, rssMiB, rssMaxMiB, cpuPercent }) => [
    pod,
    `${rssMiB.toFixed(1)} MiB`,
    `${rssMaxMiB.toFixed(1)} MiB`,
    `${cpuPercent.toFixed(1)} %`,
  ]);
  const calls = `API server: ${steady.requestsPerMinute.toFixed(0)} requests a minute, ${steady.writesPerMinute.toFixed(0)} of them writes, over ${steady.seconds.toFixed(0)} s`;
  return `${table([['AGENT', 'RSS', 'RSS MAX', 'CPU'], ...rows])}\n${calls}`;
}
