/**
 * What members ask of each other in the small model: freezes, votes and the end of freezes. An order arrives whenever it
 * arrives, or never; the member asks the shipped rules (`core/grant.ts`) and answers at once.
 */
import { granted, objection, staysFrozen } from '../../../agent/core/grant.ts';
import { memberOf } from '../../../agent/core/lease.ts';
import type { LocalRecords } from '../../../agent/core/model.ts';
import type { InstanceIntent } from '../../../agent/core/view.ts';
import { kept } from './kept.ts';
import { judgeOrder, judgeVote } from './judge.ts';
import { memberAt, withMember } from './model.ts';
import { viewPrint } from './prints.ts';
import { instanceOf, open, recordIn, recordsOf, viewIn } from './sight.ts';
import { hostOf, indexOf, type Member, nameOf, type Order, type State } from './state.ts';
import type { Take } from './steps.ts';

/** The orders under way, each of which may arrive now. */
export function ordersFrom(state: State, take: Take): void {
  for (const order of state.orders)
    take(`${nameOf(order.to)} hears: ${order.kind} for ${nameOf(order.candidate)} in term ${order.term}`, () =>
      deliver(state, order),
    );
}

/** The member's records and its server's lock, as a grant changes them; undefined when a higher freeze forbids it. */
export function point(state: State, index: number, term: number, candidate: number, askedBy?: number): State | undefined {
  const me = memberAt(state, index);
  const ask = { term, candidate: nameOf(candidate), host: hostOf(candidate), haPort: 5433 };
  const given = granted(recordsOf(me), { ...ask, askedBy: askedBy === undefined ? undefined : nameOf(askedBy) });
  if (!given.ok) return undefined;
  const { freeze } = given.value;
  const part: Partial<Member> = {
    granted: given.value.granted,
    freeze: freeze === undefined ? undefined : frozen(freeze),
  };
  if (me.up && me.role === 'standby' && me.lock !== candidate) Object.assign(part, { lock: candidate, from: undefined });
  return withMember(state, index, part);
}

function frozen({ term, candidate, askedBy }: NonNullable<LocalRecords['freeze']>): NonNullable<Member['freeze']> {
  return { term, candidate: indexOf(candidate), askedBy: askedBy === undefined ? undefined : indexOf(askedBy) };
}

function ordered(state: State, orders: Order[]): State {
  const text = (order: Order) => JSON.stringify(order);
  const known = state.orders.map(text);
  const added = orders.filter((order) => !known.includes(text(order)));
  if (added.length === 0) return state;
  return { ...state, orders: [...state.orders, ...added].sort((a, b) => (text(a) < text(b) ? -1 : 1)) };
}

/** The own server at once, the others by orders that arrive when they arrive. */
export function freeze(state: State, index: number, term: number, members: string[]): State {
  const me = memberAt(state, index);
  const takeover = me.takeover?.term === term ? me.takeover : { term, votes: {} };
  const begun = withMember(state, index, { takeover });
  const own = point(begun, index, term, index, index) ?? begun;
  const voted = own === begun ? own : votes(own, { from: index, to: index, term, candidate: index });
  const asked = members.map((name) => ({ kind: 'freeze' as const, from: index, to: indexOf(name), term, candidate: index }));
  return ordered(voted, asked);
}

export function change(state: State, index: number, intent: InstanceIntent): State {
  const me = memberAt(state, index);
  const term = (me.promotion?.term ?? 0) + 1;
  const toAll = (members: string[], part: Pick<Order, 'kind' | 'term' | 'candidate'>) =>
    members.map((name) => ({ from: index, to: indexOf(name), ...part }));
  const { switchover } = me;
  if (intent.do === 'point-others') {
    if (switchover === undefined) return state;
    const pointed = withMember(state, index, { switchover: { ...switchover, pointed: true } });
    return ordered(pointed, toAll(intent.members, { kind: 'freeze', term, candidate: indexOf(intent.target) }));
  }
  if (intent.do === 'gather')
    return ordered(state, toAll(intent.members, { kind: 'freeze', term: intent.permit.term, candidate: index }));
  if (intent.do === 'unfreeze')
    return ordered(
      state,
      intent.members.flatMap((name) =>
        toAll([name], { kind: 'unfreeze', term: memberAt(state, indexOf(name)).freeze?.term ?? 0, candidate: index }),
      ),
    );
  if (intent.do === 'undo-switchover') {
    const all = [...state.members.keys()].filter((at) => at !== index).map(nameOf);
    return ordered(withMember(state, index, { switchover: undefined }), toAll(all, { kind: 'unfreeze', term, candidate: index }));
  }
  if (intent.do !== 'hand-over' || switchover === undefined) return state;
  const target = memberAt(state, switchover.target);
  if (target.from === index && target.log === me.log)
    return withMember(state, index, { todo: [{ do: 'end', handedOver: true }, ...me.todo] });
  return withMember(state, index, { switchover: { ...switchover, overdue: true } });
}

/** An order arrives: the member objects, or is frozen and says where it is. */
function deliver(before: State, order: Order): State | undefined {
  const state = { ...before, orders: before.orders.filter((one) => one !== order) };
  const { to, from, term, candidate } = order;
  if (!open(state, from, to)) return undefined;
  const me = memberAt(state, to);
  if (order.kind === 'unfreeze') {
    if (staysFrozen(recordsOf(me), term, nameOf(from)) !== undefined || memberOf(recordIn(state).holder) !== nameOf(from))
      return state;
    return withMember(state, to, { lock: undefined, freeze: undefined });
  }
  if (objects(state, order)) return state;
  judgeOrder(state, order);
  const pointed = point(state, to, term, candidate, from);
  return pointed === undefined ? state : answered(votes(pointed, order), order);
}

const objections = new Map<number, boolean>();

/** Whether its member refuses that freeze. */
function objects(state: State, { to, term, candidate }: Order): boolean {
  const print = viewPrint(state, to, false, 1 + term * 8 + candidate);
  return kept(objections, print, () => objection(viewIn(state, to, false), { term, candidate: nameOf(candidate) }) !== undefined);
}

function votes(state: State, vote: Parameters<typeof judgeVote>[1]): State {
  const given = judgeVote(state.given, vote);
  return given === state.given ? state : { ...state, given };
}

function answered(state: State, { to, from, term, candidate }: Order): State {
  const asker = memberAt(state, from);
  if (candidate !== from || asker.takeover?.term !== term) return state;
  const instance = instanceOf(state, to);
  if (instance.is !== 'standby') return state;
  const vote = { term: instance.term, length: memberAt(state, to).log.length, dataId: memberAt(state, to).dataId };
  return withMember(state, from, { takeover: { term, votes: { ...asker.takeover.votes, [to]: vote } } });
}
