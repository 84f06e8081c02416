// openGauss is one process: what SIGKILL and SIGSTOP do to gaussdb they do to everything of it, at once. Twenty sessions write; after
// the signal not one of them is answered any more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { configure, eventually, type Instance, initialised, lives, must, send, sockets, user } from './harness.ts';

const SESSIONS = 20;
const LATE_MS = 50;

interface Writers {
  acknowledged(): number;
  stop(): Promise<void>;
}

function writers(of: Instance): Writers {
  let [count, stopped] = [0, false];
  const clients: pg.Client[] = [];
  const write = async (id: number): Promise<void> => {
    const client = new pg.Client({ host: sockets, port: of.port, user, database: 'postgres' });
    clients.push(client);
    client.on('error', () => {});
    await client.connect();
    for (let i = 0; !stopped; i++) {
      await client.query(`insert into written values (${id}, ${i})`);
      count += 1;
    }
  };
  const running = Array.from({ length: SESSIONS }, (_, id) => write(id).catch(() => {}));
  return {
    acknowledged: () => count,
    async stop() {
      stopped = true;
      for (const client of clients) void client.end().catch(() => {});
      await Promise.race([Promise.all(running), sleep(2000)]);
    },
  };
}

let one: Instance;

test('a single instance takes writes of twenty sessions', async () => {
  one = await initialised('s1');
  configure(one, "synchronous_standby_names = ''");
  await must(one.ctl('start', '-M', 'primary', '-l', one.log));
  await must(one.sql('create table written(id int, i int)'));
});

/** Everything that had been answered 50 ms after now; later answers are told apart from those this busy process read late. */
async function settled(load: Writers): Promise<number> {
  await sleep(LATE_MS);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return load.acknowledged();
}

async function writing(load: Writers): Promise<void> {
  const before = load.acknowledged();
  await eventually(
    () => load.acknowledged(),
    (count) => count > before + 200,
    'the writers to write',
  );
}

test('SIGSTOP ends every acknowledgement within 50 ms, and SIGCONT brings all back', async () => {
  const load = writers(one);
  await writing(load);
  const pid = send(one, 'SIGSTOP');
  const count = await settled(load);
  await sleep(600);
  assert.equal(load.acknowledged(), count);
  process.kill(pid, 'SIGCONT');
  await writing(load);
  await load.stop();
});

test('SIGKILL ends every acknowledgement within 50 ms, and no acknowledged row is lost', async () => {
  await must(one.sql('truncate written'));
  const load = writers(one);
  await writing(load);
  const pid = send(one, 'SIGKILL');
  const count = await settled(load);
  await eventually(
    () => lives(pid),
    (alive) => !alive,
    'gaussdb to die',
  );
  await sleep(300);
  assert.equal(load.acknowledged(), count);
  await load.stop();
  await must(one.ctl('start', '-M', 'primary', '-l', one.log));
  await eventually(
    () => one.state(),
    (state) => state === 'Normal|Normal|Normal',
    's1 to be back',
  );
  assert.ok(Number(await one.value('select count(*) from written')) >= count);
});
