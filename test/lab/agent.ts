/**
 * The agent as members run it: the bundle, made at the start of the lab, with the Node options of the image. Where it
 * cannot be made (no bundler installed) the sources are run instead; they do the same and start slower.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Place, root, writeAgentCommand } from './place.ts';

/** Writes the `agent` command; answers the file that it runs, by which its processes are known. */
export async function installAgent(place: Place): Promise<string> {
  const outfile = join(place.binDir, 'agent.mjs');
  try {
    const { bundle } = await import('../../images/bundle.ts');
    await bundle(outfile);
    writeAgentCommand(place.binDir, [process.execPath, ...imageOptions(), outfile]);
    return outfile;
  } catch {
    const source = join(root, 'agent', 'main.ts');
    writeAgentCommand(place.binDir, [process.execPath, source]);
    return source;
  }
}

/** Node's options in the image's own command. */
function imageOptions(): string[] {
  const lines = readFileSync(join(root, 'images', 'agent.sh'), 'utf8').split('\n');
  const command = lines.filter((line) => !line.startsWith('#')).join('\n');
  return command.match(/--[a-z-]+(=\S+)?/g) ?? [];
}
