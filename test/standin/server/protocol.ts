// PostgreSQL's wire protocol as far as the stand-in speaks it: start-up packets, message frames, errors.
// Pure functions over bytes; no socket is touched here.

/** Codes in the place of a protocol version. */
export const startupCodes = { ssl: 80877103, gss: 80877104, cancel: 80877102, version3: 196608 } as const;

/** A start-up packet, taken apart. */
export interface Startup {
  code: number;
  params: Map<string, string>;
  bytes: Buffer;
}

/** The longest start-up packet that is read. */
export const startupLimit = 10_000;

/** The first packet of a connection; undefined while incomplete, 'malformed' when it can never be one. */
export function readStartup(bytes: Buffer): Startup | undefined | 'malformed' {
  if (bytes.length < 8) return undefined;
  const length = bytes.readUInt32BE(0);
  if (length < 8 || length > startupLimit) return 'malformed';
  if (bytes.length < length) return undefined;
  const words = bytes.subarray(8, length).toString('utf8').split('\0');
  const params = new Map<string, string>();
  for (let i = 0; i + 1 < words.length && words[i] !== ''; i += 2) params.set(words[i] ?? '', words[i + 1] ?? '');
  return { code: bytes.readUInt32BE(4), params, bytes: bytes.subarray(0, length) };
}

/** The bytes of a start-up packet of protocol 3.0. */
export function writeStartup(params: Iterable<[string, string]>): Buffer {
  const body = Buffer.from(`${[...params].map(([name, value]) => `${name}\0${value}\0`).join('')}\0`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8, 0);
  head.writeUInt32BE(startupCodes.version3, 4);
  return Buffer.concat([head, body]);
}

/** One message: type letter, length, body. */
export function message(type: string, body: Buffer | string = ''): Buffer {
  const payload = typeof body === 'string' ? Buffer.from(body) : body;
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32BE(payload.length + 4, 1);
  return Buffer.concat([head, payload]);
}

/** An ErrorResponse. */
export function errorMessage(severity: 'ERROR' | 'FATAL' | 'PANIC', code: string, text: string): Buffer {
  return message('E', `S${severity}\0C${code}\0M${text}\0\0`);
}

/** An Authentication request. */
export function authentication(code: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(code, 0);
  return message('R', Buffer.concat([head, payload]));
}

/** The fields of an ErrorResponse or NoticeResponse body. */
export function errorFields(body: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of body.toString('utf8').split('\0')) if (part !== '') fields.set(part[0] ?? '', part.slice(1));
  return fields;
}

/** One frame of a stream: its type, its body, and all its bytes. */
export interface Frame {
  type: string;
  body: Buffer;
  bytes: Buffer;
}

/** Cuts a stream into whole frames; keeps an incomplete rest for the next call. */
export function frameSplitter(): (chunk: Buffer) => Frame[] {
  let rest: Buffer[] = [];
  let held = 0;
  let needed = 5;
  return (chunk) => {
    rest.push(chunk);
    held += chunk.length;
    if (held < needed) return [];
    const all = rest.length === 1 ? chunk : Buffer.concat(rest, held);
    const frames: Frame[] = [];
    let at = 0;
    needed = 5;
    while (all.length - at >= 5) {
      const length = all.readUInt32BE(at + 1) + 1;
      if (all.length - at < length) {
        needed = length;
        break;
      }
      frames.push({
        type: String.fromCharCode(all[at] ?? 0),
        body: all.subarray(at + 5, at + length),
        bytes: all.subarray(at, at + length),
      });
      at += length;
    }
    rest = at < all.length ? [all.subarray(at)] : [];
    held = all.length - at;
    return frames;
  };
}

/** The values of a DataRow body, as text. */
export function rowValues(body: Buffer): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left -= 1) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return values;
}

/** Settings given in the `options` word of a start-up packet: `-c name=value` and `--name=value`. */
export function optionSettings(options: string): [string, string][] {
  const words = options.match(/(?:\\.|\S)+/g) ?? [];
  const settings: [string, string][] = [];
  for (let i = 0; i < words.length; i += 1) {
    let word = (words[i] ?? '').replaceAll(/\\(.)/g, '$1');
    if (word === '-c') {
      i += 1;
      word = (words[i] ?? '').replaceAll(/\\(.)/g, '$1');
    } else if (word.startsWith('-c')) word = word.slice(2);
    else if (word.startsWith('--')) word = word.slice(2);
    else continue;
    const equals = word.indexOf('=');
    if (equals > 0) settings.push([word.slice(0, equals).replaceAll('-', '_').toLowerCase(), word.slice(equals + 1)]);
  }
  return settings;
}
