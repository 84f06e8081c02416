/**
 * `agent switchover`: writes the request down in the ConfigMap `og-<c>-request`, then follows it to its end. The
 * primary does the work; if this command is interrupted, or its pod is the one that stops, the request goes on.
 */
import { randomUUID } from 'node:crypto';
import type { Request } from '../core/model.ts';
import type { Result } from '../core/result.ts';
import type { KubePort } from '../ports/kube.ts';
import { type Command, textOption } from './command.ts';
import { complain, exit, type Io, pause } from './io.ts';
import { openKube } from './kube.ts';

const callMs = 2000;
const pollMs = 250;
/** How long a running request may take beyond its deadline to say how it ended: the primary rolls back meanwhile. */
const graceMs = 15_000;
const defaultSeconds = 60;

const closed: readonly Request['phase'][] = ['done', 'refused', 'failed', 'timed-out', 'rolled-back'];

export const switchover: Command = {
  name: 'switchover',
  summary: 'hand the role of primary over to a standby, without losing a commit',
  details: [
    'It waits until the request is done, refused, rolled back or timed out, and says which.',
    'Exit code: 0 done, 5 refused, 1 rolled back, timed out or failed.',
  ],
  options: {
    to: { type: 'string', value: 'MEMBER', help: 'the next primary; the best standby when not given' },
    timeout: { type: 'string', value: 'SECONDS', help: `how long it may take (${defaultSeconds})` },
  },
  async run(parsed, io) {
    const seconds = Number(textOption(parsed, 'timeout') ?? defaultSeconds);
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600)
      return complain(io, exit.failed, '--timeout is not a number of seconds from 1 to 3600');
    const access = await openKube(io);
    if (typeof access === 'number') return access;
    const { kube, settings } = access;
    try {
      const target = textOption(parsed, 'to');
      if (target !== undefined && !target.startsWith(`og-${settings.cluster}-`)) {
        return complain(
          io,
          exit.refused,
          `${target} is not a member of ${settings.cluster}`,
          'agent status -o name prints the members.',
        );
      }
      return await request(io, kube, target, seconds);
    } finally {
      await kube.close();
    }
  },
};

async function request(io: Io, kube: KubePort, target: string | undefined, seconds: number): Promise<number> {
  const before = await kube.readRequest(callMs);
  if (!before.ok) return complain(io, exit.failed, `the request could not be written: ${before.fault.detail}`, before.fault.hint);
  const open = before.value;
  if (open !== undefined && !closed.includes(open.phase) && !isOver(open)) {
    return complain(
      io,
      exit.refused,
      `a ${open.kind} is ${open.phase} already`,
      `Wait until it has ended, at ${open.deadline ?? 'an unknown time'} at the latest.`,
    );
  }
  const wanted: Request = {
    id: randomUUID(),
    kind: 'switchover',
    target,
    options: {},
    phase: 'open',
    deadline: new Date(Date.now() + seconds * 1000).toISOString(),
    result: undefined,
    hint: undefined,
    resourceVersion: open?.resourceVersion ?? '',
  };
  const written = await kube.writeRequest(wanted, callMs);
  if (!written.ok && written.fault.done === 'no') {
    const taken = written.fault.kind === 'conflict' || written.fault.kind === 'exists';
    if (taken) return complain(io, exit.refused, 'another request came first', 'Wait until it has ended.');
    return complain(io, exit.failed, `the request could not be written: ${written.fault.detail}`, written.fault.hint);
  }
  return await follow(io, kube, wanted, seconds);
}

function isOver(request: Request): boolean {
  const end = Date.parse(request.deadline ?? '');
  return !Number.isNaN(end) && end + graceMs < Date.now();
}

/** Looks at the request until it is closed; its end is counted on the own monotonic clock. */
async function follow(io: Io, kube: KubePort, wanted: Request, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let said = '';
  let missed: string | undefined;
  while (performance.now() < until + graceMs) {
    const read: Result<Request | undefined> = await kube.readRequest(callMs);
    missed = read.ok ? undefined : read.fault.detail;
    const now = read.ok ? read.value : undefined;
    if (read.ok && now?.id !== wanted.id)
      return complain(io, exit.failed, 'the request was taken away or replaced by another', 'agent status tells who is primary.');
    if (now !== undefined && closed.includes(now.phase)) return end(io, now);
    if (now?.phase === 'open' && performance.now() > until) return await giveUp(io, kube, now);
    const progress =
      now === undefined ? said : now.phase === 'open' ? 'waiting for the primary to take it up' : (now.result ?? 'running');
    if (progress !== said && io.err.isTTY === true) io.err.write(`${progress}\n`);
    said = progress;
    await pause(pollMs, io.signal);
    if (io.signal.aborted)
      return complain(io, exit.failed, 'no longer followed; the request goes on', 'agent status tells who is primary.');
  }
  return complain(
    io,
    exit.failed,
    `timed out: ${missed === undefined ? 'it was still running' : `the API server does not answer: ${missed}`}`,
    'agent status tells who is primary.',
  );
}

/** Nobody took it up: it is closed, so that a primary that comes back later does not act on it. */
async function giveUp(io: Io, kube: KubePort, now: Request): Promise<number> {
  const result = 'no primary took it up in time';
  const written = await kube.writeRequest({ ...now, phase: 'timed-out', result }, callMs);
  const hint = written.ok
    ? 'agent status tells what the cluster is doing.'
    : 'It may still be taken up: agent status tells who is primary.';
  return complain(io, exit.failed, `timed out: ${result}`, hint);
}

function end(io: Io, request: Request): number {
  const result = request.result ?? 'no reason given';
  if (request.phase === 'done') {
    io.out.write(`done: ${result}\n`);
    return exit.done;
  }
  const word = request.phase.replace('-', ' ');
  return complain(io, request.phase === 'refused' ? exit.refused : exit.failed, `${word}: ${result}`, request.hint);
}
