/**
 * The forms of the two ConfigMaps that agents write.
 *
 * `og-<c>-state`: `systemId` (decimal text), `history` (one JSON object a line: term, primary, at, reason; the oldest
 * first, 50 at most), `readOnly` (while a human has set the database read-only: JSON of owner, member, term), and keys of
 * others, which stay as they are.
 *
 * `og-<c>-request`: `kind` (switchover, restart, reinit, failover), `target` (a member), `options` (a JSON object of
 * texts), `phase` (open when missing), `deadline` (ISO time), `result`, `hint`, `id` (the object's uid when missing, so
 * that people can write a request with kubectl).
 */
import type { V1ConfigMap } from '@kubernetes/client-node';
import type { CarriedBrake, ClusterFacts, HistoryLine, Request } from '../../core/model.ts';
import type { Wire } from './wire.ts';

const historyLimit = 50;
const kinds: readonly string[] = ['switchover', 'restart', 'reinit', 'failover'] satisfies Request['kind'][];
const phases: readonly string[] = [
  'open',
  'running',
  'done',
  'refused',
  'failed',
  'timed-out',
  'rolled-back',
] satisfies Request['phase'][];

/** Values of a ConfigMap; null takes the key away. */
export type Data = Record<string, string | null>;

/** The facts in the state ConfigMap; history lines that cannot be read are left out, they decide nothing. */
export function decodeFacts(map: Wire<V1ConfigMap> | undefined): ClusterFacts {
  const data = map?.data ?? {};
  const history = (data['history'] ?? '').split('\n').flatMap(historyLine).slice(-historyLimit);
  const readOnly = carriedBrake(data['readOnly']);
  const carried = readOnly === undefined ? {} : { readOnly };
  return { systemId: data['systemId'] || undefined, history, resourceVersion: map?.metadata?.resourceVersion, ...carried };
}

/** The keys that hold the facts. */
export function encodeFacts(facts: ClusterFacts): Data {
  const lines = facts.history
    .slice(-historyLimit)
    .map(({ term, primary, at, reason }) => JSON.stringify({ term, primary, at, reason }));
  const readOnly = facts.readOnly === undefined ? null : JSON.stringify(facts.readOnly);
  return { systemId: facts.systemId ?? null, history: lines.join('\n'), readOnly };
}

/** Anything there says that a human wants it: what cannot be read in full must not be undone. */
function carriedBrake(text: string | undefined): CarriedBrake | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  try {
    const { member, term } = JSON.parse(text) as Partial<Record<keyof CarriedBrake, unknown>>;
    return { owner: 'human', member: String(member ?? ''), term: typeof term === 'number' ? term : 0 };
  } catch {
    return { owner: 'human', member: '', term: 0 };
  }
}

function historyLine(text: string): HistoryLine[] {
  try {
    const { term, primary, at, reason } = JSON.parse(text) as Partial<Record<keyof HistoryLine, unknown>>;
    return typeof term === 'number' ? [{ term, primary: String(primary), at: String(at), reason: String(reason) }] : [];
  } catch {
    return [];
  }
}

/** The request in the request ConfigMap; a text says what is wrong with it, undefined that there is none. */
export function decodeRequest(map: Wire<V1ConfigMap> | undefined): Request | string | undefined {
  const { data = {}, metadata = {} } = map ?? {};
  if (map === undefined || Object.keys(data).length === 0) return undefined;
  const { kind = '', phase = 'open' } = data;
  if (!kinds.includes(kind)) return `kind is "${kind}", not one of ${kinds.join(', ')}`;
  if (!phases.includes(phase)) return `phase is "${phase}", not one of ${phases.join(', ')}`;
  const options = optionsOf(data['options']);
  if (options === undefined) return 'options is not a JSON object of texts';
  return {
    id: data['id'] || metadata.uid || '',
    kind: kind as Request['kind'],
    target: data['target'] || undefined,
    options,
    phase: phase as Request['phase'],
    deadline: data['deadline'] || undefined,
    result: data['result'] || undefined,
    hint: data['hint'] || undefined,
    resourceVersion: metadata.resourceVersion ?? '',
  };
}

/** The keys that hold a request. */
export function encodeRequest(request: Request): Data {
  const options = Object.keys(request.options).length === 0 ? null : JSON.stringify(request.options);
  return {
    id: request.id,
    kind: request.kind,
    target: request.target ?? null,
    options,
    phase: request.phase,
    deadline: request.deadline ?? null,
    result: request.result ?? null,
    hint: request.hint ?? null,
  };
}

function optionsOf(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined || text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    if (!Object.values(value).every((each) => typeof each === 'string')) return undefined;
    return value as Record<string, string>;
  } catch {
    return undefined;
  }
}
