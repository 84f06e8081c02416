/**
 * `agent restart` and `agent reinit`: requests about one member's server or data. All members are restarted one after
 * the other, standbys first; each is back before the next one goes, and the first that fails ends it.
 */
import type { ClusterStatus } from '../adapters/http/document.ts';
import { type Command, type Parsed, textOption } from './command.ts';
import { complain, exit, type Io } from './io.ts';
import { type KubeAccess, openKube } from './kube.ts';
import { isPrimary, localStatus, primaryIn, refuseStranger } from './members.ts';
import { request, secondsHint, secondsOf } from './request.ts';

const restartSeconds = 180;
const buildSeconds = 14_400;

export const restart: Command = {
  name: 'restart',
  words: { usage: '[MEMBER]', min: 0, max: 1 },
  summary: 'restart a member’s server; of this member when none is named',
  details: [
    'A primary hands its role over and comes back as a standby. With --all every server is restarted, one after the',
    'other, the primary last. Exit code: 0 done, 5 refused, 1 rolled back, timed out or failed.',
  ],
  options: {
    all: { type: 'boolean', help: 'all members, standbys first' },
    force: { type: 'boolean', help: 'a primary that nobody can take over from: in place, writes stop meanwhile' },
    timeout: { type: 'string', value: 'SECONDS', help: `how long each may take (${restartSeconds})` },
  },
  async run(parsed, io) {
    const all = parsed.values['all'] === true;
    if (all && parsed.words.length > 0)
      return complain(io, exit.failed, '--all and a member exclude each other', 'Name the member, or give --all alone.');
    return await within(parsed, io, restartSeconds, async (access, seconds) => {
      const names = all ? await order(io) : [parsed.words[0] ?? access.settings.pod];
      if (typeof names === 'number') return names;
      for (const name of names) {
        const code = await restartOne(io, access, name, seconds, parsed.values['force'] === true);
        if (code !== exit.done) return code;
      }
      return exit.done;
    });
  },
};

/** Standbys in the order of their names, then the primary. */
async function order(io: Io): Promise<string[] | number> {
  const status = await localStatus(io);
  const primary = primaryIn(status);
  if (status === undefined)
    return complain(io, exit.unreachable, 'the agent cannot tell who the members are', 'See agent status.');
  const away = status.members.find((member) => !isPrimary(member) && member.state !== 'Normal');
  if (primary === undefined || away !== undefined) {
    const why = primary === undefined ? 'there is no primary' : `${away?.name} is ${away?.role}, ${away?.state}`;
    return complain(io, exit.refused, `not all members are well: ${why}`, 'Name the members one by one, or wait until all are.');
  }
  return [...status.members.filter((member) => member !== primary).map((member) => member.name), primary.name];
}

async function restartOne(io: Io, access: KubeAccess, name: string, seconds: number, force: boolean): Promise<number> {
  const stranger = await refuseStranger(io, access, name);
  if (stranger !== undefined) return stranger;
  const options: Record<string, string> = force ? { force: 'true' } : {};
  return await request(io, access.kube, { kind: 'restart', target: name, options, seconds, taker: name });
}

export const reinit: Command = {
  name: 'reinit',
  words: { usage: 'MEMBER', min: 1, max: 1 },
  summary: 'throw a standby’s data away and copy it anew from the primary',
  details: [
    'Refused for the primary, without a primary to copy from, and while acknowledged commits may be on that member alone.',
    'It leaves the synchronous set first. Exit code: 0 done, 5 refused, 1 timed out or failed.',
  ],
  options: { timeout: { type: 'string', value: 'SECONDS', help: `how long it may take (${buildSeconds})` } },
  async run(parsed, io) {
    const [name = ''] = parsed.words;
    return await within(parsed, io, buildSeconds, async (access, seconds) => {
      const why = (await refuseStranger(io, access, name)) ?? refuseReinit(io, await localStatus(io), name);
      if (why !== undefined) return why;
      const wish = { kind: 'reinit', target: name, options: {}, seconds, taker: 'the primary' } as const;
      return await request(io, access.kube, wish, () => buildProgress(io, name));
    });
  },
};

function refuseReinit(io: Io, status: ClusterStatus | undefined, name: string): number | undefined {
  const primary = primaryIn(status);
  if (primary?.name === name)
    return complain(
      io,
      exit.refused,
      `${name} is the primary: its data is the one that others copy`,
      'Use agent switchover first.',
    );
  if (status !== undefined && primary === undefined)
    return complain(
      io,
      exit.refused,
      'there is no primary to copy from',
      'See agent status; nothing is thrown away until there is one.',
    );
  return undefined;
}

async function buildProgress(io: Io, name: string): Promise<string | undefined> {
  const build = (await localStatus(io))?.members.find((member) => member.name === name)?.build;
  if (build === undefined || build === null) return undefined;
  return `${build.mode} build of ${name}${build.ratio === null ? '' : ` at ${Math.floor(build.ratio * 100)}%`}`;
}

async function within(
  parsed: Parsed,
  io: Io,
  fallback: number,
  work: (access: KubeAccess, seconds: number) => Promise<number>,
): Promise<number> {
  const seconds = secondsOf(textOption(parsed, 'timeout'), fallback);
  if (typeof seconds === 'string') return complain(io, exit.failed, seconds, secondsHint);
  const access = await openKube(io);
  if (typeof access === 'number') return access;
  try {
    return await work(access, seconds);
  } finally {
    await access.kube.close();
  }
}
