/**
 * Signatures of the peer API: HMAC-SHA256 with the cluster's `peer-key`, over everything that gives a message its
 * meaning. Requests and answers are signed in different words, so that one can never be played back as the other;
 * an answer is bound to its request by the nonce. Pure; who may say what is decided in sessions.ts.
 */
import { createHmac, createSecretKey, hash, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';

/** Shortest key that is taken: what `openssl rand -hex 16` prints. */
export const keyBytesMin = 32;

/** Largest body, either way. */
export const bodyBytesMax = 64 * 1024;

/** The headers that carry a message's address and signature. */
export const header = {
  from: 'og-from',
  to: 'og-to',
  session: 'og-session',
  counter: 'og-counter',
  nonce: 'og-nonce',
  mac: 'og-mac',
} as const;

/** What a request's signature covers. */
export interface RequestParts {
  method: string;
  path: string;
  from: string;
  to: string;
  /** Given out by the receiver; empty in a hello only. */
  session: string;
  counter: number;
  nonce: string;
  body: Buffer;
}

/** What an answer's signature covers. */
export interface AnswerParts {
  status: number;
  from: string;
  to: string;
  /** Of the request. */
  nonce: string;
  body: Buffer;
}

/** 128 random bits as text. */
export function randomToken(): string {
  return randomBytes(16).toString('hex');
}

/** Whether a text has the form of a randomToken. */
export function isToken(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

export function signRequest(key: Buffer, parts: RequestParts): string {
  const { method, path, from, to, session, counter, nonce } = parts;
  return sign(key, ['opengauss-agent peer request 1', method, path, from, to, session, String(counter), nonce], parts.body);
}

export function signAnswer(key: Buffer, parts: AnswerParts): string {
  return sign(key, ['opengauss-agent peer answer 1', String(parts.status), parts.from, parts.to, parts.nonce], parts.body);
}

/** Compares in constant time; texts of another length are not equal. */
export function sameMac(expected: string, given: string): boolean {
  const a = Buffer.from(expected);
  const b = Buffer.from(given);
  return a.length === b.length && timingSafeEqual(a, b);
}

const keys = new WeakMap<Buffer, KeyObject>();

/** Bytes are made a key anew for each signature, which costs several times the signature itself. */
function prepared(key: Buffer): KeyObject {
  const known = keys.get(key) ?? createSecretKey(key);
  keys.set(key, known);
  return known;
}

/** Each part goes in with its length, so that no two different lists give the same text. */
function sign(key: Buffer, parts: string[], body: Buffer): string {
  const text = [...parts, hash('sha256', body)].map((part) => `${Buffer.byteLength(part)}:${part},`).join('');
  return createHmac('sha256', prepared(key)).update(text).digest('hex');
}
