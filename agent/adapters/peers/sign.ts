/**
 * Signatures of the peer API: HMAC-SHA256 with the cluster's `peer-key`, over everything that gives a message its
 * meaning. Requests and answers are signed in different words, so that one can never be played back as the other;
 * an answer is bound to its request by the nonce. Pure; who may say what is decided in sessions.ts.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

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

interface Pads {
  inner: Buffer;
  outer: Buffer;
}

const blockBytes = 64;
const padsOf = new WeakMap<Buffer, Pads>();

/** A key as HMAC mixes it in, before the text and before its digest (RFC 2104); made once, as keys do not change. */
function pads(key: Buffer): Pads {
  const known = padsOf.get(key);
  if (known !== undefined) return known;
  const block = Buffer.alloc(blockBytes);
  (key.length > blockBytes ? hash('sha256', key, 'buffer') : key).copy(block);
  const made = { inner: block.map((byte) => byte ^ 0x36) as Buffer, outer: block.map((byte) => byte ^ 0x5c) as Buffer };
  padsOf.set(key, made);
  return made;
}

/** HMAC-SHA256 in hex. By digests of one call each: the object that `createHmac` makes is a stream, and costs several times as much. */
export function hmac(key: Buffer, text: string): string {
  const { inner, outer } = pads(key);
  const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer');
  return hash('sha256', Buffer.concat([outer, digest]));
}

/** Each part goes in with its length, so that no two different lists give the same text. */
function sign(key: Buffer, parts: string[], body: Buffer): string {
  return hmac(key, [...parts, hash('sha256', body)].map((part) => `${Buffer.byteLength(part)}:${part},`).join(''));
}
