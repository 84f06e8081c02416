/**
 * The sentences about the lab as a person or a script uses it, by its command line alone, whatever its API server: a cluster of
 * two comes up, commands act on it or are refused, every fault is given and taken back, an unplanned change of the primary loses
 * nothing, and nothing is left when it ends.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingRows, prepareTable, startWriter } from '../support/client.ts';
import { identify, isAlive } from './processes.ts';
import type { LabOptions } from './options.ts';
import { type LabRecord, readLab, readRun } from './record.ts';

const main = join(import.meta.dirname, 'main.ts');

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

/** Starts a lab with that API server, and says everything of it. */
export function labSentences(kube: LabOptions['kube']): void {
  const parent = mkdtempSync(join(tmpdir(), 'lab-'));
  const dir = join(parent, 'l');
  let lab: ChildProcess;
  let said = '';

  function run(words: string[]): Promise<Outcome> {
    return new Promise((resolve) => {
      const child = spawn(process.execPath, [main, '--dir', dir, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
      const outcome: Outcome = { code: null, out: '', err: '' };
      child.stdout.on('data', (chunk: Buffer) => (outcome.out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (outcome.err += chunk.toString()));
      child.once('close', (code) => resolve({ ...outcome, code }));
    });
  }

  async function until<T>(what: string, deadlineMs: number, look: () => T | undefined | false): Promise<T> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      assert.ok(performance.now() < end, `not within ${deadlineMs / 1000} s: ${what}\n${said}`);
      await sleep(50);
    }
  }

  before(async () => {
    lab = spawn(process.execPath, [main, '--dir', dir, '--kube', kube, '--members', '2', '--volume', '512MiB', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [lab.stdout, lab.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until('a healthy cluster', 240_000, () => {
      assert.equal(lab.exitCode, null, said);
      return existsSync(join(dir, 'lab.json'));
    });
  });

  after(async () => {
    if (lab.exitCode === null) {
      lab.kill('SIGTERM');
      await until('the end of the lab', 60_000, () => lab.exitCode !== null);
    }
    rmSync(parent, { recursive: true, force: true });
  });

  function record(): LabRecord {
    const found = readLab(dir);
    assert.ok(found !== undefined);
    return found;
  }

  /** By the agents' own word: a primary, and a standby that streams. */
  async function healthy(): Promise<void> {
    const end = performance.now() + 120_000;
    for (;;) {
      const status = await run(['exec', 'og-demo-0', '--', 'agent', 'status']);
      if (status.code === 0) return;
      assert.ok(performance.now() < end, `not healthy within 120 s: ${status.out}${status.err}`);
      await sleep(200);
    }
  }

  test('lab.json names running processes and the addresses of everybody', () => {
    const { members, services, client, cluster } = record();
    assert.deepEqual(
      members.map(({ pod }) => pod),
      ['og-demo-0', 'og-demo-1'],
    );
    for (const { pid1, agentPid, serverPid } of members) {
      for (const pid of [pid1, agentPid, serverPid]) assert.ok(pid !== null && identify(pid) !== undefined);
    }
    assert.equal(new Set(members.map(({ ip }) => ip)).size, 2);
    assert.ok(services.write.host !== services.read.host && client.user !== '' && cluster === 'demo');
  });

  test('exec runs a command in the container and passes its exit code through', async () => {
    const status = await run(['exec', 'og-demo-0', '--', 'agent', 'status', '-o', 'json']);
    assert.equal(status.code, 0, status.err);
    assert.equal(JSON.parse(status.out).kind, 'ClusterStatus');
    assert.equal((await run(['exec', 'og-demo-1', '--', 'sh', '-c', 'exit 7'])).code, 7);
  });

  test('every fault stands when its command returns, and the members are healthy again once it is taken back', async () => {
    const faults: [string[], string[]?][] = [
      [
        ['freeze', 'og-demo-1', '--what', 'server'],
        ['thaw', 'og-demo-1'],
      ],
      [
        ['freeze', 'og-demo-1', '--what', 'agent'],
        ['thaw', 'og-demo-1'],
      ],
      [
        ['freeze', 'og-demo-1', '--what', 'pod'],
        ['thaw', 'og-demo-1'],
      ],
      [
        ['cut', 'og-demo-1', '--from', 'kube'],
        ['heal', 'og-demo-1'],
      ],
      [
        ['cut', 'og-demo-1', '--from', 'peers'],
        ['heal', 'og-demo-1'],
      ],
      [['cut', 'og-demo-1', '--from', 'all'], ['heal']],
      [['kill', 'og-demo-1', '--what', 'agent']],
      [['kill', 'og-demo-1', '--what', 'pod']],
      [
        ['kill', 'og-demo-1', '--what', 'node'],
        ['heal', 'og-demo-1'],
      ],
    ];
    for (const [given, takenBack] of faults) {
      await healthy();
      const fault = await run(given);
      assert.equal(fault.code, 0, `${given.join(' ')}: ${fault.err}`);
      assert.match(fault.out, /^(froze|cut|killed|deleted|node of) .*og-demo-1.*\n$/);
      if (takenBack === undefined) continue;
      const back = await run(takenBack);
      assert.equal(back.code, 0, `${takenBack.join(' ')}: ${back.err}`);
    }
    await healthy();
  });

  test('unknown names and impossible faults are refused with a hint', async () => {
    for (const words of [
      ['kill', 'og-demo-9', '--what', 'server'],
      ['kill', 'og-demo-0', '--what', 'everything'],
      ['cut', 'og-demo-0', '--from', 'clients'],
      ['freeze', 'og-demo-0', '--what', 'node'],
      ['fill', 'og-demo-0'],
      ['fill', 'og-demo-0', '--percent', '101'],
      ['grow', 'og-demo-9'],
      ['exec', 'og-demo-9', '--', 'true'],
    ]) {
      const outcome = await run(words);
      assert.equal(outcome.code, 5, `${words.join(' ')}: ${outcome.err}`);
      assert.match(outcome.err, /^error: .+\nhint: .+\n$/);
      assert.equal(outcome.out, '');
    }
    assert.equal((await run(['explode', 'og-demo-0'])).code, 1);
    assert.equal((await run([])).code, 1, 'a second lab in the same directory');
  });

  test("fill takes space on the member's volume and grow gives more, or both are refused with the reason", async () => {
    const filled = await run(['fill', 'og-demo-1', '--percent', '60']);
    const grown = await run(['grow', 'og-demo-1']);
    if (said.includes('no volumes of bounded size')) {
      assert.deepEqual([filled.code, grown.code], [5, 5]);
      assert.match(filled.err, /^error: .+ no volume of its own\nhint: .+\n$/);
      return;
    }
    assert.match(filled.out, /^the volume of og-demo-1 has now 60\.\d% of \d+ MiB in use\n$/);
    assert.match(grown.out, /^the volume of og-demo-1 has now 30\.\d% of \d+ MiB in use\n$/);
    // The path of lab.json is the same volume from outside.
    const { blocks, bsize } = statfsSync(record().members[1]?.dataDir ?? '');
    assert.equal(blocks * bsize, 1024 ** 3);
    assert.ok(existsSync(join(record().members[1]?.dataDir ?? '', 'pgdata')));
  });

  test('a client of the write address loses no acknowledged row when the server of the primary is killed', async () => {
    const { services, client, members } = record();
    const address = { ...services.write, ...client };
    await prepareTable(address, 'rows');
    const writer = startWriter({ address, table: 'rows', from: 1, pauseMs: 2 });
    assert.ok(await writer.whenAcknowledged(100, 30_000), writer.lastError() ?? '');
    const [first] = members;
    const killed = await run(['kill', 'og-demo-0', '--what', 'server']);
    assert.equal(killed.code, 0, killed.err);
    assert.equal(killed.out.trim().split('\n').length, 1);
    assert.equal(identify(first?.serverPid ?? 0), undefined);
    assert.ok(await writer.whenAcknowledged(100, 60_000, performance.now()), writer.lastError() ?? '');
    await writer.stop();
    const numbers = writer.acknowledged.map(({ n }) => n);
    for (const { ip, port } of members) {
      assert.deepEqual(await missingRows({ host: ip, port, ...client }, 'rows', numbers, 60_000), []);
    }
    await until('the new server in lab.json', 10_000, () => {
      const now = record().members[0]?.serverPid;
      return now !== null && now !== first?.serverPid;
    });
  });

  test('nothing is left when the lab is told to stop', async () => {
    const pids = record().members.flatMap(({ pid1, agentPid, serverPid }) => [pid1, agentPid, serverPid]);
    const processes = [...pids.flatMap((pid) => identify(pid ?? 0) ?? []), ...(readRun(dir)?.processes ?? [])];
    assert.equal(pids.filter((pid) => pid !== null).length, 6);
    lab.kill('SIGTERM');
    await until('the end of the lab', 60_000, () => lab.exitCode !== null);
    assert.equal(lab.exitCode, 0, said);
    assert.equal(existsSync(dir), false);
    assert.deepEqual(processes.filter(isAlive), []);
  });
}
