/**
 * The lab's fault commands over a running lab's parts. Each returns when the fault stands, with one
 * line to print; unknown names and impossible orders are refused with a hint and exit code 5, never guessed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Member } from './member.ts';
import type { Volume } from './volume.ts';
import type { CutFrom, Network } from './network.ts';
import { allGone, family, isAlive, isFrozen, type ProcessId, send } from './processes.ts';

/** What a command answers: the line to print and the exit code. */
export interface Reply {
  exit: number;
  line: string;
  hint?: string;
}

/** A command as it comes over the control socket. */
export interface FaultOrder {
  command: string;
  member?: string;
  what?: string;
  from?: string;
  percent?: number;
}

export interface FaultParts {
  members: Member[];
  network: Network;
  /** Deletes the pod through the API server, gracefully. */
  deletePod(name: string): Promise<void>;
}

/** How long a fault may take until it stands. */
const faultDeadlineMs = 40_000;

const done = (line: string): Reply => ({ exit: 0, line });
const refused = (line: string, hint: string): Reply => ({ exit: 5, line, hint });

/** Carries out one order and returns when the fault stands. */
export async function inject(parts: FaultParts, order: FaultOrder): Promise<Reply> {
  const reply = await perform(parts, order);
  await parts.network.settled();
  return reply;
}

async function perform(parts: FaultParts, order: FaultOrder): Promise<Reply> {
  const names = parts.members.map((member) => member.name);
  if (order.command === 'heal' && order.member === undefined) {
    for (const index of names.keys()) heal(parts, index);
    return done('healed all members');
  }
  const index = names.indexOf(order.member ?? '');
  const member = parts.members[index];
  if (member === undefined)
    return refused(`no member is called ${order.member ?? '(nothing)'}`, `The members are ${names.join(', ')}.`);
  switch (order.command) {
    case 'kill':
      return kill(parts, member, index, order.what);
    case 'freeze':
      return freeze(member, order.what);
    case 'thaw':
      return thaw(parts, member, index);
    case 'cut':
      return cut(parts.network, member, index, order.from);
    case 'heal':
      heal(parts, index);
      return done(`healed ${member.name}`);
    case 'fill':
      return fill(member, order.percent);
    case 'grow':
      return grow(member);
    default:
      return refused(`unknown command ${order.command}`, 'See --help.');
  }
}

function heal(parts: FaultParts, index: number) {
  parts.network.heal(index);
  restorePower(parts, index);
}

function restorePower(parts: FaultParts, index: number) {
  parts.network.setPower(index, true);
  parts.members[index]?.powerOn();
}

async function kill(parts: FaultParts, member: Member, index: number, what: string | undefined): Promise<Reply> {
  switch (what) {
    case 'server':
    case 'agent': {
      const target = what === 'server' ? member.server() : member.agent();
      if (target === undefined)
        return refused(`${member.name} has no ${what} process now`, 'Wait until it runs; see `agent status`.');
      const all = family(target);
      send(target, 'SIGKILL');
      // An agent's children (a build, a promotion asked for) belong to nobody then and are PID 1's to reap.
      const gone = await allGone(what === 'server' ? all : [target], faultDeadlineMs);
      return gone ? done(`killed the ${what} of ${member.name} (pid ${target.pid})`) : late(`the ${what} of ${member.name}`);
    }
    case 'pod': {
      const before = member.container()?.id;
      await parts.deletePod(member.name);
      const ended = await until(() => member.container()?.id !== before);
      return ended ? done(`deleted pod ${member.name}`) : late(`the pod ${member.name}`);
    }
    case 'node':
      parts.network.setPower(index, false);
      await member.powerOff();
      return done(`node of ${member.name} lost power; heal or thaw ${member.name} starts it again`);
    default:
      return refused(`cannot kill ${what ?? 'nothing'}`, 'Say --what server, agent, pod or node.');
  }
}

/** What is frozen: one process, or everything of the member. The stand-in stops its own children by itself. */
function targets(member: Member, what: string | undefined): ProcessId[] {
  if (what === 'server') return [member.server()].filter((id) => id !== undefined);
  if (what === 'agent') return [member.agent()].filter((id) => id !== undefined);
  return member.container()?.processes() ?? [];
}

async function freeze(member: Member, what: string | undefined): Promise<Reply> {
  if (what !== 'server' && what !== 'agent' && what !== 'pod') {
    return refused(`cannot freeze ${what ?? 'nothing'}`, 'Say --what server, agent or pod.');
  }
  const ids = targets(member, what);
  if (ids.length === 0) return refused(`${member.name} has no ${what} process now`, 'Wait until it runs; see `agent status`.');
  for (const id of ids) send(id, 'SIGSTOP');
  // A process that was being forked meanwhile appears in the second look.
  if (what === 'pod') for (const id of targets(member, what)) send(id, 'SIGSTOP');
  const stands = await until(() => ids.every((id) => isFrozen(id) || !isAlive(id)));
  return stands ? done(`froze the ${what} of ${member.name}`) : late(`the ${what} of ${member.name}`);
}

async function thaw(parts: FaultParts, member: Member, index: number): Promise<Reply> {
  restorePower(parts, index);
  const ids = [...targets(member, 'pod')].filter(isFrozen);
  for (const id of ids) send(id, 'SIGCONT');
  const stands = await until(() => !ids.some(isFrozen));
  return stands ? done(`thawed ${member.name}`) : late(member.name);
}

function cut(network: Network, member: Member, index: number, from: string | undefined): Reply {
  if (from !== 'kube' && from !== 'peers' && from !== 'all') {
    return refused(`cannot cut from ${from ?? 'nothing'}`, 'Say --from kube, peers or all; clients are never cut off.');
  }
  network.cut(index, from satisfies CutFrom);
  return done(
    `cut ${member.name} from ${from === 'all' ? 'the API server and its peers' : from === 'kube' ? 'the API server' : 'its peers'}`,
  );
}

function noVolume(member: Member): Reply {
  return refused(
    `the data of ${member.name} has no volume of its own`,
    'It was asked for with --volume none, or this machine does not permit mounts in a user namespace.',
  );
}

function fill(member: Member, percent: number | undefined): Reply {
  if (percent === undefined || !(percent >= 1 && percent <= 100))
    return refused(`cannot fill to ${percent ?? 'nothing'}`, 'Say --percent with a number from 1 to 100.');
  const { volume } = member;
  if (volume === undefined) return noVolume(member);
  if (!volume.fill(percent)) return { exit: 1, line: `the volume of ${member.name} could not be filled to ${percent}%` };
  return done(`the volume of ${member.name} has now ${state(volume)}`);
}

function grow(member: Member): Reply {
  const { volume } = member;
  if (volume === undefined) return noVolume(member);
  if (!volume.grow()) return { exit: 1, line: `the volume of ${member.name} could not be grown` };
  return done(`the volume of ${member.name} has now ${state(volume)}`);
}

function state(volume: Volume): string {
  const { percent, capacityBytes } = volume.use();
  return `${percent.toFixed(1)}% of ${Math.round(capacityBytes / 1024 ** 2)} MiB in use`;
}

function late(what: string): Reply {
  return { exit: 1, line: `the fault on ${what} does not stand after ${faultDeadlineMs / 1000} s` };
}

async function until(condition: () => boolean): Promise<boolean> {
  const end = performance.now() + faultDeadlineMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await sleep(5);
  }
  return true;
}
