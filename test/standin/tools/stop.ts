// gs_ctl stop, and the stop that a build begins with: a signal, a wait for the pid file to go, and where that is not enough
// the kill of every gaussdb of ours whose working directory is the data directory.
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { delayMs } from '../shared/pace.ts';
import { at, isRunning, lsNoise, serverPid, signal } from './datadir.ts';
import { errorText, plain, say } from './messages.ts';
import type { Control } from './options.ts';

/** The pids of gaussdb processes of ours that work in the directory. */
function serversIn(directory: string): number[] {
  const mine = process.getuid?.();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        if (statSync(`/proc/${pid}`).uid !== mine || readlinkSync(`/proc/${pid}/cwd`) !== directory) return false;
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('gaussdb');
      } catch {
        return false;
      }
    });
}

/** Kills by force what may run here, with the words gs_ctl has for it. */
export function killByForce(data: string): void {
  say('stop failed, killing gaussdb by force ...\n');
  let path: string;
  try {
    path = realpathSync(data);
  } catch {
    say(' get realpath failed!\n');
    return;
  }
  const find = `ps c -eo pid,euid,cmd | grep gaussdb | grep -v grep | awk '{if($2 == curuid && $1!="-n") print "/proc/"$1"/cwd"}' curuid=\`id -u\`| xargs ls -l`;
  const kill = `awk '{if ($NF=="${path}")  print $(NF-2)}' | awk -F/ '{print $3 }' | xargs kill -9 >/dev/null 2>&1 `;
  say(`command [${find} | ${kill}] path: [${path}] \n`);
  for (const pid of serversIn(path)) signal(pid, 'SIGKILL');
  say('server stopped\n');
}

/** Waits with dots until the pid file and the process are gone. */
async function gone(data: string, pid: number, seconds: number): Promise<boolean> {
  const poll = delayMs('toolPollMs');
  for (let second = 0; second < seconds; second++) {
    const end = Date.now() + 1000;
    if (serverPid(data) === 0 && !isRunning(pid)) return true;
    plain('.');
    while (Date.now() < end) {
      await sleep(Math.min(poll, Math.max(1, end - Date.now())));
      if (serverPid(data) === 0 && !isRunning(pid)) return true;
    }
  }
  return serverPid(data) === 0;
}

/** Stops the server of the directory; `force` kills it when asking does not help. Answers gs_ctl's exit code. */
export async function stopServer(
  data: string,
  how: 'fast' | 'immediate',
  seconds: number,
  wait: boolean,
  force: boolean,
): Promise<number> {
  const hard = force || how === 'immediate';
  const pid = serverPid(data);
  if (pid === 0) {
    say(` PID file "${at(data, 'postmaster.pid')}" does not exist.\n`);
    say('Is server running?\n');
    if (hard) killByForce(data);
    return hard ? 0 : 1;
  }
  const error = signal(pid, how === 'immediate' ? 'SIGQUIT' : 'SIGINT');
  if (error !== undefined) {
    say(` cannot stop server; single-user server is running (PID: ${pid})  ${errorText(error)}\n`);
    if (hard) killByForce(data);
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 0 : 1;
  }
  if (!wait) {
    plain('server shutting down\n');
    return 0;
  }
  plain('waiting for server to shut down...');
  if (await gone(data, pid, seconds)) {
    lsNoise(pid);
    plain(' done\nserver stopped\n');
    return 0;
  }
  if (hard) {
    killByForce(data);
    return 0;
  }
  plain(' failed\n');
  say(` server does not shut down (${data})\n`);
  return 1;
}

/** gs_ctl stop. */
export async function stop({ options, data }: Control): Promise<number> {
  return stopServer(data, options.shutdown, options.seconds, options.wait, false);
}
