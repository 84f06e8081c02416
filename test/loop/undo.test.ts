/**
 * Goal: a switchover that cannot be gone through with is undone in reverse: writes first, then the members that were pointed
 * away, then the set; whoever asked reads why, and the old primary goes on as if nothing had been. Method: each way in which
 * it fails, under virtual time; the calls that change anything, in the order in which the old primary's agent makes them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pausedAnnotation } from '../../agent/core/hand.ts';
import type { SyncEntry } from '../../agent/core/model.ts';
import type { LeaseWrite } from '../../agent/ports/kube.ts';
import { type Call, settledWorld, type World } from './world.ts';

const old = 'og-demo-0';
const target = 'og-demo-1';
const other = 'og-demo-2';
const whole = `${target}+${other}`;
const hint = 'The old primary goes on; see agent status and try again.';

/** What the agent of the old primary changes, in words; what it says again and again is told once. */
function transcriptOf(world: World): string[] {
  const told: string[] = [];
  let recorded = textOf(world.kube.lease?.entries ?? []);
  world.onCall = (call) => {
    if (call.member !== old) return;
    const line = lineOf(call);
    if (line === undefined || line === told.at(-1) || line === `record ${recorded}`) return;
    if (line.startsWith('record ')) recorded = line.slice('record '.length);
    told.push(line);
  };
  return told;
}

function textOf(entries: SyncEntry[]): string {
  return entries.map((entry) => entry.names.join('+')).join(' beside ');
}

function lineOf({ to, args: [first, second] }: Call): string | undefined {
  switch (to) {
    case 'kube.writeLease':
      return `record ${textOf((first as LeaseWrite).record.entries)}`;
    case 'kube.writeRequest':
      return `answer ${(first as { phase: string }).phase}`;
    case 'instance.setSync':
      return `names ${[...(first as { names: string }).names.matchAll(/"([^"]+)"/g)].map((match) => match[1]).join('+')}`;
    case 'instance.setReadOnly':
      return first === true ? 'brake on' : 'brake off';
    case 'instance.kill':
      return 'kill';
    case 'peers.freeze':
      return `point ${first} at ${(second as { candidate: string }).candidate}`;
    case 'peers.unfreeze':
      return `free ${first}`;
    default:
      return undefined;
  }
}

const begun = ['answer running', `record ${whole} beside ${target}`, `names ${target}`, `record ${target}`];
const pointed = [...begun, `point ${other} at ${target}`];
const freed = [`free ${target}`, `free ${other}`, 'answer rolled-back'];
const widened = [`record ${target} beside ${whole}`, `names ${whole}`, `record ${whole}`];

interface Way {
  title: string;
  /** Lets the switchover fail, and sees to it that nothing but the switchover does. */
  happens(world: World): Promise<void>;
  why: string | RegExp;
  transcript: string[];
}

async function pointedAway(world: World): Promise<void> {
  await world.until('the other one is pointed at the target', () => world.database.server(other).data?.lock !== undefined);
}

async function undone(world: World): Promise<void> {
  await world.until('the end of the request', () => world.kube.request?.phase === 'rolled-back');
}

let ships = true;

const ways: Way[] = [
  {
    title: 'whose deadline passes while the others settle',
    async happens(world) {
      // The target receives nothing for so long that the set is narrow only two seconds before the deadline.
      ships = false;
      await world.run(100);
      world.database.server(old).dry = true;
      await world.run(28_800);
      world.database.server(old).dry = false;
      ships = true;
      await pointedAway(world);
    },
    why: 'the deadline passed',
    transcript: [...pointed, ...freed, ...widened],
  },
  {
    title: 'whose target may not lead any more',
    async happens(world) {
      await pointedAway(world);
      const uid = world.kube.pods.get(target)?.uid ?? '';
      const annotations = (value: string | null) =>
        world.kube.port('a person').patchPod({ name: target, uid }, { annotations: { [pausedAnnotation]: value } }, 1000);
      const paused = annotations('true');
      await undone(world);
      const resumed = annotations(null);
      await world.run(10);
      assert.deepEqual([(await paused).ok, (await resumed).ok], [true, true]);
    },
    why: `${target} is not eligible any more`,
    transcript: [...pointed, ...freed, ...widened],
  },
  {
    title: 'whose target does not come to the position of the drained primary',
    async happens(world) {
      const { onCall } = world;
      world.onCall = (call) => {
        if (call.to === 'instance.setReadOnly') ships = false;
        onCall?.(call);
      };
      await undone(world);
      ships = true;
    },
    why: /^the target did not reach the primary's position: og-demo-1 is at 0\/\w+, the primary at 0\/\w+$/,
    transcript: [...pointed, 'brake on', 'brake off', ...freed, ...widened],
  },
  {
    title: 'whose sessions cannot be drained',
    async happens(world) {
      world.database.server(old).refusedSwitches = 0;
      await undone(world);
      world.database.server(old).refusedSwitches = undefined;
    },
    why: 'ENOSPC: no space left on device',
    transcript: [...pointed, 'brake on', ...freed, ...widened],
  },
  {
    title: 'whose drain breaks after the brake is on',
    async happens(world) {
      const server = world.database.server(old);
      const { onCall } = world;
      world.onCall = (call) => {
        // It takes effect, and says that it failed.
        if (call.to === 'instance.setReadOnly') Object.assign(server, { readOnly: call.args[0], refusedSwitches: 0 });
        onCall?.(call);
      };
      await world.until('the drain has failed', () => server.refusedSwitches === 1);
      server.refusedSwitches = undefined;
      world.onCall = onCall;
      await undone(world);
    },
    why: 'ENOSPC: no space left on device',
    transcript: [...pointed, 'brake on', 'brake off', ...freed, ...widened],
  },
];

for (const { title, happens, why, transcript } of ways) {
  test(`a switchover ${title} is undone in reverse`, async () => {
    ships = true;
    const world = await settledWorld({ chance: () => ships });
    const { process } = world.database.server(old);
    const told = transcriptOf(world);
    world.kube.ask({ kind: 'switchover', target });
    await happens(world);
    await undone(world);
    const whys = world.kube.events.filter((event) => event.reason === 'SwitchoverRefused').map((event) => event.note);
    const result = world.kube.request?.result ?? '';
    if (typeof why === 'string') assert.equal(result, why);
    else assert.match(result, why);
    assert.deepEqual([world.kube.request?.hint, whys], [hint, [`undone: ${result}`]]);
    await world.run(3000);
    assert.deepEqual(told, transcript, world.story.slice(-40).join('\n'));
    goesOn(world);
    assert.equal(world.database.server(old).process, process);
    world.mark();
    await world.run(500);
    assert.ok(world.longestGap() < 200, `gap ${world.longestGap()} ms`);
    world.loseNothing();
    world.singleWriter();
  });
}

/** The old primary leads as before, and nobody is pointed at anybody else. */
function goesOn(world: World): void {
  assert.equal(world.primary(), old);
  assert.equal(world.database.server(old).readOnly, false);
  assert.equal(world.nodes.get(old)?.brake?.owner, undefined);
  assert.deepEqual(world.standbys(), [target, other]);
  for (const [name, { records }] of world.nodes)
    assert.deepEqual([records.freeze, world.database.server(name).data?.lock], [undefined, undefined], name);
}
