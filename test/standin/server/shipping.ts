// openGauss's shipping of postgresql.conf: a standby takes its primary's file over when that changes, but for a list of parameters that stay
// its own. Only the primary's sync_config_strategy counts. The old file is kept as postgresql.conf.wal.bak.
import { createHash } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { readText, replaceFile } from '../shared/state.ts';
import { readLine } from './conf.ts';
import { askPeer, confName, type PeerAddress } from './peers.ts';

const periodMs = 2_000;
const file = 'postgresql.conf';

const reserved: readonly RegExp[] = [
  /^(cross_cluster_)?replconninfo\d$/,
  /^(application_name|archive_command|archive_dest|audit_directory|available_zone|listen_addresses|log_directory|port|repl_uuid|repl_auth_mode)$/,
  /^(synchronous_standby_names|local_bind_address|recovery_min_apply_delay|sync_config_strategy|(stream_)?cluster_run_mode)$/,
  /^(ssl|dcf_|uwal_|ss_|xlog_file_|huge_page|enable_huge_pages)/,
  /^(perf|query_log|asp_log)_directory$/,
];

const isReserved = (name: string) => reserved.some((pattern) => pattern.test(name));

/** A mark of the file's content. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The primary's answer: its file, or nothing to ship. */
export function shippedConf(strategy: string): string {
  const text = readText(file) ?? '';
  return JSON.stringify(strategy === 'none_node' ? { digest: '' } : { digest: digest(text), text });
}

/** The primary's file with the reserved lines of the local one in place of its own. */
export function mergeConf(local: string, primary: string): string {
  const nameOf = (line: string) => readLine(line)?.name ?? '';
  const own = local.split('\n').filter((line) => isReserved(nameOf(line)));
  const kept = primary.split('\n').filter((line) => !isReserved(nameOf(line)));
  while (kept.at(-1) === '') kept.pop();
  return `${[...kept, ...own].join('\n')}\n`;
}

/** Watches the primary's file while `upstream` gives one; `changed` is called after the local file was replaced. */
export function watchConf(upstream: () => PeerAddress | undefined, changed: () => void): void {
  let seen: { peer: string; digest: string } | undefined;
  let asking = false;
  const look = async () => {
    const peer = upstream();
    if (peer === undefined || asking) return;
    asking = true;
    const line = await askPeer(peer, confName, [], 1_000);
    asking = false;
    if (line === undefined || !line.startsWith('{')) return;
    const answer = JSON.parse(line) as { digest: string; text?: string };
    const key = `${peer.host}:${peer.port}`;
    const before = seen;
    seen = { peer: key, digest: answer.digest };
    // only a change ships: what the primary had when the stream began is taken for known
    if (
      before === undefined ||
      before.peer !== key ||
      before.digest === answer.digest ||
      before.digest === '' ||
      answer.text === undefined
    )
      return;
    copyFileSync(file, `${file}.wal.bak`);
    replaceFile(file, mergeConf(readText(file) ?? '', answer.text));
    changed();
  };
  setInterval(() => void look(), periodMs).unref();
}
