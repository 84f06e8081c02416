/**
 * Bodies in and out: size limit, JSON, YAML or protobuf, and which form of answer the client asked for (object, table, partial
 * metadata, YAML).
 */
import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import type { Dict } from './json.ts';
import { isDict } from './json.ts';
import { parseProtobuf } from './protobuf.ts';
import { ApiError, badRequest, unsupportedMedia, unsupportedPatch } from './status.ts';

/** The API server's own limit. */
const BODY_BYTES = 3 * 1024 * 1024;

/** Reads a request's body whole. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES)
      throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${BODY_BYTES}`, {});
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function parseJson(text: string, lead: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw badRequest(`${lead}${(error as Error).message}`);
  }
}

function parseYamlText(text: string): unknown {
  try {
    return parseYaml(text) as unknown;
  } catch (error) {
    throw badRequest(`error parsing YAML: ${(error as Error).message}`);
  }
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const BODY_TYPES = ['application/json', 'application/yaml', PROTOBUF];

/** The object in a POST or PUT, which there must be. */
export function parseObject(request: IncomingMessage, body: Buffer, kind: string): Dict {
  const lead = `the object provided is unrecognized (must be of type ${kind}): `;
  if (body.length === 0)
    throw badRequest(`${lead}couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`);
  const value = parseBody(request, body, lead);
  if (isDict(value)) return value;
  throw badRequest(`${lead}couldn't get version/kind; json parse error: the value is no object`);
}

/** The object in a body that may be absent, as in a DELETE. */
export function parseBody(request: IncomingMessage, body: Buffer, lead = ''): unknown {
  if (body.length === 0) return undefined;
  const type = mediaType(request);
  if (type === '' || type === 'application/json')
    return parseJson(body.toString('utf8'), `${lead}couldn't get version/kind; json parse error: `);
  if (type === 'application/yaml') return parseYamlText(body.toString('utf8'));
  const decoded = type === PROTOBUF ? parseProtobuf(body) : undefined;
  if (decoded !== undefined) return decoded;
  throw unsupportedMedia(BODY_TYPES);
}

const PATCH_TYPES = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
} as const;

/** The type and content of a PATCH. */
export function parsePatch(
  request: IncomingMessage,
  body: Buffer,
): { type: 'json' | 'merge' | 'strategic' | 'apply'; patch: unknown } {
  const type = mediaType(request);
  const found = Object.entries(PATCH_TYPES).find(([name]) => name === type)?.[1];
  if (found === undefined) throw unsupportedPatch();
  const text = body.toString('utf8');
  return { type: found, patch: found === 'apply' ? parseYamlText(text) : parseJson(text, 'error decoding patch: ') };
}

/** The form of the answer. */
export interface AnswerForm {
  as: 'object' | 'table' | 'partial' | 'discovery';
  yaml: boolean;
}

/** Reads an Accept header: the first form that this server can make. */
export function answerForm(accept: string | undefined): AnswerForm {
  for (const item of (accept ?? '*/*').split(',')) {
    const [type = '', ...parameters] = item.split(';').map((part) => part.trim());
    const as = parameters.find((parameter) => parameter.startsWith('as='))?.slice(3);
    const yaml = type === 'application/yaml';
    if (!yaml && type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    if (as === undefined) return { as: 'object', yaml };
    if (as === 'Table') return { as: 'table', yaml };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { as: 'partial', yaml };
    if (as === 'APIGroupDiscoveryList' && parameters.includes('v=v2')) return { as: 'discovery', yaml };
  }
  return { as: 'object', yaml: false };
}
