// Files on a volume that hangs and comes back: the first fsync, or the first removal, is held back until it has been given up and something
// newer has been asked for. What is attacked: an older text over a newer one, and a removal of what is newer than it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createConfigurer } from '../../../agent/adapters/gauss/configure.ts';
import { fileBoundMs, removeFiles, writeDurably } from '../../../agent/adapters/gauss/files.ts';
import { layBeside, putInPlace, readIdentity, writePromotedTerm } from '../../../agent/adapters/gauss/identity.ts';
import { createInstance } from '../../../agent/adapters/gauss/instance.ts';
import type { InstanceOptions } from '../../../agent/adapters/gauss/options.ts';
import type { ServerKeeper } from '../../../agent/adapters/gauss/process.ts';
import type { Session } from '../../../agent/adapters/gauss/sql.ts';
import type { Result } from '../../../agent/core/result.ts';
import { aPlace, aProgram, clock, givenUp, heldCall, heldSync } from './support.ts';

async function aVolume(t: TestContext): Promise<InstanceOptions> {
  const { options, remove } = await aPlace();
  t.after(remove);
  await mkdir(options.pgdata, { mode: 0o700 });
  return options;
}

/** Time for whatever is on its way to land. */
const aWhile = (): Promise<void> => clock.until(clock.now() + 100);

test('an older write that was given up never lands on a newer one', async (t) => {
  const { pgdata } = await aVolume(t);
  const file = join(pgdata, 'opengauss_agent.term');
  const held = await heldSync(t, pgdata);
  const older = await givenUp(t, () => writeDurably(file, '3\n'), held.reached, fileBoundMs);
  assert.ok(!older.ok && older.fault.kind === 'timeout' && older.fault.done === 'maybe');
  const newer = writeDurably(file, '5\n');
  await aWhile();
  held.release();
  assert.ok((await newer).ok);
  await aWhile();
  assert.equal(await readFile(file, 'utf8'), '5\n');
  assert.deepEqual(await readdir(pgdata), ['opengauss_agent.term']);
});

test('a write that waited in vain for an older one did nothing, and never does', async (t) => {
  const { pgdata } = await aVolume(t);
  const file = join(pgdata, 'opengauss_agent.term');
  const held = await heldSync(t, pgdata);
  await givenUp(t, () => writeDurably(file, '3\n'), held.reached, fileBoundMs);
  const newer = await givenUp(t, () => writeDurably(file, '5\n'), aWhile(), fileBoundMs);
  assert.ok(!newer.ok && newer.fault.kind === 'timeout' && newer.fault.done === 'no', JSON.stringify(newer));
  assert.ok((await writeDurably(join(pgdata, 'other'), '')).ok, 'another file is not held up');
  held.release();
  await aWhile();
  assert.equal(await readFile(file, 'utf8'), '3\n');
});

test('whoever waits for a file that does not come back is refused at once when many wait already', async (t) => {
  const { pgdata } = await aVolume(t);
  const file = join(pgdata, 'opengauss_agent.term');
  const held = await heldSync(t, pgdata);
  await givenUp(t, () => writeDurably(file, '0\n'), held.reached, fileBoundMs);
  const waiting: Promise<Result<void>>[] = [];
  for (let term = 1; term <= 20; term += 1) waiting.push(writeDurably(file, `${term}\n`));
  const refused = await Promise.race(waiting);
  assert.ok(!refused.ok && refused.fault.done === 'no');
  held.release();
  const written = (await Promise.all(waiting)).map((one) => one.ok);
  assert.ok(written.includes(true));
  assert.equal(await readFile(file, 'utf8'), `${written.lastIndexOf(true) + 1}\n`);
});

test('files that were removed stay removed once that is said: a removal that was given up takes no newer file', async (t) => {
  const { pgdata } = await aVolume(t);
  const file = join(pgdata, 'postmaster.pid');
  await writeFile(file, 'older');
  const held = heldCall(t, 'rm');
  const older = await givenUp(t, () => removeFiles([file]), held.reached, fileBoundMs);
  assert.ok(!older.ok && older.fault.kind === 'timeout' && older.fault.done === 'maybe');
  const newer = removeFiles([join(pgdata, 'failover'), file]).then(async (removed) => {
    // As the server does, which knows nothing of the order kept here.
    if (removed.ok) await writeFile(file, 'newer');
    return removed;
  });
  await aWhile();
  held.release();
  assert.ok((await newer).ok);
  await aWhile();
  assert.equal(await readFile(file, 'utf8'), 'newer');
});

test('an identity whose laying down was given up does not take the term from a later promotion', async (t) => {
  const { pgdata } = await aVolume(t);
  const held = await heldSync(t, pgdata);
  await givenUp(t, () => layBeside(pgdata, { dataId: '22222222-own', promotedTerm: 3 }), held.reached, fileBoundMs);
  const promoted = putInPlace(pgdata).then((placed) => (placed.ok ? writePromotedTerm(pgdata, 5) : placed));
  await aWhile();
  held.release();
  assert.ok((await promoted).ok);
  await aWhile();
  assert.deepEqual(await readIdentity(pgdata), { ok: true, value: { dataId: '22222222-own', promotedTerm: 5 } });
});

test('what clears the way for a database, and was given up, removes nothing of the next one', async (t) => {
  const options = await aVolume(t);
  const instance = createInstance(options);
  t.after(() => instance.close());
  const make = 'mkdir "$2/global" && touch "$2/PG_VERSION" "$2/postgresql.conf"';
  await aProgram(options, 'gs_initdb', make);
  await aProgram(options, 'pg_controldata', 'echo "Database system identifier:  42"; echo "Database cluster state:  shut down"');
  for (const path of [`${options.pgdata}.initialising`, join(options.pgdata, 'PG_VERSION')]) await writeFile(path, '');
  const held = heldCall(t, 'rm');
  const initialise = () => instance.initialise(new AbortController().signal);
  const first = await givenUp(t, initialise, held.reached, fileBoundMs);
  assert.equal(first.ok, false);
  const second = initialise();
  await Promise.race([second, clock.until(clock.now() + 1_000)]);
  held.release();
  assert.deepEqual(await second, { ok: true, value: { systemId: '42' } });
  await aWhile();
  assert.ok(existsSync(join(options.pgdata, 'PG_VERSION')));
});

test('the sample settings, whose copying was given up, do not land on those of the member', async (t) => {
  const options = await aVolume(t);
  const instance = createInstance(options);
  t.after(() => instance.close());
  const sample = join(options.home, 'share', 'postgresql', 'postgresql.conf.sample');
  await mkdir(dirname(sample), { recursive: true });
  await writeFile(sample, 'sample');
  const held = heldCall(t, 'copyFile');
  const from = { name: 'og-demo-1', host: '127.0.0.2', haPort: 15433 };
  const order = { mode: 'full', from, onProgress: () => undefined, signal: new AbortController().signal } as const;
  const building = givenUp(t, () => instance.build(order), held.reached, fileBoundMs);
  await held.reached;
  await aWhile();
  held.release();
  await building;
  await aWhile();
  assert.equal(await readFile(join(options.pgdata, 'postgresql.conf'), 'utf8'), '');
});

interface Settings {
  apply(names: string, deadlineMs?: number): Promise<Result<void>>;
  configure(): Promise<Result<{ changed: boolean }>>;
  names(): string | undefined;
  signals: string[];
}

/** The settings of a server that takes over whatever stands in the file when it is told to. */
async function settingsOf(options: InstanceOptions): Promise<Settings> {
  const conf = join(options.pgdata, 'postgresql.conf');
  for (const name of ['postgresql.conf', 'pg_hba.conf']) await writeFile(join(options.pgdata, name), '');
  const signals: string[] = [];
  const settingOf = (name: string): string =>
    new RegExp(`^${name} = '?(.*?)'?$`, 'm').exec(readFileSync(conf, 'utf8'))?.[1] ?? '';
  const keeper = {
    known: () => ({ pid: 1, startTime: '1' }),
    signal: async (_process: unknown, name: string) => signals.push(name) > 0,
  } as unknown as ServerKeeper;
  const session = {
    query: async (sql: string) => ({
      ok: true,
      value: sql.split('; ').map((one) => [{ x: settingOf(one.replace('show ', '')) }]),
    }),
  } as unknown as Session;
  const configurer = createConfigurer(options, keeper, session);
  const member = (index: number) => ({ name: `og-demo-${index}`, host: `127.0.0.${index + 1}`, haPort: 15433 });
  const wanted = { self: member(0), peers: [member(1)], parameters: {} };
  return {
    apply: (names, deadlineMs = 60_000) => configurer.apply({ synchronous_standby_names: names }, deadlineMs),
    configure: () => configurer.configure(wanted, 60_000),
    names: () => settingOf('synchronous_standby_names'),
    signals,
  };
}

test('names as they were before a change that was given up stand in the file although that change lands', async (t) => {
  const options = await aVolume(t);
  const settings = await settingsOf(options);
  assert.ok((await settings.apply('ANY 1 (b)')).ok);
  const held = await heldSync(t, options.pgdata);
  const widened = await givenUp(t, () => settings.apply('ANY 1 (b, c)'), held.reached, fileBoundMs);
  assert.equal(widened.ok, false);
  const taken = settings.apply('ANY 1 (b)');
  await aWhile();
  held.release();
  assert.ok((await taken).ok);
  await aWhile();
  assert.equal(settings.names(), 'ANY 1 (b)');
});

test('a change that nobody waits for any more is not begun', async (t) => {
  const options = await aVolume(t);
  const settings = await settingsOf(options);
  const held = await heldSync(t, options.pgdata);
  const first = settings.apply('ANY 1 (b)');
  await held.reached;
  const late = await settings.apply('ANY 1 (b, c)', 1);
  assert.ok(!late.ok && late.fault.kind === 'timeout' && late.fault.done === 'no', JSON.stringify(late));
  held.release();
  assert.ok((await first).ok);
  await aWhile();
  assert.equal(settings.names(), 'ANY 1 (b)');
});

test('settings whose write was given up, and came to pass, are put into force by the next call', async (t) => {
  const options = await aVolume(t);
  const settings = await settingsOf(options);
  assert.ok((await settings.configure()).ok);
  await writeFile(join(options.pgdata, 'postgresql.conf'), '');
  const held = await heldSync(t, options.pgdata);
  const late = await givenUp(t, settings.configure, held.reached, fileBoundMs);
  assert.equal(late.ok, false);
  held.release();
  await aWhile();
  settings.signals.length = 0;
  assert.ok((await settings.configure()).ok);
  assert.deepEqual(settings.signals, ['SIGHUP']);
});
