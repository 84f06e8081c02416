/**
 * The Lease as a LeaseRecord and back. What the annotations hold decides who may lead, so nothing in them
 * is guessed: what is missing or cannot be understood makes the record garbage, on which nobody promotes. Times in it
 * are for display; nobody compares clocks.
 */
import type { V1Lease } from '@kubernetes/client-node';
import { formatLsn, parseLsn } from '../../core/lsn.ts';
import type { LeaseRecord, SyncEntry, SyncMode } from '../../core/model.ts';
import type { LeaseWrite } from '../../ports/kube.ts';
import { microTime, type Wire } from './wire.ts';

const prefix = 'opengauss.agent/';
const keys = {
  entries: `${prefix}entries`,
  promoting: `${prefix}promoting`,
  heir: `${prefix}heir`,
  containerId: `${prefix}container-id`,
  syncMode: `${prefix}sync-mode`,
  releasedBy: `${prefix}released-by`,
  written: `${prefix}written`,
};
/** Of all our annotations together; far more than nine members need. */
export const annotationsLimit = 8192;
const termLimit = 0x7fffffff;
const modes: readonly string[] = ['off', 'quorum', 'strict'] satisfies SyncMode[];

export interface LeaseIdentity {
  name: string;
  namespace: string;
  labels: Record<string, string>;
}

/** The object to PUT, or to POST where nothing is there yet; a text says why it cannot be written. */
export function encodeLease(write: LeaseWrite, at: LeaseIdentity, wallIso: string): Wire<V1Lease> | string {
  const { record } = write;
  const annotations: Record<string, string> = {
    [keys.entries]: JSON.stringify(record.entries.map(plainEntry)),
    [keys.syncMode]: record.syncMode,
  };
  if (record.promoting !== undefined) {
    const { member, term, dataId } = record.promoting;
    annotations[keys.promoting] = JSON.stringify({ member, term, dataId });
  }
  if (record.written !== undefined) {
    const { term, from, lsn } = record.written;
    annotations[keys.written] = JSON.stringify({ term, from: formatLsn(from), lsn: formatLsn(lsn) });
  }
  if (record.heir !== undefined) annotations[keys.heir] = record.heir;
  if (record.containerId !== undefined) annotations[keys.containerId] = record.containerId;
  if (record.releasedBy !== undefined) annotations[keys.releasedBy] = record.releasedBy;
  const size = sizeOf(annotations);
  if (size > annotationsLimit) return `the annotations would hold ${size} bytes, more than ${annotationsLimit}`;
  const uid = write.uid === undefined ? {} : { uid: write.uid };
  const version = write.over === undefined ? {} : { resourceVersion: write.over, ...uid };
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: at.name, namespace: at.namespace, labels: at.labels, annotations, ...version },
    spec: {
      holderIdentity: record.holder,
      leaseDurationSeconds: Math.max(1, Math.ceil(record.durationSeconds)),
      leaseTransitions: record.term,
      renewTime: microTime(wallIso),
    },
  };
}

function plainEntry({ term, primary, dataId, names, w }: SyncEntry): SyncEntry {
  return { term, primary, dataId, names, w };
}

/** The record of a Lease; `garbage` says what could not be understood. */
export function decodeLease(lease: Wire<V1Lease>): LeaseRecord {
  const wrong: string[] = [];
  const { spec = {}, metadata = {} } = lease;
  const annotations = ownAnnotations(metadata.annotations ?? {}, wrong);
  const holder = spec.holderIdentity ?? '';
  if (holder !== '' && !/^[^/]+\/[^/]+\/[^/]+$/.test(holder)) wrong.push('holderIdentity is not <pod>/<uid>/<incarnation>');
  const term = spec.leaseTransitions ?? 0;
  if (!isTerm(term)) wrong.push('leaseTransitions is not a term');
  const duration = spec.leaseDurationSeconds;
  if (duration === undefined || !(duration > 0)) wrong.push('leaseDurationSeconds is missing');
  const entries = decoded(annotations[keys.entries], isEntries, 'entries', wrong);
  if (annotations[keys.entries] === undefined) wrong.push('annotation entries is missing');
  const promoting = decoded(annotations[keys.promoting], isPromoting, 'promoting', wrong);
  const releasedBy = annotations[keys.releasedBy] ?? '';
  const mode = annotations[keys.syncMode];
  if (mode === undefined || !modes.includes(mode)) wrong.push('annotation sync-mode is missing or unknown');
  return {
    holder,
    term: isTerm(term) ? term : 0,
    durationSeconds: duration ?? 0,
    renewTime: spec.renewTime ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    entries: entries ?? [],
    // Where the mode cannot be read, the one that asks for most.
    syncMode: mode !== undefined && modes.includes(mode) ? (mode as SyncMode) : 'strict',
    promoting,
    heir: annotations[keys.heir] || undefined,
    containerId: annotations[keys.containerId] || undefined,
    garbage: wrong.length === 0 ? undefined : wrong.join('; '),
    ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
    ...(releasedBy === '' ? {} : { releasedBy }),
    ...writtenOf(annotations[keys.written]),
  };
}

/** What cannot be understood is not known: nobody votes by it, so it makes no record garbage. */
function writtenOf(text: string | undefined): Pick<LeaseRecord, 'written'> {
  const plain = decoded(text, isWritten, 'written', []);
  const from = parseLsn(plain?.from);
  const lsn = parseLsn(plain?.lsn);
  return plain === undefined || from === undefined || lsn === undefined ? {} : { written: { term: plain.term, from, lsn } };
}

function isWritten(value: unknown): value is { term: number; from: string; lsn: string } {
  if (typeof value !== 'object' || value === null) return false;
  const { term, from, lsn } = value as Record<string, unknown>;
  return isTerm(term) && isName(from) && isName(lsn);
}

function ownAnnotations(all: Record<string, string>, wrong: string[]): Record<string, string> {
  const own = Object.fromEntries(Object.entries(all).filter(([key]) => key.startsWith(prefix)));
  if (sizeOf(own) <= annotationsLimit) return own;
  wrong.push(`the annotations hold more than ${annotationsLimit} bytes`);
  return {};
}

function sizeOf(annotations: Record<string, string>): number {
  return Buffer.byteLength(Object.entries(annotations).flat().join(''));
}

function decoded<T>(text: string | undefined, is: (value: unknown) => value is T, name: string, wrong: string[]): T | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (is(value)) return value;
  } catch {
    // Told below, as anything else that cannot be understood.
  }
  wrong.push(`annotation ${name} cannot be understood`);
  return undefined;
}

function isEntries(value: unknown): value is SyncEntry[] {
  return Array.isArray(value) && value.length <= 8 && value.every(isEntry);
}

function isEntry(value: unknown): value is SyncEntry {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Partial<Record<keyof SyncEntry, unknown>>;
  const { names, w } = entry;
  return (
    isTerm(entry.term) &&
    isName(entry.primary) &&
    isName(entry.dataId) &&
    Array.isArray(names) &&
    names.every(isName) &&
    new Set(names).size === names.length &&
    !names.includes(entry.primary) &&
    Number.isInteger(w) &&
    (w as number) >= 0 &&
    (w as number) <= names.length
  );
}

function isPromoting(value: unknown): value is { member: string; term: number; dataId: string } {
  if (typeof value !== 'object' || value === null) return false;
  const { member, term, dataId } = value as Record<string, unknown>;
  return isName(member) && isTerm(term) && isName(dataId);
}

function isTerm(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= termLimit;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
