/** The one open request as the rules read it; what is done about it stands in requests.ts and orders.ts. */
import type { MemberName, Request } from './model.ts';
import type { View } from './view.ts';

/** The request that is open or running. */
export function liveRequest(view: View): Request | undefined {
  const request = view.request.known ? view.request.value : undefined;
  return request?.phase === 'open' || request?.phase === 'running' ? request : undefined;
}

/** People wrote its deadline down with a wall clock. A deadline that cannot be read has passed: nobody acts on it. */
export function isOverdue(view: View, request: Request): boolean {
  return request.deadline !== undefined && !(Date.parse(request.deadline) >= Date.parse(view.wall));
}

/** Whether people have asked this member to take over, and accept what is lost by that. */
export function acceptsLoss(view: View): boolean {
  const request = liveRequest(view);
  if (request?.kind !== 'failover' || request.phase !== 'running' || request.target !== view.self.name) return false;
  return request.options['allowDataLoss'] === 'true' && !isOverdue(view, request);
}

/** Whether that member's data is about to be replaced, so that nothing may rest on it. */
export function isReinitialised(view: View, name: MemberName): boolean {
  const request = liveRequest(view);
  return request?.kind === 'reinit' && request.phase === 'running' && request.target === name && !isOverdue(view, request);
}

/** A process as a request remembers it, to tell a restarted server from the one before. */
export function processKey(process: { pid: number; startTime: string }): string {
  return `${process.pid}/${process.startTime}`;
}

/** Asked for a later time. A time that cannot be read is no time: the request is refused, not done at once. */
export function isScheduled(view: View, request: Request): boolean {
  const at = request.options['at'];
  return request.phase === 'open' && at !== undefined && Date.parse(at) > Date.parse(view.wall);
}
