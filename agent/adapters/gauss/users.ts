/**
 * The roles of the Secret: the replication role and the initial user's password. On a primary only, in an ordinary
 * session of its own with synchronous_commit=local, so that no standby is waited for. Passwords go over the unix
 * socket and into no log.
 */
import { failed, ok, type Result } from '../../core/result.ts';
import type { Secrets } from './options.ts';
import { identifier, literal, type Session } from './sql.ts';

export interface UserWishes {
  superuser: string;
  replicationUser: string;
  secrets: Secrets;
}

/** Creates the replication role, or brings both passwords up to date. */
export async function settleUsers(session: Session, wishes: UserWishes, deadlineMs: number): Promise<Result<void>> {
  const role = identifier(wishes.replicationUser);
  const password = literal(wishes.secrets.replicationPassword);
  const found = await session.query(`select 1 from pg_roles where rolname = ${literal(wishes.replicationUser)}`, deadlineMs);
  if (!found.ok) return found;
  if (found.value[0]?.length === 0) {
    const made = await session.query(`create user ${role} with replication password ${password}`, deadlineMs);
    if (!made.ok && made.fault.code !== '42710') return made;
  } else {
    const changed = await alter(session, wishes.replicationUser, wishes.secrets.replicationPassword, deadlineMs);
    if (!changed.ok) return changed;
  }
  return alter(session, wishes.superuser, wishes.secrets.superuserPassword, deadlineMs);
}

/** openGauss refuses a password that the role has had within 60 days, which is how it says "unchanged". */
async function alter(session: Session, user: string, password: string, deadlineMs: number): Promise<Result<void>> {
  const done = await session.query(`alter user ${identifier(user)} with password ${literal(password)}`, deadlineMs);
  if (done.ok || /reuse/i.test(done.fault.detail)) return ok();
  return failed(done.fault);
}
