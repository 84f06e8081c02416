/**
 * Members talk to each other: gossip once a second and the orders of a take-over, over a network that loses and delays.
 * An order may be carried out although its answer never arrives.
 */
import type { MemberName, PeerState } from '../../agent/core/model.ts';
import { type Fault, failed, ok, type Result } from '../../agent/core/result.ts';
import type { PeerSight } from '../../agent/core/view.ts';
import type { PeerHandler, PeersPort } from '../../agent/ports/others.ts';
import type { Calls } from './calls.ts';
import type { Machine, World } from './model.ts';
import { bootTime, post } from './process.ts';

const periodMs = 1000;
const gossipMs = 500;
const gone: Fault = { of: 'peer', kind: 'unreachable', done: 'maybe', detail: 'no answer' };

interface Known {
  uid: string;
  ip: string;
  sight: PeerSight | undefined;
  asking: boolean;
}

/** The peers as the agent that makes these calls reaches them. */
export function createPeers(world: World, machine: Machine, calls: Calls): PeersPort {
  const { engine, network } = world;
  const known = new Map<MemberName, Known>();
  const now = () => bootTime(engine, machine.clock);
  let begun = false;

  /** One question to one member; its answer, or a fault at the deadline. */
  function ask<T>(
    name: MemberName,
    what: string,
    deadlineMs: number,
    question: (handler: PeerHandler) => Promise<T>,
  ): Promise<Result<T>> {
    const deadline = deadlineMs / machine.clock.rate;
    return calls.wait<Result<T>>(`peers.${what}`, (resolve) => {
      const sentAt = engine.now;
      const late = () => resolve(failed<T>(gone), Math.max(0, sentAt + deadline - engine.now));
      const there = world.machines.find((one) => one.ip === known.get(name)?.ip);
      const travel = there === undefined ? undefined : network.travel(machine.index, there.index);
      const agent = there?.agent;
      if (there === undefined || travel === undefined || agent === undefined) return late();
      let answered = false;
      engine.after(deadline, () => {
        if (!answered) late();
        answered = true;
      });
      post(engine, agent.proc, travel, () => {
        engine.woken = true;
        void question(agent.loop.handler).then((value) => {
          const back = network.travel(there.index, machine.index);
          if (agent.proc.dead || back === undefined) return;
          engine.after(back, () => {
            if (answered || !network.open(there.index, machine.index)) return;
            answered = true;
            resolve(ok(value), 0);
          });
        });
      });
    });
  }

  async function gossip(name: MemberName, peer: Known): Promise<void> {
    if (peer.asking) return;
    peer.asking = true;
    const at = now();
    const answer = await ask(name, 'state', gossipMs, (handler) => handler.state());
    peer.asking = false;
    if (answer.ok && answer.value !== undefined) take(name, answer.value, at);
  }

  function take(name: MemberName, state: PeerState, at: number): void {
    const peer = known.get(name);
    if (peer === undefined || state.name !== name || (peer.sight !== undefined && peer.sight.at > at)) return;
    peer.sight = { state, at };
    sights = undefined;
  }

  function turn(): void {
    for (const [name, peer] of known) void gossip(name, peer);
    post(engine, calls.proc, periodMs / machine.clock.rate, turn);
  }

  async function order(
    name: MemberName,
    what: string,
    deadlineMs: number,
    question: (handler: PeerHandler) => Promise<Result<PeerState>>,
  ): Promise<Result<PeerState>> {
    const at = now();
    const answer = await ask(name, what, deadlineMs, question);
    if (!answer.ok) return answer;
    if (answer.value.ok) take(name, answer.value.value, at);
    return answer.value;
  }

  let sights: Record<MemberName, PeerSight> | undefined;

  return {
    setPeers(peers) {
      for (const [name, peer] of known) {
        const same = peers.some((one) => one.name === name && one.uid === peer.uid && one.ip === peer.ip);
        if (same) continue;
        known.delete(name);
        sights = undefined;
      }
      for (const { name, uid, ip } of peers) {
        if (name === machine.name || known.has(name)) continue;
        const peer: Known = { uid, ip, sight: undefined, asking: false };
        known.set(name, peer);
        if (begun) void gossip(name, peer);
      }
      if (begun) return;
      begun = true;
      post(engine, calls.proc, world.dice.between(0, 20), turn);
    },
    seen() {
      if (sights === undefined) {
        sights = {};
        for (const [name, peer] of known) if (peer.sight !== undefined) sights[name] = peer.sight;
      }
      return sights;
    },
    async refresh(deadlineMs) {
      await Promise.all(
        [...known].map(([name, peer]) => Promise.race([gossip(name, peer), calls.answer('wait', deadlineMs, () => {})])),
      );
    },
    async freeze(member, asked, deadlineMs) {
      const vote = await order(member, 'freeze', deadlineMs, async (handler) => {
        const answer = await handler.freeze(asked, machine.name);
        const there = world.machines.find((one) => one.name === member);
        if (answer.ok && there !== undefined)
          world.oracle.granted(there, { term: asked.term, candidate: asked.candidate, askedBy: machine.name });
        return answer;
      });
      // One whose redo has not finished does not know how far it is; it is asked again.
      if (vote.ok && vote.value.redoFinished) world.oracle.voted(machine, member, asked.term);
      return vote;
    },
    unfreeze: (member, term, deadlineMs) =>
      order(member, 'unfreeze', deadlineMs, (handler) => handler.unfreeze({ term, from: machine.name })),
    promise: (member, asked, deadlineMs) =>
      order(member, 'promise', deadlineMs, (handler) => handler.promise(asked, machine.name)),
    close: async () => {},
  };
}
