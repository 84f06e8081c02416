/**
 * The managed part of pg_hba.conf. Pure text. The first matching line wins in this file, so what must hold stands in
 * a block at the top and what is only a default in one at the bottom; lines of people stay between the two.
 */
import { isIP } from 'node:net';

const beginTop = '# begin of what the agent manages (first); edits between these lines are lost';
const endTop = '# end of what the agent manages (first)';
const beginBottom = '# begin of what the agent manages (last); edits between these lines are lost';
const endBottom = '# end of what the agent manages (last)';

/** Lines that gs_initdb writes and that our own replace; kept, they would shadow the block at the bottom. */
const initial = /^\s*(local\s+all\s+all\s+trust|host\s+all\s+all\s+(127\.0\.0\.1\/32|::1\/128)\s+trust)\s*$/;

export interface HbaWishes {
  superuser: string;
  replicationUser: string;
  /** Addresses of the other members; those that are no IP are left out, as the file is matched by address. */
  peers: string[];
}

/** The file with our two blocks and the lines of people between them. */
export function renderHba(text: string, wishes: HbaWishes): string {
  const people = peopleOf(text);
  while (people.at(-1)?.trim() === '') people.pop();
  while (people[0]?.trim() === '') people.shift();
  return [beginTop, ...topLines(wishes), endTop, ...people, beginBottom, ...bottomLines(), endBottom, ''].join('\n');
}

/** `trust` over TCP is honoured for openGauss's own tools alone; an ordinary client is refused all the same. */
function topLines(wishes: HbaWishes): string[] {
  const peers = [...new Set(wishes.peers.filter((peer) => isIP(peer) !== 0))].sort();
  return [
    `local all ${wishes.superuser} trust`,
    'host all all 127.0.0.1/32 trust',
    'host all all ::1/128 trust',
    ...peers.flatMap((peer) => [
      `host all ${wishes.superuser} ${range(peer)} trust`,
      `host replication ${wishes.superuser} ${range(peer)} trust`,
      `host replication ${wishes.replicationUser} ${range(peer)} sha256`,
    ]),
  ];
}

function bottomLines(): string[] {
  return ['local all all sha256', 'host all all 0.0.0.0/0 sha256', 'host all all ::/0 sha256'];
}

function range(address: string): string {
  return isIP(address) === 6 ? `${address}/128` : `${address}/32`;
}

function peopleOf(text: string): string[] {
  const people: string[] = [];
  let within = false;
  for (const line of text.split('\n')) {
    if (line === beginTop || line === beginBottom) within = true;
    else if (line === endTop || line === endBottom) within = false;
    else if (!within && !initial.test(line)) people.push(line);
  }
  return people;
}
