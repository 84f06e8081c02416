/**
 * Everything that may happen next in the small model. An agent looks, and the shipped rules decide; each part of what
 * they decided is carried out later, one at a time, with anything in between: the swap of the lease only if nobody else
 * was first, orders to other members whenever they arrive. Faults come out of a small budget.
 */
import { decide } from '../../../agent/core/decide.ts';
import { lockAtStart } from '../../../agent/core/grant.ts';
import { acquired, released, renewed } from '../../../agent/core/lease.ts';
import type { InstanceIntent } from '../../../agent/core/view.ts';
import { judgeTaking, judgeWrite } from './judge.ts';
import { attach, becomePrimary, end, memberAt, release, ship, start, withMember } from './model.ts';
import { kept } from './kept.ts';
import { change, freeze, ordersFrom, point } from './orders.ts';
import { viewPrint } from './prints.ts';
import { holdsLease, open, recordIn, recordsOf, viewIn } from './sight.ts';
import { indexOf, type Member, nameOf, type SmallFault, type State, type Todo } from './state.ts';

export interface Limits {
  /** What may strike, each as often as it stands here. */
  faults: SmallFault[];
  rows: number;
  /** What is carried out apart from its decision: besides what may go wrong by coming late the swap of the lease too, or all. */
  apart?: 'swap' | 'all';
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
  ordersFrom(state, take);
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
    const remembers = (me.promotion ?? me.takeover ?? me.switchover ?? me.todo[0]) !== undefined || mayBeAsked(state, index);
    if (kind === 'agent' && remembers)
      take(`the agent of ${name} starts again`, () => withMember(state, index, { ...forgotten, sawExit: false }));
    if (kind === 'cut' && state.cut[index] !== true) take(`${name} is cut off`, () => cutting(state, index, true));
    if (kind === 'switchover') askToHandOver(state, index, take);
  }
}

/** The next agent cannot know whether this one has asked for the promotion that the record names. */
function mayBeAsked(state: State, index: number): boolean {
  const { promoting } = state.lease;
  const { up, role, startedHere, promotedTerm } = memberAt(state, index);
  return up && role !== 'primary' && startedHere && promoting?.member === nameOf(index) && promoting.term === promotedTerm;
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

const forgotten = {
  ...{ promotion: undefined, takeover: undefined, switchover: undefined, barrier: undefined, startedHere: false },
  todo: [] as Todo[],
};

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
    const { up, sawExit, promotion } = memberAt(state, index);
    run(false, state);
    // Its server ended a moment ago, or could not be started for long.
    if (!up && sawExit) run(true, state);
    const slow = promotion?.settled === true ? undefined : struckBy(state, 'slow', limits);
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
  if (state === undefined || first === undefined || limits.apart === 'all') return state;
  const now = (first.do === 'write' && limits.apart !== 'swap') || (first.do === 'act' && atOnce.includes(first.intent.do));
  return now ? soon(carryOut(state, index, limits), index, limits) : state;
}

function decided(before: State, index: number, late: boolean): State | undefined {
  const state = remembered(before, index);
  const over = state.lease.version;
  const todo = kept(decisions, viewPrint(state, index, late), () => decision(state, index, late)).map(
    (one): Todo => (one.do === 'write' ? { ...one, over } : one),
  );
  if (todo.some((one) => one.do === 'write' && one.kind === 'acquire')) judgeTaking(state, index);
  if (todo.length === 0) return state === before ? undefined : state;
  return withMember(state, index, { todo });
}

const decisions = new Map<number, Todo[]>();
/** What the shipped rules decide on what that member sees. */
function decision(state: State, index: number, late: boolean): Todo[] {
  const view = viewIn(state, index, late);
  const { lease, instance } = decide(view);
  const todo: Todo[] = [];
  const record = recordIn(state);
  const over = state.lease.version;
  if (lease.do === 'acquire')
    todo.push({ do: 'write', kind: 'acquire', over, draft: { ...acquired(view, record), durationSeconds: 8 } });
  if (lease.do === 'renew' && lease.change !== undefined) {
    const promotes = lease.change.promoting === undefined ? {} : ({ promotes: true } as const);
    todo.push({ do: 'write', kind: 'renew', over, draft: renewed(record, lease.change, 8), ...promotes });
  }
  if (lease.do === 'release') todo.push({ do: 'write', kind: 'release', over, draft: released(record, lease.heir) });
  if (instance.do !== 'nothing') todo.push({ do: 'act', intent: instance, freeze: freezeText(memberAt(state, index)) });
  return todo;
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
  if (switchover?.handedOver === true && me.up && me.role !== 'primary') switchover = undefined;
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
  { over, draft, kind, promotes }: Extract<Todo, { do: 'write' }>,
  limits: Limits,
): State | undefined {
  if (over !== state.lease.version) return state;
  if (draft.term > limits.term) return undefined;
  const me = memberAt(state, index);
  const [name, , incarnation] = draft.holder.split('/');
  const holder = name === undefined || name === '' ? undefined : { member: indexOf(name), incarnation: Number(incarnation) };
  const { term, entries, syncMode, promoting, heir } = draft;
  judgeWrite(state, index, kind, draft);
  const lease = { version: over + 1, holder, term, entries, syncMode, promoting, heir, released: kind === 'release' };
  const written = { ...state, lease, late: false };
  if (kind !== 'renew') return withMember(written, index, { takeover: undefined, switchover: undefined });
  if (promotes !== true || promoting === undefined || !me.up) return written;
  return withMember(written, index, {
    promotion: { term: promoting.term, process: me.process, settled: false, finished: false },
  });
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
