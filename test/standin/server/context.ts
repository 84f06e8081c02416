// What the parts of one instance share: its settings, its PostgreSQL, its facts and its doors. A record of references, no behaviour.
import type { ChildProcess } from 'node:child_process';
import type { Postgres } from '../shared/postgres.ts';
import type { Refusal } from './admission.ts';
import type { Backend } from './backend.ts';
import type { Settings } from './conf.ts';
import type { Control } from './control.ts';
import type { HbaLine } from './hba.ts';
import type { Listeners } from './listeners.ts';
import type { Live } from './live.ts';
import type { StartOptions } from './options.ts';
import type { Relay } from './relay.ts';
import type { Senders } from './senders.ts';
import type { Sessions } from './sessions.ts';

/** One instance from the inside. */
export interface Context {
  readonly options: StartOptions;
  readonly pgdata: string;
  readonly postgres: Postgres;
  readonly initialUser: string;
  readonly live: Live;
  readonly backend: Backend;
  readonly relay: Relay;
  readonly sessions: Sessions;
  readonly senders: Senders;
  readonly listeners: Listeners;
  watcher: ChildProcess | undefined;
  settings: Settings;
  own: Set<string>;
  hba: HbaLine[];
  /** IP addresses of the members named in replconninfo */
  members: string[];
  control: Control | undefined;
  systemId: string;
  /** why clients are refused now */
  closed: Refusal | undefined;
  /** its WAL ends where a build left it: no comparison until it has streamed */
  unchecked: boolean;
  /** most_available_sync has given up waiting */
  standalone: boolean;
  /** when the last stream ended, epoch milliseconds */
  streamEnded: number;
  /** a change of role is under way */
  busy: boolean;
  stopping: boolean;
  log(line: string): void;
  /** renders and applies PostgreSQL's configuration */
  configure(): void;
  /** (re)starts PostgreSQL; false when it died */
  launch(standby: boolean): Promise<boolean>;
  /** the end: everything closed, the process exits */
  finish(code: number): never;
  /** the end by PANIC: everything killed */
  panic(text: string): never;
}
