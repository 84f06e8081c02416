/**
 * A request from its writing to its end: it is put down in the ConfigMap `og-<c>-request`, one at a time, and followed
 * until it is closed. Members do the work; if this command is interrupted, or its pod is the one that stops, the
 * request goes on. One that nobody takes up is closed, so that nobody acts on it later.
 */
import { randomUUID } from 'node:crypto';
import type { Request } from '../core/model.ts';
import type { Result } from '../core/result.ts';
import type { KubePort } from '../ports/kube.ts';
import { complain, exit, type Io, pause } from './io.ts';
import { progressOn } from './wait.ts';

const callMs = 2000;
const pollMs = 250;
/** How long a running request may take beyond its deadline to say how it ended: it is rolled back meanwhile. */
const graceMs = 15_000;

const closed: readonly Request['phase'][] = ['done', 'refused', 'failed', 'timed-out', 'rolled-back'];

export interface Wish {
  kind: Request['kind'];
  target: string | undefined;
  options: Record<string, string>;
  /** How long it may take. */
  seconds: number;
  /** Who is to take it up, for progress: `the primary`. */
  taker: string;
  /** Wall-clock milliseconds at which it begins; now when not given. */
  at?: number;
}

/** Writes a request down; a number is the exit code of one that cannot be written. */
export async function writeRequest(io: Io, kube: KubePort, wish: Wish): Promise<Request | number> {
  const before = await kube.readRequest(callMs);
  if (!before.ok) return complain(io, exit.failed, `the request could not be written: ${before.fault.detail}`, before.fault.hint);
  const open = before.value;
  if (open !== undefined && !closed.includes(open.phase) && !isOver(open)) return refuseSecond(io, open);
  const wanted: Request = {
    id: randomUUID(),
    kind: wish.kind,
    target: wish.target,
    options: wish.options,
    phase: 'open',
    deadline: new Date((wish.at ?? Date.now()) + wish.seconds * 1000).toISOString(),
    result: undefined,
    hint: undefined,
    resourceVersion: open?.resourceVersion ?? '',
  };
  const written = await kube.writeRequest(wanted, callMs);
  if (written.ok || written.fault.done === 'maybe') return wanted;
  const taken = written.fault.kind === 'conflict' || written.fault.kind === 'exists';
  if (taken) return complain(io, exit.refused, 'another request came first', 'Wait until it has ended.');
  return complain(io, exit.failed, `the request could not be written: ${written.fault.detail}`, written.fault.hint);
}

function refuseSecond(io: Io, open: Request): number {
  const at = open.phase === 'open' ? open.options['at'] : undefined;
  if (at !== undefined && Date.parse(at) > Date.now())
    return complain(io, exit.refused, `a ${open.kind} is planned for ${at}`, 'Take it back with agent switchover --cancel.');
  const end = open.deadline ?? 'an unknown time';
  return complain(
    io,
    exit.refused,
    `a ${open.kind} is ${open.phase} already`,
    `Wait until it has ended, at ${end} at the latest.`,
  );
}

function isOver(request: Request): boolean {
  const end = Date.parse(request.deadline ?? '');
  return !Number.isNaN(end) && end + graceMs < Date.now();
}

/** Writes a request and follows it to its end; the value is the exit code. */
export async function request(io: Io, kube: KubePort, wish: Wish, progress?: () => Promise<string | undefined>): Promise<number> {
  const wanted = await writeRequest(io, kube, wish);
  return typeof wanted === 'number' ? wanted : await follow(io, kube, wanted, wish, progress);
}

/** Looks at the request until it is closed; its end is counted on the own monotonic clock. */
async function follow(
  io: Io,
  kube: KubePort,
  wanted: Request,
  wish: Wish,
  more: (() => Promise<string | undefined>) | undefined,
): Promise<number> {
  const until = performance.now() + wish.seconds * 1000;
  const say = progressOn(io);
  let last = `waiting for ${wish.taker} to take it up`;
  let missed: string | undefined;
  while (performance.now() < until + graceMs) {
    const read: Result<Request | undefined> = await kube.readRequest(callMs);
    missed = read.ok ? undefined : read.fault.detail;
    const now = read.ok ? read.value : undefined;
    if (read.ok && now?.id !== wanted.id)
      return complain(io, exit.failed, 'the request was taken away or replaced by another', 'agent status tells who is primary.');
    if (now !== undefined && closed.includes(now.phase)) return end(io, now);
    if (now?.phase === 'open' && performance.now() > until) return await giveUp(io, kube, now, wish);
    if (now?.phase === 'running') last = (await more?.()) ?? now.result ?? 'running';
    say(last);
    await pause(pollMs, io.signal);
    if (io.signal.aborted)
      return complain(io, exit.failed, 'no longer followed; the request goes on', 'agent status tells who is primary.');
  }
  return complain(
    io,
    exit.failed,
    `timed out: ${missed === undefined ? `it was still running: ${last}` : `the API server does not answer: ${missed}`}`,
    'agent status tells who is primary.',
  );
}

/** Nobody took it up: it is closed, so that a member that comes back later does not act on it. */
async function giveUp(io: Io, kube: KubePort, now: Request, wish: Wish): Promise<number> {
  const result = wish.taker === 'the primary' ? 'no primary took it up in time' : `${wish.taker} did not take it up in time`;
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

/** Takes back a request that is planned for later. */
export async function cancel(io: Io, kube: KubePort): Promise<number> {
  const read = await kube.readRequest(callMs);
  if (!read.ok) return complain(io, exit.failed, `the request could not be read: ${read.fault.detail}`, read.fault.hint);
  const planned = read.value;
  const live = planned !== undefined && !closed.includes(planned.phase) && !isOver(planned);
  if (!live || planned.kind !== 'switchover') {
    const hint = 'There is only a switchover to take back; agent doctor shows what is open.';
    return complain(io, exit.refused, live ? `what is open is no switchover but a ${planned.kind}` : 'nothing is planned', hint);
  }
  if (planned.phase !== 'open')
    return complain(io, exit.refused, 'it is under way already', 'It ends by itself; agent status shows how.');
  const written = await kube.writeRequest({ ...planned, phase: 'refused', result: 'taken back', hint: undefined }, callMs);
  if (!written.ok) return complain(io, exit.failed, `it could not be taken back: ${written.fault.detail}`, written.fault.hint);
  io.out.write('done: it is taken back\n');
  return exit.done;
}

/** What helps against a bad number of seconds. */
export const secondsHint = 'Give whole seconds, such as --timeout 60.';

/** A number of seconds in an option; a text says what is wrong with it. */
export function secondsOf(text: string | undefined, fallback: number, max = 86_400): number | string {
  const seconds = Number(text ?? fallback);
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= max
    ? seconds
    : `--timeout is not a number of seconds from 1 to ${max}`;
}
