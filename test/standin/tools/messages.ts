// What gs_ctl says and how: everything goes to stdout, errors too, each line with the prefix
// [time][pid][node name][program]. Two things change while it runs: the node name (empty until a build has read
// postgresql.conf) and the program's name, which an incremental build calls gs_rewind.
import { writeSync } from 'node:fs';
import { messageLine } from '../shared/state.ts';

let node = '';
let program = 'gs_ctl';
let silent = false;

/** Writes text as it is; a reader that left (SIGPIPE's case) is not an error of ours, a full pipe is waited for. */
export function raw(text: string, fd: 1 | 2 = 1): void {
  let rest = Buffer.from(text);
  const deadline = Date.now() + 30_000;
  while (rest.length > 0 && Date.now() < deadline) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Writes one prefixed message; the caller gives the line feed, because some messages have none. */
export function say(message: string): void {
  raw(messageLine(program, message, node));
}

/** Writes one of the few messages that carry no prefix and that -s suppresses. */
export function plain(message: string): void {
  if (!silent) raw(message);
}

/** Sets the third bracket of the prefix. */
export function setNode(name: string): void {
  node = name;
}

/** Sets the fourth bracket of the prefix. */
export function setProgram(name: 'gs_ctl' | 'gs_rewind'): void {
  program = name;
}

/** Suppresses plain messages (-s). */
export function setSilent(): void {
  silent = true;
}

/** What a C program would print for an errno. */
export function errorText(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const texts: Record<string, string> = {
    ENOENT: 'No such file or directory',
    EACCES: 'Permission denied',
    EPERM: 'Operation not permitted',
    ESRCH: 'No such process',
    ENOTDIR: 'Not a directory',
    EISDIR: 'Is a directory',
    ENOSPC: 'No space left on device',
    EROFS: 'Read-only file system',
  };
  return texts[code] ?? code;
}
