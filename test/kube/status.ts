/**
 * Status bodies, word for word as Kubernetes 1.36 writes them, because clients decide on `reason` and people read
 * `message`. An ApiError is thrown inside the server only; the HTTP layer turns it into the answer.
 */
import type { Dict } from './json.ts';
import { compact } from './json.ts';

export interface Cause {
  reason: string;
  message: string;
  field: string;
}

/** Which resource or kind an error speaks of. */
export interface Subject {
  group: string;
  plural: string;
  kind: string;
}

/** A refusal with the Status body and headers that the client gets. */
export class ApiError extends Error {
  readonly code: number;
  readonly body: Dict;
  readonly headers: Record<string, string>;

  constructor(code: number, reason: string, message: string, details?: Dict, headers: Record<string, string> = {}) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.headers = headers;
    this.body = compact({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason: reason === '' ? undefined : reason,
      details,
      code,
    });
  }

  get reason(): string {
    return String(this.body['reason'] ?? '');
  }
}

function qualified(subject: Subject): string {
  return subject.group === '' ? subject.plural : `${subject.plural}.${subject.group}`;
}

function detailsOf(subject: Subject, name: string, kind = subject.plural, causes?: unknown[], uid?: string): Dict {
  return compact({
    name: name === '' ? undefined : name,
    group: subject.group === '' ? undefined : subject.group,
    kind: kind === '' ? undefined : kind,
    uid,
    causes,
  });
}

export function notFound(subject: Subject, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${qualified(subject)} "${name}" not found`, detailsOf(subject, name));
}

export function alreadyExists(subject: Subject, name: string): ApiError {
  return new ApiError(409, 'AlreadyExists', `${qualified(subject)} "${name}" already exists`, detailsOf(subject, name));
}

/** Text of a lost compare-and-swap, the sentence that client-go's users grep for. */
export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(subject: Subject, name: string, why: string = MODIFIED): ApiError {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${why}`;
  return new ApiError(409, 'Conflict', message, detailsOf(subject, name));
}

/** A precondition of a DELETE that does not hold names the kind instead of the resource. */
export function failedPrecondition(subject: Subject, name: string, why: string): ApiError {
  const title = subject.group === '' ? subject.kind : `${subject.kind}.${subject.group}`;
  const details = detailsOf(subject, name, subject.kind);
  return new ApiError(409, 'Conflict', `Operation cannot be fulfilled on ${title} "${name}": ${why}`, details);
}

/** What a resource gets that a known group does not have. */
export function unknownResource(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** Refusals that Kubernetes reports as its own fault. */
export function internal(message: string): ApiError {
  return new ApiError(500, '', message);
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

/** One wrong field; `value` undefined where Kubernetes shows none. */
export interface FieldError {
  type: 'Required' | 'Invalid' | 'NotSupported' | 'Forbidden' | 'Duplicate' | 'TooLong' | 'TypeInvalid';
  field: string;
  value?: unknown;
  detail: string;
}

const FIELD_REASONS: Record<FieldError['type'], [string, string]> = {
  Required: ['FieldValueRequired', 'Required value'],
  Invalid: ['FieldValueInvalid', 'Invalid value'],
  NotSupported: ['FieldValueNotSupported', 'Unsupported value'],
  Forbidden: ['FieldValueForbidden', 'Forbidden'],
  Duplicate: ['FieldValueDuplicate', 'Duplicate value'],
  TooLong: ['FieldValueTooLong', 'Too long'],
  TypeInvalid: ['FieldValueTypeInvalid', 'Invalid value'],
};

function causeOf(error: FieldError): Cause {
  const [reason, words] = FIELD_REASONS[error.type];
  const shown = Object.hasOwn(error, 'value') ? `${words}: ${JSON.stringify(error.value)}` : words;
  return { reason, message: error.detail === '' ? shown : `${shown}: ${error.detail}`, field: error.field };
}

export function invalid(subject: Subject, name: string, errors: FieldError[], kind = subject.kind): ApiError {
  const causes = errors.map(causeOf);
  const lines = [...new Set(causes.map((cause) => `${cause.field}: ${cause.message}`))];
  const list = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  const title = subject.group === '' ? kind : `${kind}.${subject.group}`;
  return new ApiError(422, 'Invalid', `${title} "${name}" is invalid: ${list}`, detailsOf(subject, name, kind, causes));
}

/** What a JSON patch gets whose operations cannot be applied, a failed `test` included. */
export function unprocessable(): ApiError {
  return new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

export function forbidden(subject: Subject, name: string, why: string): ApiError {
  if (subject.plural === '') return new ApiError(403, 'Forbidden', `forbidden: ${why}`, {});
  const what = name === '' ? qualified(subject) : `${qualified(subject)} "${name}"`;
  return new ApiError(403, 'Forbidden', `${what} is forbidden: ${why}`, detailsOf(subject, name));
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}

export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

export function tooManyRequests(message: string, retryAfterSeconds: number, causes?: unknown[]): ApiError {
  const details = compact({ causes, retryAfterSeconds: retryAfterSeconds > 0 ? retryAfterSeconds : undefined });
  const headers: Record<string, string> = retryAfterSeconds > 0 ? { 'Retry-After': String(retryAfterSeconds) } : {};
  return new ApiError(429, 'TooManyRequests', message, details, headers);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function unsupportedPatch(): ApiError {
  return new ApiError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
}

export function unsupportedMedia(accepted: string[]): ApiError {
  const list = accepted.join(', ');
  const message = `the body of the request was in an unknown format - accepted media types include: ${list}`;
  return new ApiError(415, 'UnsupportedMediaType', message);
}

/** The answer of a DELETE that removed the object at once. */
export function deleted(subject: Subject, name: string, uid: string): Dict {
  const details = detailsOf(subject, name, subject.plural, undefined, uid);
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}
