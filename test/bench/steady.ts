/**
 * What the agents cost a cluster at rest: resident memory and CPU time of each agent from /proc, helper threads and all, and the requests per minute
 * that reach the API server from all members together. Changes nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { table } from './report.ts';

export interface Steady {
  seconds: number;
  agents: { pod: string; rssMiB: number; rssMaxMiB: number; cpuPercent: number; helpersPercent: number }[];
  requestsPerMinute: number;
  writesPerMinute: number;
}

function residentMiB(pid: number): number {
  const line = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1] ?? 0) / 1024;
}

/** CPU time in seconds that the scheduler has given the main thread and the others; on a busy machine too it is no wall time. */
function cpuSeconds(pid: number): { main: number; helpers: number } {
  const time = { main: 0, helpers: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
    time[Number(thread) === pid ? 'main' : 'helpers'] += Number(nanoseconds) / 1e9;
  }
  return time;
}

/** Looks once a second for that long; throws when an agent ends meanwhile. */
export async function measureSteady(lab: Lab, lengthSeconds: number, signal: AbortSignal): Promise<Steady> {
  // What the start has stirred up settles first.
  await sleep(5000);
  const agents = lab.members.map((member) => ({
    pod: member.name,
    pid: member.agent()?.pid ?? 0,
    rss: [] as number[],
    cpu: { main: 0, helpers: 0 },
  }));
  for (const agent of agents) agent.cpu = cpuSeconds(agent.pid);
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
    agents: agents.map(({ pod, pid, rss, cpu }) => {
      const now = cpuSeconds(pid);
      const helpersPercent = ((now.helpers - cpu.helpers) / seconds) * 100;
      return {
        pod,
        rssMiB: rss.reduce((sum, value) => sum + value, 0) / Math.max(rss.length, 1),
        rssMaxMiB: Math.max(...rss),
        cpuPercent: ((now.main - cpu.main) / seconds) * 100 + helpersPercent,
        helpersPercent,
      };
    }),
    requestsPerMinute: ((after.all - before.all) / seconds) * 60,
    writesPerMinute: ((after.writes - before.writes) / seconds) * 60,
  };
}

/** The figures as a table. */
export function steadyTable(steady: Steady): string {
  const rows = steady.agents.map(({ pod, rssMiB, rssMaxMiB, cpuPercent, helpersPercent }) => [
    pod,
    `${rssMiB.toFixed(1)} MiB`,
    `${rssMaxMiB.toFixed(1)} MiB`,
    `${cpuPercent.toFixed(2)} %`,
    `${helpersPercent.toFixed(2)} %`,
  ]);
  const calls = `API server: ${steady.requestsPerMinute.toFixed(0)} requests a minute, ${steady.writesPerMinute.toFixed(0)} of them writes, over ${steady.seconds.toFixed(0)} s`;
  return `${table([['AGENT', 'RSS', 'RSS MAX', 'CPU', 'OF IT HELPERS'], ...rows])}\n${calls}`;
}
