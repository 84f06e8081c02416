/**
 * The oracles stand beside the world, see true time and every server, and judge at every step. They take no part: an
 * agent never learns anything from them. Each violation names the invariant.
 */
import type { LocalRecords, LeaseRecord } from '../../agent/core/model.ts';
import type { Commit, Machine, Server, World } from './model.ts';
import { bootTime } from './process.ts';
import { isPrimary } from './stream.ts';
import { type Acked, isLossAccepted, setsMeet, termCarried, votersHoldAll, votesInReach } from './rules.ts';
import { contains, continues, type Position, termAt } from './wal.ts';

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
  /** A vote was given: it must be on disk. */
  granted(machine: Machine, term: number, candidate: string): void;
  /** A member's own records are on disk. */
  recorded(machine: Machine, before: LocalRecords, after: LocalRecords): void;
  wiped(server: Server): void;
  labelled(): void;
  /** An agent has ended. */
  agentDied(): void;
  fail(invariant: string, text: string): void;
  freshSystem(): string;
  freshData(): string;
}

/** How late a fence may be: the time a signal takes. */
const fenceSlackMs = 30;
const excuseMs = 3000;

/** The time of killing and reaping, with the room for a stall (ha-semantics 7.2). */
const stopSeconds = 1.3;

/** The oracles of one world. */
export function createOracle(
  world: Pick<World, 'engine' | 'machines' | 'counters' | 'tell' | 'network'> & { kube: () => World['kube'] },
): Oracle {
  const { engine, machines, counters } = world;
  const excusedAt = new Map<Machine, number>();
  const acked: Acked[] = [];
  /** By member: when its last GET of the lease was sent. */
  const given = new Map<string, string>();
  const readAt = new Map<Machine, number>();
  let newest: { server: Server; term: number; at: number; base: Position; how: string } | undefined;
  let leaseAt = 0;
  let diedAt = 0;
  let how = 'first';
  let ids = 0;

  const isExcused = (machine: Machine): boolean =>
    (machine.pid1?.frozen === true && machine.agent?.proc.frozen !== false) ||
    engine.now - (excusedAt.get(machine) ?? Number.NEGATIVE_INFINITY) < excuseMs;
  const synchronous = (): boolean => (world.kube().lease?.syncMode ?? 'off') !== 'off';
  /** Within the bound; beyond it only the freeze protects. */
  const clocksAgree = (): boolean => machines.every(({ clock }) => Math.abs(clock.rate - 1) <= 0.01);
  const as = (): World => world as unknown as World;

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
        if (isExcused(machine)) {
          counters.count('path', 'late promotion after a thaw');
          return;
        }
        oracle.fail('S3', `${machine.name} is promoted with term ${term}, ${newest.server.machine.name} was with ${newest.term}`);
      }
      const accepted = isLossAccepted(world.kube().request, machine.name);
      if (synchronous() && !accepted) {
        for (const ack of acked) {
          if (contains(data.position, ack.branch, ack.lsn)) continue;
          const text = `${machine.name} is promoted (term ${term}) without what ${ack.by} acknowledged at ${text3(ack.at)}`;
          oracle.fail('S6', text);
        }
        stillAble(server, term);
      } else {
        for (let at = acked.length - 1; at >= 0; at -= 1) {
          const ack = acked[at];
          if (ack === undefined || contains(data.position, ack.branch, ack.lsn)) continue;
          counters.count('loss', synchronous() ? 'allowed by hand' : 'in mode off');
          acked.splice(at, 1);
        }
      }
      counters.count('path', accepted ? `${how}, loss accepted` : how);
      how = 'in place';
      newest = { server, term, at: engine.now, base: data.position, how };
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
      if (!synchronous()) return;
      const without = termCarried(server, commit);
      if (without !== undefined) oracle.fail('S8', `${machine.name} acknowledges and ${without}`);
      const last = acked.find((ack) => ack.branch === branch);
      if (last === undefined) acked.push({ branch, lsn: commit.lsn, by: machine.name, at: engine.now });
      else if (commit.lsn > last.lsn) {
        last.lsn = commit.lsn;
        last.at = engine.now;
      }
    },
    namesSet: () => setRule(),
    leaseWritten(by, identity, before, after, sentAt) {
      if (before !== undefined && after.term < before.term) oracle.fail('S3', `${by.name} lowers the term to ${after.term}`);
      const raised = after.promoting?.term ?? 0;
      if (raised < (before?.promoting?.term ?? 0)) oracle.fail('S3', `${by.name} lowers promoting to ${raised}`);
      if (before !== undefined && before.holder !== after.holder && after.holder !== '') takeover(by, before, after, sentAt);
      if (before === undefined) how = 'first';
      else if (before.holder === after.holder) sameHolder(by, identity, after);
      leaseAt = engine.now;
      afterWrite = after;
      setRule();
      afterWrite = undefined;
      if (after.syncMode === 'off' || before === undefined || before.entries === after.entries) return;
      const unsafe = votersHoldAll(machines, after, acked);
      if (unsafe !== undefined) oracle.fail('S6', `after a write by ${by.name} ${unsafe}`);
    },
    agentDied() {
      diedAt = engine.now;
    },
    leaseRead: (by, sentAt) => void readAt.set(by, sentAt),
    granted(machine, term, candidate) {
      const key = `${machine.index} ${term}`;
      const other = given.get(key) ?? candidate;
      given.set(key, candidate);
      // Whom the record names as promoted in that term nobody else can follow with it: who follows it gives no vote any more.
      const { promoting } = world.kube().lease ?? {};
      const decided = promoting?.term === term && promoting.member === candidate;
      if (other !== candidate && !decided)
        oracle.fail('S22', `${machine.name} votes for ${other} and for ${candidate} in term ${term}`);
      const { data } = machine.server;
      if (machine.records.build !== undefined || data === undefined || data.unfinished !== undefined)
        oracle.fail('S22', `${machine.name} votes in term ${term} while it is being built`);
      const { freeze, granted } = machine.records;
      if (granted < term || freeze === undefined || freeze.term < term)
        oracle.fail('S22', `${machine.name} gives its vote for term ${term}, and its disk does not know`);
    },
    recorded(machine, before, after) {
      if (before.freeze === undefined || after.freeze === undefined || after.freeze.term >= before.freeze.term) return;
      oracle.fail('S22', `${machine.name} is frozen for term ${after.freeze.term} after term ${before.freeze.term}`);
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
      if (count > 1) oracle.fail('S11', 'two pods carry the label of the primary');
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
  let afterWrite: LeaseRecord | undefined;

  /** S1, S6, S10: somebody else has been promoted since. */
  function lateAck(server: Server, lsn: number): void {
    const { machine, data } = server;
    const base = lastBranch();
    if (data === undefined || newest === undefined || base === undefined) return;
    const kept = contains(base, data.position.branch, lsn);
    if (kept && (isExcused(machine) || synchronous())) counters.count('path', 'late acknowledgement of a kept row');
    else if (!synchronous() && isExcused(machine)) counters.count('loss', 'thawed primary in mode off');
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

  /** S7: at a promotion no other primary can find enough standbys that are not taken away from it. */
  function stillAble(winner: Server, term: number): void {
    for (const { server, name, ip } of machines) {
      if (server === winner || server.proc === undefined || server.doomed || server.role !== 'Primary') continue;
      const able = server.names.filter((standby) => {
        const there = machines.find((machine) => machine.name === standby)?.server;
        // The winner's own WAL only grew until now, and from now on it is nobody's standby.
        if (there?.data === undefined || there === winner) return false;
        if (there.data.lock !== undefined && there.data.lock.host !== ip) return false;
        // It has learned of a later term, or has what the other has not: no stream begins.
        if (server.data === undefined || termAt(there.data.position) > server.term) return false;
        return continues(server.data.position, there.data.position);
      });
      if (server.need > 0 && able.length < server.need) continue;
      oracle.fail(
        'S7',
        `${winner.machine.name} is promoted (term ${term}) while ${name} (term ${server.term}) can still acknowledge`,
      );
    }
  }

  /** S5: a live holder is overtaken only after the whole duration by the taker's own clock. */
  function takeover(by: Machine, before: LeaseRecord, after: LeaseRecord, sentAt: number): void {
    const [member, uid, incarnation] = before.holder.split('/');
    if (before.holder === '') {
      how = before.heir === by.name ? 'heir' : 'released';
      return;
    }
    const holder = machines.find((machine) => machine.name === member);
    const dead =
      holder === undefined || holder.pid1 === undefined || holder.uid !== uid || `${holder.incarnation}` !== incarnation;
    const waited = (sentAt - leaseAt) * by.clock.rate;
    if (before.syncMode !== 'off') {
      const { network } = world;
      const reach = (one: Machine) => one === by || (one.agent !== undefined && network.bothOpen(by.index, one.index));
      const without = votesInReach(machines, before, reach);
      // Who was cut off a moment ago was asked before.
      const accepted = isLossAccepted(world.kube().request, by.name);
      if (without !== undefined && !accepted && engine.now - network.changedAt > 3000 && engine.now - diedAt > 3000)
        oracle.fail('S7', `${by.name} takes the lease, and ${without}`);
    }
    const permit = holder?.fence;
    const lives = permit !== undefined && holder?.server.process?.pid === permit.process.pid && holder.server.role === 'Primary';
    // S20: with or without promises, nobody takes the lease while its holder may still act.
    if (holder !== undefined && holder !== by && lives && !isExcused(holder) && holder.pid1?.frozen === false && clocksAgree()) {
      if (bootTime(engine, holder.clock) < permit.deadline)
        oracle.fail('S20', `${by.name} takes the lease while ${holder.name} has a permit`);
    }
    how = waited >= after.durationSeconds * 1000 ? 'expired' : by.name === member ? 'own past' : 'proof of death';
    const looked = ((readAt.get(by) ?? 0) - leaseAt) * by.clock.rate;
    if (dead || (waited >= before.durationSeconds * 1000 && looked >= before.durationSeconds * 1000)) return;
    if (waited >= before.durationSeconds * 1000) {
      oracle.fail('S5', `${by.name} takes the lease from ${member} without having read it since it ran out`);
      return;
    }
    oracle.fail('S5', `${by.name} takes the lease from ${member} ${Math.round(waited)} ms after its last renewal`);
  }

  /** S13: every set of acknowledgements meets every set of votes. */
  function setRule(): void {
    const record = afterWrite ?? world.kube().lease;
    if (record === undefined || record.syncMode === 'off' || record.promoting === undefined) return;
    const primary = machines.find((machine) => machine.name === record.promoting?.member);
    if (primary === undefined || !record.holder.startsWith(`${primary.name}/`)) return;
    const { server } = primary;
    if (!isPrimary(as(), server) || server.term !== record.promoting.term) return;
    const unmet = setsMeet(machines, primary, record);
    if (unmet !== undefined) oracle.fail('S13', unmet);
  }

  /** S2, S16: a renewal is by the very holder, and its record lasts longer than what PID 1 was told. */
  function sameHolder(by: Machine, identity: string, after: LeaseRecord): void {
    if (after.holder === '') return;
    if (after.holder !== identity) {
      oracle.fail('S16', `${identity} renews the lease of ${after.holder}`);
      return;
    }
    if (identity !== `${by.name}/${by.uid}/${by.incarnation}`) return;
    if (by.fence === undefined || by.fence.process.pid !== by.server.process?.pid) return;
    const outstanding = (by.fence.deadline - bootTime(engine, by.clock)) / 1000 + stopSeconds;
    if (outstanding * 1.01 > after.durationSeconds * 0.99 + fenceSlackMs / 1000)
      oracle.fail(
        'S2',
        `${by.name} writes a duration of ${after.durationSeconds} s, its fence ends in ${outstanding.toFixed(1)} s`,
      );
  }

  return oracle;
}

function text3(ms: number): string {
  return (ms / 1000).toFixed(3);
}
