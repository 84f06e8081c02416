/**
 * Events about what became of this member, told by comparing what a cycle shows with the one before: its lease is lost,
 * its role goes, it comes back, or two members say that they are primary. Each is told once, when it becomes so; nothing
 * is decided by any of it.
 */
import { freshPeers } from '../core/election.ts';
import { holds, leads, memberOf, recordOf } from '../core/lease.ts';
import type { Mono } from '../core/model.ts';
import type { Decision, View } from '../core/view.ts';
import type { Context } from './context.ts';

/** What was told last, so that nothing is told twice. */
export interface Told {
  /** This member was seen leading, and not as a standby since. */
  primary: boolean;
  /** Its server was started to follow, and does not stream yet. */
  rejoining: boolean;
  /** Since when several members say that they are primary. */
  several: { since: Mono; told: boolean } | undefined;
}

/** Nothing was told yet. */
export const untold: Told = { primary: false, rejoining: false, several: undefined };

export function tellMilestones(ctx: Context, view: View, decision: Decision): void {
  tellLoss(ctx, view);
  tellDemotion(ctx, view, decision);
  tellRejoin(ctx, view, decision);
  tellSeveral(ctx, view);
}

function warn(ctx: Context, reason: string, action: string, note: string): void {
  ctx.event({ reason, type: 'Warning', action, note });
}

function tell(ctx: Context, reason: string, action: string, note: string): void {
  ctx.event({ reason, type: 'Normal', action, note });
}

/** Held in the cycle before, and neither held nor given back by this member now. */
function tellLoss(ctx: Context, view: View): void {
  const before = ctx.last;
  const record = recordOf(view.lease);
  if (before === undefined || !holds(before.view) || before.decision.lease.do === 'release') return;
  if (record === undefined || holds(view)) return;
  const holder = memberOf(record.holder);
  warn(ctx, 'LeaseLost', 'Renew', `term ${record.term} is ${holder === '' ? 'nobody' : holder}'s`);
}

function tellDemotion(ctx: Context, view: View, decision: Decision): void {
  const { told } = ctx.memory;
  const intent = decision.instance.do;
  if (view.instance.is === 'primary' && leads(view)) told.primary = true;
  const ends = (intent === 'hand-over' || intent === 'stop') && view.instance.is === 'primary';
  if (ends && ctx.last?.decision.instance.do !== intent) {
    const to = decision.instance.do === 'hand-over' ? ` to ${decision.instance.target}` : '';
    tell(ctx, 'Demoting', 'Demote', `the role of primary is given up${to}: ${decision.reason}`);
  }
  if (!told.primary || view.instance.is !== 'standby') return;
  told.primary = false;
  tell(ctx, 'Demoted', 'Demote', `the server runs as a standby${after(view)}`);
}

function after(view: View): string {
  const holder = memberOf(recordOf(view.lease)?.holder ?? '');
  return holder === '' || holder === view.self.name ? '' : `, ${holder} holds the lease`;
}

function tellRejoin(ctx: Context, view: View, { instance: intent, reason }: Decision): void {
  const { told } = ctx.memory;
  const { instance } = view;
  const begins = (intent.do === 'start' && intent.mode === 'standby') || (intent.do === 'build' && reason === 'diverged');
  if (begins && !told.rejoining) {
    told.rejoining = true;
    const how = intent.do === 'build' ? `by a build (${intent.mode}) from ${intent.from}` : 'by a start';
    tell(ctx, 'RejoinStarted', 'Rejoin', `the server comes back as a standby ${how}`);
  }
  if (!told.rejoining) return;
  if (instance.is === 'primary') told.rejoining = false;
  if (instance.is !== 'standby' || instance.state !== 'Normal' || instance.receiver === undefined) return;
  told.rejoining = false;
  tell(ctx, 'RejoinCompleted', 'Rejoin', `the server streams from ${instance.receiver.from}`);
}

/** A word from before another one took over is no second primary: everybody has to say it again. */
function tellSeveral(ctx: Context, view: View): void {
  const { told } = ctx.memory;
  const others = freshPeers(view).filter((peer) => peer.state.instance === 'primary');
  const names = [...(view.instance.is === 'primary' ? [view.self.name] : []), ...others.map((peer) => peer.state.name)].sort();
  if (names.length < 2) told.several = undefined;
  else if (told.several === undefined) told.several = { since: view.now, told: false };
  else if (!told.several.told && others.every((peer) => peer.at > (told.several?.since ?? view.now))) {
    told.several.told = true;
    warn(ctx, 'MultiplePrimaries', 'Watch', `${names.join(' and ')} say that they are primary; see agent status -o wide on each`);
    ctx.log.error('several members say that they are primary', { members: names });
  }
}
