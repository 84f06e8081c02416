/**
 * Edits of the dynamic configuration on behalf of a person: the text of `config.yaml` is changed where it has to be and
 * keeps its comments and its order, is validated as a whole before it is written, and replaces exactly the version that
 * was read. Nothing is written that the agents would reject.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HandPort, KubePort } from '../ports/kube.ts';
import { type Problem, renderProblems } from '../settings/problem.ts';
import { complain, exit, type Io } from './io.ts';

const deadlineMs = 5000;

export type Change = (text: string) => Promise<string | undefined>;

/**
 * Reads, changes, validates and writes; a number is the exit code of what could not be done. `change` gives undefined to
 * leave all as it is.
 */
export async function editConfig(
  io: Io,
  kube: KubePort & HandPort,
  name: string,
  change: Change,
): Promise<'written' | 'same' | number> {
  const read = await kube.readConfig(deadlineMs);
  if (!read.ok) return complain(io, exit.failed, `the configuration could not be read: ${read.fault.detail}`, read.fault.hint);
  const before = read.value.text ?? '';
  const { readConfig } = await import('../settings/dynamic.ts');
  const after = await change(before);
  // A text that cannot be parsed comes back as it was: that is no edit that is done already.
  const valid = readConfig(after ?? before);
  if (!valid.ok) return reject(io, name, valid.problems, 'Nothing was written.');
  if (after === undefined || after === before) return 'same';
  const written = await kube.writeConfig(after, read.value.resourceVersion, deadlineMs);
  if (written.ok) return 'written';
  if (written.fault.kind === 'conflict' || written.fault.kind === 'exists')
    return complain(io, exit.refused, `${name} was edited by somebody else meanwhile`, 'Nothing was written; try again.');
  return complain(io, exit.failed, `${name} could not be written: ${written.fault.detail}`, written.fault.hint);
}

/** Says everything that is wrong with a configuration. */
export function reject(io: Io, name: string, problems: Problem[], hint: string): number {
  io.err.write(`${renderProblems(problems)}\n`);
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return complain(io, exit.settings, `${name} is not valid: ${count}`, hint);
}

/** The text as a person leaves it in an editor; undefined when it is left as it was. */
export async function editText(io: Io, text: string): Promise<string | undefined> {
  if (io.out.isTTY !== true) throw new Error('this is no terminal: name what to change as KEY=VALUE, or give --file');
  const dir = await mkdtemp(join(tmpdir(), 'og-edit-'));
  try {
    const file = join(dir, 'config.yaml');
    await writeFile(file, text, { mode: 0o600 });
    const editor = io.env['EDITOR'] || 'vi';
    const code = await new Promise<number | null>((resolve, refuse) => {
      const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
      child.once('error', refuse);
      child.once('exit', resolve);
    });
    if (code !== 0) throw new Error(`${editor} ended with ${code ?? 'a signal'}`);
    const after = await readFile(file, 'utf8');
    return after === text ? undefined : after;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The text with some keys set, or taken away where the value is undefined; dots lead into groups. */
export async function withKeys(text: string, keys: Record<string, unknown>): Promise<string> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { version: '1.2' });
  // What cannot be parsed is not touched; the validation says what is wrong with it.
  if (document.errors.length > 0) return text;
  for (const [path, value] of Object.entries(keys)) {
    const words = path.split('.');
    if (value === undefined) document.deleteIn(words);
    else document.setIn(words, value);
  }
  return document.toString({ lineWidth: 0 });
}
