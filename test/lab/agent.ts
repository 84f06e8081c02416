/**
 * The agent as members run it: the bundle, made at the start of the lab, with the Node options of the image. Where it
 * cannot be made (no bundler installed) the sources are run instead; they do the same and start slower.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tamper } from './options.ts';
import { type Place, root, writeAgentCommand } from './place.ts';

/** Writes the `agent` command; answers the file that it runs, by which its processes are known. */
export async function installAgent(place: Place, tamper?: Tamper): Promise<string> {
  const outfile = join(place.binDir, 'agent.mjs');
  try {
    const { bundle } = await import('../../images/bundle.ts');
    await bundle(outfile);
    if (tamper !== undefined) writeFileSync(outfile, tamper.agent(readFileSync(outfile, 'utf8')));
    writeAgentCommand(place.binDir, [process.execPath, ...imageOptions(), outfile]);
    return outfile;
  } catch (error) {
    if (tamper !== undefined) throw error;
    const source = join(root, 'agent', 'main.ts');
    writeAgentCommand(place.binDir, [process.execPath, source]);
    return source;
  }
}

/** PID 1, or a copy of it. */
export function installEntrypoint(place: Place, tamper?: Tamper): string[] {
  let dir = join(root, 'entrypoint');
  if (tamper !== undefined) {
    const copy = join(place.binDir, 'entrypoint');
    cpSync(dir, copy, { recursive: true });
    const script = join(copy, 'entrypoint.sh');
    writeFileSync(script, tamper.entrypoint(readFileSync(script, 'utf8')));
    dir = copy;
  }
  return ['bash', join(dir, 'entrypoint.sh')];
}

/** Node's options in the image's own command. */
function imageOptions(): string[] {
  const lines = readFileSync(join(root, 'images', 'agent.sh'), 'utf8').split('\n');
  const command = lines.filter((line) => !line.startsWith('#')).join('\n');
  return command.match(/--[a-z0-9-]+(=\S+)?/g) ?? [];
}
