/**
 * The bodies of the peer API: JSON, with WAL positions as `X/Y` text and what is unknown as null. Everything that
 * comes in is checked field by field: a member of another version or a stranger with the key must not be able to put
 * a wrong type into a decision. Unknown fields are left out, missing optional ones are unknown.
 */
import { type Lsn, lsnOrNull, parseLsn } from '../../core/lsn.ts';
import {
  type BrakeOwner,
  type BuildProgress,
  dbStates,
  type Instance,
  type PeerState,
  type PromiseAsk,
  roles,
  type VolumeFault,
  type VolumeUse,
} from '../../core/model.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import type { FreezeAsk } from '../../ports/others.ts';

const instances: readonly Instance['is'][] = [
  'empty',
  'unusable',
  'unfinished',
  'stopped',
  'starting',
  'hung',
  'pending',
  'primary',
  'standby',
];
const modes = ['full', 'incremental'] as const;
const brakeOwners: readonly BrakeOwner[] = ['agent', 'switchover', 'human'];
const volumeFaults: readonly VolumeFault[] = ['absent', 'replaced', 'read-only', 'failed'];
const termMax = 0x7fffffff;

/** What does not fit; thrown and caught in this file alone. */
class Misfit extends Error {}

/** What an elastic file system answers is of this order. */
const largestSize = 2 ** 64;

type Fields = Record<string, unknown>;

/** A body's text as an object; undefined when it is none. */
export function parseBody(body: Buffer): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

export function encodeState(state: PeerState): Fields {
  const { received, replayed, written, ...rest } = state;
  return { ...rest, received: lsnOrNull(received), replayed: lsnOrNull(replayed), written: lsnOrNull(written) };
}

export function decodeState(fields: Fields): Result<PeerState> {
  return guarded(() => ({
    name: text(fields, 'name'),
    uid: text(fields, 'uid'),
    incarnation: text(fields, 'incarnation'),
    instance: word(fields, 'instance', instances),
    role: word(fields, 'role', roles),
    state: word(fields, 'state', dbStates),
    detail: text(fields, 'detail'),
    term: term(fields, 'term'),
    received: lsn(fields, 'received'),
    replayed: lsn(fields, 'replayed'),
    written: lsn(fields, 'written'),
    redoFinished: flag(fields, 'redoFinished'),
    streamingFrom: maybe(fields, 'streamingFrom', text),
    systemId: maybe(fields, 'systemId', text),
    dataId: maybe(fields, 'dataId', text),
    promotedTerm: term(fields, 'promotedTerm'),
    frozenFor: maybe(fields, 'frozenFor', (from, key) => {
      const inner = group(from, key);
      return { term: term(inner, 'term'), candidate: text(inner, 'candidate') };
    }),
    granted: term(fields, 'granted'),
    eligible: flag(fields, 'eligible'),
    reason: text(fields, 'reason'),
    leaseTerm: term(fields, 'leaseTerm'),
    paused: flag(fields, 'paused'),
    build: maybe(fields, 'build', build),
    volumes: volumes(fields),
    agentVersion: text(fields, 'agentVersion'),
    since: maybe(fields, 'since', text),
    ...optional('syncObserved', maybe(fields, 'syncObserved', texts)),
    ...optional('readOnly', maybe(fields, 'readOnly', flag)),
    ...optional(
      'promised',
      maybe(fields, 'promised', (from, key) => {
        const inner = group(from, key);
        return { holder: text(inner, 'holder'), term: term(inner, 'term') };
      }),
    ),
    ...optional(
      'readOnlyOwner',
      maybe(fields, 'readOnlyOwner', (from, key) => word(from, key, brakeOwners)),
    ),
    ...optional('pressure', maybe(fields, 'pressure', text)),
    ...optional(
      'leaseSeenMs',
      maybe(fields, 'leaseSeenMs', (from, key) => number(from, key, 0, Number.MAX_SAFE_INTEGER)),
    ),
    ...optional('mayLead', maybe(fields, 'mayLead', flag)),
  }));
}

/** Where a member's state is asked for. */
export const statePath = '/v1/state';

/** What a member says of itself with its question: how it is, and how old that is, told without anybody's wall clock. */
export interface Told {
  state: PeerState;
  /** The counter of the last question of its that was answered. */
  after: number;
  /** Between that answer's coming in and the look whose state this is, by the sender's clock. */
  heldMs: number;
}

/** The text of a state serves every peer that is told it. */
export function encodeTold(state: string, { after, heldMs }: Pick<Told, 'after' | 'heldMs'>): string {
  return `{"after":${after},"heldMs":${heldMs},"state":${state}}`;
}

export function decodeTold(fields: Fields): Result<Told> {
  return guarded(() => {
    const state = decodeState(group(fields, 'state'));
    if (!state.ok) throw new Misfit(state.fault.detail);
    const amount = (key: string) => number(fields, key, 0, Number.MAX_SAFE_INTEGER);
    return { state: state.value, after: amount('after'), heldMs: amount('heldMs') };
  });
}

export function decodeFreeze(fields: Fields): Result<FreezeAsk> {
  return guarded(() => ({
    term: term(fields, 'term'),
    candidate: text(fields, 'candidate'),
    host: text(fields, 'host'),
    haPort: number(fields, 'haPort', 1, 65535),
  }));
}

/** The longest promise that can be asked for; the settings stay far below. */
const promiseMsMax = 600_000;

export function decodePromise(fields: Fields): Result<PromiseAsk> {
  return guarded(() => ({
    holder: text(fields, 'holder'),
    term: term(fields, 'term'),
    durationMs: number(fields, 'durationMs', 0, promiseMsMax),
  }));
}

export function decodeUnfreeze(fields: Fields): Result<{ term: number }> {
  return guarded(() => ({ term: term(fields, 'term') }));
}

const kinds: readonly Fault['kind'][] = [
  'timeout',
  'unreachable',
  'refused',
  'denied',
  'absent',
  'exists',
  'conflict',
  'throttled',
  'exited',
  'malformed',
  'cancelled',
];

/** A fault as the answering member gave it; undefined when the body holds none. */
export function decodeFault(fields: Fields | undefined): Fault | undefined {
  const inner = fields?.['fault'];
  if (typeof inner !== 'object' || inner === null) return undefined;
  const read = guarded((): Fault => {
    const from = inner as Fields;
    return {
      of: word(from, 'of', ['kube', 'sql', 'command', 'disk', 'peer', 'fence']),
      kind: word(from, 'kind', kinds),
      done: word(from, 'done', ['no', 'maybe']),
      detail: text(from, 'detail'),
      ...optional('code', maybe(from, 'code', text)),
      ...optional('hint', maybe(from, 'hint', text)),
    };
  });
  return read.ok ? read.value : undefined;
}

function guarded<T>(read: () => T): Result<T> {
  try {
    return ok(read());
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    return failed({ of: 'peer', kind: 'malformed', done: 'no', detail: error.message });
  }
}

function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: T });
}

function misfit(key: string): never {
  throw new Misfit(`field ${key} does not fit`);
}

function maybe<T>(from: Fields, key: string, read: (from: Fields, key: string) => T): T | undefined {
  return from[key] === undefined || from[key] === null ? undefined : read(from, key);
}

function text(from: Fields, key: string): string {
  const value = from[key];
  return typeof value === 'string' && value.length <= 1024 ? value : misfit(key);
}

function texts(from: Fields, key: string): string[] {
  const value = from[key];
  if (!Array.isArray(value) || value.length > 16 || !value.every((one) => typeof one === 'string')) return misfit(key);
  return value;
}

function flag(from: Fields, key: string): boolean {
  const value = from[key];
  return typeof value === 'boolean' ? value : misfit(key);
}

function number(from: Fields, key: string, min: number, max: number): number {
  const value = from[key];
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : misfit(key);
}

function finite(from: Fields, key: string): number {
  const value = from[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : misfit(key);
}

function term(from: Fields, key: string): number {
  return number(from, key, 0, termMax);
}

function word<W extends string>(from: Fields, key: string, words: readonly W[]): W {
  return words.find((one) => one === from[key]) ?? misfit(key);
}

function group(from: Fields, key: string): Fields {
  const value = from[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : misfit(key);
}

function lsn(from: Fields, key: string): Lsn | undefined {
  const value = maybe(from, key, text);
  if (value === undefined) return undefined;
  return parseLsn(value) ?? (value === '0/0' ? undefined : misfit(key));
}

function build(from: Fields, key: string): BuildProgress {
  const inner = group(from, key);
  const ratio = maybe(inner, 'ratio', (at, name) => {
    const value = at[name];
    return typeof value === 'number' && value >= 0 && value <= 1 ? value : misfit(name);
  });
  return { mode: word(inner, 'mode', modes), ratio, startedAt: text(inner, 'startedAt') };
}

function volumes(from: Fields): VolumeUse[] {
  const list = from['volumes'];
  if (!Array.isArray(list) || list.length > 32) return misfit('volumes');
  return list.flatMap((one: unknown) => {
    try {
      return [volume(group({ one }, 'one'))];
    } catch (error) {
      // File systems without a size of their own answer anything: what they say decides about the disk alone, and costs no vote.
      if (error instanceof Misfit) return [];
      throw error;
    }
  });
}

function volume(at: Fields): VolumeUse {
  const size = (key: string) => number(at, key, 0, largestSize);
  const ratio = at['usedRatio'];
  return {
    mount: text(at, 'mount'),
    capacityBytes: size('capacityBytes'),
    availableBytes: size('availableBytes'),
    usedRatio: typeof ratio === 'number' && ratio >= 0 && ratio <= 1 ? ratio : misfit('usedRatio'),
    ...optional(
      'inodesFree',
      maybe(at, 'inodesFree', () => size('inodesFree')),
    ),
    ...optional('stalled', maybe(at, 'stalled', flag)),
    ...optional(
      'inodes',
      maybe(at, 'inodes', () => size('inodes')),
    ),
    ...optional('fillBytesPerSecond', maybe(at, 'fillBytesPerSecond', finite)),
    ...optional('fullInSeconds', maybe(at, 'fullInSeconds', finite)),
    ...optional(
      'fault',
      maybe(at, 'fault', (from, key) => word(from, key, volumeFaults)),
    ),
    ...optional('device', maybe(at, 'device', text)),
    ...optional('fileSystem', maybe(at, 'fileSystem', text)),
    ...optional('path', maybe(at, 'path', text)),
  };
}
