/**
 * Requests as a member takes them up that does not lead: a failover to it, a restart of its server, a reinit of its
 * data. Each names this member; each is refused in words where it must be, and nothing is destroyed without a proof in
 * this very view: a reinit only beside a primary of the own cluster, with a record that rests on this member no more
 * (S14); a take-over without a vote set only over primaries that are proven to have ended (loss.ts).
 */
import { processOf } from './acting.ts';
import { isOverdue, liveRequest, processKey } from './asked.ts';
import { only } from './decision.ts';
import { candidates, comparePositions, freshPeer, hindrance, knownPrimary, missing, positionOf, voters } from './election.ts';
import { boundBy } from './failsafe.ts';
import { claimOf } from './follower.ts';
import { lossInOff } from './lag.ts';
import { holds, memberOf, recordOf } from './lease.ts';
import { finalKeys, lossText, unproven } from './loss.ts';
import type { LeaseRecord, Request, StandbyInstance } from './model.ts';
import type { Reason } from './reasons.ts';
import { unmet } from './sync.ts';
import type { Decision, RequestAnswer, View } from './view.ts';

/** What this member does because it was asked to; undefined: nothing was asked of it, or the ordinary rules do it. */
export function ordered(view: View): Decision | undefined {
  const request = liveRequest(view);
  if (request === undefined || request.target !== view.self.name) return undefined;
  if (holds(view)) return request.kind === 'failover' ? accepted(view, request) : undefined;
  switch (request.kind) {
    case 'failover':
      return failover(view, request);
    case 'restart':
      return restart(view, request);
    case 'reinit':
      return reinit(view, request);
    case 'switchover':
      return undefined;
  }
}

/** This member has the lease already, and waits for one that is ahead and may not lead: people accept to pass it over. */
function accepted(view: View, request: Request): Decision | undefined {
  const { instance } = view;
  if (request.phase !== 'open' || request.options['allowDataLoss'] !== 'true' || isOverdue(view, request)) return undefined;
  if (instance.is !== 'standby') return undefined;
  const ahead = voters(view).filter((state) => !state.eligible && comparePositions(positionOf(state), positionOf(instance)) < 0);
  if (ahead.length === 0) return undefined;
  const lost = `what only ${ahead.map((state) => state.name).join(', ')} may have`;
  const options = { ...request.options, lost: `accepted: ${lost}` };
  const result = `${view.self.name} holds the lease and takes over`;
  return { ...answer(request, 'running', { options, result }, 'failover-asked'), lease: { do: 'renew' } };
}

type Answer = Partial<RequestAnswer> & { result: string };

function answer(request: Request, phase: Request['phase'], text: Answer, reason: Reason): Decision {
  const same = request.phase === phase && request.result === text.result;
  const note = text.result;
  return { ...only(reason, { note }), ...(same ? {} : { answer: { ...text, id: request.id, phase } }) };
}

function failover(view: View, request: Request): Decision | undefined {
  const refused = (result: string, hint: string): Decision =>
    answer(request, request.phase === 'open' ? 'refused' : 'failed', { result, hint }, 'not-eligible');
  if (isOverdue(view, request))
    return answer(
      request,
      'timed-out',
      { result: `${view.self.name} could not take over in time`, hint: 'See agent status.' },
      'not-eligible',
    );
  const primary = knownPrimary(view);
  if (primary !== undefined) return refused(`${primary.name} is the primary`, 'Use agent switchover while there is a primary.');
  if (!view.lease.known) return only('lease-unknown');
  const { instance } = view;
  const why = hindrance(view, instance);
  if (why !== undefined || instance.is !== 'standby') {
    return refused(
      `${view.self.name} may not become primary: ${why ?? `the instance is ${instance.is}`}`,
      'Name another member, or remove the obstacle.',
    );
  }
  const record = view.lease.value.record;
  if (record === undefined || record.garbage !== undefined)
    return refused(
      `the lease cannot be built upon: ${record?.garbage ?? 'it does not exist'}`,
      'Mend it first; see agent status.',
    );
  const ahead = candidates(view).find((state) => comparePositions(positionOf(state), positionOf(instance)) < 0);
  if (ahead !== undefined)
    return refused(`${ahead.name} has more than ${view.self.name}`, `Use agent failover --to ${ahead.name}.`);
  return weigh(view, request, instance, record, refused);
}

/** What is lost, whether that is accepted, and whether nobody can still be the primary; then the lease, when it is free. */
function weigh(
  view: View,
  request: Request,
  me: StandbyInstance,
  record: LeaseRecord,
  refused: (result: string, hint: string) => Decision,
): Decision | undefined {
  const self = { name: view.self.name, dataId: me.data.dataId };
  const votes = [self, ...voters(view)];
  const gaps = unmet(record, votes);
  const behind = missing(view, me) ?? lossInOff(view, record, { name: view.self.name, dataId: me.data.dataId, ...me });
  const lost = gaps.length > 0 ? lossText(view, me, gaps, votes) : behind;
  if (lost !== undefined && request.options['allowDataLoss'] !== 'true')
    return refused(`commits may be lost: ${lost}`, 'Bring a member back that has them, or accept it with --allow-data-loss.');
  const { lost: _lost, proven: _proven, ...asked } = request.options;
  const final = finalKeys(view, record, gaps, request).join();
  const proof = final === '' ? {} : { proven: final };
  const options = lost === undefined ? asked : { ...asked, lost: `accepted: ${lost}`, ...proof };
  const open = unproven(view, record, gaps, request);
  if (open !== undefined) {
    // What was taken up waits for its proof: a member that falls silent for a moment has not come back to life.
    if (request.phase === 'running')
      return answer(request, 'running', { options, result: `waiting for a proof that ${open.primary} has ended` }, 'no-vote-set');
    return refused(
      `${open.primary} may still be a primary: nothing proves that it has ended`,
      `Fence it, or see to it that it is off and say so with --dead ${open.primary}.`,
    );
  }
  const claim = claimOf(view, view.lease.known ? view.lease.value : { record, firstSeenAt: view.now, confirmedAt: 0 });
  if (!claim.free) {
    const result = `waiting until the lease of ${memberOf(record.holder) || record.heir} has run out`;
    return answer(request, 'running', { options, result }, claim.reason);
  }
  const bound = boundBy(view);
  if (bound !== undefined) {
    const result = `waiting until a promise to ${memberOf(bound.holder)} has ended`;
    return answer(request, 'running', { options, result }, 'promised');
  }
  const taking = `${view.self.name} takes over${lost === undefined ? '' : `; ${lost}`}`;
  const same = (request.options['lost'] === undefined) === (lost === undefined) && (request.options['proven'] ?? '') === final;
  if (request.phase !== 'running' || !same) return answer(request, 'running', { options, result: taking }, 'failover-asked');
  return only('failover-asked', view.lease.known ? { lease: { do: 'acquire', over: view.lease.value }, note: taking } : {});
}

function restart(view: View, request: Request): Decision | undefined {
  const { instance, self } = view;
  const process = processOf(instance);
  if (isOverdue(view, request))
    return answer(request, 'timed-out', { result: `${self.name} is not back yet`, hint: 'See agent status.' }, 'restarting');
  if (request.phase === 'open') {
    if (process === undefined)
      return {
        ...answer(
          request,
          'refused',
          { result: `the server of ${self.name} is ${instance.is}`, hint: 'See agent status.' },
          'start',
        ),
      };
    const options = { ...request.options, process: processKey(process) };
    return answer(request, 'running', { options, result: `restarting ${self.name}` }, 'restarting');
  }
  if (process === undefined) return undefined;
  if (request.options['process'] === processKey(process)) return only('restarting', { instance: { do: 'stop' } });
  if (instance.is !== 'standby' || instance.state !== 'Normal') return undefined;
  return answer(request, 'done', { result: `${self.name} runs again as a standby` }, 'follows');
}

function reinit(view: View, request: Request): Decision | undefined {
  if (request.phase !== 'running' || isOverdue(view, request)) return undefined;
  const { instance } = view;
  const dataId = 'data' in instance ? (instance.data?.dataId ?? '') : '';
  if (dataId !== request.options['dataId']) return undefined;
  const note = missingProof(view);
  if (note !== undefined) return only('build-waits', { note });
  const failure = view.failures['build'];
  if (failure !== undefined && view.now < failure.retryAt) return only('build-waits', { note: failure.fault.detail });
  const from = memberOf(recordOf(view.lease)?.holder ?? '');
  return only('building', { instance: { do: 'build', mode: 'full', from }, note: `full build from ${from}, asked for by hand` });
}

/** S14: why the own data may not be thrown away now; undefined when it may. */
function missingProof(view: View): string | undefined {
  const record = recordOf(view.lease);
  const primary = knownPrimary(view);
  const systemId = view.facts.known ? view.facts.value.systemId : undefined;
  if (record === undefined || primary === undefined) return 'no primary is known';
  if (systemId === undefined || primary.systemId !== systemId) return `${primary.name} has not shown the cluster's system id`;
  if (view.instance.is === 'primary' || view.instance.is === 'hung') return `the instance is ${view.instance.is}`;
  if (view.instance.is === 'unusable') return view.instance.detail;
  const own = 'data' in view.instance ? view.instance.data?.systemId : undefined;
  if (own !== undefined && own !== systemId) return 'the data belongs to another cluster';
  const { name } = view.self;
  const needed = record.entries.find((entry) => entry.primary === name || entry.names.includes(name));
  if (needed !== undefined) return `the record of term ${needed.term} rests on ${name}`;
  const last = record.entries.at(-1);
  if (record.syncMode !== 'off' && last?.primary !== primary.name)
    return `${primary.name} has not recorded its synchronous set yet`;
  return freshPeer(view, primary.name) === undefined ? 'the primary does not answer' : undefined;
}
