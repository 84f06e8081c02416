/**
 * `exec`: runs a command as inside a member's container, with this terminal and the member's environment. It enters the
 * container's namespaces where there are any; elsewhere the environment alone has to do.
 */
import { spawn, spawnSync } from 'node:child_process';
import { askLab } from './control.ts';
import type { Description } from './lab.ts';

/** The command's exit code; undefined when no lab runs there. */
export async function execIn(dir: string, member: string, words: string[]): Promise<number | undefined> {
  const told = await askLab<Description>(dir, { command: 'describe', member });
  if (told === undefined) return undefined;
  if (told.exit !== 0 || (told.pid1 === undefined && told.prefix === undefined)) {
    process.stderr.write(`error: ${told.line}\n${told.hint === undefined ? '' : `hint: ${told.hint}\n`}`);
    return told.exit;
  }
  const env = { ...told.env, ...(process.env['TERM'] === undefined ? {} : { TERM: process.env['TERM'] }) };
  const inside = told.namespaces && told.pid1 !== undefined ? enter(told.pid1) : [];
  const [file = '', ...args] = [...(told.prefix ?? inside), ...words];
  const child = spawn(file, args, { stdio: 'inherit', env: told.prefix === undefined ? env : process.env });
  // The terminal sends Ctrl-C to the command as well; its exit code is the answer.
  process.on('SIGINT', () => undefined);
  return await new Promise((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`error: ${error.message}\n`);
      resolve(127);
    });
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 137)));
  });
}

function enter(pid1: number): string[] {
  const words = ['nsenter', '--target', String(pid1), '--user', '--pid', '--mount', '--ipc', '--preserve-credentials', '--'];
  const works = spawnSync(words[0] ?? '', [...words.slice(1), 'true'], { stdio: 'ignore', timeout: 5000 }).status === 0;
  return works ? words : [];
}
