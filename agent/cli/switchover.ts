/** `agent switchover`: asks the primary to hand its role over, now or at a time, and follows that to its end. */
import { isMoment } from '../core/quantity.ts';
import { type Command, type Parsed, textOption } from './command.ts';
import { complain, exit, type Io } from './io.ts';
import { type KubeAccess, openKube } from './kube.ts';
import { refuseStranger } from './members.ts';
import { cancel, request, secondsHint, secondsOf, type Wish, writeRequest } from './request.ts';

const defaultSeconds = 60;
const furthestMs = 30 * 86_400_000;

export const switchover: Command = {
  name: 'switchover',
  summary: 'hand the role of primary over to a standby, without losing a commit',
  details: [
    'It waits until the request is done, refused, rolled back or timed out, and says which.',
    'With --at it is written down and done at that time; whether it can be done is looked at then.',
    'Exit code: 0 done, 5 refused, 1 rolled back, timed out or failed.',
  ],
  options: {
    to: { type: 'string', value: 'MEMBER', help: 'the next primary; the best standby when not given' },
    at: { type: 'string', value: 'TIME', help: 'do it then, e.g. 2026-11-21T03:00:00Z' },
    cancel: { type: 'boolean', help: 'take back what is planned for later' },
    timeout: { type: 'string', value: 'SECONDS', help: `how long it may take (${defaultSeconds})` },
  },
  async run(parsed, io) {
    const seconds = secondsOf(textOption(parsed, 'timeout'), defaultSeconds, 3600);
    if (typeof seconds === 'string') return complain(io, exit.failed, seconds, secondsHint);
    const at = timeOf(textOption(parsed, 'at'));
    if (typeof at === 'string')
      return complain(io, exit.failed, at, 'Give a date and a time with its zone, such as 2026-11-21T03:00:00Z.');
    const access = await openKube(io);
    if (typeof access === 'number') return access;
    try {
      return parsed.values['cancel'] === true ? await cancel(io, access.kube) : await ask(parsed, io, access, seconds, at);
    } finally {
      await access.kube.close();
    }
  },
};

function timeOf(text: string | undefined): number | string | undefined {
  if (text === undefined) return undefined;
  const at = isMoment(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) return '--at is not a time';
  return at > Date.now() && at < Date.now() + furthestMs ? at : '--at is not within the next 30 days';
}

async function ask(parsed: Parsed, io: Io, access: KubeAccess, seconds: number, at: number | undefined): Promise<number> {
  const target = textOption(parsed, 'to');
  const stranger = target === undefined ? undefined : await refuseStranger(io, access, target);
  if (stranger !== undefined) return stranger;
  const planned = at === undefined ? {} : { at, options: { at: new Date(at).toISOString() } };
  const wish: Wish = { kind: 'switchover', target, options: {}, seconds, taker: 'the primary', ...planned };
  if (at === undefined) return await request(io, access.kube, wish);
  const written = await writeRequest(io, access.kube, wish);
  if (typeof written === 'number') return written;
  io.out.write(`done: a switchover${target === undefined ? '' : ` to ${target}`} is planned for ${written.options['at']}\n`);
  return exit.done;
}
