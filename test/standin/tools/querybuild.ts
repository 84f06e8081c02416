// gs_ctl querybuild: what gs_build.pid says about the last build, and its progress from gaussdb.state while one runs.
import { readFileSync } from 'node:fs';
import { blankState, type GaussState } from '../shared/state.ts';
import { at, isRunning, peers, serverPid } from './datadir.ts';
import { raw } from './messages.ts';
import type { Control } from './options.ts';
import { runMode, stateOrLeave } from './session.ts';

/** gaussdb.state's number for an incremental build. */
const INCREMENTAL = 3;

/** A size of kilobytes in the unit that suits it. */
export function humanSize(kilobytes: bigint): string {
  let value = Number(kilobytes);
  let unit = 'kB';
  for (const next of ['MB', 'GB', 'TB']) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(2)}${unit}`;
}

function clock(seconds: number): string {
  if (seconds < 0) return '--:--:--';
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function buildPid(data: string): number {
  try {
    const pid = Number.parseInt(readFileSync(at(data, 'gs_build.pid'), 'utf8'), 10);
    return Number.isFinite(pid) ? pid : -1;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 0 : -1;
  }
}

function display(state: GaussState, outcome: 'Building' | 'Build completed' | 'Build failed'): void {
  const line = (name: string, value: string | number): string => `        ${name.padEnd(30)}: ${value}\n`;
  raw(
    ` HA state:\n${line('local_role', state.mode)}${line('static_connections', state.connections)}` +
      `${line('db_state', outcome)}${line('sync_mode', state.sync ? 'Sync' : 'Async')}`,
  );
  if (outcome === 'Building') {
    raw(
      ` Build state:\n${line('build_mode', state.buildMode === INCREMENTAL ? 'Incremental' : 'Full')}` +
        `${line('data_synchronized', humanSize(state.totalDone))}${line('estimated_total_data', humanSize(state.totalSize))}` +
        `${line('process_schedule', `${state.schedulePercent}%`)}${line('estimated_remaining_time', clock(state.estimatedSeconds))}`,
    );
  }
  raw('\n');
}

/** gs_ctl querybuild; exit 1 only when there is no gaussdb.state. */
export async function querybuild({ data }: Control): Promise<number> {
  const server = serverPid(data);
  const running = server > 0 && isRunning(server);
  const mode = running ? await runMode(data, true) : 'Unknown';
  const build = buildPid(data);
  if (build < 0) {
    display({ ...blankState, mode, connections: peers(data).length }, 'Build failed');
    return 1;
  }
  const state = stateOrLeave(data);
  if (build === 0) {
    display(
      { ...state, mode: running && mode === 'Unknown' ? state.mode : mode, connections: peers(data).length },
      'Build completed',
    );
    return 0;
  }
  if (!isRunning(build)) display({ ...state, mode }, 'Build failed');
  else display(state, state.state === 'Building' ? 'Building' : 'Build completed');
  return 0;
}
