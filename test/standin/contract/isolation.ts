// Where the suite runs: as an ordinary user, in namespaces of its own where that is allowed, so that nothing of a case
// outlives it. Importing this file from a test that runs as root starts the same test anew in such a place and ends this one.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The uid the members have: omm's where such a user exists, else the one of openGauss's image. */
function memberIds(): { uid: string; gid: string } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((row) => row.startsWith('omm:'));
  const [, , uid = '70', gid = '70'] = line?.split(':') ?? [];
  return { uid, gid };
}

/** Moves a test run by root into a user and pid namespace; does nothing for an ordinary user or where it is not permitted. */
function moveOut(): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = memberIds();
  const place = [
    '--user',
    `--map-user=${uid}`,
    `--map-group=${gid}`,
    '--pid',
    '--fork',
    '--kill-child',
    '--mount',
    '--mount-proc',
  ];
  if (spawnSync('unshare', [...place, 'true'], { stdio: 'ignore' }).status !== 0) return;
  // A shell is the first process there, because it reaps what its children leave behind.
  const words = [...place, 'sh', '-c', '"$@"; exit $?', 'sh', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const run = spawnSync('unshare', words, { stdio: 'inherit' });
  process.exit(run.status ?? 1);
}

moveOut();
