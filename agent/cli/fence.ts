/**
 * `agent fence` and `agent unfence`: one member's server is kept down, by an annotation of its pod. A primary hands over
 * first; where nobody could take over that is an outage, and has to be asked for in so many words.
 */
import type { ClusterStatus, MemberStatus } from '../adapters/http/document.ts';
import { fencedAnnotation } from '../core/hand.ts';
import { annotate } from './annotate.ts';
import { type Command, type Parsed, textOption } from './command.ts';
import { complain, exit, type Io } from './io.ts';
import { type KubeAccess, openKube } from './kube.ts';
import { isDown, isPrimary, localStatus, primaryIn } from './members.ts';
import { secondsHint, secondsOf } from './request.ts';
import { waitForStatus } from './wait.ts';

const defaultSeconds = 120;
const timeout = { type: 'string', value: 'SECONDS', help: `how long to wait for it (${defaultSeconds})` } as const;

export const fence: Command = {
  name: 'fence',
  words: { usage: 'MEMBER', min: 1, max: 1 },
  summary: 'stop a member’s server and keep it down; a primary hands over first',
  details: [
    'It stays so until agent unfence, or until its pod is made anew. Exit code: 0 done, 5 refused, 1 timed out or failed.',
  ],
  options: {
    force: {
      type: 'boolean',
      help: 'also a primary that nobody can take over from, or the last synchronous standby: writes stop',
    },
    timeout,
  },
  run: (parsed, io) => within(parsed, io, fenceOne),
};

export const unfence: Command = {
  name: 'unfence',
  words: { usage: 'MEMBER', min: 1, max: 1 },
  summary: 'let a fenced member start its server again',
  details: ['Exit code: 0 done, 5 refused, 1 timed out or failed.'],
  options: { timeout },
  run: (parsed, io) => within(parsed, io, unfenceOne),
};

type Work = (parsed: Parsed, io: Io, access: KubeAccess, seconds: number) => Promise<number>;

async function within(parsed: Parsed, io: Io, work: Work): Promise<number> {
  const seconds = secondsOf(textOption(parsed, 'timeout'), defaultSeconds, 3600);
  if (typeof seconds === 'string') return complain(io, exit.failed, seconds, secondsHint);
  const access = await openKube(io);
  if (typeof access === 'number') return access;
  try {
    return await work(parsed, io, access, seconds);
  } finally {
    await access.kube.close();
  }
}

async function fenceOne(parsed: Parsed, io: Io, access: KubeAccess, seconds: number): Promise<number> {
  const [name = ''] = parsed.words;
  const why = refusal(await localStatus(io), name, parsed.values['force'] === true);
  if (why !== undefined) return complain(io, exit.refused, why.text, why.hint);
  const code = await annotate(io, access, name, { [fencedAnnotation]: 'true' });
  if (code !== exit.done) return code;
  return await waitForStatus(io, seconds * 1000, `the server of ${name} is down`, (status) => {
    const member = memberOf(status, name);
    if (member !== undefined && isDown(member) && member.reason === 'fenced by hand')
      return { done: `${name} is fenced; its server is down` };
    return { waiting: isPrimary(member) ? `${name} hands over` : `waiting for ${name}` };
  });
}

interface Refusal {
  text: string;
  hint: string;
}

function refusal(status: ClusterStatus | undefined, name: string, force: boolean): Refusal | undefined {
  if (status === undefined) return force ? undefined : silent(name);
  const member = memberOf(status, name);
  const paused = pausedText(status, name);
  if (paused !== undefined) return { text: `${paused}: nothing is stopped`, hint: 'End the pause first, with agent resume.' };
  if (force) return undefined;
  if (!isPrimary(member)) return lastInStrict(status, name);
  if (status.members.some((one) => one.name !== name && one.eligible === true)) return undefined;
  return {
    text: `${name} is the primary and nobody can take over from it`,
    hint: 'Bring a standby back first, or add --force: writes stop.',
  };
}

/** Nobody else acknowledges: commits would wait until it is back. */
function lastInStrict({ sync }: ClusterStatus, name: string): Refusal | undefined {
  if (sync.mode !== 'strict' || sync.expected?.join() !== name) return undefined;
  return {
    text: `${name} is the only synchronous standby in mode strict: writes would wait for it`,
    hint: 'Bring another standby back first, or add --force: writes stop.',
  };
}

/** Whether it leads, and whether anybody could take over from it, nobody else tells. */
function silent(name: string): Refusal {
  return {
    text: `the agent of this container does not answer, and ${name} may be a primary that nobody can take over from`,
    hint: 'Run this on a member whose agent answers, or add --force: writes may stop.',
  };
}

function pausedText(status: ClusterStatus | undefined, name: string): string | undefined {
  if (status?.paused === true) return 'the cluster is paused';
  const member = status === undefined ? undefined : memberOf(status, name);
  return member?.paused === true ? `${name} is paused` : undefined;
}

async function unfenceOne(parsed: Parsed, io: Io, access: KubeAccess, seconds: number): Promise<number> {
  const [name = ''] = parsed.words;
  const paused = pausedText(await localStatus(io), name);
  if (paused !== undefined)
    return complain(io, exit.refused, `${paused}: nothing is started`, 'End the pause first, with agent resume.');
  const code = await annotate(io, access, name, { [fencedAnnotation]: null });
  if (code !== exit.done) return code;
  return await waitForStatus(io, seconds * 1000, `the server of ${name} is up`, (status) => {
    const member = memberOf(status, name);
    // Without a primary there is nobody to follow, and no state gets better by waiting.
    const up = member?.state === 'Normal' || (member?.role === 'Standby' && primaryIn(status) === undefined);
    if (member !== undefined && up && member.reason !== 'fenced by hand')
      return { done: `${name} is no longer fenced: ${member.role}, ${member.state}` };
    return { waiting: `${name} is ${member?.role ?? 'Unknown'}, ${member?.state ?? 'Unknown'}` };
  });
}

function memberOf(status: ClusterStatus, name: string): MemberStatus | undefined {
  return status.members.find((member) => member.name === name);
}
