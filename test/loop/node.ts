/** One member's machine in the world of the loop tests: what stays there when its agent dies, and the ports by which an agent uses it. */
import type { BrakeMark, LocalRecords, ServerProcess, VolumeUse } from '../../agent/core/model.ts';
import { failed, ok } from '../../agent/core/result.ts';
import type { Loop } from '../../agent/loop/loop.ts';
import type { BrakePort, FencePort, RecordsPort, ReservePort, VolumesPort } from '../../agent/ports/others.ts';
import type { VirtualClock } from './clock.ts';

export interface Node {
  loop: Loop | undefined;
  /** Calls of a dead agent's ports never come back. */
  epoch: { dead: boolean };
  records: LocalRecords;
  fence: { process: ServerProcess; deadline: number } | undefined;
  incarnation: number;
  fenceBroken: boolean;
  /** How often its agents have looked and decided. */
  cycles: number;
  /** Nothing can be put on the data volume. */
  diskBroken?: boolean;
  /** Whom its agent knows as members. */
  listed: string[];
  /** What the mark of the read-only switch says on the volume. */
  brake: BrakeMark | undefined;
  /** How its volumes look now. */
  volumes: VolumeUse[];
  /** Bytes held back, by mount. */
  reserves: Record<string, number>;
  /** Since when the data volume has not answered. */
  stalledSince?: number;
  /** PID 1 stands still: what it echoed last is older than what it was told. */
  echoBehindMs: number;
}

const volume = { mount: 'data', capacityBytes: 1000, availableBytes: 900, usedRatio: 0.1 };

/** The ports of one agent; what a dead one asked for does not happen. */
export function portsOn(node: Node, epoch: { dead: boolean }, clock: VirtualClock) {
  const fence: FencePort = {
    present: true,
    arm(process, deadline) {
      const same = node.fence?.process.pid === process.pid;
      node.fence = { process, deadline: same ? Math.max(deadline, node.fence?.deadline ?? 0) : deadline };
      return ok();
    },
    echo: () => node.fence && { ...node.fence, deadline: node.fence.deadline - node.echoBehindMs },
  };
  const records: RecordsPort = {
    load: async () => ok(node.records),
    async save(changed) {
      await clock.until(clock.now() + 2);
      if (node.diskBroken === true) return failed({ of: 'disk', kind: 'refused', done: 'no', detail: 'no space left' });
      if (!epoch.dead) node.records = changed;
      return ok();
    },
  };
  const brake: BrakePort = {
    load: async () => ok(node.brake),
    async save(mark) {
      await clock.until(clock.now() + 2);
      if (!epoch.dead) node.brake = mark;
      return ok();
    },
  };
  const reserveOf = (mount: string): ReservePort => ({
    held: () => node.reserves[mount],
    look: async () => ok(),
    async hold(bytes) {
      node.reserves[mount] = bytes;
      return ok();
    },
    async release() {
      const held = node.reserves[mount] ?? 0;
      node.reserves[mount] = 0;
      node.volumes = node.volumes.map((one) =>
        one.mount === mount ? { ...one, availableBytes: one.availableBytes + held } : one,
      );
      return ok();
    },
  });
  const volumes: VolumesPort = {
    seen() {
      const { stalledSince } = node;
      return stalledSince === undefined ? node.volumes : [{ ...volume, stalled: true, stalledMs: clock.now() - stalledSince }];
    },
    watch(listener) {
      clock.every(100, () => epoch.dead || listener());
      return { stop() {} };
    },
  };
  return { fence, records, brake, volumes, reserveOf };
}
