/**
 * Fingerprints: one number of 53 bits for a state, for a member, and for what one agent sees. Whatever cannot matter any
 * more is left out, so that states that differ only there are one: which process it is (only whether the promotion is of
 * it), the lease's version (only whether a write still stands on it), and what a server had that is down or a standby.
 * Parts are shared between states and keep their print. Two different states have the same print with a probability of
 * 2^-53: n states lose one of theirs with a probability of about n^2 / 2^54, 0.2 % for six million, 14 % for fifty.
 */
import { type Member, type Order, type State, termOf, type Todo } from './state.ts';

let a = 0;
let b = 0;

function begin(seed: number): void {
  a = 0x9747b28c ^ seed;
  b = 0x3c6ef372 ^ Math.imul(seed, 0x9e3779b1);
}

function mix(value: number): void {
  let k = Math.imul(value, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  a ^= Math.imul(k, 0x1b873593);
  a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
  let l = Math.imul(value ^ 0x5bd1e995, 0x85ebca77);
  l = (l << 13) | (l >>> 19);
  b ^= Math.imul(l, 0xc2b2ae3d);
  b = (Math.imul((b << 17) | (b >>> 15), 0x27d4eb2f) + 0x165667b1) | 0;
}

function mixText(text: string): void {
  mix(text.length);
  for (let at = 0; at < text.length; at += 1) mix(text.charCodeAt(at));
}

function mixPrint(print: number): void {
  mix(print | 0);
  mix((print / 4294967296) | 0);
}

function ended(): number {
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
  b = Math.imul(b ^ (b >>> 15), 0xc2b2ae35);
  a = Math.imul(a ^ (a >>> 13) ^ b, 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 14) ^ a, 0x27d4eb2f);
  a ^= a >>> 16;
  b ^= b >>> 15;
  return 4294967296 * (b & 2097151) + (a >>> 0);
}

const parts = new WeakMap<object, number>();

/** The print of a part that many states share; `make` gives what of it matters. */
function partPrint(part: object, make: () => unknown = () => part): number {
  const known = parts.get(part);
  if (known !== undefined) return known;
  const text = JSON.stringify(make(), (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
  const [outerA, outerB] = [a, b];
  begin(7);
  mixText(text);
  const print = ended();
  [a, b] = [outerA, outerB];
  parts.set(part, print);
  return print;
}

const some = (value: number | undefined): number => (value === undefined ? 7 : value);

/** What every agent may see of a member. */
function mixOutside(member: Member): void {
  const { up, role, freeze, granted, promotedTerm } = member;
  // What the server was that is down, its next start forgets.
  mix(up ? (role === 'standby' ? 1 : role === 'pending' ? 2 : 3) : 0);
  mix(promotedTerm | (granted << 8) | (some(member.from) << 16) | (member.incarnation << 20));
  mix(freeze === undefined ? -1 : freeze.term | (freeze.candidate << 8) | (some(freeze.askedBy) << 16));
}

/** How far it is; only those that stream from another one compare what is written there. */
function mixPosition({ log }: Member): void {
  mix(log.length | (termOf(log) << 8));
}

/** The member as the others see it. */
function sightOf(member: Member): number {
  if (member.sight >= 0) return member.sight;
  begin(1);
  mixOutside(member);
  mixPosition(member);
  member.sight = ended();
  return member.sight;
}

function mixMemory({ switchover, promotion, process, up, role, startedHere }: Member): void {
  mix(Number(up && role !== 'primary' && startedHere));
  mix(promotion === undefined ? -1 : promotion.term | (Number(promotion.settled) << 8) | (Number(promotion.finished) << 9));
  mix(Number(up && promotion?.process === process));
  if (switchover === undefined) mix(-1);
  else {
    const { target, pointed, handedOver, overdue } = switchover;
    mix(target | (Number(pointed) << 8) | (Number(handedOver) << 9) | (Number(overdue) << 10));
  }
}

/**
 * The votes count for as long as the lease is held in their term: another term needs new ones. Once the own WAL has a
 * later term than theirs, no voter is ahead any more, and all that matters is who has voted.
 */
function mixTakeover({ lease }: State, { takeover, log }: Member, index: number): void {
  if (takeover === undefined || takeover.term !== lease.term || lease.holder?.member !== index) {
    mix(-1);
    return;
  }
  const term = termOf(log);
  mix(takeover.term);
  for (const [voter, vote] of Object.entries(takeover.votes)) {
    mix(Number(voter));
    if (vote.term >= term) mix(vote.term | (vote.length << 8));
  }
}

function mixTodo(todo: Todo): void {
  if (todo.do === 'write') {
    mixText(todo.kind);
    mix(todo.promotes === true ? 1 : 0);
    mixPrint(partPrint(todo.draft));
  } else if (todo.do === 'act') {
    mixPrint(partPrint(todo.intent));
    mixText(todo.freeze);
  } else mix(todo.handedOver ? 1 : 2);
}

/** All of a member but its log. */
function mixInside(member: Member): void {
  const { up, role, asked, names } = member;
  mixOutside(member);
  mix(some(member.lock) | (Number(member.diverged) << 4) | (Number(member.sawExit) << 5) | (some(asked) << 8));
  const primary = up && role === 'primary';
  mix(primary ? member.serverTerm : -1);
  // A promotion sets the names anew, and its end the barrier.
  mixText(primary || asked !== undefined ? names : '');
  mix(primary && member.mostAvailable ? 1 : 0);
  mix(primary ? (member.barrier ?? -1) : -2);
  mixMemory(member);
}

/** All of a member. */
function printOf(member: Member): number {
  if (member.print >= 0) return member.print;
  begin(2);
  mixInside(member);
  mixText(member.log);
  mixText(member.dataId);
  for (const one of member.todo) mixTodo(one);
  member.print = ended();
  return member.print;
}

/** The member as its own agent sees it. */
function innerOf(member: Member): number {
  if (member.inner >= 0) return member.inner;
  begin(5);
  mixInside(member);
  mixPosition(member);
  mixText(member.dataId);
  member.inner = ended();
  return member.inner;
}

const leasePrint = (state: State): number => partPrint(state.lease, () => ({ ...state.lease, version: 0 }));

function cutBits(state: State): number {
  return state.cut.reduce((bits, cut, at) => bits | (cut ? 1 << at : 0), 0);
}

/** An order that its member would refuse as too low is as good as lost. */
function waits(state: State, { kind, to, term }: Order): boolean {
  return kind === 'unfreeze' || term >= (state.members[to] as Member).granted;
}

/** All that matters of a state. */
export function hashOf(state: State): number {
  const { members, lease, newest } = state;
  for (const member of members) printOf(member);
  const version = leasePrint(state);
  begin(3);
  for (const [at, member] of members.entries()) {
    mixPrint(member.print);
    mixTakeover(state, member, at);
    // Versions only rise: all that matters of one is whether it still stands.
    for (const one of member.todo) if (one.do === 'write') mix(one.over === lease.version ? 1 : 2);
  }
  mixPrint(version);
  for (const order of state.orders)
    if (waits(state, order))
      mix((order.kind === 'freeze' ? 1 : 2) | (order.from << 4) | (order.to << 8) | (order.candidate << 12) | (order.term << 16));
  mix(newest.member | (newest.term << 8));
  mixText(newest.base);
  mix(cutBits(state) | (state.rows << 8) | (Number(state.late) << 16));
  mixText(state.given.join());
  mixText(state.faults.join());
  mixText(state.acked);
  return ended();
}

/** All that one agent's decision rests on. */
export function viewPrint(state: State, index: number, late: boolean, more = 0): number {
  const { members } = state;
  for (const [at, member] of members.entries()) at === index ? innerOf(member) : sightOf(member);
  const version = leasePrint(state);
  begin(4);
  mix(index | (Number(late) << 4) | (cutBits(state) << 8));
  mix(more);
  for (const [at, member] of members.entries()) mixPrint(at === index ? member.inner : member.sight);
  mixTakeover(state, members[index] as Member, index);
  mixPrint(version);
  return ended();
}
