/**
 * The command line of the benchmark. Parsing only; a mistake is one sentence, and nothing is guessed.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Kind, kinds } from './failover.ts';

export const usage = `npm run bench -- failover --kind ${kinds.join('|')} [--runs 20] [--bare 5]   the write gap of a client, and the bare server's
npm run bench -- failover --kube nodes --kind server|container|pod|force|node|freeze|cut-api|api-down|switchover|drain|all [--runs 10]   on real nodes; some with commas
npm run bench -- steady [--seconds 60]                                     memory, CPU and API requests at rest
npm run bench -- bare --kind server|switchover [--runs 5]                  the bare server alone
common: --members N (3) · --pace fast|real (fast) · --server standin|opengauss (standin) · --net loopback|netns (loopback; netns for opengauss)
        --config FILE (the dynamic configuration) · --json FILE · --log (what the lab says, on stderr)
`;

export interface Asked {
  what: 'failover' | 'steady' | 'bare';
  kind: Kind;
  runs: number;
  /** Runs of the bare servers beside it. */
  bare: number;
  seconds: number;
  members: number;
  pace: 'fast' | 'real';
  server: 'standin' | 'opengauss';
  net: 'loopback' | 'netns';
  config: string;
  json: string | undefined;
  log: boolean;
}

const text = { type: 'string' } as const;
const options = {
  kind: text,
  runs: text,
  bare: text,
  seconds: text,
  members: text,
  pace: text,
  server: text,
  net: text,
  config: text,
  json: text,
  log: { type: 'boolean' },
} as const;

/** Reads the words after `npm run bench --`; a text is what is wrong with them. */
export function readAsked(words: string[]): Asked | string {
  let wrong: string | undefined;
  const choice = <T extends string>(name: string, value: string | undefined, allowed: readonly [T, ...T[]]): T => {
    const found = allowed.find((word) => word === (value ?? allowed[0]));
    wrong ??= found === undefined ? `--${name} ${value} is not known: use ${allowed.join(', ')}` : undefined;
    return found ?? allowed[0];
  };
  const whole = (name: string, value: string | undefined, fallback: number, least: number): number => {
    const number = value === undefined ? fallback : Number(value);
    if (!Number.isInteger(number) || number < least) wrong ??= `--${name} ${value} is not a number of ${least} or more`;
    return number;
  };
  try {
    const { values, positionals } = parseArgs({ args: words, allowPositionals: true, options });
    const [first, ...rest] = positionals;
    if (first === undefined || rest.length > 0) return 'say one of failover, steady, bare';
    const what = choice('', first, ['failover', 'steady', 'bare']);
    const server = choice('server', values.server, ['standin', 'opengauss']);
    const asked: Asked = {
      what,
      kind: choice('kind', values.kind, kinds),
      runs: whole('runs', values.runs, what === 'bare' ? 5 : 20, 1),
      bare: whole('bare', values.bare, 5, 0),
      seconds: whole('seconds', values.seconds, 60, 1),
      members: whole('members', values.members, 3, 1),
      pace: choice('pace', values.pace, ['fast', 'real']),
      server,
      // On loopback addresses openGauss takes its peers for itself.
      net: choice('net', values.net, server === 'opengauss' ? ['netns', 'loopback'] : ['loopback', 'netns']),
      config: values.config === undefined ? '' : readFileSync(values.config, 'utf8'),
      json: values.json,
      log: values.log === true,
    };
    return wrong ?? asked;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
