/**
 * What clients asked: a bounded list of recent requests and counters by client, verb and resource. Tests derive the
 * rights that are really used from it; the lab shows request rates.
 */

export interface RecordedRequest {
  at: number;
  /** Label of the listener, or the user. */
  client: string;
  user: string;
  verb: string;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  path: string;
  /** 0: not answered. */
  code: number;
  ms: number;
}

export interface RequestCount {
  client: string;
  user: string;
  verb: string;
  group: string;
  /** With subresource: `pods/status`. */
  resource: string;
  code: number;
  count: number;
}

export interface Requests {
  record(request: RecordedRequest): void;
  recent(): RecordedRequest[];
  counts(): RequestCount[];
  total(): number;
  reset(): void;
}

const RECENT_LIMIT = 5_000;
const COUNTERS_LIMIT = 5_000;

/** An empty record. */
export function createRequests(): Requests {
  let recent: RecordedRequest[] = [];
  let total = 0;
  const counters = new Map<string, RequestCount>();

  return {
    record(request) {
      total += 1;
      recent.push(request);
      if (recent.length > RECENT_LIMIT) recent = recent.slice(RECENT_LIMIT / 2);
      const { client, user, verb, group, code } = request;
      const resource = request.subresource === '' ? request.resource : `${request.resource}/${request.subresource}`;
      const key = [client, user, verb, group, resource, code].join(' ');
      const counter = counters.get(key);
      if (counter !== undefined) counter.count += 1;
      else if (counters.size < COUNTERS_LIMIT) counters.set(key, { client, user, verb, group, resource, code, count: 1 });
    },
    recent: () => [...recent],
    counts: () => [...counters.values()],
    total: () => total,
    reset() {
      recent = [];
      total = 0;
      counters.clear();
    },
  };
}
