/**
 * Runs gs_ctl, gs_initdb, gs_guc and pg_controldata. Nothing may hang on a pipe that a database has inherited, so
 * whatever could start one writes to a file; standard input is always empty, because gs_ctl prompts for passwords;
 * messages are forced to English. Exit codes are reported, not believed (opengauss-interface 1.15).
 */
import { join } from 'node:path';
import { execa } from 'execa';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { InstanceOptions } from './options.ts';
import { closeOutput, openOutput } from './output.ts';

export type ToolName = 'gs_ctl' | 'gs_initdb' | 'gs_guc' | 'pg_controldata';

export interface ToolRun {
  deadlineMs: number;
  signal?: AbortSignal;
  /** Output goes to this file of the log directory, or nowhere, instead of a pipe; `stdout` is empty then. */
  logFile?: string;
  /** How long after SIGTERM the tool is killed. */
  killAfterMs?: number;
}

export interface ToolResult {
  exitCode: number;
  stdout: string;
}

/** Output kept of a tool; more than that is not a tool's answer. */
const outputBytesMax = 1 << 20;

/** How long after SIGTERM a tool is killed, and how long after that it may take to be gone. */
const killMs = 1_000;
const reapMs = 1_000;

type ToolHome = Pick<InstanceOptions, 'home' | 'logDir' | 'socketDir' | 'environment' | 'note'>;

/** The whole environment of the server and its tools; nothing is inherited. */
export function toolEnvironment(options: Pick<InstanceOptions, 'home' | 'socketDir' | 'environment'>): Record<string, string> {
  return {
    GAUSSHOME: options.home,
    PATH: `${join(options.home, 'bin')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    LD_LIBRARY_PATH: join(options.home, 'lib'),
    LC_ALL: 'C',
    PGHOST: options.socketDir,
    ...options.environment,
  };
}

/** Runs one tool to its end, its deadline or the signal. A non-zero exit is a value; only not having run to the end is a fault. */
export async function runTool(options: ToolHome, tool: ToolName, args: string[], run: ToolRun): Promise<Result<ToolResult>> {
  const log = run.logFile === undefined ? undefined : await openOutput(options, run.logFile);
  try {
    const output = run.logFile === undefined ? 'pipe' : (log?.fd ?? 'ignore');
    const common = {
      reject: false,
      env: toolEnvironment(options),
      extendEnv: false,
      cwd: '/',
      timeout: Math.max(1, Math.ceil(run.deadlineMs)),
      forceKillAfterDelay: run.killAfterMs ?? killMs,
      maxBuffer: outputBytesMax,
      stripFinalNewline: false,
      stdin: 'ignore',
      // Raw descriptors work, and only they return at once; the types do not know them.
      stdout: output as 'pipe',
      stderr: output as 'pipe',
      all: true,
      ...(run.signal === undefined ? {} : { cancelSignal: run.signal }),
    } as const;
    const result = await Promise.race([execa(join(options.home, 'bin', tool), args, common), leftAlone(run)]);
    if (result === undefined) return failed(unended(tool));
    const stdout = typeof result.all === 'string' ? result.all : '';
    options.note('debug', 'ran a command', {
      command: tool,
      verb: args[0],
      exitCode: result.exitCode,
      durationMs: result.durationMs,
    });
    if (result.exitCode !== undefined && !result.timedOut && !result.isCanceled) return ok({ exitCode: result.exitCode, stdout });
    return failed(unfinished(tool, result));
  } finally {
    await closeOutput(log);
  }
}

/**
 * Comes some time after a tool has been killed that had to end: one that waits for a hung volume ends only when that answers, and
 * nobody else may wait as long.
 */
function leftAlone({ deadlineMs, killAfterMs = killMs, signal }: ToolRun): Promise<undefined> {
  const late = AbortSignal.timeout(Math.max(1, Math.ceil(deadlineMs)));
  const over = signal === undefined ? late : AbortSignal.any([signal, late]);
  return new Promise((resolve) => {
    const leave = () => void setTimeout(() => resolve(undefined), killAfterMs + reapMs);
    if (over.aborted) leave();
    else over.addEventListener('abort', leave, { once: true });
  });
}

type Ending = {
  timedOut: boolean;
  isCanceled: boolean;
  isMaxBuffer: boolean;
  signal?: string | undefined;
  code?: string | undefined;
};

function unended(tool: ToolName): Fault {
  const hint = 'Look whether the volume answers: a process that waits for it cannot be killed.';
  return { of: 'command', kind: 'timeout', done: 'maybe', detail: `${tool} was killed and has not ended`, hint };
}

function unfinished(tool: ToolName, ending: Ending): Fault {
  const fault = (kind: Fault['kind'], done: Fault['done'], detail: string): Fault => ({
    of: 'command',
    kind,
    done,
    detail: `${tool} ${detail}`,
  });
  if (ending.timedOut) return fault('timeout', 'maybe', 'did not end in time');
  if (ending.isCanceled) return fault('cancelled', 'maybe', 'was cancelled');
  if (ending.isMaxBuffer) return fault('malformed', 'maybe', 'printed more than it may');
  if (ending.code === 'ENOENT')
    return { ...fault('absent', 'no', 'is not installed'), hint: 'GAUSSHOME must hold bin/ with the tools of openGauss.' };
  if (ending.code !== undefined) return { ...fault('denied', 'no', 'could not be run'), code: ending.code };
  return fault('exited', 'maybe', `ended by ${ending.signal ?? 'an unknown cause'}`);
}

/** The Fault of a tool that ran to its end and said no. */
export function exitFault(tool: ToolName, result: ToolResult, detail?: string): Fault {
  const said = detail ?? lastLine(result.stdout);
  const text = said === '' ? `${tool} exited with ${result.exitCode}` : `${tool}: ${said}`;
  return { of: 'command', kind: 'exited', done: 'maybe', code: String(result.exitCode), detail: text };
}

/** The last line that says something, without gs_ctl's prefix of four brackets. */
export function lastLine(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/^(\[[^\]]*\]){4}:\s*/, '').trim());
  return lines.findLast((line) => line !== '' && !/^\.+$/.test(line))?.slice(0, 300) ?? '';
}
