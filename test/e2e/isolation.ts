/**
 * The isolated primary, in one mode: cut from the API server and from all peers for a minute while a client's session
 * from before the cut goes on writing on the member's own address. The fence's deadline (6 s and 1 s to stop) is the
 * one figure that a test asserts: it is the promise.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { newPrimary, nothingLost, primaryOf, type Scene, writing, writingOn } from './harness.ts';

const fenceMs = 7000;

/** `keepsWriting`: in `off` the old primary has to go on for the first 3 s, or the run shows nothing. */
export async function isolate(scene: Scene, keepsWriting: boolean, isolatedMs = 60_000): Promise<void> {
  const { lab } = scene;
  const old = primaryOf(lab);
  const session = await writingOn(lab, old);
  const cutAt = performance.now();
  const reply = await lab.inject({ command: 'cut', member: old, from: 'all' });
  assert.equal(reply.exit, 0, reply.line);
  await newPrimary(lab, old);
  const successor = await writing(lab);
  await sleep(Math.max(0, isolatedMs - (performance.now() - cutAt)));
  const after = session.acknowledged.map((row) => row.at - cutAt).filter((ms) => ms > 0);
  if (keepsWriting)
    assert.ok(
      after.some((ms) => ms > 2500),
      'the isolated primary went on acknowledging for 3 s',
    );
  assert.deepEqual(
    after.filter((ms) => ms > fenceMs),
    [],
    'nothing is acknowledged after the fence',
  );
  const last = session.acknowledged.at(-1)?.at ?? 0;
  const first = successor.acknowledged.at(0)?.at ?? 0;
  assert.ok(
    first > last,
    `never do two members acknowledge at once (the new one began ${Math.round(first - last)} ms after the last of the old one)`,
  );
  await lab.inject({ command: 'heal' });
  await session.stop();
  await nothingLost(lab, keepsWriting ? [successor] : [successor, session]);
}
