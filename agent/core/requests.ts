/**
 * Requests as the primary that leads takes them up: switchover, restart of its own server, reinit of another member,
 * and a failover, which it refuses as long as it leads. A request is done when the view shows it done, so an answer
 * never rests on what this agent remembers having begun. What the other members do on request stands in orders.ts.
 */
import { isOverdue, isScheduled, liveRequest, processKey } from './asked.ts';
import { renewing } from './decision.ts';
import { candidates, comparePositions, freshPeer, positionOf } from './election.ts';
import { isFencedByHand } from './hand.ts';
import { recordOf } from './lease.ts';
import type { MemberName, PrimaryInstance, Request } from './model.ts';
import { podOf } from './pods.ts';
import { isStreaming, others } from './sync.ts';
import type { Decision, InstanceIntent, RequestAnswer, View } from './view.ts';

const switchoverSeconds = 30;

interface Refusal {
  result: string;
  hint: string;
}

/** The live request, as far as the primary is the one to act on it. */
export function requested(view: View, me: PrimaryInstance): Decision | undefined {
  const request = liveRequest(view);
  if (request === undefined || isScheduled(view, request)) return undefined;
  if (request.phase === 'open' && isOverdue(view, request)) {
    return answered(view, request, 'timed-out', { result: 'nobody could act on it in time', hint: 'Ask again.' });
  }
  switch (request.kind) {
    case 'switchover':
      return switchover(view, me, request);
    case 'restart':
      return request.target === view.self.name ? restart(view, me, request) : undefined;
    case 'reinit':
      return reinit(view, me, request);
    case 'failover':
      return failover(view, request);
  }
}

function switchover(view: View, me: PrimaryInstance, request: Request): Decision {
  const { name } = view.self;
  if (request.phase === 'running') {
    if (request.target === name) return arrived(view, request);
    return answered(view, request, 'rolled-back', { result: `${name} is the primary`, hint: 'See agent history.' });
  }
  const at = request.options['at'];
  if (at !== undefined && Number.isNaN(Date.parse(at)))
    return answered(view, request, 'refused', { result: `at is no time: ${at}`, hint: 'Give a date and a time with its zone.' });
  const target = request.target ?? bestStreaming(view, me);
  if (target === name) return answered(view, request, 'done', { result: 'this member is the primary already' });
  const refusal = refuseTarget(view, me, target);
  if (refusal !== undefined || target === undefined) {
    const why = refusal ?? { result: 'no standby can take over', hint: 'Wait until a standby streams; see agent status.' };
    return answered(view, request, 'refused', why);
  }
  return handOver(view, request, target, { target, result: `handing over to ${target}` });
}

/**
 * The target leads. In mode `off` it may have won without what was acknowledged last, when the hand-over was broken off and its
 * primary lost, or its own volume exchanged: people are not told that this was the change that they asked for (S18).
 */
function arrived(view: View, request: Request): Decision {
  const isWhole = view.promotion?.isWhole ?? recordOf(view.lease)?.syncMode !== 'off';
  if (isWhole) return answered(view, request, 'done', { result: leadsText(view) });
  return answered(view, request, 'failed', {
    result: `${leadsText(view)}; it may lack commits that were acknowledged last, as nothing shows a hand-over in order`,
    hint: 'Mode off allows that where a primary is lost; see agent history.',
  });
}

function handOver(
  view: View,
  request: Request,
  target: MemberName,
  answer: Partial<RequestAnswer> & { result: string },
): Decision {
  return { ...answered(view, request, 'running', answer, beginSwitchover(target)), reason: 'switchover' };
}

function beginSwitchover(target: MemberName): InstanceIntent {
  return { do: 'begin-switchover', target, cause: 'request', seconds: switchoverSeconds };
}

function leadsText(view: View): string {
  return `${view.self.name} is the primary, term ${view.promotion?.term}`;
}

/** A failover is the way out when nobody leads. */
function failover(view: View, request: Request): Decision {
  const { name } = view.self;
  if (request.phase === 'running' && request.target === name) {
    const lost = request.options['lost'];
    return answered(view, request, 'done', { result: `${leadsText(view)}${lost === undefined ? '' : `; ${lost}`}` });
  }
  const phase = request.phase === 'running' ? 'failed' : request.target === name ? 'done' : 'refused';
  return answered(view, request, phase, { result: leadsText(view), hint: 'Use agent switchover while there is a primary.' });
}

/**
 * The own server: the role goes to a standby, which is a restart as well; in place only where nobody can take over. The
 * process is written down before it is ended, so that a lost answer never makes a second restart of it.
 */
function restart(view: View, me: PrimaryInstance, request: Request): Decision {
  const { name } = view.self;
  const target = bestStreaming(view, me);
  const allowed = target !== undefined || request.options['force'] === 'true' || others(view).length === 0;
  if (request.phase === 'open') {
    const options = { ...request.options, process: processKey(me.process) };
    if (allowed) return answered(view, request, 'running', { options, result: `restarting ${name}` });
    return answered(view, request, 'refused', {
      result: `${name} is the primary and no standby can take over`,
      hint: 'Wait until a standby streams, or add --force: writes stop until the server is back.',
    });
  }
  if (request.options['process'] !== processKey(me.process))
    return answered(view, request, 'done', { result: `${name} runs again and is the primary, term ${view.promotion?.term}` });
  if (isOverdue(view, request) || !allowed)
    return answered(view, request, 'failed', { result: `the server of ${name} was not restarted`, hint: 'See agent status.' });
  if (target === undefined) return renewing(view, 'restarting', { instance: { do: 'stop' } });
  return renewing(view, 'restarting', { instance: beginSwitchover(target) });
}

/**
 * Another member's data is thrown away and copied anew. While it is asked for, the member is out of the synchronous set
 * (others() in sync.ts); that member begins when the record rests on it no more, and a new data-id shows the end.
 */
function reinit(view: View, me: PrimaryInstance, request: Request): Decision | undefined {
  const target = request.target;
  const state = target === undefined ? undefined : freshPeer(view, target);
  if (request.phase === 'running') {
    if (isOverdue(view, request))
      return answered(view, request, 'timed-out', { result: `${target} has not been built in time`, hint: 'See agent status.' });
    const built = state?.dataId !== undefined && state.dataId !== request.options['dataId'];
    if (!built || !isStreaming(me, state.name)) return undefined;
    return answered(view, request, 'done', { result: `${target} was built anew from ${view.self.name} and streams` });
  }
  const why = refuseReinit(view, me, target);
  if (why !== undefined) return answered(view, request, 'refused', why);
  const options = { ...request.options, dataId: state?.dataId ?? '' };
  return answered(view, request, 'running', {
    options,
    result: `${target} leaves the synchronous set and is built from ${view.self.name}`,
  });
}

function refuseReinit(view: View, me: PrimaryInstance, target: MemberName | undefined): Refusal | undefined {
  if (target === undefined) return { result: 'no member is named', hint: 'Name the member whose data is to be copied anew.' };
  if (target === view.self.name)
    return { result: `${target} is the primary: its data is the one that others copy`, hint: 'Use agent switchover first.' };
  const state = freshPeer(view, target);
  if (state === undefined) return { result: `${target} does not answer`, hint: 'Check the pod and its agent.' };
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  if (systemId === undefined)
    return { result: 'the system id of the cluster cannot be read', hint: 'Look at the API server and ask again.' };
  if (state.systemId !== undefined && state.systemId !== systemId)
    return { result: `${target} holds the data of another cluster`, hint: 'Attach the right volume, or empty this one by hand.' };
  if (state.instance === 'unusable')
    return {
      result: `the data directory of ${target} cannot be used: ${state.reason}`,
      hint: 'Mend it by hand; nothing is deleted for you.',
    };
  const pod = podOf(view, target);
  if (pod !== undefined && isFencedByHand(pod.annotations))
    return { result: `${target} is fenced: its server is kept down`, hint: `Run agent unfence ${target} first.` };
  if (state.paused) return { result: `${target} is paused`, hint: `Run agent resume ${target} first.` };
  const mine = { term: view.promotion?.term ?? 0, lsn: me.written ?? 0n };
  if (comparePositions(positionOf(state), mine) < 0)
    return {
      result: `${target} has WAL that the primary does not have`,
      hint: 'Its data may be the only copy; look at both first.',
    };
  const entries = recordOf(view.lease)?.entries ?? [];
  const older = entries.slice(0, -1).some((entry) => entry.primary === target || entry.names.includes(target));
  if (older)
    return { result: `acknowledged commits may be on ${target} alone`, hint: 'Wait until the synchronous set has settled.' };
  const last = entries.at(-1);
  if (view.config.sync.mode === 'strict' && last?.names.join() === target)
    return { result: `${target} is the only synchronous standby in mode strict`, hint: 'Bring another standby back first.' };
  return undefined;
}

/** An answer, beside which the primary goes on renewing. */
function answered(
  view: View,
  request: Request,
  phase: Request['phase'],
  answer: Partial<RequestAnswer> & { result: string },
  instance: InstanceIntent = { do: 'nothing' },
): Decision {
  return { ...renewing(view, 'leads', { instance }), answer: { ...answer, id: request.id, phase } };
}

function refuseTarget(view: View, me: PrimaryInstance, target: MemberName | undefined): Refusal | undefined {
  if (target === undefined) return undefined;
  if (!others(view).includes(target)) {
    return {
      result: `${target} is not a member that may become primary`,
      hint: 'Name a member of agent status that is neither never-primary nor fenced.',
    };
  }
  const state = freshPeer(view, target);
  if (state === undefined) return { result: `${target} does not answer`, hint: 'Check the pod and its agent.' };
  if (!state.eligible)
    return { result: `${target} may not become primary: ${state.reason}`, hint: 'Wait until it is a healthy standby.' };
  if (state.pressure !== undefined && view.disk?.pressure === undefined)
    return { result: `${target} has no room for writes: ${state.pressure}`, hint: 'Make room there, or name another member.' };
  if (!isStreaming(me, target))
    return { result: `${target} does not stream from the primary`, hint: 'Wait until its STATE is Normal.' };
  return undefined;
}

/** The standby that would take over best; undefined: none can. */
export function bestStreaming(view: View, me: PrimaryInstance): MemberName | undefined {
  return candidates(view)
    .filter((state) => isStreaming(me, state.name))
    .sort(
      (a, b) =>
        Number(a.pressure !== undefined) - Number(b.pressure !== undefined) || comparePositions(positionOf(a), positionOf(b)),
    )[0]?.name;
}
