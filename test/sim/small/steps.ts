/**
 * Everything that may happen next in the small model. An agent looks, and the shipped rules decide; each part of what
 * they decided is carried out later, one at a time, with anything in between: the swap of the lease only if nobody else
 * was first, orders to other members whenever they arrive. Faults come out of a small budget.
 */
import { decide } from '../../../agent/core/decide.ts';
import { granted, lockAtStart, objection, staysFrozen } from '../../../agent/core/grant.ts';
import { acquired, memberOf, released, renewed } from '../../../agent/core/lease.ts';
import type { LocalRecords } from '../../../agent/core/model.ts';
import type { InstanceIntent, View } from '../../../agent/core/view.ts';
import { attach, becomePrimary, Broken, end, judgeTaking, memberAt, release, ship, start, withMember } from './model.ts';
import { holdsLease, open, recordIn, recordsOf, viewIn } from './sight.ts';
import { hostOf, indexOf, type Member, nameOf, type Order, type SmallFault, type State, type Todo } from './state.ts';

export interface Limits {
  /** What may strike, each as often as it stands here. */
  faults: SmallFault[];
  rows: number;
  /** Every part of a decision is carried out apart from it; else only what may go wrong by coming late is. */
  apart?: boolean;
  /** Members that were cut off come back. */
  heal?: boolean;
  /** Take-overs beyond this term are not followed any further. */
  term: number;
}

export type Take = (label: string, next: () => State | undefined) => void;

const freezeText = (member: Member): string => JSON.stringify(member.freeze ?? null);

/** Offers every step that is possible; `take` may find that a step leads nowhere new, or into a violation. */
export function stepsFrom(state: State, limits: Limits, take: Take): void {
  for (const index of state.members.keys()) {
    const me = memberAt(state, index);
    const name = nameOf(index);
    if (me.todo.length > 0) take(`${name} carries out: ${tell(me.todo[0])}`, () => carryOut(state, index, limits));
    else look(state, index, limits, take);
    if (me.up && me.asked !== undefined && me.role !== 'primary')
      take(`${name} becomes primary`, () => becomePrimary(state, index));
    if (me.up && me.role === 'primary' && state.rows < limits.rows)
      take(`a client commits on ${name}`, () => {
        const row = String.fromCharCode(97 + state.rows);
        return release({ ...withMember(state, index, { log: me.log + row }), rows: state.rows + 1 }, index);
      });
    take(`WAL reaches ${name}`, () => ship(state, index));
    for (const to of state.members.keys())
      if (to !== index) take(`${name} streams from ${nameOf(to)}`, () => attach(state, index, to));
  }
  for (const order of state.orders)
    take(`${nameOf(order.to)} hears: ${order.kind} for ${nameOf(order.candidate)} in term ${order.term}`, () =>
      deliver(state, order),
    );
  faults(state, limits, take);
}

function tell(todo: Todo | undefined): string {
  if (todo?.do === 'write') return `lease ${todo.kind}, term ${todo.draft.term}`;
  return todo?.do === 'act' ? todo.intent.do : 'the end of its server';
}

function faults(state: State, limits: Limits, take: Take): void {
  for (const index of state.members.keys())
    if (state.cut[index] === true && limits.heal === true)
      take(`${nameOf(index)} is connected again`, () => cutting(state, index, false));
  for (const kind of new Set(limits.faults)) {
    const struck = struckBy(state, kind, limits);
    if (struck !== undefined) strike(struck, kind, take);
  }
}

/** The state with that fault used up; undefined when it may not strike any more. */
function struckBy(state: State, kind: SmallFault, limits: Limits): State | undefined {
  const times = (list: SmallFault[]) => list.filter((one) => one === kind).length;
  return times(state.faults) < times(limits.faults) ? { ...state, faults: [...state.faults, kind].sort() } : undefined;
}

function strike(state: State, kind: SmallFault, take: Take): void {
  if (kind === 'silent' && !state.late && state.lease.holder !== undefined)
    take('the holder is silent: its lease looks run out', () => ({ ...state, late: true }));
  for (const index of state.members.keys()) {
    const me = memberAt(state, index);
    const name = nameOf(index);
    if (kind === 'death' && me.up) take(`the server of ${name} dies`, () => end(state, index, true));
    if (kind === 'container')
      take(`the container of ${name} is made anew`, () => {
        const part = { ...forgotten, incarnation: me.incarnation + 1, sawExit: false };
        return withMember(end(state, index, false), index, part);
      });
    const remembers = me.promotion ?? me.takeover ?? me.switchover ?? me.todo[0];
    if (kind === 'agent' && remembers !== undefined)
      take(`the agent of ${name} starts again`, () => withMember(state, index, { ...forgotten, sawExit: false }));
    if (kind === 'cut' && state.cut[index] !== true) take(`${name} is cut off`, () => cutting(state, index, true));
    if (kind === 'switchover') askToHandOver(state, index, take);
  }
}

function askToHandOver(state: State, index: number, take: Take): void {
  const { up, role, promotion, switchover } = memberAt(state, index);
  if (!up || role !== 'primary' || promotion?.settled !== true || switchover !== undefined || !holdsLease(state, index)) return;
  for (const target of state.members.keys())
    if (memberAt(state, target).from === index)
      take(`${nameOf(index)} is asked to hand over to ${nameOf(target)}`, () =>
        withMember(state, index, { switchover: { target, pointed: false, handedOver: false, overdue: false } }),
      );
}

const forgotten = { promotion: undefined, takeover: undefined, switchover: undefined, barrier: undefined, todo: [] as Todo[] };

function cutting(state: State, index: number, on: boolean): State {
  const cut = state.cut.slice();
  cut[index] = on;
  return { ...state, cut };
}

/** An agent looks and decides. What only time allows is tried too: for free where time passes anyway. */
function look(state: State, index: number, limits: Limits, take: Take): void {
  const holds = holdsLease(state, index);
  const { holder, heir } = state.lease;
  const name = nameOf(index);
  const run = (late: boolean, from: State) =>
    take(`${name} looks${late ? ', late' : ''}`, () => soon(decided(from, index, late), index, limits));
  if (holds) {
    run(false, state);
    const slow = memberAt(state, index).promotion?.settled === true ? undefined : struckBy(state, 'slow', limits);
    if (slow !== undefined) run(true, slow);
  } else if (holder !== undefined) run(state.late, state);
  else {
    run(false, state);
    if (heir !== undefined && heir !== name) run(true, state);
  }
}

/** What does the same whether it is carried out at once or decided later. */
const atOnce: string[] = [
  'start',
  'notify-standby',
  'fence',
  'stop',
  'freeze',
  'promote',
  'settle',
  'finish',
  'point-others',
  'gather',
  'unfreeze',
  'undo-switchover',
];

function soon(state: State | undefined, index: number, limits: Limits): State | undefined {
  const first = state === undefined ? undefined : memberAt(state, index).todo[0];
  if (state === undefined || first === undefined || limits.apart === true) return state;
  const now = first.do === 'write' || (first.do === 'act' && atOnce.includes(first.intent.do));
  return now ? soon(carryOut(state, index, limits), index, limits) : state;
}

function decided(before: State, index: number, late: boolean): State | undefined {
  const state = remembered(before, index);
  const me = memberAt(state, index);
  const view = viewIn(state, index, late);
  const { lease, instance } = decide(view);
  const todo: Todo[] = [];
  const record = recordIn(state);
  const over = state.lease.version;
  if (lease.do === 'acquire')
    todo.push({ do: 'write', kind: 'acquire', over, draft: { ...acquired(view, record), durationSeconds: 8 } });
  if (lease.do === 'renew' && lease.change !== undefined)
    todo.push({ do: 'write', kind: 'renew', over, draft: renewed(record, lease.change, 8) });
  if (lease.do === 'release') todo.push({ do: 'write', kind: 'release', over, draft: released(record, lease.heir) });
  if (instance.do !== 'nothing') todo.push({ do: 'act', intent: instance, freeze: freezeText(me) });
  if (todo.length === 0) return state === before ? undefined : state;
  return withMember(state, index, { todo });
}

/** What a look does to the memory: promotions of processes that are gone are forgotten, a running primary is adopted. */
function remembered(state: State, index: number): State {
  const me = memberAt(state, index);
  let { promotion, barrier, switchover } = me;
  if (promotion !== undefined && (!me.up || promotion.process !== me.process)) {
    promotion = undefined;
    barrier = undefined;
    if (switchover?.handedOver === false && me.up) switchover = undefined;
  }
  const { promoting } = state.lease;
  const own = holdsLease(state, index) && promoting?.member === nameOf(index) && promoting.term === me.promotedTerm;
  if (promotion === undefined && me.up && me.role === 'primary' && own)
    promotion = { term: me.promotedTerm, process: me.process, settled: false, finished: false };
  const same = promotion === me.promotion && barrier === me.barrier && switchover === me.switchover;
  return same ? state : withMember(state, index, { promotion, barrier, switchover });
}

function carryOut(before: State, index: number, limits: Limits): State | undefined {
  const [first, ...todo] = memberAt(before, index).todo;
  const state = withMember(before, index, { todo });
  if (first === undefined) return undefined;
  if (first.do === 'write') return write(state, index, first, limits);
  if (first.do === 'end') {
    const ended = end(state, index, true);
    const { switchover } = memberAt(ended, index);
    if (!first.handedOver || switchover === undefined) return ended;
    return withMember(ended, index, { switchover: { ...switchover, handedOver: true } });
  }
  return act(state, index, first.intent, first.freeze);
}

/** The swap: only over the very version that was decided on. */
function write(
  state: State,
  index: number,
  { over, draft, kind }: Extract<Todo, { do: 'write' }>,
  limits: Limits,
): State | undefined {
  if (over !== state.lease.version) return state;
  if (draft.term > limits.term) return undefined;
  if (kind === 'acquire') judgeTaking(state, index);
  const me = memberAt(state, index);
  const [name, , incarnation] = draft.holder.split('/');
  const holder = name === undefined || name === '' ? undefined : { member: indexOf(name), incarnation: Number(incarnation) };
  const { term, entries, syncMode, promoting, heir } = draft;
  if (term < state.lease.term) throw new Broken('S3', `${nameOf(index)} lowers the term to ${term}`);
  const lease = { version: over + 1, holder, term, entries, syncMode, promoting, heir };
  const written = { ...state, lease, late: false };
  if (kind !== 'renew') return withMember(written, index, { takeover: undefined, switchover: undefined });
  const isNew = promoting !== undefined && promoting.term !== state.lease.promoting?.term && me.up;
  if (!isNew) return written;
  return withMember(written, index, {
    promotion: { term: promoting.term, process: me.process, settled: false, finished: false },
  });
}

/** The member's records and its server's lock, as a grant changes them; undefined when a higher freeze forbids it. */
function point(state: State, index: number, term: number, candidate: number, askedBy?: number): State | undefined {
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

function act(state: State, index: number, intent: InstanceIntent, decidedOn: string): State | undefined {
  const me = memberAt(state, index);
  switch (intent.do) {
    case 'start': {
      const lock = lockAtStart(recordsOf(me));
      return start(state, index, intent.mode, lock === undefined ? undefined : Number(lock.host.split('.')[3]));
    }
    case 'notify-standby':
      return me.up && me.role === 'pending' ? withMember(state, index, { role: 'standby' }) : state;
    case 'fence':
    case 'stop':
      return end(state, index, true);
    case 'freeze':
      return freeze(state, index, intent.term, intent.members);
    case 'promote':
      if (!me.up || me.role === 'primary') return state;
      return withMember(state, index, {
        promotedTerm: intent.permit.term,
        names: intent.names,
        mostAvailable: false,
        asked: intent.permit.term,
      });
    case 'settle':
      return settle(state, index);
    case 'finish':
    case 'unlock':
      return unlock(state, index, intent.do, decidedOn);
    case 'repoint':
      return point(state, index, intent.term, indexOf(intent.to)) ?? state;
    case 'set-sync':
      if (!me.up || me.role !== 'primary') return state;
      return release(
        withMember(state, index, { names: intent.names, mostAvailable: intent.mostAvailable, barrier: me.log.length }),
        index,
      );
    case 'build':
      return build(state, index, indexOf(intent.from));
    case 'point-others':
    case 'gather':
    case 'unfreeze':
    case 'hand-over':
    case 'undo-switchover':
      return change(state, index, intent);
    default:
      return state;
  }
}

function settle(state: State, index: number): State {
  const me = memberAt(state, index);
  if (!me.up || me.role !== 'primary' || me.promotion === undefined) return state;
  const log = me.log.endsWith(String(me.serverTerm)) ? me.log : me.log + String(me.serverTerm);
  return withMember(state, index, { log, barrier: log.length, promotion: { ...me.promotion, settled: true } });
}

function unlock(state: State, index: number, why: 'finish' | 'unlock', decidedOn: string): State {
  const me = memberAt(state, index);
  const finished = why === 'finish' && me.promotion !== undefined ? { promotion: { ...me.promotion, finished: true } } : {};
  if (freezeText(me) !== decidedOn) return withMember(state, index, finished);
  return withMember(state, index, { lock: undefined, freeze: undefined, ...finished });
}

function build(state: State, index: number, from: number): State {
  const source = memberAt(state, from);
  if (!source.up || source.role !== 'primary' || !open(state, index, from)) return state;
  return withMember(end(state, index, false), index, { log: source.log, lock: undefined, diverged: false });
}

function ordered(state: State, orders: Order[]): State {
  const text = (order: Order) => JSON.stringify(order);
  const known = state.orders.map(text);
  const added = orders.filter((order) => !known.includes(text(order)));
  if (added.length === 0) return state;
  return { ...state, orders: [...state.orders, ...added].sort((a, b) => (text(a) < text(b) ? -1 : 1)) };
}

/** The own server at once, the others by orders that arrive when they arrive. */
function freeze(state: State, index: number, term: number, members: string[]): State {
  const me = memberAt(state, index);
  const takeover = me.takeover?.term === term ? me.takeover : { term, votes: {} };
  const begun = withMember(state, index, { takeover });
  const own = point(begun, index, term, index, index) ?? begun;
  const voted = own === begun ? own : votes(own, { to: index, term, candidate: index });
  const asked = members.map((name) => ({ kind: 'freeze' as const, from: index, to: indexOf(name), term, candidate: index }));
  return ordered(voted, asked);
}

function change(state: State, index: number, intent: InstanceIntent): State {
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
  const view: View = viewIn(state, to, false);
  if (objection(view, { term, candidate: nameOf(candidate) }) !== undefined) return state;
  const pointed = point(state, to, term, candidate, from);
  return pointed === undefined ? state : answered(votes(pointed, order), order);
}

/** S22: a member votes once a term. */
function votes(state: State, { to, term, candidate }: Pick<Order, 'to' | 'term' | 'candidate'>): State {
  const mine = `${to} ${term} `;
  const before = state.given.find((text) => text.startsWith(mine));
  const higher = state.given.find((one) => one.startsWith(`${to} `) && Number(one.split(' ')[1]) > term);
  if (higher !== undefined) throw new Broken('S22', `${nameOf(to)} votes in term ${term} after a higher one`);
  const text = `${mine}${candidate}`;
  if (before !== undefined && before !== text) throw new Broken('S22', `${nameOf(to)} votes twice in term ${term}`);
  // Only the latest term of a voter can be asked again.
  const others = state.given.filter((one) => !one.startsWith(`${to} `));
  return before === undefined ? { ...state, given: [...others, text].sort() } : state;
}

function answered(state: State, { to, from, term, candidate }: Order): State {
  const asker = memberAt(state, from);
  if (candidate !== from || asker.takeover?.term !== term) return state;
  const view = viewIn(state, to, false);
  if (view.instance.is !== 'standby') return state;
  const vote = { term: view.instance.term, length: memberAt(state, to).log.length, dataId: memberAt(state, to).dataId };
  return withMember(state, from, { takeover: { term, votes: { ...asker.takeover.votes, [to]: vote } } });
}
