/** Where the exploration of a state may end before everything has come to rest. */
import type { Limits } from './steps.ts';
import type { Member, State, Todo } from './state.ts';

/**
 * Nobody can take the lease any more, its last promotion has happened, and no older primary or promotion is left: nobody
 * can be promoted without a row, acknowledge in an older term, or take the lease, whatever follows. All that is left to be
 * judged is who votes for whom, which rests on the orders that are still under way.
 */
export function isOver({ lease, newest, members }: State, limits: Limits): boolean {
  if (lease.term < limits.term || newest.term < lease.term) return false;
  const isOlder = ({ up, role, serverTerm, asked }: Member) =>
    up && (asked !== undefined || (role === 'primary' && serverTerm < newest.term));
  // Whoever takes the lease or records a promotion writes a higher term, which is beyond the limit.
  const mayLead = (todo: Todo) =>
    todo.do === 'write'
      ? todo.draft.term <= limits.term && (todo.kind === 'acquire' || todo.promotes === true)
      : todo.do === 'act' && todo.intent.do === 'promote';
  return !members.some((member) => isOlder(member) || member.todo.some(mayLead));
}
