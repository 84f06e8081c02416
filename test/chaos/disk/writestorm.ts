/**
 * The write storm: one primary on a volume of 2 GiB with the default limits, written to as fast as it takes it. A run
 * passes when it ends read-only before the volume is full: the server never died, nothing acknowledged is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { writeAddress } from '../../bench/failover.ts';
import type { FileSystemKind } from './filesystem.ts';
import { linesOf, startDiskLab } from './place.ts';
import { lostStatements, prepareStorm, startStorm, type Storm, topRate } from './storm.ts';

export interface StormRun {
  kind: FileSystemKind;
  passed: boolean;
  why: string;
  /** The fastest half second, in bytes a second. */
  rate: number;
  /** How full it was when the agent saw that writes have to stop, and at the most. */
  usedAtDecision: string;
  usedPercentMost: number;
  availableLeast: number;
  /** From the look that asked until the last acknowledged statement, and until a session was told. */
  toLastAckMs: number | undefined;
  toRefusalMs: number | undefined;
  /** What the agent itself measured. */
  setMs: number | undefined;
  lost: number;
}

const bytes = 2 * 2 ** 30;
const sessions = 4;
const prefillPercent = 40;
const stormMs = 240_000;
/** After the refusal, to see that it holds. */
const afterMs = 3_000;

export async function runStorm(kind: FileSystemKind): Promise<StormRun> {
  const place = await startDiskLab({ kind, bytes, volumes: 1, lab: { members: 1 } });
  const [volume] = place.volumes;
  if (volume === undefined) throw new Error('there is no volume');
  const wallOffset = Date.now() - performance.now();
  try {
    const { lab } = place;
    const address = writeAddress(lab);
    await prepareStorm(address);
    volume.fill(prefillPercent);
    const pid = lab.record().members[0]?.serverPid;
    const storm = startStorm(address, volume, sessions);
    const end = performance.now() + stormMs;
    while (storm.refusedAt() === undefined && performance.now() < end && lab.record().members[0]?.serverPid === pid)
      await sleep(20);
    await sleep(afterMs);
    await storm.stop();
    const log = place.log('og-demo-0');
    const alive = lab.record().members[0]?.serverPid === pid;
    const numbers = storm.acknowledged.map((one) => one.n);
    const lost = await lostStatements(address, numbers).catch((error: Error) => {
      process.stderr.write(`the rows could not be read back: ${error.message}\n`);
      return numbers;
    });
    return judged({ kind, storm, log, alive, lost: lost.length, wallOffset });
  } finally {
    await place.close();
  }
}

interface Seen {
  kind: FileSystemKind;
  storm: Storm;
  log: string;
  alive: boolean;
  lost: number;
  wallOffset: number;
}

function judged({ kind, storm, log, alive, lost, wallOffset }: Seen): StormRun {
  const decision = linesOf(log, 'volume changed').find((line) => line['change'] === 'on');
  const set = linesOf(log, 'the server is read-only').find((line) => line['owner'] === 'agent');
  const decidedAt = decision === undefined ? undefined : timeOf(decision) - wallOffset;
  const since = (at: number | undefined) =>
    at === undefined || decidedAt === undefined ? undefined : Math.round(at - decidedAt);
  const least = Math.min(...storm.samples.map((sample) => sample.availableBytes));
  const noSpace = /No space left on device/i.test(log);
  const refused = storm.refusedAt();
  const late = refused === undefined ? [] : storm.acknowledged.filter((one) => one.at > refused + 1000);
  const why = !alive
    ? 'the server died'
    : noSpace
      ? 'the volume ran full'
      : refused === undefined
        ? 'no session was refused'
        : late.length > 0
          ? `${late.length} statements were acknowledged after it was read-only`
          : lost > 0
            ? 'acknowledged statements are lost'
            : '';
  return {
    kind,
    passed: why === '',
    why,
    rate: topRate(storm.samples),
    usedAtDecision: String(decision?.['note'] ?? 'never'),
    usedPercentMost: Math.max(...storm.samples.map((sample) => sample.usedPercent)),
    availableLeast: least,
    toLastAckMs: since(storm.lastAt()),
    toRefusalMs: since(refused),
    setMs: typeof set?.['durationMs'] === 'number' ? set['durationMs'] : undefined,
    lost,
  };
}

function timeOf(line: Record<string, unknown>): number {
  const time = line['time'];
  return typeof time === 'number' ? time : Date.parse(String(time));
}

export const stormHead = [
  'RUN',
  'FS',
  'RESULT',
  'TOP RATE',
  'LEFT AT LEAST',
  'FULLEST',
  'SET IN',
  'LAST ROW',
  'REFUSED',
  'LOST',
  'DECIDED AT',
];

export function stormRow(run: StormRun, at: number): string[] {
  const ms = (value: number | undefined) => (value === undefined ? '-' : `${value} ms`);
  return [
    String(at + 1),
    run.kind,
    run.passed ? 'passed' : run.why,
    `${Math.round(run.rate / 2 ** 20)} MiB/s`,
    `${Math.round(run.availableLeast / 2 ** 20)} MiB`,
    `${run.usedPercentMost.toFixed(1)}%`,
    ms(run.setMs),
    ms(run.toLastAckMs),
    ms(run.toRefusalMs),
    String(run.lost),
    run.usedAtDecision,
  ];
}
