/**
 * Who this data is: a random data-id and the highest term it was promoted with, in two files inside the data
 * directory, so that a wiped volume is somebody else. A build copies the primary's files over ours, so the identity
 * that the data shall have *after* the build is laid beside the data directory before it begins, and wins until it
 * has been put in place: a crash in between can never leave this member with the primary's identity.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Term } from '../../core/model.ts';
import { ok, type Result } from '../../core/result.ts';
import { readSettled, removeFiles, writeDurably } from './files.ts';

export interface Identity {
  dataId: string | undefined;
  promotedTerm: Term;
}

const idFile = 'opengauss_agent.id';
const termFile = 'opengauss_agent.term';

/** A new identity for data that nobody has promoted. */
export function freshIdentity(): Identity {
  return { dataId: randomUUID(), promotedTerm: 0 };
}

function besidePath(pgdata: string): string {
  return `${pgdata}.identity`;
}

/** The identity of the data as it lies there. */
export async function readIdentity(pgdata: string): Promise<Result<Identity>> {
  const beside = await readSettled(besidePath(pgdata));
  if (!beside.ok) return beside;
  const pending = beside.value === undefined ? undefined : parsePending(beside.value);
  if (pending !== undefined) return ok(pending);
  const id = await readSettled(join(pgdata, idFile));
  if (!id.ok) return id;
  const term = await readSettled(join(pgdata, termFile));
  if (!term.ok) return term;
  return ok({ dataId: parseId(id.value), promotedTerm: parseTerm(term.value) });
}

/** Writes the id into the data directory, durably. */
export async function writeDataId(pgdata: string, dataId: string): Promise<Result<void>> {
  return writeDurably(join(pgdata, idFile), `${dataId}\n`);
}

/** Writes the promotion's term into the data directory; durable before the promotion is asked for. */
export async function writePromotedTerm(pgdata: string, term: Term): Promise<Result<void>> {
  return writeDurably(join(pgdata, termFile), `${term}\n`);
}

/** Lays down what the data shall be once a build has run. */
export async function layBeside(pgdata: string, identity: Identity): Promise<Result<void>> {
  return writeDurably(besidePath(pgdata), `${identity.dataId ?? ''}\n${identity.promotedTerm}\n`);
}

/** Puts the identity that lies beside the data directory, if any, into it. */
export async function putInPlace(pgdata: string): Promise<Result<void>> {
  const beside = await readSettled(besidePath(pgdata));
  if (!beside.ok) return beside;
  const pending = beside.value === undefined ? undefined : parsePending(beside.value);
  if (pending === undefined) return ok();
  const term = await writePromotedTerm(pgdata, pending.promotedTerm);
  if (!term.ok) return term;
  const id = pending.dataId === undefined ? await removeFiles([join(pgdata, idFile)]) : await writeDataId(pgdata, pending.dataId);
  if (!id.ok) return id;
  return removeFiles([besidePath(pgdata)]);
}

function parsePending(text: string): Identity | undefined {
  const [id, term] = text.split('\n');
  if (id === undefined || term === undefined || !/^\d+$/.test(term)) return undefined;
  return { dataId: parseId(id), promotedTerm: parseTerm(term) };
}

function parseId(text: string | undefined): string | undefined {
  const id = text?.trim() ?? '';
  return /^[0-9a-zA-Z-]{8,64}$/.test(id) ? id : undefined;
}

function parseTerm(text: string | undefined): Term {
  const term = text?.trim() ?? '';
  return /^\d{1,10}$/.test(term) ? Number(term) : 0;
}
