/** Events about what people have asked for, and about what waits for people. Each tells a change, not a state. */
import type { RequestAnswer, Decision, View } from '../core/view.ts';
import type { Request } from '../core/model.ts';
import type { Context } from './context.ts';

/** When a pause begins or ends, by whatever it does. */
export function tellPause(ctx: Context, view: View): void {
  const { memory } = ctx;
  if (memory.wasPaused === view.paused) return;
  memory.wasPaused = view.paused;
  const { member, cluster, until } = view.hand;
  const what = member && !cluster ? 'this member' : 'the cluster';
  const end = until === undefined ? '' : ` until ${until}`;
  const note = view.paused ? `${what} is paused${end}` : 'the pause has ended';
  ctx.event({ reason: view.paused ? 'Paused' : 'Resumed', type: 'Normal', action: 'Pause', note });
  ctx.log.info(view.paused ? 'paused' : 'resumed', { until, member, cluster });
}

/** When a take-over begins to be blocked because it could lose commits: what, and the way out. */
export function tellBlocked(ctx: Context, decision: Decision): void {
  if (decision.blocked === undefined || ctx.last?.decision.blocked !== undefined) return;
  const note = `commits may be lost: ${decision.blocked}. Bring a member back that has them, or accept it: agent failover --to ${ctx.self.name} --allow-data-loss`;
  ctx.event({ reason: 'FailoverBlocked', type: 'Warning', action: 'Failover', note });
  ctx.log.error('failover blocked', { reason: decision.reason, note: decision.blocked });
}

/** How a request ended. */
export function tellAnswer(ctx: Context, request: Request, reply: RequestAnswer): void {
  const { phase, result } = reply;
  ctx.log.info('request answered', { request: request.kind, target: reply.target ?? request.target, phase, result });
  const refused = phase === 'refused' || phase === 'failed';
  if (request.kind === 'switchover' && phase === 'done') {
    ctx.tally.switched('done');
    ctx.event({ reason: 'SwitchoverCompleted', type: 'Normal', action: 'Switchover', note: result });
  }
  if (request.kind === 'switchover' && refused) {
    ctx.tally.switched('refused');
    ctx.event({ reason: 'SwitchoverRefused', type: 'Warning', action: 'Switchover', note: result });
  }
  if (request.kind === 'failover' && refused)
    ctx.event({ reason: 'FailoverBlocked', type: 'Warning', action: 'Failover', note: result });
}
