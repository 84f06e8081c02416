/**
 * What must be true of votes, take-overs and promotions in the small model. Rows are judged where they are acknowledged and
 * where a promotion misses them (model.ts); these rules speak before a row is lost, and say why it will be. They are written
 * once more on purpose: the judge does not use the judged one's rules.
 */
import type { SyncEntry } from '../../../agent/core/model.ts';
import type { LeaseDraft } from '../../../agent/core/view.ts';
import { open } from './sight.ts';
import { indexOf, type Member, nameOf, type Order, type State, termOf } from './state.ts';

export class Broken extends Error {
  readonly invariant: string;
  constructor(invariant: string, text: string) {
    super(text);
    this.invariant = invariant;
  }
}

interface Wanted {
  need: number;
  names: number[];
}

const known = new Map<string, Wanted>();

/** How many of whom the names in force ask for. */
export function wantedBy(names: string): Wanted {
  const wanted = known.get(names) ?? parsed(names);
  known.set(names, wanted);
  return wanted;
}

function parsed(names: string): Wanted {
  const match = /^ANY (\d+) \((.*)\)$/.exec(names);
  if (match === null) return { need: 0, names: [] };
  const list = (match[2] ?? '').split(',').map((name) => name.trim().replace(/"/g, ''));
  return { need: Number(match[1]), names: list.filter((name) => name.startsWith('og-')).map(indexOf) };
}

/** Whom an entry counts: its names while they are standbys, its primary with the same data while it leads no more. */
function mayDecide(entries: SyncEntry[], standbys: string[], quiet: { name: string; dataId: string }[]): boolean {
  return entries.every(({ primary, dataId, names, w }) => {
    if (quiet.some((voter) => voter.name === primary && voter.dataId === dataId)) return true;
    const missing = names.filter((name) => !standbys.includes(name)).length;
    return w > 0 && missing < w;
  });
}

/**
 * S7: whoever decides to take the lease is in touch with a vote set of the very record that it decides on. That is as late as
 * it can be asked for: the swap is held to that record and to nothing else, so that members may be cut off between the two as well
 * as right after them. Nobody acknowledges anything by a lease alone; what the votes are for is judged at the promotion.
 */
export function judgeTaking(state: State, index: number): void {
  if (state.lease.syncMode === 'off') return;
  const inTouch = [...state.members.entries()].filter(([at]) => at === index || open(state, index, at));
  const standbys = inTouch.filter(([, member]) => member.up && member.role === 'standby').map(([at]) => nameOf(at));
  const quiet = inTouch.filter(([, member]) => !member.up || member.role !== 'primary');
  const voters = quiet.map(([at, { dataId }]) => ({ name: nameOf(at), dataId }));
  if (!mayDecide(state.lease.entries, standbys, voters))
    throw new Broken('S7', `${nameOf(index)} takes the lease without a vote set`);
}

/** S3, S13: terms and promotions on record only rise, and who takes the lease changes nothing of whose votes count. */
export function judgeWrite({ lease }: State, index: number, kind: string, { term, promoting, entries }: LeaseDraft): void {
  const name = nameOf(index);
  if (term < lease.term) throw new Broken('S3', `${name} lowers the term to ${term}`);
  if ((promoting?.term ?? 0) < (lease.promoting?.term ?? 0))
    throw new Broken('S3', `${name} lowers promoting to ${promoting?.term}`);
  if (kind === 'renew' || entries === lease.entries) return;
  if (JSON.stringify(entries) !== JSON.stringify(lease.entries))
    throw new Broken('S13', `${name} changes the entries by its ${kind}`);
}

/**
 * S22: who is frozen follows no second candidate of that term, and nobody of a lower one, whether a candidate asks for its vote
 * or a primary for its plan. A plan that was undone is gone: the primary may plan anew in its term, and the candidate of that
 * term may be another one. So a plan is not kept among the votes: nobody counts it as one (`answered` in orders.ts), and a row that
 * is lost by it is seen where it is lost.
 */
export function judgeOrder({ members }: State, { to, term, candidate }: Order): void {
  const { freeze, granted } = members[to] as Member;
  const name = nameOf(to);
  if (term < granted) throw new Broken('S22', `${name} is frozen for term ${term} after it granted ${granted}`);
  if (freeze?.term === term && freeze.candidate !== candidate)
    throw new Broken(
      'S22',
      `${name}, frozen for ${nameOf(freeze.candidate)} in term ${term}, follows ${nameOf(candidate)} in it`,
    );
}

/** S22: a member votes once a term, and never for less than before. The votes with this one; `given` itself when it is no new one. */
export function judgeVote(
  given: string[],
  { from, to, term, candidate }: Pick<Order, 'from' | 'to' | 'term' | 'candidate'>,
): string[] {
  const name = nameOf(to);
  const mine = `${to} ${term} `;
  const before = given.find((text) => text.startsWith(mine));
  const higher = given.find((one) => one.startsWith(`${to} `) && Number(one.split(' ')[1]) > term);
  if (higher !== undefined) throw new Broken('S22', `${name} votes in term ${term} after a higher one`);
  const text = `${mine}${candidate}`;
  // A plan may not be made against a vote, though it is none.
  if (before !== undefined && before !== text) throw new Broken('S22', `${name} votes twice in term ${term}`);
  if (before !== undefined || from !== candidate) return given;
  // Only the latest term of a voter can be asked again.
  return [...given.filter((one) => !one.startsWith(`${to} `)), text].sort();
}

/** S3, S7: a promotion has its term for itself, and no primary of an older one finds enough standbys any more. */
export function judgePromotion({ members, newest }: State, winner: number, term: number): void {
  if (term === newest.term)
    throw new Broken('S3', `${nameOf(winner)} is promoted with term ${term}, as ${nameOf(newest.member)} was`);
  if (term < newest.term) return;
  for (const [index, { up, role, names, log, serverTerm }] of members.entries()) {
    if (index === winner || !up || role !== 'primary') continue;
    const { need, names: wanted } = wantedBy(names);
    const able = wanted.filter((at) => {
      const there = members[at] as Member;
      const lock = there.up ? there.lock : (there.freeze?.candidate ?? there.lock);
      // The winner is nobody's standby from now on; who knows of a later term, or has something else, begins no stream.
      return at !== winner && (lock ?? index) === index && termOf(there.log) <= serverTerm && log.startsWith(there.log);
    });
    if (need === 0 || able.length >= need)
      throw new Broken('S7', `${nameOf(winner)} is promoted (term ${term}) while ${nameOf(index)} can still acknowledge`);
  }
}
