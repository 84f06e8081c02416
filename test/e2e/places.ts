/** Where a member of a lab keeps what the tests look at: its volume and the output of its container. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.ts';

export interface Place {
  dir: string;
  pgdata: string;
  log: string;
}

export function placeOf(lab: Lab, name: string): Place {
  const dir = join(lab.dir, 'members', name);
  const { OG_DATA_DIR = '' } = lab.members.find((member) => member.name === name)?.env() ?? {};
  return { dir, pgdata: join(OG_DATA_DIR, 'pgdata'), log: join(dir, 'container.log') };
}

/** What was written since the log was that long. */
export function textSince(log: string, mark: number): string {
  return readFileSync(log).subarray(mark).toString();
}
