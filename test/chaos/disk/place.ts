/** A lab whose first members have their data on real file systems; one directory, given back whole. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, startLab } from '../../lab/lab.ts';
import { defaultOptions, type LabOptions } from '../../lab/options.ts';
import { type FileSystem, type FileSystemKind, makeFileSystem } from './filesystem.ts';

export interface DiskLab {
  lab: Lab;
  /** By member, in order. */
  volumes: FileSystem[];
  /** The agent's and the entrypoint's lines of a member. */
  log(member: string): string;
  close(): Promise<void>;
}

export interface DiskLabOptions {
  kind: FileSystemKind;
  bytes: number;
  /** How many members have a volume; the rest have plain directories. */
  volumes: number;
  lab?: Partial<LabOptions>;
}

const bringUpMs = 280_000;

export async function startDiskLab(options: DiskLabOptions): Promise<DiskLab> {
  const dir = mkdtempSync(join(tmpdir(), 'og-disk-'));
  const labDir = join(dir, 'lab');
  const volumes: FileSystem[] = [];
  let lab: Lab | undefined;
  const close = async () => {
    for (const volume of volumes) volume.thaw();
    await lab?.stop();
    for (const volume of volumes) volume.close();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    for (let at = 0; at < options.volumes; at += 1) {
      const volume = makeFileSystem(options.kind, join(dir, `volume-${at}`), options.bytes);
      volumes.push(volume);
      const member = join(labDir, 'members', `og-demo-${at}`);
      mkdirSync(member, { recursive: true });
      symlinkSync(volume.path, join(member, 'volume'));
    }
    const asked = { ...defaultOptions, ...options.lab, dir: labDir };
    lab = await startLab(asked, () => {}, AbortSignal.timeout(bringUpMs));
  } catch (error) {
    await close();
    throw error;
  }
  const log = (member: string) => readFileSync(join(labDir, 'members', member, 'container.log'), 'utf8');
  return { lab, volumes, log, close };
}

/** The agent's lines with that message, newest last. */
export function linesOf(log: string, message: string): Record<string, unknown>[] {
  return log.split('\n').flatMap((line) => {
    if (!line.includes(`"msg":${JSON.stringify(message)}`)) return [];
    try {
      return [JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>];
    } catch {
      return [];
    }
  });
}
