/**
 * `agent failover`: the way out when nobody leads and the members refuse to take over by themselves. The named member
 * weighs it: what could be lost is told in the refusal, and has to be accepted in so many words.
 */
import { type Command, textOption } from './command.ts';
import { complain, exit } from './io.ts';
import { openKube } from './kube.ts';
import { localStatus, primaryIn, refuseStranger } from './members.ts';
import { request, secondsHint, secondsOf } from './request.ts';

const defaultSeconds = 60;

export const failover: Command = {
  name: 'failover',
  summary: 'make a member the primary when there is none and nobody takes over by itself',
  details: [
    'Refused while there is a primary, while another member has more, and when acknowledged commits could be missing.',
    'The refusal says what could be missing: positions, and whose acknowledgements cannot be seen. --allow-data-loss',
    'accepts that. It is refused all the same until the last primary is known to have ended: by its own agent, by the',
    'kubelet, or by --dead, with which you say that you have seen to it yourself.',
    'Exit code: 0 done, 5 refused, 1 timed out or failed.',
  ],
  options: {
    to: { type: 'string', value: 'MEMBER', help: 'the next primary' },
    'allow-data-loss': { type: 'boolean', help: 'accept that acknowledged commits may be lost' },
    dead: { type: 'string', value: 'MEMBER', help: 'this former primary is off for certain (several: a,b)' },
    timeout: { type: 'string', value: 'SECONDS', help: `how long it may take (${defaultSeconds})` },
  },
  async run(parsed, io) {
    const target = textOption(parsed, 'to');
    if (target === undefined)
      return complain(io, exit.failed, '--to MEMBER is missing', 'agent status -o wide shows positions and reasons.');
    const seconds = secondsOf(textOption(parsed, 'timeout'), defaultSeconds, 3600);
    if (typeof seconds === 'string') return complain(io, exit.failed, seconds, secondsHint);
    const access = await openKube(io);
    if (typeof access === 'number') return access;
    try {
      const dead = textOption(parsed, 'dead');
      for (const name of [target, ...(dead?.split(',') ?? [])]) {
        const stranger = await refuseStranger(io, access, name);
        if (stranger !== undefined) return stranger;
      }
      const primary = primaryIn(await localStatus(io));
      if (primary !== undefined)
        return complain(io, exit.refused, `${primary.name} is the primary`, 'Use agent switchover while there is a primary.');
      const options = {
        ...(parsed.values['allow-data-loss'] === true ? { allowDataLoss: 'true' } : {}),
        ...(dead === undefined ? {} : { dead }),
      };
      return await request(io, access.kube, { kind: 'failover', target, options, seconds, taker: target });
    } finally {
      await access.kube.close();
    }
  },
};
