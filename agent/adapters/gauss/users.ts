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

/**
 * openGauss 5.0.3 refuses the password that a role has now ("should not equal to the old ones"), which is how it says
 * "unchanged"; one that the role had earlier ("cannot be reused") is a refusal. With password_policy 0 the second text is
 * all there is for both, and nobody can tell them apart.
 */
async function alter(session: Session, user: string, password: string, deadlineMs: number): Promise<Result<void>> {
  const done = await session.query(`alter user ${identifier(user)} with password ${literal(password)}`, deadlineMs);
  if (done.ok || /not equal to the old ones/i.test(done.fault.detail)) return ok();
  if (!/cannot be reused/i.test(done.fault.detail)) return failed(done.fault);
  const policy = await session.query(`select setting from pg_settings where name = 'password_policy'`, deadlineMs);
  if (!policy.ok) return policy;
  if (policy.value[0]?.[0]?.['setting'] === '0') return ok();
  return failed({
    ...done.fault,
    detail: `the Secret's password of ${user} was not set: ${done.fault.detail}`,
    hint: 'Put a password into the Secret that the role has not had, or set password_reuse_time and password_reuse_max to 0.',
  });
}
