/**
 * `npm run chaos -- disk`: what a cluster does when its disks fill, grow, freeze and fail, on real file systems under
 * load. Scenes are bounded, give back what they took, and end with one table; the exit code is 1 when any failed.
 */
import { parseArgs } from 'node:util';
import { table } from '../../bench/report.ts';
import { type FileSystemKind, fileSystems, missingFor } from './filesystem.ts';
import { diskScenes, playDiskScene, type SceneResult } from './scenes.ts';
import { runStorm, stormHead, stormRow, type StormRun } from './writestorm.ts';

const usage = `npm run chaos -- disk [options]     real file systems under load; takes root
  --scene NAME     ${diskScenes.map((scene) => scene.name).join(', ')} or storm (all)
  --fs NAME        ${fileSystems.join(', ')} (every one that a scene knows; of the storm ext4)
  --runs N         of each (1)
`;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function storms(kinds: readonly FileSystemKind[], runs: number): Promise<boolean> {
  const done: StormRun[] = [];
  for (const kind of kinds) {
    for (let at = 0; at < runs; at += 1) {
      const run = await runStorm(kind);
      done.push(run);
      print(stormRow(run, at).join('  '));
    }
  }
  print(`\n${table([stormHead, ...done.map(stormRow)])}`);
  print(`${done.filter((run) => run.passed).length} of ${done.length} runs ended read-only before the volume was full`);
  return done.every((run) => run.passed);
}

async function playAll(name: string | undefined, kinds: readonly FileSystemKind[], runs: number): Promise<boolean> {
  const results: SceneResult[] = [];
  for (const scene of diskScenes.filter((one) => name === undefined || one.name === name)) {
    for (const kind of kinds.filter((one) => scene.kinds.includes(one))) {
      for (let at = 0; at < runs; at += 1) {
        const result = await playDiskScene(scene, kind);
        results.push(result);
        const { failed, acknowledged, starts } = result;
        const end = failed === undefined ? `${acknowledged} rows, none lost, ${starts} starts` : failed;
        print(`${failed === undefined ? '✔' : '✖'} ${scene.name} on ${kind}: ${scene.title} (${end})`);
      }
    }
  }
  return results.every((result) => result.failed === undefined);
}

/** The words after `disk`; the value is the exit code. */
export async function diskMain(words: string[]): Promise<number> {
  const options = {
    scene: { type: 'string' },
    fs: { type: 'string' },
    runs: { type: 'string' },
    help: { type: 'boolean' },
  } as const;
  const { values } = parseArgs({ args: words, options });
  const scene = values.scene;
  const runs = Number(values.runs ?? 1);
  const kinds = fileSystems.filter((kind) => values.fs === undefined || values.fs === kind);
  const unknown = scene !== undefined && scene !== 'storm' && !diskScenes.some((one) => one.name === scene);
  if (values.help === true || unknown || kinds.length === 0 || !(Number.isInteger(runs) && runs > 0)) {
    process.stdout.write(usage);
    return values.help === true ? 0 : 1;
  }
  const able = kinds.filter((kind) => {
    const missing = missingFor(kind);
    if (missing !== undefined) print(`skipped ${kind}: ${missing}`);
    return missing === undefined;
  });
  if (able.length === 0) return 0;
  const stormKinds = values.fs === undefined ? able.slice(0, 1) : able;
  if (scene === 'storm') return (await storms(stormKinds, runs)) ? 0 : 1;
  const passed = await playAll(scene, able, runs);
  const calm = scene !== undefined || (await storms(stormKinds, runs));
  return passed && calm ? 0 : 1;
}
