// pg_hba.conf of openGauss: its lines and which of them a TCP connection meets. The local lines are read and not used: a unix socket is
// judged by user alone.
import { BlockList, isIP } from 'node:net';

/** One `host` line. */
export interface HbaLine {
  databases: string[];
  users: string[];
  address: string;
  mask: string | undefined;
  method: string;
}

function words(line: string): string[] {
  return (line.replace(/(^|\s)#.*$/, '').match(/"[^"]*"|[^\s]+/g) ?? []).map((word) => word.replaceAll('"', ''));
}

/** The host lines, in order; others are passed over. */
export function readHba(text: string): HbaLine[] {
  return text.split('\n').flatMap((line) => {
    const [type = '', databases = '', users = '', address = '', ...rest] = words(line);
    if (type !== 'host' && type !== 'hostnossl') return [];
    const masked = isIP(rest[0] ?? '') !== 0;
    const method = (masked ? rest[1] : rest[0]) ?? '';
    if (method === '') return [];
    return [
      {
        databases: databases.split(','),
        users: users.split(','),
        address,
        mask: masked ? rest[0] : undefined,
        method: method.toLowerCase(),
      },
    ];
  });
}

function maskBits(mask: string): number {
  return mask.split('.').reduce((bits, part) => bits + (Number(part).toString(2).match(/1/g)?.length ?? 0), 0);
}

/** Strips the IPv6 form of an IPv4 address. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}

function addressMatches(line: HbaLine, remote: string, local: string): boolean {
  if (line.address === 'all') return true;
  if (line.address === 'samehost') return remote === local;
  const [base = '', prefix] = line.address.split('/');
  const family = isIP(base);
  if (family === 0 || family !== isIP(remote)) return false;
  const bits =
    prefix !== undefined
      ? Number(prefix)
      : line.mask !== undefined && family === 4
        ? maskBits(line.mask)
        : family === 4
          ? 32
          : 128;
  const list = new BlockList();
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(base, bits, kind);
  return list.check(remote, kind);
}

/** The method of the first line that fits; undefined when none does. */
export function hbaMethod(
  lines: readonly HbaLine[],
  asked: { database: string; user: string; replication: boolean; remote: string; local: string },
): string | undefined {
  const fits = (line: HbaLine) => {
    const database = asked.replication
      ? line.databases.includes('replication')
      : line.databases.some(
          (name) => name === 'all' || name === asked.database || (name === 'sameuser' && asked.user === asked.database),
        );
    return (
      database &&
      line.users.some((name) => name === 'all' || name === asked.user) &&
      addressMatches(line, asked.remote, asked.local)
    );
  };
  return lines.find(fits)?.method;
}
