/**
 * Mode `off`: how much of what the last primary wrote a member may have missed. Nobody votes there, so a candidate is
 * measured against the furthest position known of that primary: what it wrote beside each renewal, and what was heard of
 * it since. Where neither is known, nothing is: unknown is not zero (I2).
 */
import type { Lsn } from './lsn.ts';
import type { LeaseRecord, MemberName, PeerState, Written } from './model.ts';
import { positionOf } from './position.ts';
import { formatBytes } from './quantity.ts';
import type { LeaseChange, View } from './view.ts';

type Behind = Pick<PeerState, 'name' | 'dataId' | 'term' | 'received' | 'replayed'>;

/** The furthest position of the primary of the last recorded promotion that this member knows of. */
function furthest(view: View, record: LeaseRecord): Lsn | undefined {
  const { promoting, written } = record;
  if (promoting === undefined) return undefined;
  const { term } = promoting;
  const peer = view.peers[promoting.member]?.state;
  const known = [
    written?.term === term ? written.lsn : undefined,
    view.heard?.term === term ? view.heard.lsn : undefined,
    peer?.promotedTerm === term ? peer.written : undefined,
  ];
  return known.reduce((best, one) => (one === undefined || (best !== undefined && best > one) ? best : one), undefined);
}

/** How many bytes of the last primary a standby does not have; undefined: that is not known. */
export function lagBehind(view: View, record: LeaseRecord, standby: Behind): bigint | undefined {
  const { promoting } = record;
  // Nobody was ever promoted; or it is the last primary itself, promoted or about to be: nobody wrote since but on its data.
  if (promoting === undefined || (standby.name === promoting.member && standby.dataId === promoting.dataId)) return 0n;
  const last = furthest(view, record);
  if (last === undefined) return undefined;
  const mine = positionOf(standby).lsn;
  const from = record.written?.term === promoting.term ? record.written.from : undefined;
  // Without the last term in its WAL it may have what others wrote there, and nothing of what was written since.
  const shared = standby.term < promoting.term && from !== undefined && from < mine ? from : mine;
  return last < shared ? 0n : last - shared;
}

/** What a take-over in mode `off` would lose beyond the limit, in words; undefined: nothing that people have not allowed. */
export function lossInOff(view: View, record: LeaseRecord, standby: Behind): string | undefined {
  if (record.syncMode !== 'off') return undefined;
  const lag = lagBehind(view, record, standby);
  const who = record.promoting?.member ?? '';
  if (lag === undefined) return `how far ${who} had written is not known`;
  return lag > view.config.maximumLagOnFailover ? `${formatBytes(lag)} of WAL of ${who} are missing` : undefined;
}

/** What the holder writes of its position with that change; undefined outside of mode `off`. */
export function writtenBy(view: View, record: LeaseRecord, change: LeaseChange): Written | undefined {
  if ((change.syncMode ?? record.syncMode) !== 'off') return undefined;
  const { instance } = view;
  const before = record.written;
  const { promoting } = change;
  if (promoting !== undefined) return atPromotion(view, record, promoting);
  if (instance.is !== 'primary' || instance.written === undefined) return before;
  const term = record.promoting?.term;
  if (term === undefined || view.promotion?.term !== term) return before;
  const same = before?.term === term ? before : undefined;
  const lsn = same !== undefined && same.lsn > instance.written ? same.lsn : instance.written;
  // Where it began is not known any more: whoever lacks its term has nothing of it for certain.
  return { term, from: same?.from ?? 1n, lsn };
}

function atPromotion(view: View, record: LeaseRecord, promoting: { member: MemberName; term: number }): Written | undefined {
  const { instance } = view;
  const { term } = promoting;
  if (instance.is === 'standby') {
    const { lsn } = positionOf(instance);
    return { term, from: lsn, lsn };
  }
  // Restarted in place: its own WAL goes on.
  const own = record.promoting?.member === promoting.member && record.written?.term === record.promoting.term;
  return own && record.written !== undefined ? { ...record.written, term } : record.written;
}
