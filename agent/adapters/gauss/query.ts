/**
 * Reads what `gs_ctl query` prints, in both of its layouts. The agent asks by SQL; this is the fallback for a server
 * that does not answer, and what it says then is what `gaussdb.state` said, perhaps long ago: `stale` tells.
 */

export interface QueryBlock {
  [field: string]: string;
}

export interface QueryAnswer {
  ha: QueryBlock | undefined;
  senders: QueryBlock[];
  receiver: QueryBlock | undefined;
  /** The layout of a server that could not be asked: nothing in it proves that the server is alive. */
  stale: boolean;
}

type Section = 'ha' | 'senders' | 'receiver' | undefined;

const titles: Record<string, Section> = {
  'HA state': 'ha',
  'Senders info': 'senders',
  'Receiver info': 'receiver',
  'Build state': undefined,
};

/** Parses the output; tolerant of lines it does not know, as gs_ctl prints more of them with every version. */
export function parseQuery(output: string): QueryAnswer {
  const answer: QueryAnswer = { ha: undefined, senders: [], receiver: undefined, stale: false };
  let section: Section;
  let block: QueryBlock | undefined;
  for (const line of output.split('\n')) {
    const title = /^ ([A-Z][A-Za-z ]*?):\s*$/.exec(line)?.[1];
    if (title !== undefined && title in titles) {
      section = titles[title];
      block = undefined;
      continue;
    }
    const field = /^(\t| {8})([a-z_]+)\s*: ?(.*)$/.exec(line);
    if (field === null || section === undefined) continue;
    const [, indent, name, value] = field;
    if (name === undefined || value === undefined) continue;
    if (indent !== '\t') answer.stale = true;
    if (block === undefined || name === 'sender_pid') {
      block = {};
      if (section === 'senders') answer.senders.push(block);
      else answer[section] = block;
    }
    block[name] ??= value.trimEnd();
  }
  return answer;
}
