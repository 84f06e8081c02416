/**
 * The agent's end of the fence: one line per renewal into the FIFO that PID 1 holds open, and the echo that PID 1 writes
 * back. Synchronous and never blocking: the FIFO is opened non-blocking, both files lie on tmpfs. It kills nothing, and
 * a deadline is rounded down, never up (I1).
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Mono, ServerProcess } from '../../core/model.ts';
import { failed, ok, type Result } from '../../core/result.ts';
import type { FencePort } from '../../ports/others.ts';

const echoForm = /^(\d{1,10})\.(\d{2}) (\d{1,9}) (\d{1,18})\n$/;

/** The fence of the container, by its run directory (OG_RUN_DIR). */
export function createFence(options: { runDir: string }): FencePort {
  const fifo = join(options.runDir, 'fence');
  let pipe = open(fifo);

  function arm(process: ServerProcess, deadline: Mono): Result<void> {
    if (!pipe.ok) pipe = open(fifo);
    if (!pipe.ok) return pipe;
    try {
      // Begins with a line end, so that nothing which lies in the FIFO unfinished can join it; within PIPE_BUF a write is whole.
      writeSync(pipe.value, `\n${fenceLine(process, deadline)}`);
      return ok();
    } catch (error) {
      const result = fault(error, 'the deadline could not be handed to PID 1');
      if (result.fault.code !== 'EAGAIN') {
        closeSync(pipe.value);
        pipe = result;
      }
      return result;
    }
  }

  function echo(): { process: ServerProcess; deadline: Mono } | undefined {
    try {
      return parseEcho(readFileSync(`${fifo}.echo`, 'latin1'));
    } catch {
      return undefined;
    }
  }

  return { present: pipe.ok, arm, echo };
}

/** Whether a PID 1 holds the FIFO of that run directory open; nothing is written. */
export function isGuarded(runDir: string): boolean {
  const pipe = open(join(runDir, 'fence'));
  if (pipe.ok) closeSync(pipe.value);
  return pipe.ok;
}

/** `<deadline> <pid> <start-time>` with its line end; the deadline in seconds of boot time, rounded down to hundredths. */
export function fenceLine(process: ServerProcess, deadline: Mono): string {
  const hundredths = Math.max(0, Math.floor(deadline / 10));
  const fraction = String(hundredths % 100).padStart(2, '0');
  return `${Math.floor(hundredths / 100)}.${fraction} ${process.pid} ${process.startTime}\n`;
}

/** What PID 1 wrote; undefined while it is being rewritten. */
export function parseEcho(text: string): { process: ServerProcess; deadline: Mono } | undefined {
  const match = echoForm.exec(text);
  if (match === null) return undefined;
  const [, seconds, fraction, pid, startTime = ''] = match;
  return { process: { pid: Number(pid), startTime }, deadline: Number(seconds) * 1000 + Number(fraction) * 10 };
}

/** Opening for writing fails with ENXIO unless somebody, PID 1, holds the other end. */
function open(fifo: string): Result<number> {
  try {
    return { ok: true, value: openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK) };
  } catch (error) {
    return fault(error, 'no fence: PID 1 does not hold the FIFO');
  }
}

function fault(error: unknown, what: string): Extract<Result<never>, { ok: false }> {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  const kind = code === 'EAGAIN' ? 'timeout' : 'unreachable';
  const detail = `${what}: ${code}`;
  const hint = 'The container must be started by entrypoint.sh, with OG_RUN_DIR on a tmpfs of its own.';
  return failed({ of: 'fence', kind, done: 'no', code, detail, hint }) as Extract<Result<never>, { ok: false }>;
}
