/**
 * The bare server's own time: the same servers, the same load and the same steps as the agents take, but issued by one
 * hand that sees everything at once and waits for nobody: no lease, no votes, no API server. What a failover takes
 * beyond it is the agents' share. It drives the adapter of the server and none of the agent's decisions.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createInstance } from '../../agent/adapters/gauss/instance.ts';
import { createClock } from '../../agent/adapters/os/clock.ts';
import type { Instance } from '../../agent/core/model.ts';
import { type LeaderPermit, permitFrom } from '../../agent/core/permit.ts';
import type { Result } from '../../agent/core/result.ts';
import type { InstancePort } from '../../agent/ports/instance.ts';
import { findAddresses } from '../lab/addresses.ts';
import { createClientAccount } from '../lab/database.ts';
import { superuser } from '../lab/environment.ts';
import { makeSecrets, root } from '../lab/place.ts';
import { findPostgres } from '../lab/postgres.ts';
import { createService, type ServiceListener } from '../lab/service.ts';
import { type ClientAddress, connect, longestGap, startWriter } from '../support/client.ts';

export interface BareOptions {
  dir: string;
  members: number;
  pace: 'fast' | 'real';
}

export interface BareCluster {
  /** The write gap of one failover by hand, in milliseconds. */
  failover(kind: 'server' | 'switchover'): Promise<number>;
  stop(): Promise<void>;
}

interface Server {
  name: string;
  host: string;
  port: number;
  haPort: number;
  socketDir: string;
  instance: InstancePort;
}

const clock = createClock();
const stepMs = 20_000;
const rowsMin = 100;
const table = 'bare_rows';

function check<T>(what: string, result: Result<T>): T {
  if (!result.ok) throw new Error(`${what}: ${result.fault.detail}`);
  return result.value;
}

/** Looks until the server is what is waited for. */
async function until(server: Server, what: string, wanted: (instance: Instance) => boolean, everyMs = 20): Promise<Instance> {
  const end = performance.now() + stepMs;
  for (;;) {
    const instance = await server.instance.observe(2000);
    if (wanted(instance)) return instance;
    if (performance.now() > end)
      throw new Error(
        `${server.name} is not ${what} after ${stepMs / 1000} s but ${instance.is}${'state' in instance ? `, ${instance.state} (${instance.detail})` : ''}`,
      );
    await sleep(everyMs);
  }
}

/** Starts the servers and makes them stream; takes some seconds. */
export async function startBare(options: BareOptions): Promise<BareCluster> {
  const addresses = await findAddresses(options.members);
  const secrets = makeSecrets();
  const servers = addresses.members.map(({ ip, ports }, i): Server => {
    const dir = join(options.dir, `b${i}`);
    for (const name of ['s', 'log']) mkdirSync(join(dir, name), { recursive: true, mode: 0o700 });
    const place = { pgdata: join(dir, 'pgdata'), socketDir: join(dir, 's'), logDir: join(dir, 'log') };
    const instance = createInstance({
      ...place,
      home: join(root, 'test', 'standin'),
      member: `bare-${i}`,
      port: ports.client,
      haPort: ports.ha,
      bindAddress: ip,
      superuser,
      secrets: { superuserPassword: secrets['superuser-password'], replicationPassword: secrets['replication-password'] },
      clock,
      note: () => undefined,
      environment: { OG_STANDIN_PACE: options.pace, OG_STANDIN_POSTGRES: findPostgres() ?? '' },
    });
    return { name: `bare-${i}`, host: ip, port: ports.client, haPort: ports.ha, socketDir: place.socketDir, instance };
  });
  const write = createService(addresses.write);
  const stop = async () => {
    await write.close();
    for (const { instance } of servers) {
      await instance.kill(5000);
      await instance.close();
    }
  };
  try {
    const client = await assemble(servers);
    return createCluster(servers, write, { ...addresses.write, ...client }, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(servers: Server[]) {
  const [first, ...rest] = servers;
  if (first === undefined) throw new Error('no members');
  check('initialise', await first.instance.initialise(AbortSignal.timeout(120_000)));
  await configure(first, servers);
  check('start', await first.instance.start('pending'));
  await until(first, 'pending', ({ is }) => is === 'pending');
  const permit = permitOf(1);
  check('promote', await first.instance.promote({ permit, names: '', deadline: clock.now() + stepMs }));
  // What it cannot change about passwords does not matter here.
  await first.instance.settleUsers(permit, stepMs);
  check('term', await first.instance.writeTerm(permit, stepMs));
  for (const server of rest) {
    await configure(server, servers);
    const from = { name: first.name, host: first.host, haPort: first.haPort };
    check(
      'build',
      await server.instance.build({ mode: 'full', from, onProgress: () => undefined, signal: AbortSignal.timeout(120_000) }),
    );
    await configure(server, servers);
    check('start', await server.instance.start('standby'));
  }
  for (const server of rest) await until(server, 'streaming', streams);
  await setNames(first, servers, permit);
  const client = await createClientAccount({ socketDir: first.socketDir, port: first.port, superuser });
  const session = await connect({ host: first.host, port: first.port, ...client }, stepMs);
  await session.query(`CREATE TABLE ${table} (n bigint PRIMARY KEY, note text)`);
  await session.end();
  return client;
}

const streams = (instance: Instance) =>
  instance.is === 'standby' && instance.receiver !== undefined && instance.received !== undefined;

const divergence = ['WAL segment removed', 'Timeline not matched'];
const diverged = (instance: Instance) => instance.is === 'standby' && divergence.includes(instance.detail);

function permitOf(term: number): LeaderPermit {
  return permitFrom(clock.now(), term, 3600);
}

async function configure(server: Server, all: Server[]) {
  const address = ({ name, host, haPort }: Server) => ({ name, host, haPort });
  const peers = all.filter((other) => other !== server).map(address);
  check('configure', await server.instance.configure({ self: address(server), peers, parameters: {} }, stepMs));
}

/** One acknowledgement of any other server, as `quorum` has it for two or three members. */
function namesFor(primary: Server, all: Server[]): string {
  const others = all.filter((other) => other !== primary).map(({ name }) => name);
  return others.length === 0 ? '' : `ANY 1(${others.join(',')})`;
}

async function setNames(primary: Server, all: Server[], permit: LeaderPermit) {
  check('names', await primary.instance.setSync({ permit, names: namesFor(primary, all), mostAvailable: false }, stepMs));
}

/** The servers, who is primary, and the next term and number. */
interface Hand {
  servers: Server[];
  primary: Server;
  term: number;
  number: number;
  write: ServiceListener;
  address: ClientAddress;
}

function createCluster(
  servers: Server[],
  write: ServiceListener,
  address: ClientAddress,
  stop: () => Promise<void>,
): BareCluster {
  const [primary] = servers;
  if (primary === undefined) throw new Error('no members');
  const hand: Hand = { servers, primary, term: 1, number: 1, write, address };
  return { failover: (kind) => failover(hand, kind), stop };
}

/** One run under load: the change by hand, its gap, and everybody streaming again. */
async function failover(hand: Hand, kind: 'server' | 'switchover'): Promise<number> {
  const old = hand.primary;
  const [candidate, ...others] = hand.servers.filter((server) => server !== old);
  if (candidate === undefined) throw new Error('a bare failover needs two members');
  hand.write.setEndpoints([old]);
  const writer = startWriter({ address: hand.address, table, from: hand.number });
  hand.number += 1_000_000;
  const rows = async (since: number) => {
    if (!(await writer.whenAcknowledged(rowsMin, stepMs, since))) throw new Error(`no rows: ${writer.lastError() ?? ''}`);
  };
  try {
    await rows(0);
    const began = performance.now();
    const winner = await (kind === 'server' ? crash : handOver)(hand, candidate, others);
    await rows(performance.now());
    hand.primary = winner;
    const gap = longestGap(writer.acknowledged, began).ms;
    await rejoin(hand, old);
    if (kind === 'switchover') check('brake', await old.instance.setReadOnly(false, false, stepMs));
    return gap;
  } finally {
    await writer.stop();
  }
}

async function crash(hand: Hand, candidate: Server, others: Server[]): Promise<Server> {
  check('kill', await hand.primary.instance.kill(stepMs));
  const standbys = [candidate, ...others];
  const winner = await mostAdvanced(candidate, standbys);
  return await promote(
    hand,
    winner,
    standbys.filter((server) => server !== winner),
  );
}

async function handOver(hand: Hand, candidate: Server, others: Server[]): Promise<Server> {
  await freeze(candidate, others);
  const old = hand.primary;
  check('brake', await old.instance.setReadOnly(true, true, stepMs));
  const end = await until(old, 'a primary', ({ is }) => is === 'primary');
  const written = end.is === 'primary' ? (end.written ?? 0n) : 0n;
  await until(candidate, 'level', (now) => now.is === 'standby' && (now.received ?? 0n) >= written, 5);
  check('kill', await old.instance.kill(stepMs));
  return await promote(hand, candidate, others);
}

/** Takes standbys away from the old primary, towards the candidate. */
async function freeze(candidate: Server, standbys: Server[]) {
  const target = { host: candidate.host, haPort: candidate.haPort };
  await Promise.all(standbys.map(async (server) => check('freeze', await server.instance.pointAt(target, stepMs))));
}

/** Freezes and compares: being ahead of the candidate is normal, and then the other one it is. */
async function mostAdvanced(candidate: Server, standbys: Server[]): Promise<Server> {
  await freeze(candidate, standbys);
  const done = (now: Instance) => now.is === 'standby' && now.lock?.redoFinished === true;
  const seen = await Promise.all(standbys.map((server) => until(server, 'done with redo', done, 5)));
  const positions = new Map(standbys.map((server, i) => [server, replayed(seen[i])]));
  const position = (server: Server) => positions.get(server) ?? 0n;
  const best = standbys.reduce((one, server) => (position(server) > position(one) ? server : one), candidate);
  if (best !== candidate) await freeze(best, standbys);
  return best;
}

function replayed(instance: Instance | undefined): bigint {
  return instance?.is === 'standby' ? (instance.replayed ?? 0n) : 0n;
}

/** Promotes; the client's way is turned as soon as the server can write. */
async function promote(hand: Hand, winner: Server, others: Server[]): Promise<Server> {
  hand.term += 1;
  const permit = permitOf(hand.term);
  const names = namesFor(winner, [winner, ...others]);
  check('promote', await winner.instance.promote({ permit, names, deadline: clock.now() + stepMs }));
  hand.write.setEndpoints([winner]);
  check('term', await winner.instance.writeTerm(permit, stepMs));
  return winner;
}

/** The old primary comes back as a standby, built anew where it had written what nobody received. */
async function rejoin(hand: Hand, old: Server) {
  const { servers, primary } = hand;
  await configure(old, servers);
  check('start', await old.instance.start('standby'));
  const back = await until(old, 'streaming', (now) => streams(now) || diverged(now));
  if (diverged(back)) {
    const from = { name: primary.name, host: primary.host, haPort: primary.haPort };
    const order = { from, onProgress: () => undefined, signal: AbortSignal.timeout(120_000) };
    const quick = await old.instance.build({ ...order, mode: 'incremental' });
    if (!quick.ok) check('build', await old.instance.build({ ...order, mode: 'full' }));
    await configure(old, servers);
    check('start', await old.instance.start('standby'));
    await until(old, 'streaming', streams);
  }
  for (const server of servers) if (server !== old) check('unlock', await server.instance.unlock(stepMs));
  for (const server of servers) if (server !== primary) await until(server, 'streaming', streams);
  await setNames(primary, servers, permitOf(hand.term));
}
