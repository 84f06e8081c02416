/**
 * Asking members for their votes without waiting for those that do not answer: a cycle goes on when all have answered,
 * or soon after those who have are a vote set. Whoever is still being asked is not asked a second time; its answer
 * counts when it comes.
 */
import { recordOf } from '../core/lease.ts';
import type { MemberName } from '../core/model.ts';
import { isVoteSet } from '../core/sync.ts';
import type { Takeover, View } from '../core/view.ts';
import type { Context } from './context.ts';

/** How long a vote set waits for the others, which may be ahead of it: members on a sound network answer within this. */
const graceMs = 60;

const asking = new WeakMap<Takeover, Set<MemberName>>();

/** Resolves when the next cycle has something to decide on; `ask` never fails and ends by its own deadline. */
export async function gatherVotes(
  ctx: Context,
  view: View,
  takeover: Takeover,
  members: MemberName[],
  ask: (member: MemberName) => Promise<void>,
): Promise<void> {
  const { clock } = ctx.ports;
  const under = asking.get(takeover) ?? new Set<MemberName>();
  asking.set(takeover, under);
  const others = members.filter((member) => !under.has(member));
  let enough: () => void = () => {};
  const reached = new Promise<void>((resolve) => {
    enough = resolve;
  });
  if (isEnough(view, takeover)) enough();
  const all = others.map(async (member) => {
    under.add(member);
    await ask(member);
    under.delete(member);
    if (isEnough(view, takeover)) enough();
  });
  await Promise.race([Promise.all(all), reached.then(() => clock.until(clock.now() + graceMs))]);
}

function isEnough(view: View, takeover: Takeover): boolean {
  const record = recordOf(view.lease);
  const dataId = 'data' in view.instance ? view.instance.data?.dataId : undefined;
  const votes = Object.values(takeover.votes).map((vote) => vote.state);
  return record !== undefined && isVoteSet(record, [{ name: view.self.name, dataId }, ...votes]);
}
