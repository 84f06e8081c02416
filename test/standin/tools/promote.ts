// gs_ctl failover, switchover and notify: the requests that change a role. Each writes the term first (before it knows
// whether the request is legal), leaves a file and sends SIGUSR1; what the server makes of it is seen by asking for its role.
import { rmSync, writeFileSync } from 'node:fs';
import { type Mode, writeTerm } from '../shared/state.ts';
import { noPidFile } from './control.ts';
import { at, Leave, serverPid, signal } from './datadir.ts';
import { errorText, raw, say } from './messages.ts';
import type { Control } from './options.ts';
import { runMode } from './session.ts';
import { waitFor } from './waiting.ts';

function keepTerm(data: string, term: number, complaint: (file: string, why: string) => string): void {
  try {
    writeTerm(data, term);
  } catch (error) {
    say(complaint(at(data, 'term_file'), errorText(error)));
    throw new Leave(1);
  }
}

/** Leaves a request file and signals the server. */
function request(data: string, pid: number, file: string, content: string | Buffer, what: string): void {
  const path = at(data, file);
  try {
    writeFileSync(path, content, { mode: 0o600 });
  } catch (error) {
    say(` could not create ${what} signal file "${path}": ${errorText(error)}\n`);
    throw new Leave(1);
  }
  const error = signal(pid, 'SIGUSR1');
  if (error === undefined) return;
  say(` could not send ${what} signal (PID: ${pid}): ${errorText(error)}\n`);
  rmSync(path, { force: true });
  throw new Leave(1);
}

const followsOthers = (mode: Mode): boolean => mode === 'Standby' || mode === 'Cascade Standby';

/** gs_ctl failover. No guard against a living primary, here or in the server; a timeout is 1 though it may still succeed. */
export async function failover({ options, data }: Control): Promise<number> {
  say(`failover term (${options.term})\n`);
  keepTerm(data, options.term, () => 'could not open file successfully\n');
  const pid = serverPid(data);
  if (pid === 0) {
    say(` PID file "${at(data, 'postmaster.pid')}" does not exist\n`);
    say(' Is server running?\n');
    return 1;
  }
  const before = await runMode(data);
  if (before === 'Primary') {
    say(` failover completed (${data})\n`);
    return 0;
  }
  if (before === 'Unknown') {
    say(' cannot failover server:server mode is unknown\n');
    return 1;
  }
  if (!followsOthers(before)) {
    say(' cannot failover server; server is not in standby or cascade standby mode\n');
    return 1;
  }
  const wanted: Mode = before === 'Cascade Standby' ? 'Standby' : 'Primary';
  const ask = (): void => request(data, pid, 'failover', '', 'failover');
  say(options.wait ? ' waiting for server to failover...\n' : ' server starting failover\n');
  ask();
  if (!options.wait) return 0;
  const reached = await waitFor(data, options.seconds, async () => ((await runMode(data)) === wanted ? true : undefined), {
    everySecond: before === 'Standby' ? ask : () => {},
  });
  if (reached === true) {
    say(' done\n');
    say(` failover completed (${data})\n`);
    return 0;
  }
  say(' failed\n');
  say(` failover failed (${data})\n`);
  return 1;
}

/** gs_ctl switchover. A timeout is exit 0, also when nobody is primary afterwards. */
export async function switchover({ options, data }: Control): Promise<number> {
  say(`switchover term (${options.term})\n`);
  keepTerm(data, options.term, (file, why) => `fail to open file "${file}": ${why}\n`);
  if (options.shutdown === 'immediate') {
    say('datanode does not support smart or immediate switchover\n');
    return 1;
  }
  const pid = serverPid(data);
  if (pid === 0) return noPidFile(data);
  const before = await runMode(data);
  if (before === 'Primary' || before === 'Main Standby') {
    say(`switchover completed (${data})\n`);
    return 0;
  }
  if (before === 'Unknown') {
    say('cannot switchover server: server mode is unknown\n');
    return 1;
  }
  if (!followsOthers(before)) {
    say(' cannot switchover server; server is not in standby or cascade standby mode\n');
    return 1;
  }
  const mode = Buffer.alloc(4);
  mode.writeInt32LE(options.extremelyFast ? 3 : 2);
  request(data, pid, 'switchover', mode, 'switchover');
  if (!options.wait) {
    say('server starting switchover\n');
    return 0;
  }
  say('waiting for server to switchover...');
  const after = await switched(data, options.seconds, before);
  raw('\n');
  if (after === (before === 'Standby' ? 'Primary' : 'Standby')) {
    say('done\n');
    say(`switchover completed (${data})\n`);
  } else say(`\n switchover timeout after ${options.seconds} seconds. please manually check the cluster status.\n`);
  return 0;
}

/** Waits until the role has changed and has been seen so three times more. */
async function switched(data: string, seconds: number, before: Mode): Promise<Mode> {
  let mode = before;
  let confirmed = 0;
  await waitFor(data, seconds, async () => {
    mode = await runMode(data);
    if (mode === before) return undefined;
    confirmed += 1;
    return confirmed > 3 ? true : undefined;
  });
  return mode;
}

const NOTIFIED: Readonly<Record<string, Mode>> = { primary: 'Primary', standby: 'Standby', cascade_standby: 'Cascade Standby' };

/** gs_ctl notify: Pending to a role, or Normal to Primary. Its messages come without line feeds. */
export async function notify({ options, data }: Control): Promise<number> {
  if (options.mode === undefined) {
    say('the parameter of notify must be specified\n');
    return 1;
  }
  const pid = serverPid(data);
  if (pid === 0) {
    say(` PID file "${at(data, 'postmaster.pid')}" does not exist\n`);
    raw('Is server running?\n');
    return 1;
  }
  const wanted = NOTIFIED[options.mode];
  if (wanted === undefined) {
    say(' the parameter of notify is not recognized\n');
    return 1;
  }
  const before = await runMode(data);
  if (before === 'Unknown') {
    say(' cannot notify server: server mode is unknown\n');
    return 1;
  }
  if (before !== 'Pending' && !(before === 'Normal' && wanted === 'Primary')) {
    say(' only support notify server in pending mode; or notify server to primary in normal mode');
    return 1;
  }
  if (wanted === 'Primary') {
    say(`notify primary term (${options.term})`);
    keepTerm(data, options.term, (file, why) => `failed to open file "${file}": ${why}\n`);
  }
  request(data, pid, options.mode, '', 'notify');
  if (!options.wait) {
    say('server starting notify');
    return 0;
  }
  return notified(data, options.seconds, wanted);
}

async function notified(data: string, seconds: number, wanted: Mode): Promise<number> {
  say('waiting for server to response...');
  let mode = await runMode(data);
  if (mode !== wanted) {
    await waitFor(data, seconds, async () => {
      mode = await runMode(data);
      return mode === wanted ? true : undefined;
    });
  }
  raw(' ');
  if (mode !== wanted) {
    say('failed');
    say(` notify server failed, notify ${wanted}, current is ${mode}\n`);
    return 1;
  }
  say('done');
  say(`notify server completed, mode change to ${wanted}\n`);
  return 0;
}
