// The history of terms an instance carries in its WAL: one row per promotion (term, a random mark, the WAL position where it began), and
// bare term rows. Two members compare them to tell a common history from a fork. Positions are 64-bit numbers here.
import { randomBytes } from 'node:crypto';
import { termClass } from './catalog.ts';
import type { Control } from './control.ts';

/** A promotion as the WAL remembers it. */
export interface Promotion {
  term: number;
  mark: string;
  /** where the new history began */
  begin: string;
}

/** What a member knows of its WAL. */
export interface History {
  term: number;
  promotions: Promotion[];
  /** end of its WAL: flushed on a primary, replayed on a standby */
  end: string;
}

/** A WAL position as a number. */
export function lsnNumber(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high || '0'}`) << 32n) | BigInt(`0x${low || '0'}`);
}

/** Reads the history from the instance; undefined when it does not answer. */
export async function readHistory(control: Control, standby: boolean): Promise<History | undefined> {
  const end = standby
    ? `coalesce(pg_catalog.og_pg_last_wal_replay_lsn()::text, '0/0')`
    : 'pg_catalog.og_pg_current_wal_flush_lsn()::text';
  const answer = await control.query(
    `select ${end}, pg_catalog.og_term(), coalesce((select json_agg(description::json) from pg_catalog.pg_shdescription where classoid = ${termClass} and description like '%mark%'), '[]')`,
    2_000,
  );
  const row = answer.ok ? answer.rows[0] : undefined;
  if (row === undefined) return undefined;
  const promotions = JSON.parse(row[2] ?? '[]') as Promotion[];
  promotions.sort((a, b) => a.term - b.term);
  return { end: row[0] ?? '0/0', term: Number(row[1] ?? 1), promotions };
}

/** Writes a promotion into the WAL of a fresh primary, without waiting for anybody. */
export async function recordPromotion(control: Control, begin: string): Promise<boolean> {
  const mark = randomBytes(8).toString('hex');
  const answer = await control.query(
    `set allow_system_table_mods = on; insert into pg_catalog.pg_shdescription values ((pg_catalog.random() * 4000000000)::bigint::oid, ${termClass},
       pg_catalog.jsonb_build_object('term', pg_catalog.og_term(), 'mark', '${mark}', 'begin', '${begin}')::text); set allow_system_table_mods = off`,
  );
  return answer.ok;
}

/** Where the local history leaves the primary's, as a sentence; undefined while it is a part of it. */
export function divergence(local: History, primary: History): string | undefined {
  const marks = (history: History) => new Set(history.promotions.map((promotion) => promotion.mark));
  const theirs = marks(primary);
  const ours = marks(local);
  const foreign = local.promotions.find((promotion) => !theirs.has(promotion.mark));
  if (foreign !== undefined) return `the local promotion at ${foreign.begin} is unknown to the primary`;
  const end = lsnNumber(local.end);
  for (const promotion of primary.promotions) {
    if (!ours.has(promotion.mark) && end > lsnNumber(promotion.begin))
      return `local WAL ends at ${local.end}, the primary's history began at ${promotion.begin}`;
  }
  if (end > lsnNumber(primary.end)) return `local WAL ends at ${local.end}, the primary's at ${primary.end}`;
  return undefined;
}
