/**
 * Making data: initdb and builds from a primary. A full build wipes first and is useless when it does not end; an
 * incremental one is harmless until its last part. Either takes the source's WAL and loses the connection lock.
 */
import { failed, type Fault, ok, type Result } from '../../agent/core/result.ts';
import type { BuildOptions } from '../../agent/ports/instance.ts';
import type { Calls } from './calls.ts';
import type { Machine, World } from './model.ts';
import { copyOf, end } from './server.ts';
import { isPrimary } from './stream.ts';
import { firstLsn, rootBranch } from './wal.ts';

const exited = (detail: string): Result<never> =>
  failed({ of: 'command', kind: 'exited', done: 'maybe', detail } satisfies Fault);

/** initdb: a system id that nobody has had, and a data-id. */
export async function initialise(world: World, machine: Machine, calls: Calls): Promise<Result<{ systemId: string }>> {
  const { server } = machine;
  server.work += 1;
  const { work } = server;
  await calls.answer('instance.initialise', world.dice.between(200, 600), () => undefined);
  if (server.work !== work || server.data !== undefined) return exited('somebody else works on the directory');
  const systemId = world.oracle.freshSystem();
  server.data = {
    systemId,
    dataId: world.oracle.freshData(),
    promotedTerm: 0,
    clusterState: 'shut down',
    position: { branch: rootBranch(), lsn: firstLsn },
    lock: undefined,
    unfinished: undefined,
  };
  world.tell?.(machine.name, 'initialised');
  return ok({ systemId });
}

/** gs_ctl build; it ends a running server first. */
export async function build(world: World, machine: Machine, calls: Calls, options: BuildOptions): Promise<Result<void>> {
  const { server, weak } = machine;
  const { dice } = world;
  const { mode, from, signal } = options;
  server.work += 1;
  world.buildBegun?.(machine);
  const { work } = server;
  const source = () => {
    const there = world.machines.find((one) => one.ip === from.host);
    if (there === undefined || signal.aborted || server.work !== work) return undefined;
    if (!world.network.bothOpen(machine.index, there.index)) return undefined;
    return isPrimary(world, there.server) && there.server.proc?.frozen === false ? there.server : undefined;
  };
  if (server.process !== undefined) {
    if (server.role === 'Primary') return exited('the server is a primary');
    await calls.call('instance.build', dice.between(10, 60), 1, () => end(world, server));
  }
  const first = source();
  if (first === undefined) {
    await calls.answer('instance.build', dice.between(50, 400), () => undefined);
    return exited('no primary to build from');
  }
  const pieces = mode === 'full' ? 4 : 2;
  for (let piece = 0; piece < pieces; piece += 1) {
    const done = await calls.call('instance.build', (weak.buildMs * dice.between(0.5, 1)) / pieces, 0, () => {
      const primary = source();
      if (primary === undefined) return false;
      if (mode === 'full' && piece === 0) {
        world.oracle.wiped(server);
        server.data = { ...copyOf(primary.data as never, undefined, 0), unfinished: 'full' };
      }
      if (mode === 'incremental' && server.data !== undefined) server.data.unfinished = 'incremental';
      return true;
    });
    if (!done) return exited(`the ${mode} build lost its source`);
  }
  return await calls.call<Result<void>>('instance.build', 1, 1, () => {
    const primary = source();
    if (primary?.data === undefined) return exited(`the ${mode} build lost its source`);
    const keeps = mode === 'incremental' && server.data !== undefined;
    server.data = copyOf(
      primary.data,
      keeps ? server.data?.dataId : world.oracle.freshData(),
      keeps ? (server.data?.promotedTerm ?? 0) : 0,
    );
    world.tell?.(machine.name, `${mode} build from ${from.name} done`);
    return ok();
  });
}
