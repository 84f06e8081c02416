// Runs a PostgreSQL program through the receiver process and follows its lines; keeps gaussdb.state's progress up to date.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blankState, writeState } from '../shared/state.ts';
import { boundTo, type Source } from './buildsource.ts';
import { peers } from './datadir.ts';
import type { Control } from './options.ts';
import type { Job } from './receiver.ts';

/** gaussdb.state's numbers for the kinds of build. */
export const buildKinds = { full: 2, incremental: 3 } as const;

/** How far a build is, in kilobytes. */
export interface Progress {
  done: bigint;
  total: bigint;
}

/** Writes gaussdb.state as a build does: Standby, Building, how far. */
export function writeProgress(data: string, kind: keyof typeof buildKinds, progress?: Progress): void {
  const { done, total } = progress ?? { done: 0n, total: 0n };
  writeState(data, {
    ...blankState,
    mode: 'Standby',
    state: 'Building',
    connections: peers(data).length,
    buildMode: buildKinds[kind],
    totalDone: done,
    totalSize: total,
    schedulePercent: total === 0n ? 0 : Number((done * 100n) / total),
    estimatedSeconds: progress === undefined ? 0 : done >= total ? 0 : -1,
    connectIndex: 0,
  });
}

/** `123/456 kB (27%)`, as pg_basebackup and pg_rewind print it. */
export function readProgress(line: string): Progress | undefined {
  const match = /(\d+)\/(\d+) kB \(\d+%\)/.exec(line);
  return match === null ? undefined : { done: BigInt(match[1] ?? 0), total: BigInt(match[2] ?? 0) };
}

/** The command line a build shows in the process list. */
function commandLine({ data, options }: Control): string {
  const kind = options.build === 'auto' ? '' : ` -b ${options.build}`;
  return `gs_ctl build -D ${data}${options.logFile === undefined ? '' : ` -l ${options.logFile}`}${kind}`;
}

/** Runs the program; every line goes to `line`. The answer is its exit code. */
export function receive(
  control: Control,
  source: Source,
  job: Pick<Job, 'program' | 'prefix' | 'arguments' | 'lingerMs'>,
  line: (text: string) => void,
): Promise<number> {
  const name = commandLine(control);
  const from = boundTo(source);
  const whole: Job = {
    ...job,
    ...(job.program.endsWith('/pg_basebackup') && { name }),
    host: source.remoteHost,
    port: source.remotePort,
    ...(from !== undefined && { localAddress: from }),
    silenceMs: Math.max(control.options.receiveTimeout, 1) * 1000,
  };
  const script = join(dirname(fileURLToPath(import.meta.url)), 'receiver.ts');
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, JSON.stringify(whole)], {
      argv0: name,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let rest = '';
    let code = 1;
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      const lines = (rest + text).split(/[\r\n]/);
      rest = lines.pop() ?? '';
      for (const each of lines) {
        const end = /^exit (\d+)$/.exec(each);
        if (end === null) line(each);
        else code = Number(end[1]);
      }
    });
    child.on('error', () => resolve(1));
    child.on('close', () => resolve(code));
  });
}
