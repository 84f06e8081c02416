/**
 * `npm run lab`: starts a cluster in the foreground, or sends a command to the one that runs in the same --dir. Exit
 * codes are those of the agent's command line: 0 done, 1 error, 5 refused; `exec` passes the command's own through.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { askLab } from './control.ts';
import { execIn } from './exec.ts';
import type { Reply } from './faults.ts';
import { startLab } from './lab.ts';
import { startNodesLab } from './nodes.ts';
import { type LabOptions, parseCommand, usage } from './options.ts';
import { parentOf } from './processes.ts';
import { createScreen } from './screen.ts';

function fail(problem: string, hint: string | undefined, code: number): number {
  process.stderr.write(`error: ${problem}\n${hint === undefined ? '' : `hint: ${hint}\n`}`);
  return code;
}

/**
 * npm runs us below a shell that passes no signal on: when npm or that shell is told to stop, all we see is that they
 * are gone. Started by anybody else, we may well outlive our parent.
 */
function whenAbandoned(stop: () => void) {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const shell = process.ppid;
  const npm = parentOf(shell);
  setInterval(() => {
    if (process.ppid !== shell || parentOf(shell) !== npm) stop();
  }, 500).unref();
}

/** Runs until a signal asks to stop, or the cluster does not come up. */
async function up(options: LabOptions, json: boolean): Promise<number> {
  const stop = new AbortController();
  const screen = createScreen(json ? 'json' : process.stdout.isTTY ? 'live' : 'plain');
  // A second signal must not end the lab half taken down.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  // Whoever read our lines has gone: nobody is left to press Ctrl-C.
  process.stdout.on('error', () => stop.abort());
  whenAbandoned(() => stop.abort());
  const began = performance.now();
  try {
    const lab = await (options.kube === 'nodes'
      ? startNodesLab(options, screen.event)
      : startLab(options, screen.event, stop.signal));
    screen.show(lab, (performance.now() - began) / 1000);
    await new Promise<void>((done) => {
      if (stop.signal.aborted) done();
      stop.signal.addEventListener('abort', () => done());
    });
    screen.leave();
    await lab.stop();
    return 0;
  } catch (error) {
    screen.leave();
    if (stop.signal.aborted) return 130;
    const hint = error instanceof Error && 'hint' in error ? String(error.hint) : undefined;
    return fail(error instanceof Error ? error.message : String(error), hint, 1);
  }
}

async function order(dir: string, asked: Record<string, string | number>): Promise<number> {
  const reply = await askLab<Reply>(resolve(dir), asked);
  if (reply === undefined) return noLab(dir);
  if (reply.exit !== 0) return fail(reply.line, reply.hint, reply.exit);
  process.stdout.write(`${reply.line}\n`);
  return 0;
}

function noLab(dir: string): number {
  return fail(`no lab runs in ${dir}`, 'Start one with npm run lab, or name its --dir.', 1);
}

function readConfig(file: string | undefined): string {
  return file === undefined ? '' : readFileSync(file, 'utf8');
}

async function main(words: string[]): Promise<number> {
  const parsed = parseCommand(words);
  if (!parsed.ok) return fail(parsed.problem, parsed.hint, 1);
  const { command } = parsed;
  switch (command.do) {
    case 'help':
      process.stdout.write(usage);
      return 0;
    case 'up':
      try {
        return await up({ ...command.options, config: readConfig(command.configFile) }, command.json);
      } catch (error) {
        return fail(String(error instanceof Error ? error.message : error), 'Give the file of the dynamic configuration.', 1);
      }
    case 'exec':
      return (await execIn(resolve(command.dir), command.member, command.words)) ?? noLab(command.dir);
    case 'fault':
      return await order(command.dir, command.order);
  }
}

process.exitCode = await main(process.argv.slice(2));
process.exit();
