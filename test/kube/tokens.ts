/**
 * Who asks: bearer tokens and the users they stand for. Tokens can be added, made to expire and revoked while the
 * server runs, as bound service-account tokens do.
 */
import { randomBytes } from 'node:crypto';

export interface User {
  name: string;
  groups: string[];
}

export interface TokenGrant {
  token: string;
  /** `system:serviceaccount:<namespace>:<name>`, or `admin`, who may do everything. */
  user: string;
  groups?: string[];
  /** Wall-clock ms after which the token is refused. */
  expiresAt?: number;
}

export interface Tokens {
  add(grant: TokenGrant): void;
  revoke(token: string): void;
  /** A new token for a service account. */
  issue(user: string, expiresAt: number): string;
  /** The user, `anonymousUser` or `system:anonymous` without a token, undefined for a token that is not known (any more). */
  userOf(authorization: string | undefined, anonymousUser?: string): User | undefined;
}

export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

function groupsOf(user: string, more: string[]): string[] {
  const groups = [...more];
  if (user === 'admin') groups.push('system:masters');
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(user);
  if (account !== null) groups.push('system:serviceaccounts', `system:serviceaccounts:${account[1]}`);
  return [...groups, 'system:authenticated'];
}

/** A user with the groups that the name implies. */
export function userNamed(name: string, groups: string[]): User {
  return { name, groups: groupsOf(name, groups) };
}

/** The tokens known at the start, and those that come later. */
export function createTokens(grants: TokenGrant[], now: () => number): Tokens {
  const known = new Map(grants.map((grant) => [grant.token, grant]));
  return {
    add: (grant) => void known.set(grant.token, grant),
    revoke: (token) => void known.delete(token),
    issue(user, expiresAt) {
      const token = randomBytes(24).toString('base64url');
      known.set(token, { token, user, expiresAt });
      return token;
    },
    userOf(authorization, anonymousUser) {
      if (authorization === undefined || authorization === '')
        return anonymousUser === undefined ? ANONYMOUS : userNamed(anonymousUser, []);
      const token = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
      const grant = token === undefined ? undefined : known.get(token);
      if (grant === undefined || (grant.expiresAt !== undefined && grant.expiresAt <= now())) return undefined;
      return userNamed(grant.user, grant.groups ?? []);
    },
  };
}
