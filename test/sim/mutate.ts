/** Takes a rule out of the agent's code while it is loaded into this thread; nothing on disk changes. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Mutation, mutations } from './mutations.ts';

const agent = new URL('../../agent/', import.meta.url).href;

/** What keeps a mutation from being applied: texts that are gone, or not alone. */
export function problemsOf(mutation: Mutation): string[] {
  return mutation.edits.flatMap(({ file, from }) => {
    const times = readFileSync(fileURLToPath(new URL(file, agent)), 'utf8').split(from).length - 1;
    return times === 1 ? [] : [`${mutation.name}: ${file} holds ${times} times: ${from.split('\n')[0]}`];
  });
}

/** Must come before anything of the agent is loaded. */
export function applyMutation(name: string): void {
  const mutation = mutations.find((one) => one.name === name);
  if (mutation === undefined) throw new Error(`no mutation ${name}`);
  const problems = problemsOf(mutation);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const edits = mutation.edits.filter((edit) => url === agent + edit.file);
      if (edits.length === 0) return loaded;
      const text = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
      // A replacement is text, not a pattern.
      return { ...loaded, source: edits.reduce((source, edit) => source.replace(edit.from, () => edit.to), text) };
    },
  });
}
