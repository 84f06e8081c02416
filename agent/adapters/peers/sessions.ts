/**
 * Sessions of the peer API on the receiving side. A sender says hello and gets a random session of its own; each of
 * its requests carries a higher counter within it. A recorded request therefore never counts twice: not in this
 * session (counter), not in a later one and not at another member (random). No clock is compared. Bounded: at most
 * `perSender` sessions each, unproven ones go first, so that recorded hellos cannot push a live one out.
 */
import { randomToken } from './sign.ts';

const perSender = 8;
/** Requests of one sender may overtake each other by this much. */
const windowSize = 64;

interface Session {
  token: string;
  highest: number;
  /** Bit n: the counter `highest - n` was seen. */
  window: bigint;
  proven: boolean;
}

export type Admission = 'fresh' | 'no-session' | 'replayed';

export interface Sessions {
  /** A new session for a sender. */
  open(sender: string): string;
  /** Counts a request; the same one is fresh once. */
  admit(sender: string, token: string, counter: number): Admission;
  /** Forgets the sessions of everybody else. */
  keep(senders: string[]): void;
}

/** Makes an empty table. */
export function createSessions(): Sessions {
  const table = new Map<string, Session[]>();
  return {
    open(sender) {
      const list = table.get(sender) ?? [];
      const session: Session = { token: randomToken(), highest: 0, window: 0n, proven: false };
      if (list.length >= perSender) {
        const unproven = list.findIndex((one) => !one.proven);
        list.splice(Math.max(0, unproven), 1);
      }
      list.push(session);
      table.set(sender, list);
      return session.token;
    },
    admit(sender, token, counter) {
      const list = table.get(sender) ?? [];
      const session = list.find((one) => one.token === token);
      if (session === undefined) return 'no-session';
      const admission = count(session, counter);
      if (admission === 'fresh' && !session.proven) {
        session.proven = true;
        // The one in use is the last; older proven ones belong to a sender that has restarted.
        list.push(...list.splice(list.indexOf(session), 1));
      }
      return admission;
    },
    keep(senders) {
      for (const sender of table.keys()) if (!senders.includes(sender)) table.delete(sender);
    },
  };
}

function count(session: Session, counter: number): Admission {
  if (!Number.isSafeInteger(counter) || counter <= 0) return 'replayed';
  if (counter > session.highest) {
    const step = counter - session.highest;
    session.window = step >= windowSize ? 1n : ((session.window << BigInt(step)) | 1n) & ((1n << BigInt(windowSize)) - 1n);
    session.highest = counter;
    return 'fresh';
  }
  const age = session.highest - counter;
  const bit = 1n << BigInt(age);
  if (age >= windowSize || (session.window & bit) !== 0n) return 'replayed';
  session.window |= bit;
  return 'fresh';
}
