/**
 * The directories of a lab: everything inside `--dir`, except socket directories whose path would be too long for a
 * unix socket, which go to the system's temporary directory and are recorded to be removed. Makes random secrets and
 * the small `agent` command; starts nothing.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A socket's path may have 107 bytes; the server's own name takes up to 20 of them. */
const socketDirLengthMax = 72;

/** The checkout. */
export const root = resolve(import.meta.dirname, '../..');

export interface MemberPlace {
  dir: string;
  dataDir: string;
  runDir: string;
  socketDir: string;
  authDir: string;
  serviceAccountDir: string;
  logFile: string;
}

export interface Place {
  dir: string;
  binDir: string;
  control: string;
  kubeconfig: string;
  members: MemberPlace[];
  /** What is removed when the lab ends. */
  paths: string[];
  /** Leaves the members' data and logs there all the same. */
  keep: boolean;
}

export interface Secrets {
  'superuser-password': string;
  'replication-password': string;
  'peer-key': string;
}

/** Passwords that satisfy openGauss's policy: three of four kinds of characters, eight or more. */
export function makeSecrets(): Secrets {
  const password = () => `Lab_${randomBytes(12).toString('hex')}`;
  return {
    'superuser-password': password(),
    'replication-password': password(),
    'peer-key': randomBytes(32).toString('hex'),
  };
}

/** Makes the directories. */
export function makePlace(dir: string, pods: string[]): Place {
  mkdirSync(dir, { recursive: true });
  const short = shortPlace(dir);
  const binDir = join(dir, 'bin');
  const membersDir = join(dir, 'members');
  mkdirSync(binDir, { recursive: true, mode: 0o755 });
  const members = pods.map((pod, i) => memberPlace(join(membersDir, pod), join(short.dir, String(i))));
  return {
    dir,
    binDir,
    control: join(short.dir, 'ctl'),
    kubeconfig: join(dir, 'kubeconfig'),
    members,
    paths: [binDir, membersDir, join(dir, 'kubeconfig'), short.dir],
    keep: false,
  };
}

function shortPlace(dir: string): { dir: string } {
  const wanted = join(dir, 's');
  if (wanted.length + 2 <= socketDirLengthMax) {
    mkdirSync(wanted, { recursive: true, mode: 0o700 });
    return { dir: wanted };
  }
  return { dir: mkdtempSync(join(tmpdir(), 'oglab-')) };
}

function memberPlace(dir: string, socketDir: string): MemberPlace {
  const place: MemberPlace = {
    dir,
    // A volume may be mounted over the directory that it lies in.
    dataDir: join(dir, 'volume', 'data'),
    runDir: join(dir, 'run'),
    socketDir,
    authDir: join(dir, 'auth'),
    serviceAccountDir: join(dir, 'serviceaccount'),
    logFile: join(dir, 'container.log'),
  };
  for (const path of [dir, place.dataDir, place.runDir, socketDir, place.authDir, place.serviceAccountDir]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  return place;
}

/** Writes a mounted Secret or service account: one file per key. */
export function writeFiles(dir: string, files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o600 });
}

/** `agent` as the image has it on its PATH. */
export function writeAgentCommand(binDir: string, words: string[]) {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  writeFileSync(join(binDir, 'agent'), `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
}
