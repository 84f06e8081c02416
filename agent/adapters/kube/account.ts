/**
 * The service account as the kubelet mounts it: token and CA are rotated in place, so they are read at each use. The
 * reading is synchronous, from tmpfs, and costs microseconds; nothing is cached that could go stale.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Account {
  /** The bearer token as it is now; undefined where none is mounted. */
  token(): string | undefined;
  /** The certificates to trust as they are now; undefined where none are mounted. */
  ca(): string | undefined;
}

/** The account mounted at a directory (`token`, `ca.crt`). */
export function mountedAccount(directory: string): Account {
  const read = (name: string): string | undefined => {
    try {
      return readFileSync(join(directory, name), 'utf8').trim() || undefined;
    } catch {
      return undefined;
    }
  };
  return { token: () => read('token'), ca: () => read('ca.crt') };
}
