/**
 * The keys of `config.yaml`: one row each, with how it is read, its bounds and the sentence in the docs. Reading is
 * pure and reports every problem of a field with its path. Relations between fields are in contradictions.ts.
 */
import { defaultConfig } from '../core/config.ts';
import { isMoment, parseBytes, parseSeconds } from '../core/quantity.ts';
import { isCron } from './cron.ts';
import { isOwned, ownedPatterns } from './owned.ts';
import { nearest, type Problem, quoted } from './problem.ts';

type ReadField = { ok: true; value: unknown } | { ok: false; problems: Problem[] };
type Reader = (value: unknown, path: string) => ReadField;

export interface Field {
  read: Reader;
  /** What may be written, for the docs. */
  kind: string;
  doc: string;
}

function bad(field: string, value: unknown, hint: string): ReadField {
  return { ok: false, problems: [{ field, problem: `${quoted(value)} does not fit`, hint }] };
}

function field(kind: string, doc: string, read: Reader): Field {
  return { kind, doc, read };
}

function seconds(min: number, max: number, doc: string): Field {
  return field(`seconds, ${min} to ${max}`, doc, (value, path) => {
    const read = typeof value === 'number' ? value : typeof value === 'string' ? parseSeconds(value) : undefined;
    const fits = read !== undefined && Number.isFinite(read) && read >= min && read <= max;
    return fits
      ? { ok: true, value: read }
      : bad(path, value, `Give ${min} to ${max} seconds, such as ${min < 1 ? '500ms' : min} or ${max}s.`);
  });
}

function whole(min: number, max: number, doc: string, unit = 'whole number'): Field {
  return field(`${unit}, ${min} to ${max}`, doc, (value, path) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? { ok: true, value }
      : bad(path, value, `Give a whole number from ${min} to ${max}.`),
  );
}

function percent(doc: string): Field {
  return whole(1, 100, doc, 'percent');
}

function bytes(doc: string): Field {
  return field('bytes, such as `16MiB`', doc, (value, path) => {
    const text = typeof value === 'string' ? value : typeof value === 'number' && Number.isInteger(value) ? String(value) : '';
    const read = parseBytes(text);
    return read === undefined ? bad(path, value, 'Give bytes, such as 16MiB, 1Gi or 1048576.') : { ok: true, value: read };
  });
}

function choice(words: readonly string[], doc: string): Field {
  const list = words.map((word) => `\`${word}\``).join(', ');
  return field(list, doc, (value, path) =>
    typeof value === 'string' && words.includes(value) ? { ok: true, value } : bad(path, value, `Use ${words.join(', ')}.`),
  );
}

/** `sync.mode: off` must work although some YAML writers turn `off` into false. */
function syncMode(doc: string): Field {
  const words = choice(['off', 'quorum', 'strict'], doc);
  return { ...words, read: (value, path) => words.read(value === false ? 'off' : value, path) };
}

function flag(doc: string): Field {
  return field('`true` or `false`', doc, (value, path) =>
    typeof value === 'boolean' ? { ok: true, value } : bad(path, value, 'Give true or false, without quotes.'),
  );
}

/** A moment, as people write it down. */
function moment(doc: string): Field {
  return field('time, such as `2026-11-21T18:00:00Z`', doc, (value, path) =>
    typeof value === 'string' && isMoment(value)
      ? { ok: true, value: new Date(value).toISOString() }
      : bad(path, value, 'Give a date and a time with its zone, such as 2026-11-21T18:00:00Z.'),
  );
}

function cron(doc: string): Field {
  return field('cron expression', doc, (value, path) =>
    typeof value === 'string' && isCron(value)
      ? { ok: true, value }
      : bad(path, value, 'Give five fields, such as "30 2 * * *".'),
  );
}

/** A mapping read row by row, for lists of groups; rows that are not given keep their default. */
function group(rows: Record<string, Field>, defaults: Record<string, unknown>, needed: string[]): Reader {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return bad(path, value, `Give the keys ${Object.keys(rows).join(', ')}.`);
    const problems: Problem[] = [];
    const into: Record<string, unknown> = { ...defaults };
    for (const [key, inner] of Object.entries(value)) {
      const row = Object.hasOwn(rows, key) ? rows[key] : undefined;
      const at = `${path}.${key}`;
      const read: ReadField =
        row === undefined
          ? {
              ok: false,
              problems: [
                {
                  field: at,
                  problem: 'is not a key',
                  hint: `Did you mean ${nearest(key, Object.keys(rows)) ?? Object.keys(rows).join(', ')}?`,
                },
              ],
            }
          : row.read(inner, at);
      if (read.ok) into[key] = read.value;
      else problems.push(...read.problems);
    }
    for (const key of needed)
      if (!Object.hasOwn(value, key))
        problems.push({ field: `${path}.${key}`, problem: 'is not set', hint: rows[key]?.doc ?? '' });
    return problems.length === 0 ? { ok: true, value: into } : { ok: false, problems };
  };
}

function collect(parts: [string, ReadField][], shape: (values: [string, unknown][]) => unknown): ReadField {
  const problems = parts.flatMap(([, read]) => (read.ok ? [] : read.problems));
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, value: shape(parts.map(([key, read]) => [key, read.ok ? read.value : undefined])) };
}

function listOf(max: number, reader: Reader): Reader {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > max) return bad(path, value, `Give a list of at most ${max} entries.`);
    return collect(
      value.map((entry, index) => [String(index), reader(entry, `${path}[${index}]`)]),
      (values) => values.map(([, entry]) => entry),
    );
  };
}

function mapOf(max: number, reader: Reader): Reader {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length > max) {
      return bad(path, value, `Give at most ${max} \`name: value\` lines.`);
    }
    return collect(
      Object.entries(value).map(([key, inner]) => [key, reader(inner, `${path}.${key}`)]),
      (values) => Object.fromEntries(values),
    );
  };
}

const parameter: Reader = (value, path) => {
  const name = path.split('.').slice(1).join('.');
  if (!/^[A-Za-z_][A-Za-z0-9_.]{0,62}$/.test(name)) return bad(path, name, 'Give the name of an openGauss parameter.');
  if (isOwned(name)) {
    return {
      ok: false,
      problems: [{ field: path, problem: 'belongs to the agent', hint: 'The agent sets it by itself: remove it here.' }],
    };
  }
  if (typeof value === 'boolean') return { ok: true, value: value ? 'on' : 'off' };
  if (typeof value === 'number' && Number.isFinite(value)) return { ok: true, value: String(value) };
  const fits = typeof value === 'string' && value.length <= 1024 && !/\p{Cc}/u.test(value);
  return fits ? { ok: true, value } : bad(path, value, 'Give a text of one line, a number, or true or false.');
};

const address: Reader = (value, path) =>
  typeof value === 'string' && /^[A-Za-z0-9]([A-Za-z0-9.:-]{0,61}[A-Za-z0-9])?$/.test(value)
    ? { ok: true, value }
    : bad(path, value, 'Give an address of at most 63 characters, with or without a port.');

const scriptFile: Field = field('file name', 'Name of a key in the scripts ConfigMap.', (value, path) =>
  typeof value === 'string' && /^[A-Za-z0-9_][-A-Za-z0-9._]{0,252}$/.test(value)
    ? { ok: true, value }
    : bad(path, value, 'Give a file name without a path.'),
);

const disk = {
  warnPercent: percent('Share of a volume in use from which a warning stands.'),
  readOnlyPercent: percent('Share of a volume in use from which the primary is set read-only.'),
  resumePercent: percent('Share of a volume in use below which it takes writes again.'),
  minFreeBytes: bytes('Read-only below this many free bytes, whatever the share in use.'),
};

const script = {
  schedule: cron('When it runs.'),
  file: scriptFile,
  role: choice(['any', 'primary', 'standby'], 'On which members it runs.'),
  timeoutSeconds: seconds(1, 86_400, 'After this time it is ended.'),
};

/** Every key by its path. Paths that only lead to others (`lease`, `sync`) have no row. */
export const dynamicTable: Record<string, Field> = {
  'lease.durationSeconds': whole(
    3,
    300,
    'How long a lease counts after it was last renewed, for those who watch it.',
    'whole seconds',
  ),
  'lease.renewSeconds': seconds(0.2, 60, 'How often the holder renews it; also the period of the loop.'),
  'lease.fenceSeconds': seconds(
    1,
    240,
    'How long after the sending of its last renewal a holder may act as leader; then its server is killed.',
  ),
  'lease.stopSeconds': seconds(0.1, 60, 'How long killing and reaping the server may take.'),
  'lease.requestTimeoutSeconds': seconds(0.1, 60, 'Deadline of one request to the API server, connecting included.'),
  hangSeconds: seconds(1, 600, 'How long the server may accept connections and answer nothing before it counts as dead.'),
  failover: choice(
    ['auto', 'manual'],
    "Whether a standby takes over by itself. With `manual` one does only when a person asks (`agent failover`, `agent switchover`) or has the primary's pod stopped in order; the last primary comes back by itself.",
  ),
  paused: flag('Nothing is started, stopped, promoted or demoted; an instance that lost its lease is fenced all the same.'),
  'sync.mode': syncMode('Whether commits wait for standbys: never, while there are any, or always.'),
  'sync.acks': whole(1, 8, 'How many standbys a commit waits for; half of them, rounded up, when unset.'),
  'sync.dropAfterSeconds': seconds(
    1,
    3600,
    'A standby that is away for so long leaves the synchronous set while another remains.',
  ),
  'sync.degradeAfterSeconds': seconds(
    1,
    86_400,
    'With `quorum`: how long commits may wait for a standby before they go on without one.',
  ),
  maximumLagOnFailover: bytes('With `sync.mode: off`: how far behind a candidate may be.'),
  primaryStartTimeoutSeconds: seconds(1, 3600, 'How long a crashed primary may restart in place before the lease is given up.'),
  readLagLimit: bytes('How far behind a standby may be and still serve reads.'),
  'disk.warnPercent': disk.warnPercent,
  'disk.readOnlyPercent': disk.readOnlyPercent,
  'disk.resumePercent': disk.resumePercent,
  'disk.minFreeBytes': disk.minFreeBytes,
  'disk.mounts': field(
    'by mount: any of the four above',
    'What differs for a mount, such as `data` or `log`.',
    mapOf(16, group(disk, {}, [])),
  ),
  localRole: choice(['primary', 'standby'], "This site's role in a pair of sites; with `standby` no member becomes primary."),
  remotePeers: field('list of addresses', "Addresses of the other site's members. No effect yet.", listOf(9, address)),
  parameters: field(
    'by name: value',
    `openGauss parameters. Those that the agent owns are rejected: ${ownedPatterns.map((name) => `\`${name}\``).join(', ')}.`,
    mapOf(500, parameter),
  ),
  'backup.schedule': cron('When the sidecar takes a base backup; never when unset. No effect yet.'),
  'backup.retention.count': whole(1, 1000, 'How many backups are kept.'),
  'backup.retention.days': whole(1, 3650, 'For how many days they are kept.'),
  scripts: field(
    'list of `schedule`, `file`, `role` (any), `timeoutSeconds` (300)',
    'Scheduled scripts: a cron expression, a file in the scripts ConfigMap, a role filter, a timeout. No effect yet.',
    listOf(50, group(script, { role: 'any', timeoutSeconds: 300 }, ['schedule', 'file'])),
  ),
  'logs.retentionDays': whole(1, 3650, 'For how many days server log files are kept.'),
  'logs.maxBytes': bytes('How many bytes of server log files are kept.'),
  pausedUntil: moment('When `paused` ends by itself; never when unset.'),
};

/** The default of a key, as it stands in `defaultConfig`. */
export function defaultOf(path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], defaultConfig);
}
