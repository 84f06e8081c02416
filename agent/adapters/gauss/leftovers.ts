/**
 * Ends what an agent before this one, or a tool that was killed, has left alive and what still works on this data
 * directory: the receiver of a build, a request for a promotion.
 */
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { InstanceOptions } from './options.ts';
import { findProcesses, hasEnded, statOf } from './proc.ts';

/** How long they may take to be gone. */
const leftoversMs = 5_000;

/**
 * The receiver that gs_ctl forked survives its SIGKILL and goes on writing WAL (opengauss-interface 5.5); a gs_ctl that asks
 * for a promotion writes its request anew each second, also for a server that is started later.
 */
export async function endLeftovers(options: InstanceOptions, verbs: string[]): Promise<Result<void>> {
  const isOne = (args: string[]): boolean =>
    args.some((arg) => arg.endsWith('gs_ctl')) && verbs.some((verb) => args.includes(verb)) && args.includes(options.pgdata);
  const pids = await findProcesses('gs_ctl', (args, pid) => pid !== process.pid && isOne(args), options.proc);
  if (!pids.ok) return pids;
  for (const pid of pids.value) {
    const stat = await statOf(pid, options.proc);
    if (!stat.ok) return stat;
    if (stat.value === undefined) continue;
    options.note('warn', 'ended a gs_ctl that had been left behind', { pid, verbs });
    if (!(await endProcess(options, { pid, startTime: stat.value.startTime }))) {
      return failed(leftoverFault(`process ${pid} of an earlier gs_ctl ${verbs.join(' or ')} does not end`));
    }
  }
  return ok();
}

async function endProcess(options: InstanceOptions, target: { pid: number; startTime: string }): Promise<boolean> {
  const end = options.clock.now() + leftoversMs;
  try {
    process.kill(target.pid, 'SIGKILL');
  } catch {
    return hasEnded(target, options.proc);
  }
  while (!(await hasEnded(target, options.proc))) {
    if (options.clock.now() >= end) return false;
    await options.clock.until(options.clock.now() + 20);
  }
  return true;
}

function leftoverFault(detail: string): Fault {
  return { of: 'command', kind: 'timeout', done: 'maybe', detail };
}
