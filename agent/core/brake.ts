/**
 * Who has set the server read-only, and what is to be done about it. The server's switch
 * (`default_transaction_read_only`) says on or off and not who; a mark beside the data, written before the switch, says
 * who (I19). What no mark explains was set by a human, and only a human takes it back. The mark names the promotion it was made
 * in: what lies in a file from before is judged by what the cluster recorded since.
 */
import type { BrakeMark, BrakeOwner, CarriedBrake, MemberName, Term } from './model.ts';
import type { Observed } from './result.ts';

/** What one look at the switch of a leading primary rests on. */
export interface BrakeSight {
  self: MemberName;
  /** The server's own word, younger than the last change made here. */
  shown: boolean;
  /** On this member's volume; undefined: none was ever made, or it cannot be read. */
  mark: BrakeMark | undefined;
  /** The promotion that this server runs under. */
  term: Term;
  /** What the cluster has recorded of a human's wish. */
  carried: Observed<CarriedBrake | undefined>;
  /** Who was promoted last before this promotion; undefined: nobody. */
  before: MemberName | undefined;
  /** A volume asks for it. */
  pressed: boolean;
  /** A hand-over drains the clients. */
  draining: boolean;
}

export type BrakeStep =
  | { do: 'nothing'; owner: BrakeOwner | undefined }
  /** Record the mark, then switch on and cut sessions. */
  | { do: 'set'; mark: BrakeMark }
  /** Switch off, then record that it is off. */
  | { do: 'clear'; mark: BrakeMark; was: BrakeOwner | undefined }
  /** Only the mark changes. */
  | { do: 'adopt'; mark: BrakeMark };

/** The next step; done one by one, each on a new look. */
export function brakeStep(sight: BrakeSight): BrakeStep {
  if (sight.mark?.term !== sight.term) return fromBefore(sight);
  const { shown, term, pressed, draining } = sight;
  const { owner } = sight.mark;
  if (owner === 'human') return shown ? { do: 'nothing', owner } : { do: 'adopt', mark: { term, owner: undefined } };
  if (shown && owner === undefined) return { do: 'adopt', mark: { term, owner: 'human' } };
  if (draining) return shown ? { do: 'nothing', owner } : { do: 'set', mark: { term, owner: owner ?? 'switchover' } };
  if (pressed && !shown) return { do: 'set', mark: { term, owner: 'agent' } };
  if (pressed && owner === 'switchover') return { do: 'adopt', mark: { term, owner: 'agent' } };
  if (!pressed && shown) return { do: 'clear', mark: { term, owner: undefined }, was: owner };
  if (!pressed && owner !== undefined) return { do: 'adopt', mark: { term, owner: undefined } };
  return { do: 'nothing', owner };
}

/** The first look of a promotion: the switch is as an earlier time left it. */
function fromBefore(sight: BrakeSight): BrakeStep {
  const { shown, mark, term, carried, before, self } = sight;
  const left = mark?.owner;
  if (shown && left === 'agent') return { do: 'adopt', mark: { term, owner: 'agent' } };
  if (shown && left === 'switchover') return { do: 'clear', mark: { term, owner: undefined }, was: left };
  // Whether a human wants it cannot be told without the cluster's word: it stays as it is (I2).
  if (!carried.known) return { do: 'nothing', owner: shown ? 'human' : undefined };
  const wanted = carried.value !== undefined;
  if (shown && (wanted || before === undefined || before === self)) return { do: 'adopt', mark: { term, owner: 'human' } };
  if (shown) return { do: 'clear', mark: { term, owner: undefined }, was: 'human' };
  return wanted ? { do: 'set', mark: { term, owner: 'human' } } : { do: 'adopt', mark: { term, owner: undefined } };
}

/** What the cluster is to remember of this primary's switch; undefined: nothing, as no human set it. */
export function carriedBy(mark: BrakeMark | undefined, self: MemberName): CarriedBrake | undefined {
  return mark?.owner === 'human' ? { owner: 'human', member: self, term: mark.term } : undefined;
}
