/**
 * Puts parameters into force: writes the managed block, signals the server, and asks it by SHOW until it says so.
 * Nothing else tells: a reload with an invalid value is silent (opengauss-interface 4.2). One change at a time.
 */
import { join } from 'node:path';
import type { InstanceConfig, PeerAddress } from '../../ports/instance.ts';
import { type Fault, failed, ok, type Result } from '../../core/result.ts';
import { managedParameters, renderConf } from './conf.ts';
import { exists, readSettled, stampOf, writeDurably } from './files.ts';
import { renderHba } from './hba.ts';
import type { InstanceOptions } from './options.ts';
import { wantedParameters } from './parameters.ts';
import type { ServerKeeper } from './process.ts';
import { type Row, type Session, silenceOf, textOf } from './sql.ts';

/** Between two looks at whether a reload has taken effect. */
const lookEveryMs = 10;

/** The answer of the part that failed says more than "late", so it gets a moment longer. */
const graceMs = 50;

/** Where no replication user is named. */
export const defaultReplicationUser = 'repuser';

export interface Configurer {
  configure(wanted: InstanceConfig, deadlineMs: number): Promise<Result<{ changed: boolean }>>;
  /** Sets some parameters of the managed block, reloads, verifies. */
  apply(change: Record<string, string>, deadlineMs: number): Promise<Result<void>>;
  /** Writes both files as last configured, with these peers only or all of them; builds bring the primary's along. */
  rewrite(peers?: PeerAddress[]): Promise<Result<void>>;
}

/** Owns postgresql.conf and pg_hba.conf of one data directory. */
export function createConfigurer(options: InstanceOptions, keeper: ServerKeeper, session: Session): Configurer {
  const confPath = join(options.pgdata, 'postgresql.conf');
  const hbaPath = join(options.pgdata, 'pg_hba.conf');
  let lastWanted: InstanceConfig | undefined;
  /** Written, but not yet seen in force: a call that ran out of time must not make the next one believe in the file. */
  let unverified = false;
  /** What was wanted and how both files looked when that was last in force; the same again needs no reading. */
  let settled: string | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  /** Two writers of one file would lose one's lines. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = queue.then(work);
    queue = next.catch(() => undefined);
    return next;
  }

  /** The volume and the server have a deadline each; this is the caller's, over both and the turn. */
  async function within<T>(deadlineMs: number, work: () => Promise<Result<T>>): Promise<Result<T>> {
    let timer: NodeJS.Timeout | undefined;
    let begun = false;
    let left = false;
    const tooLate = (): Fault => {
      const detail = 'the settings were not in force in time';
      return { of: 'disk', kind: 'timeout', done: begun ? 'maybe' : 'no', detail };
    };
    const late = new Promise<Result<T>>((resolve) => {
      timer = setTimeout(() => {
        left = true;
        resolve(failed(tooLate()));
      }, deadlineMs + graceMs);
    });
    const mine = inTurn(async () => {
      // What was given up while it waited is not begun later, when its permit may be over.
      if (left) return failed<T>(tooLate());
      begun = true;
      return work();
    });
    const result = await Promise.race([mine, late]);
    clearTimeout(timer);
    return result;
  }

  async function rewriteFile(path: string, render: (text: string) => string): Promise<Result<boolean>> {
    const text = await readSettled(path);
    if (!text.ok) return text;
    const next = render(text.value ?? '');
    if (next === text.value) return ok(false);
    const written = await writeDurably(path, next);
    return written.ok ? ok(true) : written;
  }

  async function writeWanted(wanted: InstanceConfig): Promise<Result<{ changed: boolean; parameters: Map<string, string> }>> {
    const text = await readSettled(confPath);
    if (!text.ok) return text;
    const parameters = wantedParameters(options, wanted, managedParameters(text.value ?? ''));
    if (!parameters.ok) return parameters;
    const conf = await rewriteFile(confPath, (old) => renderConf(old, parameters.value));
    if (!conf.ok) return conf;
    const peers = wanted.peers.map((peer) => peer.host);
    const replicationUser = options.replicationUser ?? defaultReplicationUser;
    const hba = await rewriteFile(hbaPath, (old) => renderHba(old, { superuser: options.superuser, replicationUser, peers }));
    if (!hba.ok) return hba;
    return ok({ changed: conf.value || hba.value, parameters: parameters.value });
  }

  async function configure(wanted: InstanceConfig, deadlineMs: number): Promise<Result<{ changed: boolean }>> {
    const end = options.clock.now() + deadlineMs;
    lastWanted = wanted;
    const found = await stampBoth(wanted);
    if (!found.ok) return found;
    if (settled === found.value) return ok({ changed: false });
    settled = undefined;
    const there = await exists(confPath);
    // Nothing is seeded into an empty directory here: it would no longer be empty.
    if (!there.ok || !there.value) return there.ok ? ok({ changed: false }) : there;
    const written = await writeWanted(wanted);
    if (!written.ok) {
      // What was given up may come into the file all the same, and one of the two may have been written.
      unverified = true;
      return written;
    }
    const { changed, parameters } = written.value;
    unverified ||= changed;
    if (!unverified) {
      // Only what was read and found right, with nobody writing meanwhile, needs no reading the next time.
      const after = await stampBoth(wanted);
      if (after.ok && after.value === found.value) settled = after.value;
      return ok({ changed });
    }
    if (changed) options.note('info', 'rewrote the server configuration', { peers: wanted.peers.map((peer) => peer.name) });
    const reloadable = [...parameters].filter(([name]) => /^replconninfo\d$/.test(name));
    const verified = await reload(Object.fromEntries(reloadable), end);
    if (!verified.ok) return verified;
    unverified = false;
    return ok({ changed });
  }

  async function stampBoth(wanted: InstanceConfig): Promise<Result<string>> {
    const conf = await stampOf(confPath);
    const hba = conf.ok ? await stampOf(hbaPath) : conf;
    if (!conf.ok || !hba.ok) return conf.ok ? hba : conf;
    return ok(`${conf.value} ${hba.value} ${JSON.stringify(wanted)}`);
  }

  /** SIGHUP straight to the process: gs_ctl reload does no more and takes longer. A stopped server needs none. */
  async function reload(expected: Record<string, string>, end: number): Promise<Result<void>> {
    const server = keeper.known();
    if (server === undefined) return ok();
    const heard = await untilHeard(end);
    if (!heard.ok) return keeper.known() === undefined ? ok() : heard;
    return (await keeper.signal(server, 'SIGHUP')) ? verify(expected, end) : ok();
  }

  /** A server that has not installed its handlers yet would die of the signal; one that answers anything has. */
  async function untilHeard(end: number): Promise<Result<void>> {
    for (;;) {
      const answer = await session.query('select 1', Math.max(1, end - options.clock.now()));
      if (answer.ok || silenceOf(answer.fault) === 'starting' || silenceOf(answer.fault) === 'refused') return ok();
      if (options.clock.now() + lookEveryMs >= end || keeper.known() === undefined)
        return failed({ ...answer.fault, done: 'maybe' });
      await options.clock.until(options.clock.now() + lookEveryMs);
    }
  }

  async function verify(expected: Record<string, string>, end: number): Promise<Result<void>> {
    const names = Object.keys(expected);
    const sql = names.map((name) => `show ${name}`).join('; ');
    let wrong: string | undefined;
    for (;;) {
      const shown = await session.query(sql, Math.max(1, end - options.clock.now()));
      if (shown.ok) wrong = names.find((name, index) => !sameValue(expected[name], shownValue(shown.value[index])));
      if (shown.ok && wrong === undefined) return ok();
      if (options.clock.now() + lookEveryMs >= end) {
        return failed(wrong === undefined && !shown.ok ? { ...shown.fault, done: 'maybe' } : notTaken(wrong ?? ''));
      }
      if (!shown.ok && silenceOf(shown.fault) !== 'starting') return failed({ ...shown.fault, done: 'maybe' });
      await options.clock.until(options.clock.now() + lookEveryMs);
    }
  }

  async function write(change: ReadonlyMap<string, string>): Promise<Result<boolean>> {
    return rewriteFile(confPath, (old) => renderConf(old, new Map([...managedParameters(old), ...change])));
  }

  async function apply(change: Record<string, string>, deadlineMs: number): Promise<Result<void>> {
    const end = options.clock.now() + deadlineMs;
    const written = await write(new Map(Object.entries(change)));
    return written.ok ? reload(change, end) : written;
  }

  async function rewrite(peers?: PeerAddress[]): Promise<Result<void>> {
    if (lastWanted === undefined) {
      return failed({ of: 'command', kind: 'absent', done: 'no', detail: 'the member was never configured' });
    }
    const written = await writeWanted(peers === undefined ? lastWanted : { ...lastWanted, peers });
    return written.ok ? ok() : written;
  }

  return {
    configure: (wanted, deadlineMs) => within(deadlineMs, () => configure(wanted, deadlineMs)),
    apply: (change, deadlineMs) => within(deadlineMs, () => apply(change, deadlineMs)),
    rewrite: (peers) => inTurn(() => rewrite(peers)),
  };
}

function shownValue(rows: Row[] | undefined): string | undefined {
  return textOf(Object.values(rows?.[0] ?? {})[0]);
}

function sameValue(wanted: string | undefined, shown: string | undefined): boolean {
  const plain = (text: string | undefined): string => (text ?? '').trim().replaceAll(/\s+/g, ' ');
  return plain(wanted) === plain(shown);
}

function notTaken(name: string): Fault {
  const hint = 'The server keeps an invalid value out silently; its log names the reason.';
  return { of: 'sql', kind: 'refused', done: 'maybe', detail: `the server did not take ${name} over`, hint };
}
