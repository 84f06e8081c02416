/**
 * `agent doctor`: everything that this member can tell about what is wrong, each with what cures it: the preflight's
 * looks at settings, files and API server, the status with its warnings, and what neither shows by itself (no fence,
 * agents of several versions, a request that hangs, a configuration that is not in force). It changes nothing.
 */
import type { ClusterStatus } from '../adapters/http/document.ts';
import { readSettings, type Settings } from '../settings/table.ts';
import { checkApiServer } from './apiserver.ts';
import { failure, type Finding, fine, warning, within } from './checks.ts';
import type { Command } from './command.ts';
import { checkData, checkInstallation, checkPlaces, checkSecret } from './files.ts';
import { exit, type Io } from './io.ts';
import { isGuarded } from '../adapters/os/fence.ts';
import { openKube } from './kube.ts';
import { localStatus, primaryIn } from './members.ts';

const filesMs = 10_000;
const kubeMs = 15_000;
const callMs = 2000;

export const doctor: Command = {
  name: 'doctor',
  summary: 'look at this member and the cluster as it sees it, and say what is wrong and what cures it',
  details: ['It changes nothing. Exit code: 0 all is well, 2 warnings, 1 something failed.'],
  options: {},
  async run(_parsed, io) {
    const read = readSettings(io.env);
    const settings = read.ok ? read.settings : undefined;
    const found = await Promise.all([
      settings === undefined
        ? [failure('settings', 'they are not valid', 'Run this in the container og; agent preflight lists them all.')]
        : here(settings),
      cluster(io),
      settings === undefined ? [] : within(kubeMs, 'objects', () => objects(io)),
    ]);
    const findings = found.flat();
    print(io, findings);
    if (findings.some((one) => one.verdict === 'failed')) return exit.failed;
    return findings.some((one) => one.verdict === 'warning') ? exit.degraded : exit.done;
  },
};

async function here(settings: Settings): Promise<Finding[]> {
  const found = await Promise.all([
    within(filesMs, 'secret', () => checkSecret(settings)),
    within(filesMs, 'openGauss', () => checkInstallation(settings)),
    within(filesMs, 'run directory', () => checkPlaces(settings)),
    within(filesMs, 'data directory', () => checkData(settings)),
    within(kubeMs, 'API server', () => checkApiServer(settings)),
  ]);
  return [...found.flat(), fence(settings)];
}

/** Whether PID 1 listens; its environment is the agent's, and not that of a command that was run beside it. */
function fence({ runDir }: Settings): Finding {
  return isGuarded(runDir)
    ? fine('guard', 'the entrypoint guards the server')
    : warning('guard', 'nobody guards the server when the agent is gone', 'Start the agent by entrypoint.sh.');
}

async function cluster(io: Io): Promise<Finding[]> {
  const status = await localStatus(io);
  if (status === undefined)
    return [
      failure('agent', 'the agent of this container does not answer', 'Look at the log of the container; PID 1 starts it again.'),
    ];
  const primary = primaryIn(status);
  const lead =
    primary === undefined
      ? failure('primary', 'there is none', 'agent status -o wide says what each member waits for.')
      : fine('primary', `${primary.name}, term ${status.term ?? 'unknown'}`);
  const told = status.warnings.map((one) => warning(one.member ?? 'cluster', one.message, one.hint));
  return [fine('agent', `it answers; ${status.source.reason}`), lead, versions(status), ...told];
}

function versions(status: ClusterStatus): Finding {
  const found = [...new Set(status.members.flatMap((member) => member.agentVersion ?? []))].sort();
  return found.length > 1
    ? warning(
        'versions',
        `agents of ${found.join(' and ')} work together`,
        'End the roll-out soon: only one version is tested with itself.',
      )
    : fine('versions', `every agent that answers is ${found[0] ?? 'unknown'}`);
}

/** What people wrote: whether it is in force, and whether something they asked for is still open. */
async function objects(io: Io): Promise<Finding[]> {
  const access = await openKube(io);
  if (typeof access === 'number') return [];
  const { kube, settings } = access;
  const [config, request] = await Promise.all([kube.readConfig(callMs), kube.readRequest(callMs)]);
  await kube.close();
  const found: Finding[] = [];
  if (!config.ok) found.push(failure('configuration', config.fault.detail, config.fault.hint ?? 'Look at the API server.'));
  else {
    const { readConfig } = await import('../settings/dynamic.ts');
    const read = readConfig(config.value.text);
    const name = `og-${settings.cluster}-config`;
    found.push(
      read.ok
        ? fine('configuration', `${name} is valid`)
        : failure('configuration', `${name} is not valid and not in force`, 'agent config show lists what is wrong.'),
    );
  }
  if (!request.ok) found.push(failure('request', request.fault.detail, request.fault.hint ?? 'Look at the API server.'));
  else {
    const open = request.value?.phase === 'open' || request.value?.phase === 'running' ? request.value : undefined;
    if (open !== undefined) {
      const end = open.deadline ?? 'no deadline';
      found.push(
        warning(
          'request',
          `a ${open.kind} is ${open.phase} (${end}): ${open.result ?? 'nobody has answered yet'}`,
          'No other request is taken up until it has ended.',
        ),
      );
    }
  }
  return found;
}

function print(io: Io, findings: Finding[]): void {
  const width = Math.max(...findings.map((finding) => finding.check.length));
  for (const { check, verdict, text, hint } of findings) {
    io.out.write(`${verdict.padEnd(7)}   ${check.padEnd(width)}   ${text}\n`);
    if (hint !== undefined) io.out.write(`${' '.repeat(10)}${' '.repeat(width)}   hint: ${hint}\n`);
  }
}
