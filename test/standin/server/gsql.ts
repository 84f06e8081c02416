// gsql of the stand-in: psql with gsql's options and habits. Only the last -c runs; failures to connect read as gsql's; -m asks for a
// maintenance session. Results and errors of SQL are psql's own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { requirePostgres } from '../shared/postgres.ts';

interface Call {
  words: string[];
  host: string | undefined;
  port: string;
  user: string | undefined;
  password: string | undefined;
  database: string | undefined;
  maintenance: boolean;
  file: boolean;
}

const takingValue = new Set(['c', 'd', 'f', 'h', 'p', 'U', 'W', 'v', 'o', 'P', 'F', 'R', 'L', 'T', 'k']);

function readWords(given: string[]): Call {
  const call: Call = {
    words: [],
    host: process.env['PGHOST'],
    port: process.env['PGPORT'] ?? '5432',
    user: undefined,
    password: process.env['PGPASSWORD'],
    database: undefined,
    maintenance: false,
    file: false,
  };
  let command: string | undefined;
  const take = (letter: string, value: string) => {
    if (letter === 'c') command = value;
    else if (letter === 'd') call.database = value;
    else if (letter === 'h') call.host = value;
    else if (letter === 'p') call.port = value;
    else if (letter === 'U') call.user = value;
    else if (letter === 'W') call.password = value;
    else if (letter === 'k') return;
    else {
      if (letter === 'f') call.file = true;
      call.words.push(`-${letter}`, value);
    }
  };
  for (let i = 0; i < given.length; i += 1) {
    const word = given[i] ?? '';
    if (word.startsWith('--') || !word.startsWith('-') || word === '-') {
      const long = /^--(\w[\w-]*)=(.*)$/s.exec(word);
      const letter = { command: 'c', dbname: 'd', host: 'h', port: 'p', username: 'U', password: 'W', file: 'f' }[
        long?.[1] ?? ''
      ];
      if (letter !== undefined) take(letter, long?.[2] ?? '');
      else if (word.startsWith('--')) call.words.push(word);
      else if (call.database === undefined) call.database = word;
      else call.user ??= word;
      continue;
    }
    for (let at = 1; at < word.length; at += 1) {
      const letter = word[at] ?? '';
      if (takingValue.has(letter)) {
        i += at + 1 < word.length ? 0 : 1;
        take(letter, at + 1 < word.length ? word.slice(at + 1) : (given[i] ?? ''));
        break;
      }
      if (letter === 'm') call.maintenance = true;
      else if (letter !== 'r' && letter !== 'g' && letter !== 'C') call.words.push(`-${letter}`);
    }
  }
  if (command !== undefined) call.words.push('-c', command);
  return call;
}

/** psql's sentence about a failed connection, as gsql says it. */
function connectionFailure(text: string, call: Call): string {
  const socket = call.host === undefined || call.host === '' || call.host.startsWith('/');
  const sentence = text.replace(/^psql: (?:error: )?(?:connection to server .*? failed: )?/s, '').trim();
  if (socket && !/FATAL/.test(sentence))
    return `failed to connect ${call.host === undefined || call.host === '' ? 'Unknown' : call.host}:${call.port}.\n`;
  const line = sentence.replace(/^error: /, '');
  return `gsql: (connect to V5 server) ${line}\n(connect to V1 server) ${line}\n`;
}

const given = process.argv.slice(2);
if (given[0] === '-V' || given[0] === '--version') {
  process.stdout.write('gsql (openGauss 5.0.3 build stand-in)\n');
  process.exit(0);
}
const call = readWords(given);
const since = Date.now();
const here = join(requirePostgres().bin, 'psql');
const words = [
  '-X',
  '-h',
  call.host ?? '/tmp',
  '-p',
  call.port,
  '-d',
  call.database ?? 'postgres',
  ...(call.user === undefined ? [] : ['-U', call.user]),
  ...call.words,
];
const child = spawn(existsSync(here) ? here : 'psql', words, {
  stdio: ['inherit', 'inherit', 'pipe'],
  env: {
    ...process.env,
    PGAPPNAME: 'gsql',
    ...(call.password === undefined ? {} : { PGPASSWORD: call.password }),
    ...(call.maintenance ? { PGOPTIONS: '-c xc_maintenance_mode=on' } : {}),
  },
});
let errors = '';
child.stderr.on('data', (chunk: Buffer) => {
  const text = chunk.toString('utf8');
  if (errors !== '' || /^psql:/.test(text)) errors += text;
  else process.stderr.write(text.replaceAll(/^psql:/gm, 'gsql:'));
});
child.on('error', () => process.exit(127));
child.on('close', (code) => {
  if (errors !== '') process.stderr.write(code === 2 ? connectionFailure(errors, call) : errors.replaceAll(/^psql:/gm, 'gsql:'));
  if (call.file && code === 0) process.stdout.write(`total time: ${Date.now() - since}  ms\n`);
  process.exitCode = code ?? 1;
});
