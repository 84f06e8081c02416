/**
 * The scenes on real file systems: each fills, grows, freezes or fails the primary's volume while clients write, and says
 * what has to hold. Every one ends with the check that no acknowledged row is lost and that the server is not started
 * over and over.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { memberAddress, writeAddress } from '../../bench/failover.ts';
import { until } from '../../e2e/harness.ts';
import { connect, missingRows, prepareTable, startWriter, type Writer } from '../../support/client.ts';
import { type FileSystem, type FileSystemKind, missingToGrow } from './filesystem.ts';
import { type DiskLab, linesOf, startDiskLab } from './place.ts';

export interface DiskScene {
  name: string;
  title: string;
  kinds: readonly FileSystemKind[];
  members: number;
  play(stage: DiskStage): Promise<void>;
}

export interface DiskStage {
  place: DiskLab;
  primary: string;
  volume: FileSystem;
  writer: Writer;
  /** Waits until a row is acknowledged that was not before. */
  rows(ms?: number): Promise<void>;
  /** Waits until writes are refused. */
  refused(ms?: number): Promise<void>;
  /** The status as the primary's agent tells it. */
  status(member?: string): Promise<Status>;
  events(): Promise<string[]>;
}

interface Status {
  readOnly: { on: boolean | null; owner: string | null };
  members: {
    name: string;
    role: string;
    volumes: { mount: string; fault: string | null; stalled: boolean; fullInSeconds: number | null }[];
  }[];
  warnings: { member: string | null; code: string }[];
}

export interface SceneResult {
  scene: DiskScene;
  kind: FileSystemKind;
  failed: string | undefined;
  acknowledged: number;
  starts: number;
}

/** A WAL segment is less than a hundredth of it, so that a share in use does not jump over the next limit. */
const bytes = 2 * 2 ** 30;
const table = 'disk_rows';
/** More starts of a server than that within a scene are a crash loop. */
const startsMax = 4;
const all = ['ext4', 'xfs', 'tmpfs'] as const;
/** WAL that is kept for standbys must not fill a small volume by itself. */
const config = 'parameters:\n  wal_keep_segments: "2"\n';

export const diskScenes: readonly DiskScene[] = [
  {
    name: 'fill',
    title: 'a volume that fills stops writes and keeps the label; when it has grown they go on',
    kinds: all,
    members: 1,
    async play({ volume, refused, rows, status, events, place, primary }) {
      volume.fill(96);
      await refused();
      await until('the status tells whose it is', async () => {
        const { on, owner } = (await status()).readOnly;
        return on === true && owner === 'agent';
      });
      assert.equal(place.lab.primary(), primary);
      if (missingToGrow(volume.kind) === undefined) volume.grow(2 * bytes);
      else volume.clear();
      await rows();
      const told = await events();
      for (const reason of ['DiskPressure', 'ReadOnlySet', 'ReadOnlyCleared'])
        assert.ok(told.includes(reason), `no Event ${reason}`);
    },
  },
  {
    name: 'critical',
    title: 'a volume that is nearly full loses the write label; when it is cleaned the label and writes come back',
    kinds: all,
    members: 1,
    async play({ volume, rows, place, primary }) {
      volume.fill(98);
      await until('the write label goes', () => place.lab.primary() === undefined);
      await until('the member itself refuses writes', () => refuses(place, primary));
      volume.clear();
      await until('the write label is back', () => place.lab.primary() === primary);
      await rows();
    },
  },
  {
    name: 'full',
    title: 'a server that dies of a full volume is not started over and over, and comes back when there is room',
    kinds: all,
    members: 1,
    async play({ volume, rows, place }) {
      const before = place.lab.record().members[0]?.serverPid;
      volume.fill(99.9);
      await stubborn(place);
      await until('the server is gone', () => place.lab.record().members[0]?.serverPid !== before, 90_000);
      await sleep(10_000);
      if (missingToGrow(volume.kind) === undefined) volume.grow(2 * bytes);
      volume.clear();
      await rows(120_000);
    },
  },
  {
    name: 'freeze',
    title: 'a volume that freezes is told, a standby takes over, and the member comes back when it thaws',
    kinds: ['ext4', 'xfs'],
    members: 3,
    async play({ volume, rows, place, primary, status }) {
      volume.freeze();
      await until('it is told', async () => codes(await status()).includes('disk-stalled'), 30_000);
      await until('a standby leads', () => place.lab.primary() !== undefined && place.lab.primary() !== primary, 60_000);
      await rows();
      volume.thaw();
    },
  },
  {
    name: 'fail',
    title: 'a volume that fails is told apart, a standby takes over, and the member is not promoted',
    kinds: ['ext4', 'xfs'],
    members: 3,
    async play({ volume, rows, place, primary, status }) {
      volume.fail();
      await until('a standby leads', () => place.lab.primary() !== undefined && place.lab.primary() !== primary, 60_000);
      await rows();
      const code = volume.kind === 'ext4' ? 'disk-read-only' : 'disk-failed';
      await until(`it is told as ${code}`, async () => codes(await status(primary)).includes(code), 30_000);
    },
  },
];

function codes(status: Status): string[] {
  return status.warnings.map((warning) => warning.code);
}

async function refuses(place: DiskLab, member: string): Promise<boolean> {
  const client = await connect(memberAddress(place.lab, member), 10_000).catch(() => undefined);
  try {
    await client?.query(`INSERT INTO ${table} (n) VALUES (${-Date.now()})`);
    return false;
  } catch (error) {
    return /read-only/.test(String(error));
  } finally {
    await client?.end().catch(() => undefined);
  }
}

/** A session that overrides the brake and writes until the server is gone. */
async function stubborn(place: DiskLab): Promise<void> {
  const address = memberAddress(place.lab, 'og-demo-0');
  const client = await connect(address, 60_000).catch(() => undefined);
  try {
    await client?.query('set default_transaction_read_only = off');
    for (let turn = 0; turn < 100; turn += 1)
      await client?.query(
        `INSERT INTO ${table} SELECT -1000000 * ${turn} - g, repeat(md5(random()::text), 45) FROM generate_series(1, 20000) g`,
      );
  } catch {
    // That is what it is for.
  } finally {
    await client?.end().catch(() => undefined);
  }
}

/** Plays one scene on a lab of its own. */
export async function playDiskScene(scene: DiskScene, kind: FileSystemKind): Promise<SceneResult> {
  const result: SceneResult = { scene, kind, failed: undefined, acknowledged: 0, starts: 0 };
  let place: DiskLab | undefined;
  try {
    place = await startDiskLab({ kind, bytes, volumes: 1, lab: { members: scene.members, config } });
    await play(scene, place, result);
  } catch (error) {
    result.failed = error instanceof Error ? (error.message.split('\n')[0] ?? 'failed') : String(error);
    const log = place?.log('og-demo-0').split('\n').slice(-40).join('\n');
    process.stderr.write(`${log}\n`);
  } finally {
    await place?.close();
  }
  return result;
}

async function play(scene: DiskScene, place: DiskLab, result: SceneResult): Promise<void> {
  const { lab, volumes } = place;
  const primary = lab.primary() ?? '';
  const [volume] = volumes;
  assert.ok(volume !== undefined && primary === 'og-demo-0', 'the first member leads');
  await prepareTable(writeAddress(lab), table);
  const writer = startWriter({ address: writeAddress(lab), table, from: 1, pauseMs: 2, answerMs: 3000 });
  try {
    const stage: DiskStage = {
      ...{ place, primary, volume, writer },
      async rows(ms = 60_000) {
        const since = performance.now();
        await until('rows are acknowledged', () => (writer.acknowledged.at(-1)?.at ?? 0) > since, ms);
      },
      async refused(ms = 30_000) {
        await until('writes are refused', () => /read-only/.test(writer.lastError() ?? ''), ms);
      },
      async status(member = primary) {
        const { ip = '', httpPort = 0 } = lab.record().members.find((one) => one.pod === member) ?? {};
        return (await (await fetch(`http://${ip}:${httpPort}/status`)).json()) as Status;
      },
      async events() {
        const answer = await lab.api.call('GET', `/apis/events.k8s.io/v1/namespaces/${lab.options.namespace}/events`);
        return (answer.body as { items?: { reason?: string }[] }).items?.map((event) => event.reason ?? '') ?? [];
      },
    };
    await stage.rows();
    await scene.play(stage);
  } finally {
    await writer.stop();
    volume.thaw();
  }
  result.acknowledged = writer.acknowledged.length;
  result.starts = linesOf(place.log(primary), 'server started').length;
  const numbers = writer.acknowledged.map((row) => row.n);
  const missing = await missingRows(writeAddress(lab), table, numbers, 60_000);
  assert.equal(missing.length, 0, `${missing.length} of ${numbers.length} acknowledged rows are lost`);
  assert.ok(result.starts <= startsMax, `the server was started ${result.starts} times`);
}
