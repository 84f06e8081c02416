/**
 * What the agent answers over HTTP, as a table. Every answer comes from the last snapshot: no route asks the server,
 * the API server or the disk anything, and none changes anything.
 */
import { parseBytes } from '../../core/quantity.ts';
import { syncObserved } from './members.ts';
import { liveness } from '../../../probes/liveness.ts';
import { primaryFit, type ReadinessQuery, readiness, readinessModes } from '../../../probes/readiness.ts';
import { startup } from '../../../probes/startup.ts';
import { no, type Verdict, yes } from '../../../probes/verdict.ts';
import type { Mono } from '../../core/model.ts';
import type { Snapshot } from '../../core/view.ts';
import type { Metrics } from './metrics.ts';
import { openMetrics, openMetricsType, wantsOpenMetrics } from './openmetrics.ts';
import { statusDocument } from './status.ts';

export interface Question {
  snapshot: Snapshot | undefined;
  now: Mono;
  query: URLSearchParams;
  /** The Accept header. */
  accept: string | undefined;
  metrics: Pick<Metrics, 'render' | 'contentType'>;
}

export interface Answer {
  status: number;
  contentType: string;
  body: string;
}

export interface Route {
  path: string;
  /** What it tells, for docs. */
  summary: string;
  answer(question: Question): Answer | Promise<Answer>;
}

/** An answer of JSON, ending in a line end for people with curl. */
export function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

function verdict(found: Verdict): Answer {
  return json(found.ok ? 200 : 503, found);
}

const notYet = no('the first cycle is not done yet');

/** Every route of the agent's HTTP port. */
export const routes: readonly Route[] = [
  {
    path: '/metrics',
    summary: 'metrics for Prometheus, as OpenMetrics when asked for',
    async answer({ metrics, accept }) {
      const text = await metrics.render();
      return wantsOpenMetrics(accept)
        ? { status: 200, contentType: openMetricsType, body: openMetrics(text) }
        : { status: 200, contentType: metrics.contentType, body: text };
    },
  },
  { path: '/livez', summary: 'liveness: the loop is turning', answer: ({ snapshot, now }) => verdict(liveness(snapshot, now)) },
  { path: '/startupz', summary: 'startup: the first cycle is done', answer: ({ snapshot }) => verdict(startup(snapshot)) },
  {
    path: '/readyz',
    summary: 'readiness: fit for the Service that the labels select it for; `?mode=tcp|query|streaming&lag=16MiB`',
    answer({ snapshot, now, query }) {
      const asked = readinessQuery(query);
      return typeof asked === 'string' ? json(400, no(asked)) : verdict(readiness(snapshot, now, asked));
    },
  },
  {
    path: '/primary',
    summary: '200 on the primary that holds the lease and takes writes',
    answer: ({ snapshot, now }) => verdict(snapshot === undefined ? notYet : primaryFit(snapshot.view, now)),
  },
  {
    path: '/standby',
    summary: '200 on a standby that streams within the lag gate; `?lag=16MiB`',
    answer({ snapshot, now, query }) {
      const asked = readinessQuery(query);
      if (typeof asked === 'string') return json(400, no(asked));
      if (snapshot !== undefined && snapshot.view.instance.is !== 'standby') return verdict(no('it is not a standby'));
      return verdict(readiness(snapshot, now, { mode: 'streaming', lag: asked.lag }));
    },
  },
  { path: '/sync', summary: '200 on a synchronous standby', answer: ({ snapshot, now }) => verdict(isSync(snapshot, now)) },
  {
    path: '/status',
    summary: 'the whole cluster as this member sees it',
    answer: ({ snapshot, now }) => (snapshot === undefined ? verdict(notYet) : json(200, statusDocument(snapshot, now))),
  },
  { path: '/history', summary: 'the changes of primary, oldest first', answer: ({ snapshot }) => history(snapshot) },
];

function readinessQuery(query: URLSearchParams): ReadinessQuery | string {
  const mode = query.get('mode') ?? 'tcp';
  const known = readinessModes.find((word) => word === mode);
  if (known === undefined) return `mode is not one of ${readinessModes.join(', ')}`;
  const text = query.get('lag');
  const lag = text === null ? undefined : parseBytes(text);
  return text !== null && lag === undefined ? 'lag is not an amount of bytes such as 16MiB' : { mode: known, lag };
}

function isSync(snapshot: Snapshot | undefined, now: Mono): Verdict {
  const streaming = readiness(snapshot, now, { mode: 'streaming', lag: undefined });
  if (snapshot === undefined || !streaming.ok) return streaming;
  const { view } = snapshot;
  if (view.instance.is !== 'standby') return no('it is not a standby');
  const observed = syncObserved(view);
  if (observed === undefined) return no('whether it is synchronous is not known');
  return observed.includes(view.self.name) ? yes('the primary sees it as synchronous') : no('it is asynchronous');
}

function history(snapshot: Snapshot | undefined): Answer {
  if (snapshot === undefined) return verdict(notYet);
  const { facts, self } = snapshot.view;
  if (!facts.known) return verdict(no(`the history could not be read: ${facts.fault.detail}`));
  return json(200, {
    apiVersion: 'opengauss.agent/v1',
    kind: 'ClusterHistory',
    cluster: self.cluster,
    history: facts.value.history,
  });
}
