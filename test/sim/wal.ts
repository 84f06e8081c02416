/**
 * WAL as branching histories. Whoever becomes primary begins a branch where its own WAL ends; a position is a branch
 * and a place in it. So divergence, lost tails and "is that commit in there" are seen without keeping records, and
 * terms are found where they were written (gs_write_term_log): the timeline never changes in openGauss.
 */

export interface Branch {
  id: number;
  parent: Branch | undefined;
  /** Where it leaves its parent. */
  from: number;
  writer: string;
  /** The term its writer was promoted with. */
  promotedTerm: number;
  begunAt: number;
  /** Places where a term was written, in order. */
  terms: { at: number; term: number }[];
}

export interface Position {
  branch: Branch;
  lsn: number;
}

export const firstLsn = 0x1000000;

/** The beginning of a cluster's WAL, as initdb leaves it. */
export function rootBranch(): Branch {
  return {
    id: 0,
    parent: undefined,
    from: firstLsn,
    writer: '',
    promotedTerm: 0,
    begunAt: 0,
    terms: [{ at: firstLsn, term: 0 }],
  };
}

/** A position on the oldest branch that it lies on. */
export function normal(position: Position): Position {
  let { branch } = position;
  while (branch.parent !== undefined && position.lsn <= branch.from) branch = branch.parent;
  return branch === position.branch ? position : { branch, lsn: position.lsn };
}

/** Whether what was written there is part of that history. */
export function contains(history: Position, branch: Branch, lsn: number): boolean {
  let at: Branch | undefined = history.branch;
  let limit = history.lsn;
  while (at !== undefined) {
    if (at === branch) return lsn <= limit;
    if (at.from < limit) limit = at.from;
    at = at.parent;
  }
  return false;
}

/** Whether the one history continues the other. */
export function continues(longer: Position, shorter: Position): boolean {
  const { branch, lsn } = normal(shorter);
  return contains(longer, branch, lsn);
}

/** The last term written in that history; 0 when none was. */
export function termAt(position: Position): number {
  let at: Branch | undefined = position.branch;
  let limit = position.lsn;
  while (at !== undefined) {
    for (let index = at.terms.length - 1; index >= 0; index -= 1) {
      const mark = at.terms[index];
      if (mark !== undefined && mark.at <= limit) return mark.term;
    }
    if (at.from < limit) limit = at.from;
    at = at.parent;
  }
  return 0;
}
