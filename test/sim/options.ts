/** What the simulator's command can be asked, its help text, and the check of what was typed. */
import { parseArgs } from 'node:util';

const usage = `npm run sim -- [options]
  --seeds N                 so many seeds (200; of a scene 20)
  --seed FIRST              from this one on (1)
  --jobs N                  processes side by side (2)
  --minutes M               stops after so many minutes, however many seeds are left
  --failures N              stops after so many violations (5)
  --save FILE               adds each failing seed to FILE at once
  --replay                  plays the one seed of --seed and prints its story
  --lines N                 the last N lines of a story; 0 prints all of it (80)
  --scene ROW               plays the scenes of one row of the table of faults, e.g. F7, or all
  --mutations               takes away each safety rule in turn; all have to be noticed, the control not
  --only NAME,NAME          only these rules
  --exhaustive              every order of events of small clusters; --minutes and --states end it earlier
  --states N                so many states of each at most
Exit code: 0 no violation, 1 a violation, 2 wrong usage.
`;

/** Typed options; undefined when only the help was wanted. Throws with a text for people. */
export function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      seeds: { type: 'string' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '2' },
      minutes: { type: 'string' },
      failures: { type: 'string', default: '5' },
      replay: { type: 'boolean', default: false },
      mutations: { type: 'boolean', default: false },
      only: { type: 'string' },
      lines: { type: 'string', default: '80' },
      save: { type: 'string' },
      scene: { type: 'string' },
      exhaustive: { type: 'boolean', default: false },
      states: { type: 'string' },
    },
  });
  if (values.help) return undefined;
  values.seeds ??= values.scene === undefined ? '200' : '20';
  for (const name of ['seeds', 'seed', 'jobs', 'minutes', 'failures', 'lines', 'states'] as const) {
    const text = values[name];
    const least = name === 'lines' ? 0 : 1;
    if (text !== undefined && !(Number.isInteger(Number(text)) && text.trim() !== '' && Number(text) >= least))
      throw new Error(`--${name} takes a whole number from ${least} on, not ${JSON.stringify(text)}`);
  }
  return values;
}

/** The options of this process; ends it after the help, or with a hint when they are wrong. */
export function optionsOrExit(): NonNullable<ReturnType<typeof readOptions>> {
  try {
    const values = readOptions(process.argv.slice(2));
    if (values !== undefined) return values;
    process.stdout.write(usage);
    process.exit(0);
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split('. ');
    process.stderr.write(`error: ${first}\nhint: npm run sim -- --help\n`);
    process.exit(2);
  }
}
