/**
 * What the instance adapter is told by whoever makes it. It reads no environment variable and no settings itself;
 * everything that is a path, a port, a secret or a clock arrives here.
 */
import type { Clock } from '../../ports/others.ts';
import type { ProcFiles } from './proc.ts';

/** Writes one log line: constant message, variables as fields. Never a secret. */
export type Note = (level: 'debug' | 'info' | 'warn' | 'error', msg: string, fields?: Record<string, unknown>) => void;

/** The passwords of the mounted Secret. */
export interface Secrets {
  superuserPassword: string;
  replicationPassword: string;
}

export interface InstanceOptions {
  /** GAUSSHOME: bin/ and lib/ of the server. */
  home: string;
  /** The server's data directory, e.g. `/var/lib/opengauss/pgdata`. */
  pgdata: string;
  /** Where the server puts its unix socket, and where the agent looks for it. */
  socketDir: string;
  /** Output of the server and of the tools that may start it; it is let go where no file can be opened there. */
  logDir: string;
  /** The member's name; its lower-case form is the application_name. */
  member: string;
  /** Listening ports; the replication port is always the SQL port plus one. */
  port: number;
  haPort: number;
  /** `0.0.0.0` or `::` listens everywhere; anything else is also the source address of replication. */
  bindAddress: string;
  /** The initial user, which is also the operating system's user of the server. */
  superuser: string;
  /** The role that replication tools log in with. */
  replicationUser?: string;
  secrets: Secrets;
  clock: Clock;
  note: Note;
  /** Added to the environment of the server and of the tools. */
  environment?: Record<string, string>;
  /** Who reads /proc; the kernel's own when left out. */
  proc?: ProcFiles;
}

/** True for addresses that mean "every address". */
export function isWildcard(address: string): boolean {
  return address === '' || address === '*' || address === '0.0.0.0' || address === '::';
}
