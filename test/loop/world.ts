/**
 * A whole cluster under virtual time: the real loop for each member, over a model API server, model instances and
 * peers that call each other's handlers. A client writes all the time; the oracles stand beside the world and know
 * the true order of things.
 */
import assert from 'node:assert/strict';
import { parseConfig } from '../../agent/settings/dynamic.ts';
import { clusterLabels } from '../../agent/core/labels.ts';
import type { PeerState } from '../../agent/core/model.ts';
import { type Fault, failed, type Result } from '../../agent/core/result.ts';
import type { PeerSight } from '../../agent/core/view.ts';
import { createLoop } from '../../agent/loop/loop.ts';
import type { Board, PeerHandler, PeersPort } from '../../agent/ports/others.ts';
import { createVirtualClock, type VirtualClock } from './clock.ts';
import { createDatabase, type Database } from './database.ts';
import { createFakeKube, type FakeKube } from './kube.ts';
import { type Node, portsOn } from './node.ts';

export interface World {
  clock: VirtualClock;
  kube: FakeKube;
  database: Database;
  primary(): string | undefined;
  standbys(): string[];
  run(ms: number): Promise<void>;
  /** Lets time pass until that holds; fails with the story when it does not. */
  until(what: string, holds: () => boolean, ms?: number): Promise<void>;
  startAgent(name: string): void;
  killAgent(name: string): void;
  killNode(name: string): void;
  cut(name: string, from: 'kube' | 'peers' | 'all'): void;
  heal(): void;
  /** The longest time without an acknowledgement since the mark. */
  longestGap(): number;
  /** Members do not answer a primary that asks for promises: its permit comes from renewals alone. */
  nobodyPromises: boolean;
  /** How long a promise that was given is on its way back. */
  promisesTakeMs: number;
  /** Told of every call that an agent makes of its ports. */
  onCall: ((call: Call) => void) | undefined;
  mark(): void;
  loseNothing(): void;
  singleWriter(): void;
  story: string[];
  promotions: { member: string; kind: string | undefined; seconds: number }[];
  nodes: Map<string, Node>;
}

export interface Call {
  member: string;
  /** Port and verb: `instance.kill`. */
  to: string;
  args: unknown[];
}

const gone: Fault = { of: 'peer', kind: 'unreachable', done: 'maybe', detail: 'no answer' };

export interface WorldOptions {
  members?: number;
  /** Agents may read nodes. */
  readsNodes?: boolean;
  config?: string;
  /** How long a settled cluster is left alone. */
  restMs?: number;
  /** Whether a standby receives anything in a step. */
  chance?: () => boolean;
}

export function createWorld(options: WorldOptions = {}): World {
  const clock = createVirtualClock();
  const names = Array.from({ length: options.members ?? 3 }, (_, at) => `og-demo-${at}`);
  const database = createDatabase(
    clock,
    names.map((name, at) => ({ name, ip: `10.0.0.${10 + at}` })),
    options.chance ?? (() => true),
  );
  const kube = createFakeKube(clock);
  kube.config = options.config;
  const nodes = new Map<string, Node>();
  const peersCut = new Set<string>();
  const story: string[] = [];
  const promotions: World['promotions'] = [];
  let markedAt = 0;
  let doubleWriters: string | undefined;
  let ticks = 0;
  const say = (who: string, what: string) => {
    story.push(`${((clock.now() - 1_000_000) / 1000).toFixed(3)} ${who} ${what}`);
    if (story.length > 2000) story.shift();
  };

  for (const [at, name] of names.entries()) {
    kube.pods.set(name, {
      name,
      uid: `uid-${at}`,
      ip: `10.0.0.${10 + at}`,
      resourceVersion: '1',
      labels: clusterLabels('demo'),
      annotations: {},
      terminating: false,
      createdAt: '',
      node: `node-of-${name}`,
      container: { id: undefined, state: 'running' },
    });
    const records = { granted: 0, freeze: undefined, build: undefined };
    nodes.set(name, {
      loop: undefined,
      epoch: { dead: true },
      records,
      fence: undefined,
      incarnation: 0,
      fenceBroken: false,
      cycles: 0,
      listed: [],
      brake: undefined,
      reserves: { data: 0, wal: 0 },
      volumes: [],
      echoBehindMs: 0,
    });
  }
  const nodeOf = (name: string): Node => {
    const node = nodes.get(name);
    if (node === undefined) throw new Error(`no member ${name}`);
    return node;
  };

  /** What a dead process asked for neither returns nor happens. */
  function mortal<T extends object>(port: T, epoch: { dead: boolean }, heard: (verb: string, args: unknown[]) => void): T {
    return new Proxy(port, {
      get(target, key, receiver) {
        const value = Reflect.get(target, key, receiver);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (epoch.dead) return new Promise(() => {});
          heard(String(key), args);
          const result = value.apply(target, args);
          if (!(result instanceof Promise)) return result;
          return result.then((answer) => (epoch.dead ? new Promise(() => {}) : answer));
        };
      },
    });
  }

  function peersOf(name: string): PeersPort {
    const seen: Record<string, PeerSight> = {};
    const node = nodeOf(name);
    node.listed = [];
    const reach = (other: string): PeerHandler | undefined => {
      const there = nodes.get(other);
      if (peersCut.has(name) || peersCut.has(other) || there?.loop === undefined || there.epoch.dead) return undefined;
      // Nobody is answered who is not known as a member there.
      return there.listed.includes(name) ? there.loop.handler : undefined;
    };
    async function ask(other: string): Promise<void> {
      const at = clock.now();
      await clock.until(at + 1);
      const state = await reach(other)?.state();
      if (state !== undefined) seen[other] = { state, at };
    }
    /** What a member says after an order is news as well. */
    function heard(other: string, at: number, answer: Result<PeerState>): Result<PeerState> {
      if (answer.ok) seen[other] = { state: answer.value, at };
      return answer;
    }
    const { epoch } = node;
    clock.every(1000, () => {
      if (!epoch.dead) for (const other of node.listed) void ask(other);
    });
    return {
      setPeers(peers) {
        const known = node.listed;
        node.listed = peers.map((peer) => peer.name);
        for (const other of node.listed) if (!known.includes(other)) void ask(other);
      },
      seen: () => ({ ...seen }),
      refresh: async () => {
        await Promise.all(node.listed.map(ask));
      },
      async freeze(other, freezeAsk, deadlineMs) {
        const at = clock.now();
        await clock.until(at + 1);
        const handler = reach(other);
        const late = clock.until(clock.now() + deadlineMs).then(() => failed<PeerState>(gone));
        // Who dies while answering never does.
        return heard(other, at, await (handler === undefined ? late : Promise.race([handler.freeze(freezeAsk, name), late])));
      },
      async unfreeze(other, term, deadlineMs) {
        const at = clock.now();
        const handler = reach(other);
        const late = clock.until(at + deadlineMs).then(() => failed<PeerState>(gone));
        const answer = handler === undefined ? late : Promise.race([handler.unfreeze({ term, from: name }), late]);
        return heard(other, at, await answer);
      },
      async promise(other, promiseAsk, deadlineMs) {
        const at = clock.now();
        await clock.until(at + 1);
        const handler = world.nobodyPromises ? undefined : reach(other);
        if (handler !== undefined) {
          const answer = await handler.promise(promiseAsk, name);
          // The way back can be cut while the question is answered.
          if (reach(other) === handler) {
            await clock.until(clock.now() + world.promisesTakeMs);
            return heard(other, at, answer);
          }
        }
        await clock.until(at + deadlineMs);
        return failed(gone);
      },
      close: async () => {},
    };
  }

  function startAgent(name: string): void {
    const node = nodeOf(name);
    node.epoch.dead = true;
    const epoch = { dead: false };
    node.epoch = epoch;
    const server = database.server(name);
    server.exits.length = 0;
    const { fence, records, brake, volumes, reserveOf } = portsOn(node, epoch, clock);
    const board: Board = { show() {} };
    const line = (level: string) => (msg: string, fields?: Record<string, unknown>) =>
      epoch.dead ||
      say(name, `${level} ${msg} ${JSON.stringify(fields, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`);
    const quiet = () => {};
    const heardBy = (port: string) => (verb: string, args: unknown[]) =>
      world.onCall?.({ member: name, to: `${port}.${verb}`, args });
    const pod = kube.pods.get(name);
    const incarnation = `inc-${node.incarnation}`;
    node.loop = createLoop({
      ports: {
        clock: mortal(clock, epoch, heardBy('clock')),
        kube: mortal(kube.port(name), epoch, heardBy('kube')),
        instance: mortal(database.port(name), epoch, heardBy('instance')),
        peers: mortal(peersOf(name), epoch, heardBy('peers')),
        fence: mortal(fence, epoch, heardBy('fence')),
        records: mortal(records, epoch, heardBy('records')),
        brake: mortal(brake, epoch, heardBy('brake')),
        reserves: { data: reserveOf('data'), wal: reserveOf('wal') },
        volumes,
        board,
      },
      self: {
        name,
        uid: pod?.uid ?? '',
        incarnation,
        identity: `${name}/${pod?.uid}/${incarnation}`,
        cluster: 'demo',
        namespace: 'default',
        ip: pod?.ip ?? '',
        port: 5432,
        haPort: 5433,
        version: '0',
        startedAt: clock.now(),
        guarded: true,
        provesDeath: true,
        readsNodes: options.readsNodes === true,
        bornAt: clock.now(),
      },
      log: { info: line('info'), warn: line('warn'), error: line('error'), debug: quiet },
      tally: {
        cycle: () => {
          node.cycles += 1;
        },
        ...{ renewed: quiet, fenced: quiet, switched: quiet, built: quiet },
        promoted: (seconds, kind) => void promotions.push({ member: name, kind, seconds }),
      },
      parseConfig,
      haPort: 5433,
    });
    void node.loop.run();
  }

  /** PID 1: kills the server at the last deadline, whatever became of the agent. */
  clock.every(50, () => {
    for (const [name, node] of nodes) {
      const server = database.server(name);
      if (node.fence === undefined || node.fenceBroken || server.frozen || clock.now() < node.fence.deadline) continue;
      if (server.process?.pid === node.fence.process.pid) {
        say(name, 'fence: PID 1 kills the server');
        database.kill(name);
      }
      node.fence = undefined;
    }
  });
  clock.quietly(5, () => {
    database.step();
    ticks += 1;
    if (ticks % 3 === 0) for (const name of names) database.write(name);
    const able = names.filter((name) => acknowledgesNow(name));
    if (able.length > 1) doubleWriters = `${able.join(' and ')} at ${clock.now()}`;
  });

  function acknowledgesNow(name: string): boolean {
    return database.acked.slice(-100).some((ack) => ack.by === name && clock.now() - ack.at < 5);
  }

  function settledPrimary(): string | undefined {
    const labelled = kube.primaries();
    return labelled.length === 1 ? labelled[0] : undefined;
  }

  const world: World = {
    nobodyPromises: false,
    promisesTakeMs: 1,
    onCall: undefined,
    clock,
    kube,
    database,
    nodes,
    story,
    promotions,
    primary: settledPrimary,
    standbys: () => names.filter((name) => database.server(name).streamsFrom !== undefined),
    run: (ms) => clock.run(ms),
    async until(what, holds, ms = 60_000) {
      const end = clock.now() + ms;
      while (!holds()) {
        assert.ok(clock.now() < end, `not within ${ms} ms: ${what}\n${story.slice(-60).join('\n')}`);
        await clock.run(10);
      }
    },
    startAgent,
    killAgent(name) {
      say(name, 'the agent is killed');
      nodeOf(name).epoch.dead = true;
      nodeOf(name).loop = undefined;
    },
    killNode(name) {
      say(name, 'the node loses power');
      nodeOf(name).epoch.dead = true;
      nodeOf(name).loop = undefined;
      nodeOf(name).fence = undefined;
      nodeOf(name).incarnation += 1;
      database.kill(name);
    },
    cut(name, from) {
      say(name, `is cut from ${from}`);
      if (from !== 'peers') kube.cut.add(name);
      if (from === 'kube') return;
      peersCut.add(name);
      for (const other of names) database.cutPairs.add(`${name} ${other}`);
    },
    heal() {
      kube.cut.clear();
      peersCut.clear();
      database.cutPairs.clear();
    },
    mark() {
      markedAt = clock.now();
    },
    longestGap() {
      const times = [markedAt, ...database.acked.filter((ack) => ack.at >= markedAt).map((ack) => ack.at), clock.now()];
      return Math.max(...times.slice(1).map((time, at) => time - (times[at] ?? 0)));
    },
    loseNothing() {
      const primary = world.primary();
      assert.ok(primary !== undefined, 'there is one primary');
      const have = new Set(database.server(primary).data?.wal.map((record) => record.id));
      const lost = database.acked.filter((ack) => !have.has(ack.id));
      assert.deepEqual(lost, [], `acknowledged and lost\n${story.slice(-80).join('\n')}`);
    },
    singleWriter() {
      assert.equal(doubleWriters, undefined, `two members acknowledged\n${story.slice(-80).join('\n')}`);
    },
  };
  return world;
}

/** A cluster that has a labelled primary and streams on every other member. */
export async function settledWorld(options: WorldOptions = {}): Promise<World> {
  const world = createWorld(options);
  for (const name of world.nodes.keys()) world.startAgent(name);
  await world.until(
    'a primary and everybody streaming',
    () => world.primary() !== undefined && world.standbys().length === world.nodes.size - 1,
  );
  const acks = options.config?.includes('mode: off') === true ? '' : 'ANY';
  if (world.nodes.size > 1) {
    await world.until(
      'the synchronous set',
      () => database(world).syncNames.startsWith(acks) && (world.kube.lease?.entries.length ?? 0) === 1 && namesSet(world),
    );
  }
  await world.run(options.restMs ?? 3000);
  world.mark();
  return world;
}

function database(world: World) {
  return world.database.server(world.primary() ?? 'og-demo-0');
}

function namesSet(world: World): boolean {
  const last = world.kube.lease?.entries.at(-1);
  return last !== undefined && (last.names.length === world.nodes.size - 1 || last.names.length === 0);
}
