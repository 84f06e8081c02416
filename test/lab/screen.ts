/**
 * What a person or a script sees of a running lab: a live status screen on a terminal, plain lines elsewhere, one JSON
 * line per event with --json. It reads the agents' own status and shows nothing that they do not say.
 */
import { spawn } from 'node:child_process';
import type { Lab, LabEvent } from './lab.ts';
import type { NodesLab } from './nodes.ts';

export interface Screen {
  event(event: LabEvent): void;
  /** The cluster is healthy. */
  show(lab: Lab | NodesLab, seconds: number): void;
  leave(): void;
}

const refreshMs = 2000;
const linesKept = 8;

/** `live` redraws, `plain` appends lines, `json` appends JSON. */
export function createScreen(kind: 'live' | 'plain' | 'json'): Screen {
  let timer: NodeJS.Timeout | undefined;
  let recent: string[] = [];
  let busy = false;

  function print(line: string) {
    process.stdout.write(`${line}\n`);
  }
  async function draw(lab: Lab) {
    if (busy) return;
    busy = true;
    const status = await statusText(lab);
    busy = false;
    if (timer === undefined) return;
    const text = [...addressTable(lab), '', status.trimEnd(), '', ...recent, '', 'Ctrl-C stops the cluster.'].join('\n');
    process.stdout.write(`\x1b[H\x1b[2J${text}\n`);
  }

  return {
    event(event) {
      if (kind === 'json') return print(JSON.stringify({ time: new Date().toISOString(), ...event }));
      recent = [...recent, `${new Date().toISOString().slice(11, 19)}  ${event.line}`].slice(-linesKept);
      if (timer === undefined) print(event.kind === 'warning' ? `warning: ${event.line}` : event.line);
    },
    show(lab, seconds) {
      if (kind === 'json')
        return print(JSON.stringify({ time: new Date().toISOString(), kind: 'lab', seconds, lab: lab.record() }));
      print(`healthy after ${seconds.toFixed(1)} s`);
      for (const line of addressTable(lab)) print(line);
      if (kind !== 'live' || !('members' in lab)) return;
      timer = setInterval(() => void draw(lab), refreshMs);
      void draw(lab);
    },
    leave() {
      clearInterval(timer);
      timer = undefined;
    },
  };
}

function addressTable(lab: Pick<Lab, 'record'>): string[] {
  const { services, client, members, kubeconfig } = lab.record();
  const url = (at: { host: string; port: number }) =>
    `postgresql://${client.user}:${client.password}@${at.host}:${at.port}/${client.database}`;
  const width = Math.max(...members.map((member) => member.pod.length), 'KUBECONFIG'.length);
  const row = (name: string, text: string) => `${name.padEnd(width)}   ${text}`;
  return [
    row('WRITE', url(services.write)),
    row('READ', url(services.read)),
    ...members.map((member) => row(member.pod, `${member.ip}:${member.port}   http://${member.ip}:${member.httpPort}/status`)),
    row('KUBECONFIG', kubeconfig),
  ];
}

/** The table of `agent status`, asked of one member that has a container. */
function statusText(lab: Lab): Promise<string> {
  const member = lab.members.find((one) => one.agent() !== undefined);
  const container = member?.container();
  if (member === undefined || container === undefined) return Promise.resolve('no agent runs');
  const enter = lab.isolation.namespaces
    ? ['nsenter', '-t', String(container.pid1.pid), '-U', '-p', '-m', '--preserve-credentials']
    : [];
  const [file = '', ...args] = [...enter, 'agent', 'status'];
  return new Promise((resolve) => {
    const child = spawn(file, args, { env: member.env(), stdio: ['ignore', 'pipe', 'pipe'], timeout: 10_000 });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', () => resolve(text));
  });
}
