/** What the words after `npm run chaos --` ask for, or what is wrong with them. Reads only; plays nothing. */
import { parseArgs } from 'node:util';
import { defaultOptions, type LabOptions } from '../lab/options.ts';
import { seeds } from './combinations.ts';
import { type Mode, type Scene, scenes } from './scenes.ts';

/** What --help prints. */
export const usage = `npm run chaos -- [options]
  disk [options]        the scenes of real file systems instead; see npm run chaos -- disk --help
  --scene NAME|ROW          only these, e.g. pod-frozen-60s or F7; may be repeated (all)
  --runs N                  each scene so often (1)
  --mode quorum|strict|both   the cluster's sync.mode (quorum); both plays each scene in one and then in the other
  --writers N               clients that write side by side, each as fast as it is answered (16)
  --seed N                  of the first drawn scene
  --server standin|opengauss   --pace fast|real   as in npm run lab
  --json FILE               the results as JSON
  --markdown FILE           the results as a table for docs/TESTING.md
  --list                    names the scenes and plays none
  --rates                   plays none; measures how many rows a second how many writers reach
`;

const everyMode: Mode[] = ['quorum', 'strict'];

export interface Asked {
  scenes: Scene[];
  runs: number;
  writers: number;
  modes: Mode[];
  options: LabOptions;
  json: string | undefined;
  markdown: string | undefined;
  list: boolean;
  rates: boolean;
}

/** The options, or what is wrong with them. */
export function readAsked(words: string[]): Asked | string {
  const { values } = parseArgs({
    args: words,
    options: {
      scene: { type: 'string', multiple: true },
      runs: { type: 'string', default: '1' },
      mode: { type: 'string', default: 'quorum' },
      writers: { type: 'string', default: '16' },
      seed: { type: 'string' },
      server: { type: 'string', default: 'standin' },
      pace: { type: 'string', default: 'fast' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      list: { type: 'boolean', default: false },
      rates: { type: 'boolean', default: false },
    },
  });
  const { mode, server, pace } = values;
  const wanted = values.scene ?? [];
  const unknown = wanted.find((word) => !scenes.some((scene) => scene.name === word || scene.rows.includes(word)));
  if (unknown !== undefined) return `no scene is called ${unknown}`;
  const modes = everyMode.filter((one) => mode === one || mode === 'both');
  if (modes.length === 0) return '--mode is quorum, strict or both';
  if (server !== 'standin' && server !== 'opengauss') return '--server is standin or opengauss';
  if (pace !== 'fast' && pace !== 'real') return '--pace is fast or real';
  for (const [name, text] of Object.entries({ runs: values.runs, writers: values.writers, seed: values.seed ?? '1' }))
    if (!(Number.isInteger(Number(text)) && Number(text) >= 1)) return `--${name} ${text} is not a number from 1 on`;
  if (values.seed !== undefined) seeds.next = Number(values.seed);
  const net = server === 'opengauss' ? 'netns' : 'loopback';
  return {
    scenes:
      wanted.length === 0 ? scenes : scenes.filter(({ name, rows }) => [name, ...rows].some((word) => wanted.includes(word))),
    runs: Number(values.runs),
    writers: Number(values.writers),
    modes,
    options: { ...defaultOptions, server, pace, net },
    json: values.json,
    markdown: values.markdown,
    list: values.list,
    rates: values.rates,
  };
}
