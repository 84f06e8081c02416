/**
 * What went wrong with a request to the API server, as a Fault. The question that matters is `done`: a write that may
 * have left this machine and was not clearly refused may have happened (K3). Bodies and headers never reach the detail.
 */
import type { V1Status } from '@kubernetes/client-node';
import type { Fault, FaultKind } from '../../core/result.ts';

const detailLimit = 300;

/** What a request was, as far as its failure is concerned. */
export interface Asked {
  verb: string;
  resource: string;
  name: string;
  /** Changes something when it succeeds. */
  writes: boolean;
}

/** A refusal or failure that the API server answered. */
export function statusFault(asked: Asked, code: number, body: unknown): Fault {
  const status = (typeof body === 'object' && body !== null ? body : {}) as Partial<V1Status>;
  const text = `${asked.verb} ${asked.resource} ${asked.name}: ${code} ${status.reason ?? ''} ${status.message ?? ''}`;
  const detail = text.replace(/\s+/g, ' ').trim().slice(0, detailLimit);
  const kind = kindOf(code, status.reason);
  // From 500 on the server may have given up after it had applied the write.
  const done = asked.writes && code >= 500 ? 'maybe' : 'no';
  const hint = hintOf(asked, code);
  return { of: 'kube', kind, done, code: String(code), detail, ...(hint === undefined ? {} : { hint }) };
}

function kindOf(code: number, reason: string | undefined): FaultKind {
  switch (code) {
    case 401:
    case 403:
      return 'denied';
    case 404:
      // Only a Status speaks of the object; a proxy's or a wrong path's 404 says nothing about it (I2).
      return reason === 'NotFound' ? 'absent' : 'unreachable';
    case 409:
      return reason === 'AlreadyExists' ? 'exists' : 'conflict';
    case 429:
      return 'throttled';
    case 408:
    case 504:
      return 'timeout';
    default:
      return code >= 500 ? 'unreachable' : 'refused';
  }
}

function hintOf(asked: Asked, code: number): string | undefined {
  if (code === 401) return 'Is the service account token mounted and current?';
  if (code === 403) return `The Role needs the verb ${asked.verb} on ${asked.resource}; apply the manifests again.`;
  return undefined;
}

/** No answer: the connection failed or broke. */
export function brokenFault(asked: Asked, error: unknown, sent: boolean): Fault {
  const { code, message } = error as NodeJS.ErrnoException;
  const detail = `${asked.verb} ${asked.resource} ${asked.name}: ${message}`.slice(0, detailLimit);
  return { of: 'kube', kind: 'unreachable', done: doneOf(asked, sent), code: code ?? 'unknown', detail };
}

/** No answer within the deadline. */
export function timeoutFault(asked: Asked, deadlineMs: number, sent: boolean): Fault {
  const detail = `${asked.verb} ${asked.resource} ${asked.name}: no answer within ${deadlineMs} ms`;
  return { of: 'kube', kind: 'timeout', done: doneOf(asked, sent), detail };
}

/** An answer that is not what it should be. */
export function malformedFault(asked: Asked, why: string, hint?: string): Fault {
  const detail = `${asked.verb} ${asked.resource} ${asked.name}: ${why}`.slice(0, detailLimit);
  return { of: 'kube', kind: 'malformed', done: asked.writes ? 'maybe' : 'no', detail, ...(hint === undefined ? {} : { hint }) };
}

/** The adapter is being closed. */
export function cancelledFault(asked: Asked, sent: boolean): Fault {
  const detail = `${asked.verb} ${asked.resource} ${asked.name}: cancelled`;
  return { of: 'kube', kind: 'cancelled', done: doneOf(asked, sent), detail };
}

function doneOf(asked: Asked, sent: boolean): Fault['done'] {
  return asked.writes && sent ? 'maybe' : 'no';
}
