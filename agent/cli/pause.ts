/**
 * `agent pause` and `agent resume`: of the whole cluster by the key `paused` of the configuration, of one member by an
 * annotation of its pod. Both wait until every member that answers says that it follows, so that nobody begins to work
 * on a server that an agent is about to start.
 */
import type { ClusterStatus } from '../adapters/http/document.ts';
import { pausedAnnotation } from '../core/hand.ts';
import { parseSeconds } from '../core/quantity.ts';
import { annotate } from './annotate.ts';
import { type Command, type Parsed, textOption } from './command.ts';
import { editConfig, withKeys } from './edit.ts';
import { complain, exit, type Io } from './io.ts';
import { type KubeAccess, openKube } from './kube.ts';
import { waitForStatus } from './wait.ts';

const confirmMs = 20_000;
const longestSeconds = 30 * 86_400;

export const pause: Command = {
  name: 'pause',
  words: { usage: '[MEMBER]', min: 0, max: 1 },
  summary: 'keep the agents’ hands off: nothing is started, stopped, promoted or demoted',
  details: [
    'Without MEMBER the whole cluster. Leaders go on renewing; a server that lost its lease is killed all the same.',
    'A member that is paused alone goes on acknowledging and voting, and never takes over.',
    'Exit code: 0 done, 1 timed out or failed, 5 refused.',
  ],
  options: { for: { type: 'string', value: 'D', help: 'end it by itself after so long, e.g. 2h' } },
  async run(parsed, io) {
    const text = textOption(parsed, 'for');
    const seconds = text === undefined ? undefined : parseSeconds(text);
    if (text !== undefined && (seconds === undefined || seconds < 1 || seconds > longestSeconds))
      return complain(io, exit.failed, '--for is not a time from 1s to 720h', 'Give it as 30m or 2h.');
    const until = seconds === undefined ? undefined : new Date(Math.round(Date.now() + seconds * 1000)).toISOString();
    return await put(parsed, io, true, until);
  },
};

export const resume: Command = {
  name: 'resume',
  words: { usage: '[MEMBER]', min: 0, max: 1 },
  summary: 'end a pause',
  details: ['Without MEMBER that of the whole cluster. Exit code: 0 done, 1 timed out or failed, 5 refused.'],
  options: {},
  run: (parsed, io) => put(parsed, io, false, undefined),
};

async function put(parsed: Parsed, io: Io, on: boolean, until: string | undefined): Promise<number> {
  const access = await openKube(io);
  if (typeof access === 'number') return access;
  const [member] = parsed.words;
  try {
    const code = member === undefined ? await wholeCluster(io, access, on, until) : await one(io, access, member, on, until);
    return code === exit.done ? await confirm(io, member, on, until) : code;
  } finally {
    await access.kube.close();
  }
}

async function wholeCluster(io: Io, { kube, settings }: KubeAccess, on: boolean, until: string | undefined): Promise<number> {
  const keys = { paused: on, pausedUntil: until };
  const edited = await editConfig(io, kube, `og-${settings.cluster}-config`, (text) => withKeys(text, keys));
  return typeof edited === 'number' ? edited : exit.done;
}

function one(io: Io, access: KubeAccess, member: string, on: boolean, until: string | undefined): Promise<number> {
  return annotate(io, access, member, { [pausedAnnotation]: on ? (until ?? 'true') : null });
}

async function confirm(io: Io, member: string | undefined, on: boolean, until: string | undefined): Promise<number> {
  const name = member ?? 'the cluster';
  const done = `${name} is ${on ? 'paused' : 'no longer paused'}${until === undefined ? '' : ` until ${until}`}`;
  return await waitForStatus(io, confirmMs, done, (status) => {
    if (!on && member !== undefined && status.paused) return { done: `${done}; the cluster still is` };
    const waiting = silent(status, member, on);
    return waiting.length === 0 ? { done } : { waiting: `waiting for ${waiting.join(', ')}` };
  });
}

/** Members that answer and do not say yet what is wanted. */
function silent(status: ClusterStatus, member: string | undefined, on: boolean): string[] {
  const asked = status.members.filter((one) => one.paused !== null && (member === undefined || one.name === member));
  return asked.filter((one) => one.paused !== on).map((one) => one.name);
}
