/**
 * The oracles stand beside the world, see true time and every server, and judge at every step. They take no part: an
 * agent never learns anything from them. Each violation names the invariant.
 */
import type { LocalRecords, LeaseRecord, Request } from '../../agent/core/model.ts';
import { createJudge, fenceSlackMs } from './judge.ts';
import type { Commit, Machine, Server, World } from './model.ts';
import { bootTime, clocksAgree, type Proc } from './process.ts';
import { type Acked, isLossAccepted, termCarried } from './rules.ts';
import { createSuccession } from './succession.ts';
import { createVotes, type Vote } from './votes.ts';
import { contains, type Position } from './wal.ts';

export interface Violation {
  invariant: string;
  text: string;
  at: number;
}

export interface Oracle {
  violation: Violation | undefined;
  acks: number;
  lastAckAt: number;
  /** Between two acknowledgements; whoever wants to know sets it to 0 first. */
  longestGapMs: number;
  promotions: number;
  /** When each machine was last thawed, or had its clock bent beyond the bound: what only time protects is void. */
  excused(machine: Machine): void;
  started(server: Server): void;
  promoted(server: Server, term: number): void;
  acknowledged(server: Server, commit: Commit): void;
  namesSet(server: Server): void;
  /** `identity` is the writer's when it sent this: a dead agent's write may arrive late. */
  leaseWritten(by: Machine, identity: string, before: LeaseRecord | undefined, after: LeaseRecord, sentAt: number): void;
  leaseRead(by: Machine, sentAt: number): void;
  /** A write is sent: over this version. */
  leaseSent(by: Machine, over: string | undefined): void;
  /** A vote was given: it must be on disk. */
  granted(machine: Machine, vote: Vote): void;
  /** Its agent begins to promote the server, with that term. */
  promotionAsked(machine: Machine, term?: number): void;
  /** A vote has come in at whoever asked for it. */
  voted(by: Machine, voter: string, term: number): void;
  /** People are told what has become of what they asked for. */
  answered(request: Request): void;
  /** A server's process is gone. */
  ended(): void;
  /** A member's own records are on disk. */
  recorded(machine: Machine, before: LocalRecords, after: LocalRecords): void;
  wiped(server: Server): void;
  labelled(): void;
  /** A list of all pods has been answered. */
  podsListed(by: Machine, sentAt: number): void;
  /** It labels itself as the primary. */
  labels(by: Machine): void;
  /** An agent has ended. */
  agentDied(): void;
  fail(invariant: string, text: string): void;
  freshSystem(): string;
  freshData(): string;
}

const excuseMs = 3000;

/** The oracles of one world. */
export function createOracle(
  world: Pick<World, 'engine' | 'machines' | 'counters' | 'tell' | 'network'> & { kube: () => World['kube'] },
): Oracle {
  const { engine, machines, counters, network } = world;
  /** By member: when its agent began to promote, and when it last read all pods. */
  const askedAt = new Map<Machine, { at: number; pid: number | undefined }>();
  const listedAt = new Map<Machine, number>();
  const excusedAt = new Map<Machine, number>();
  /** Primaries that were succeeded in mode off: nothing was taken away from them, whatever the mode has become since. */
  const untaken = new Set<Proc>();
  const acked: Acked[] = [];
  /** What was acknowledged in mode off; it may be lost, but not by a switchover. */
  const loose: Acked[] = [];
  let newest: { server: Server; term: number; base: Position } | undefined;
  let ids = 0;

  /** Nobody is left who could kill in time: PID 1 stands still, and so does the agent, or it knows of no permit yet. */
  const isUnguarded = ({ agent, pid1, renewedBy }: Machine): boolean =>
    pid1?.frozen === true && (agent?.proc.frozen !== false || agent.proc !== renewedBy);
  const isExcused = (machine: Machine): boolean =>
    isUnguarded(machine) || engine.now - (excusedAt.get(machine) ?? Number.NEGATIVE_INFINITY) < excuseMs;
  const synchronous = (): boolean => (world.kube().lease?.syncMode ?? 'off') !== 'off';
  const isWell = (machine: Machine): boolean =>
    world.kube().weather === 'fine' &&
    engine.now - world.kube().changedAt > 3000 &&
    !world.kube().denied.has(machine.index) &&
    engine.now - network.changedAt > 3000 &&
    network.isWell(machine.index) &&
    engine.now - (excusedAt.get(machine) ?? Number.NEGATIVE_INFINITY) > excuseMs;
  const fail = (invariant: string, text: string): void => oracle.fail(invariant, text);
  const judge = createJudge({ world, fail, acked, isExcused });
  const votes = createVotes(world, fail);
  const isUntaken = ({ proc }: Server): boolean => proc !== undefined && untaken.has(proc);
  const succession = createSuccession({ world, fail, isUntaken, isWell });

  function lastBranch(): Position | undefined {
    const position = newest?.server.data?.position;
    return newest === undefined || position === undefined ? undefined : newest.base;
  }

  const oracle: Oracle = {
    violation: undefined,
    acks: 0,
    lastAckAt: 0,
    longestGapMs: 0,
    promotions: 0,
    excused: (machine) => void excusedAt.set(machine, engine.now),
    started(server) {
      const { machine, data } = server;
      if (server.proc !== undefined) oracle.fail('S15', `a second server is started on the volume of ${machine.name}`);
      if (machine.shown?.paused === true && machine.agent !== undefined)
        oracle.fail('S17', `${machine.name} is paused, and its agent starts the server`);
      const { freeze } = machine.records;
      if (freeze === undefined || freeze.candidate === machine.name || data?.lock?.host === freeze.host) return;
      oracle.fail('S7', `${machine.name} is frozen for term ${freeze.term} and started without its lock`);
    },
    promoted(server, term) {
      const { machine, data } = server;
      if (data === undefined) return;
      oracle.promotions += 1;
      if (newest !== undefined && term <= newest.term) {
        if (isExcused(machine) || !clocksAgree(engine, machines)) {
          counters.count('path', 'late promotion after a thaw, or by a wild clock');
          return;
        }
        oracle.fail('S3', `${machine.name} is promoted with term ${term}, ${newest.server.machine.name} was with ${newest.term}`);
      }
      const accepted = isLossAccepted(world.kube().request, machine.name);
      const how = judge.how();
      if (synchronous() && !accepted) {
        for (const ack of acked) {
          if (contains(data.position, ack.branch, ack.lsn)) continue;
          const text = `${machine.name} is promoted (term ${term}) without what ${ack.by} acknowledged at ${text3(ack.at)}`;
          oracle.fail('S6', text);
        }
      } else drop(acked, data.position, synchronous() ? 'allowed by hand' : 'in mode off');
      drop(loose, data.position, 'in mode off');
      if (!accepted) succession.promoted(server, term);
      if (!synchronous())
        for (const other of machines)
          if (other.server !== server && other.server.role === 'Primary' && other.server.proc !== undefined)
            untaken.add(other.server.proc);
      counters.count('path', accepted ? `${how}, loss accepted` : how);
      newest = { server, term, base: data.position };
    },
    acknowledged(server, commit) {
      const { data, machine } = server;
      if (data === undefined) return;
      const { branch } = data.position;
      oracle.acks += 1;
      oracle.longestGapMs = Math.max(oracle.longestGapMs, engine.now - oracle.lastAckAt);
      oracle.lastAckAt = engine.now;
      if (newest !== undefined && branch.promotedTerm < newest.term) lateAck(server, commit.lsn);
      fenced(server);
      const promises = synchronous() && !isUntaken(server);
      const list = promises ? acked : loose;
      const without = promises ? termCarried(server, commit) : undefined;
      if (without !== undefined) oracle.fail('S8', `${machine.name} acknowledges and ${without}`);
      const last = list.find((ack) => ack.branch === branch);
      if (last === undefined) list.push({ branch, lsn: commit.lsn, by: machine.name, at: engine.now });
      else if (commit.lsn > last.lsn) {
        last.lsn = commit.lsn;
        last.at = engine.now;
      }
    },
    namesSet: () => judge.namesSet(),
    leaseSent: (by, over) => judge.sent(by, over),
    leaseWritten(by, identity, before, after, sentAt) {
      votes.leaseWritten(identity, after);
      succession.recorded(by, before, after, sentAt);
      if (after.holder === identity && before?.holder !== identity) succession.took(by, after.term);
      judge.written(by, identity, before, after, sentAt);
    },
    agentDied: () => judge.agentDied(),
    leaseRead: (by, sentAt) => judge.read(by, sentAt),
    granted: (machine, vote) => votes.granted(machine, vote),
    voted: (by, voter, term) => succession.voted(by, voter, term),
    recorded: (machine, before, after) => votes.recorded(machine, before, after),
    promotionAsked(machine, term) {
      if (term !== undefined) succession.asked(machine, term);
      // What is asked once more of the same server rests on what was read since the first time.
      const pid = machine.server.process?.pid;
      if (askedAt.get(machine)?.pid !== pid) askedAt.set(machine, { at: engine.now, pid });
      if (machine.shown?.paused === true) oracle.fail('S17', `${machine.name} is paused, and its agent promotes the server`);
    },
    answered: (request) => succession.answered(request),
    ended: () => succession.ended(),
    podsListed: (by, sentAt) => void listedAt.set(by, sentAt),
    labels(by) {
      const asked = askedAt.get(by);
      // Where answers are late or lost nobody waits for them.
      if (asked === undefined || asked.pid !== by.server.process?.pid || !isWell(by)) return;
      if ((listedAt.get(by) ?? 0) < asked.at)
        oracle.fail('S11', `${by.name} is labelled as the new primary, and has not read since it was promoted who else is`);
    },
    wiped(server) {
      if (!synchronous()) return;
      const mine = server.data?.position;
      if (mine === undefined || !acked.every((ack) => contains(mine, ack.branch, ack.lsn))) return;
      const copies = machines.filter((machine) => {
        const position =
          machine.server === server || machine.server.data?.unfinished !== undefined ? undefined : machine.server.data?.position;
        return position !== undefined && acked.every((ack) => contains(position, ack.branch, ack.lsn));
      });
      if (copies.length === 0) oracle.fail('S14', `${server.machine.name} is built over although it is the last copy`);
    },
    labelled() {
      let count = 0;
      for (const pod of world.kube().pods.values()) if (pod.labels['opengauss.role'] === 'primary') count += 1;
      if (count > 1 && clocksAgree(engine, machines)) oracle.fail('S11', 'two pods carry the label of the primary');
    },
    fail(invariant, text) {
      if (oracle.violation !== undefined) return;
      oracle.violation = { invariant, text, at: engine.now };
      world.tell?.('oracle', `${invariant}: ${text}`);
      engine.stopped = true;
    },
    freshSystem() {
      ids += 1;
      return `7000${ids}`;
    },
    freshData() {
      ids += 1;
      return `data-${ids}`;
    },
  };
  /** S1, S6, S10: somebody else has been promoted since. */
  function lateAck(server: Server, lsn: number): void {
    const { machine, data } = server;
    const base = lastBranch();
    if (data === undefined || newest === undefined || base === undefined) return;
    const kept = contains(base, data.position.branch, lsn);
    const inOff = !synchronous() || isUntaken(server);
    if (kept && (isExcused(machine) || synchronous())) counters.count('path', 'late acknowledgement of a kept row');
    else if (inOff && isExcused(machine)) counters.count('loss', 'thawed primary in mode off');
    else if (inOff && !clocksAgree(engine, machines)) counters.count('loss', 'wild clock in mode off');
    else {
      oracle.fail(
        'S1',
        `${machine.name} (term ${server.term}) acknowledges after ${newest.server.machine.name} was promoted (term ${newest.term})`,
      );
    }
  }

  /** S2, S10: nobody acknowledges after the deadline of its fence, or without one. */
  function fenced(server: Server): void {
    const { machine } = server;
    if (isExcused(machine)) return;
    // While PID 1 does not run, the agent alone fences; its lines arrive when it runs again.
    const { fence } = machine;
    const mine = fence !== undefined && fence.process.pid === server.process?.pid;
    if (!mine) oracle.fail('S2', `${machine.name} acknowledges, and no fence is armed for its server`);
    else if (machine.pid1?.frozen !== true && bootTime(engine, machine.clock) > fence.deadline + fenceSlackMs)
      oracle.fail('S10', `${machine.name} acknowledges after the deadline of its fence`);
  }

  /** What a winner does not have is gone. */
  function drop(list: Acked[], position: Position, why: string): void {
    for (let at = list.length - 1; at >= 0; at -= 1) {
      const ack = list[at];
      if (ack === undefined || contains(position, ack.branch, ack.lsn)) continue;
      counters.count('loss', why);
      list.splice(at, 1);
      succession.lost();
    }
  }

  return oracle;
}

function text3(ms: number): string {
  return (ms / 1000).toFixed(3);
}
