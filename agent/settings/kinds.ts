/**
 * The kinds of static settings: how a text is read, and what is said when it cannot be. Pure; a kind never looks at
 * another setting.
 */
import { isIP } from 'node:net';

export type Read<T> = { ok: true; value: T } | { ok: false; problem: string; hint: string };

function matching(pattern: RegExp, max: number, problem: string, hint: string): (text: string) => Read<string> {
  return (text) => {
    if (text.length > max)
      return { ok: false, problem: `is ${text.length} characters long`, hint: `At most ${max} are possible.` };
    return pattern.test(text) ? { ok: true, value: text } : { ok: false, problem, hint };
  };
}

/** Longest name that leaves room for what Kubernetes appends to `og-<c>` in a label of a StatefulSet's pods. */
export const clusterNameMax = 49;

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Names and addresses end up in openGauss's configuration, in shell commands and in headers: none has room for surprises. */
export const kinds = {
  podName: (text: string): Read<string> => {
    if (text !== text.toLowerCase()) {
      // A standby whose application_name has upper case never connects (opengauss-interface 4.2).
      return {
        ok: false,
        problem: 'has upper-case letters',
        hint: 'It becomes the application_name of replication, which must be lower case.',
      };
    }
    return matching(label, 63, 'is not a pod name', 'Use lower-case letters, digits and "-".')(text);
  },
  clusterName: matching(
    label,
    clusterNameMax,
    'is not a cluster name',
    'Use lower-case letters, digits and "-", starting and ending with a letter or digit.',
  ),
  label: matching(label, 63, 'is not a name', 'Use lower-case letters, digits and "-".'),
  token: matching(/^[A-Za-z0-9._-]+$/, 63, 'has characters that do not fit', 'Use letters, digits, ".", "_" and "-".'),
  host: matching(/^[A-Za-z0-9.:-]+$/, 253, 'is not a host', 'Give an IP address or a host name.'),
  user: matching(/^[a-z_][a-z0-9_]*$/, 63, 'is not a user name', 'Use lower-case letters, digits and "_".'),
  command: matching(/^[^\p{Cc}]+$/u, 1024, 'is not a command', 'Give a program with its arguments.'),
  ip: (text: string): Read<string> =>
    isIP(text) === 0
      ? { ok: false, problem: 'is not an IP address', hint: 'Give an IPv4 or IPv6 address, no name.' }
      : { ok: true, value: text },
  port: (text: string): Read<number> => {
    const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (value >= 1 && value <= 65535) return { ok: true, value };
    const hint = text.includes('://')
      ? 'Kubernetes sets this for a Service of that name: set enableServiceLinks to false in the pod.'
      : 'Give a number from 1 to 65535.';
    return { ok: false, problem: 'is not a port', hint };
  },
  seconds: (text: string): Read<number> =>
    /^[1-9]\d{0,4}$/.test(text)
      ? { ok: true, value: Number(text) }
      : { ok: false, problem: 'is not a number of seconds', hint: 'Give a whole number from 1 to 99999.' },
  path: (text: string): Read<string> => {
    if (!text.startsWith('/')) return { ok: false, problem: 'is a relative path', hint: 'Give an absolute path.' };
    if (/[\p{Cc}'"\\$`]/u.test(text))
      return {
        ok: false,
        problem: 'has characters that do not fit a path here',
        hint: 'Avoid quotes, backslashes and control characters.',
      };
    return { ok: true, value: text === '/' ? text : text.replace(/\/+$/, '') };
  },
  flag: (text: string): Read<boolean> =>
    text === 'true' || text === 'false'
      ? { ok: true, value: text === 'true' }
      : { ok: false, problem: 'is neither true nor false', hint: 'Give true or false.' },
  level: matching(
    /^(fatal|error|warn|info|debug|trace)$/,
    63,
    'is not a log level',
    'Use fatal, error, warn, info, debug or trace.',
  ),
  url: (text: string): Read<string> => {
    const parsed = URL.canParse(text) ? new URL(text) : undefined;
    if (parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.search === '')
      return { ok: true, value: text };
    return {
      ok: false,
      problem: 'is not an address of an API server',
      hint: 'Give http://HOST:PORT or https://HOST:PORT, without user or query.',
    };
  },
};

export type Kind = keyof typeof kinds;
export type ValueOf<K extends Kind> = (typeof kinds)[K] extends (text: string) => Read<infer T> ? T : never;
