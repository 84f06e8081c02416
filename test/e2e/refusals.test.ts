/**
 * Goal: bad input that only a running cluster can meet is waited out, with one message that names the field and the
 * cure: the data stays as it was, nobody is promoted, and the cure works. What a container refuses by itself is in
 * test/process/refusals.test.ts. Method: one lab; a standby's container is started again on what was spoilt.
 */
import assert from 'node:assert/strict';
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Lab } from '../lab/lab.ts';
import type { Member } from '../lab/member.ts';
import {
  agent,
  command,
  leaseOf,
  nothingLost,
  primaryOf,
  type Scene,
  startScene,
  streamingMs,
  until,
  writing,
} from './harness.ts';
import { placeOf, textSince } from './places.ts';

describe('bad input', { timeout: 600_000 }, () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ members: 3 });
  });
  after(async () => {
    await scene?.close();
  });

  test('an API server that cannot be reached at the start is waited out by the same container', async () => {
    const { lab } = scene;
    const member = standby(lab);
    const place = placeOf(lab, member.name);
    await lab.inject({ command: 'cut', member: member.name, from: 'kube' });
    await crash(
      lab,
      member,
      () => undefined,
      async (mark) => {
        await until('the warning', () => /warning +API server +.* does not answer/.test(textSince(place.log, mark)));
        await until('the agent runs', () => member.agent() !== undefined);
      },
    );
    const container = member.container()?.id;
    await lab.inject({ command: 'heal', member: member.name });
    assert.ok(await lab.whenStreaming(streamingMs), 'it streams');
    assert.equal(member.container()?.id, container, 'nothing was restarted');
  });

  test("a member on another cluster's data leaves it alone and says so", async () => {
    const { lab } = scene;
    const member = standby(lab);
    const place = placeOf(lab, member.name);
    const foreign = join(place.dir, 'volume', 'foreign');
    await initialise(lab, member, foreign);
    await crash(
      lab,
      member,
      () => {
        renameSync(place.pgdata, join(place.dir, 'volume', 'own'));
        renameSync(foreign, place.pgdata);
      },
      async () => {
        const before = contents(place.pgdata);
        let warning: { message: string; hint: string } | undefined;
        await until('the warning', async () => {
          const { stdout } = await agent(lab, member.name, 'status', '--local', '-o', 'json');
          const { warnings = [] } = stdout.startsWith('{') ? JSON.parse(stdout) : {};
          warning = warnings.find((one: { code: string }) => one.code === 'foreign-data');
          return warning !== undefined;
        });
        assert.match(warning?.message ?? '', /its data has system id \d+, the cluster's is \d+/);
        assert.match(warning?.hint ?? '', /Attach the right one; nothing is deleted/);
        assert.equal(contents(place.pgdata), before);
        assert.equal(member.server(), undefined, 'no server runs on it');
      },
    );
    await crash(lab, member, () => {
      rmSync(place.pgdata, { recursive: true });
      renameSync(join(place.dir, 'volume', 'own'), place.pgdata);
    });
    assert.ok(await lab.whenStreaming(streamingMs), 'it streams again on its own data');
  });

  test('an edit that contradicts itself is rejected by name and changes nothing', async () => {
    const { lab } = scene;
    const path = '/api/v1/namespaces/default/configmaps/og-demo-config';
    const good = (await lab.api.call('GET', path)).body as { data?: Record<string, string> };
    const renewed = await leaseOf(lab);
    await lab.api.merge(path, { data: { 'config.yaml': 'lease:\n  durationSeconds: 5\n' } });
    const rejected = async () => {
      const { body } = await lab.api.call('GET', '/apis/events.k8s.io/v1/namespaces/default/events');
      const events = (body['items'] ?? []) as { reason: string; note: string }[];
      return events.find(({ reason }) => reason === 'ConfigRejected')?.note ?? '';
    };
    await until('the Event', async () => (await rejected()) !== '');
    assert.match(await rejected(), /lease\.durationSeconds/);
    await lab.api.merge(path, { data: good.data ?? {} });
    assert.deepEqual(await leaseOf(lab), renewed);
    await nothingLost(lab, [await writing(lab)]);
  });

  for (const { title, patch, names } of [
    { title: 'a holder that is no member', patch: { spec: { holderIdentity: 'somebody' } }, names: /holderIdentity/ },
    {
      title: 'entries that cannot be read',
      patch: { metadata: { annotations: { 'opengauss.agent/entries': '{"oops"' } } },
      names: /entries/,
    },
  ]) {
    test(`garbage in the Lease (${title}) promotes nobody, is told with its cure, and loses nothing`, async () => {
      const { lab } = scene;
      const writer = await writing(lab);
      const { term } = await leaseOf(lab);
      const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases/og-demo-leader';
      const good = (await lab.api.call('GET', path)).body;
      const old = primaryOf(lab);
      await lab.api.merge(path, patch);
      let warning: { message: string; hint: string } | undefined;
      let mended = false;
      await until('the warning, or a holder that has written its own record again', async () => {
        const { stdout } = await agent(lab, old, 'status', '-o', 'json');
        const { warnings = [] } = stdout.startsWith('{') ? JSON.parse(stdout) : {};
        warning ??= warnings.find((one: { code: string }) => one.code === 'lease-garbage');
        mended = (await leaseOf(lab)).holder === old && warning === undefined;
        return warning !== undefined || mended;
      });
      if (warning !== undefined) {
        assert.match(warning.message, names);
        assert.match(warning.hint, /Mend|delete/i);
      }
      assert.ok((await leaseOf(lab)).term <= term, 'nobody was promoted on it');
      const labelled = [...lab.pods.values()].filter((pod) => pod.metadata.labels?.['opengauss.role'] === 'primary');
      assert.ok(labelled.length <= 1);
      // The cure: what the warning names is put right.
      const now = (await lab.api.call('GET', path)).body;
      if (now['spec']?.holderIdentity === 'somebody') await lab.api.merge(path, { spec: { holderIdentity: '' } });
      if (now.metadata.annotations?.['opengauss.agent/entries'] === '{"oops"')
        await lab.api.merge(path, { metadata: { annotations: good.metadata.annotations ?? {} } });
      assert.ok(await writer.whenAcknowledged(100, 60_000, performance.now()), `writing goes on: ${writer.lastError()}`);
      await nothingLost(lab, [writer]);
    });
  }
});

function standby(lab: Lab): Member {
  const member = lab.members.find(({ name }) => name !== primaryOf(lab));
  assert.ok(member !== undefined);
  return member;
}

/** Ends the member's container, spoils its place while nothing runs there, and looks on while it is started again. */
async function crash(
  lab: Lab,
  member: Member,
  spoil: () => void,
  look: (mark: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await member.powerOff();
  spoil();
  const mark = statSync(placeOf(lab, member.name).log).size;
  member.powerOn();
  await look(mark);
}

/** Names, sizes and times of everything in there: equal when nothing was touched. */
function contents(dir: string): string {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
  const lines = names.map((name) => {
    const { size, mtimeMs, ino } = statSync(join(dir, name));
    return `${name} ${size} ${mtimeMs} ${ino}`;
  });
  return lines.join('\n');
}

/** A database of another cluster, made where the member's own programs make one. */
async function initialise(lab: Lab, member: Member, dir: string) {
  const line = `"$GAUSSHOME"/bin/gs_initdb -D '${dir}' --nodename=other -w Gauss_12345`;
  const ran = await command(process.execPath, [
    'test/lab/main.ts',
    '--dir',
    lab.dir,
    'exec',
    member.name,
    '--',
    'sh',
    '-c',
    line,
  ]);
  assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}`);
}
