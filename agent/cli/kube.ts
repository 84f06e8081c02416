/**
 * The API server for commands that need it: the settings of this container and the agent's own adapter, loaded only
 * now because it brings the Kubernetes client with it.
 */
import type { HandPort, KubePort } from '../ports/kube.ts';
import { noTelemetry } from '../ports/telemetry.ts';
import { renderProblems } from '../settings/problem.ts';
import { readSettings, type Settings } from '../settings/table.ts';
import { version } from '../version.ts';
import { complain, exit, type Io } from './io.ts';

export interface KubeAccess {
  kube: KubePort & HandPort;
  settings: Settings;
}

/** Opens the way to the API server; a number is the exit code of a command that cannot go on. */
export async function openKube(io: Io): Promise<KubeAccess | number> {
  const read = readSettings(io.env);
  if (!read.ok) {
    io.err.write(`${renderProblems(read.problems)}\n`);
    return complain(io, exit.settings, 'the settings are not valid', 'Run this in the container og of a member.');
  }
  const { settings } = read;
  const [{ createKube }, { createClock }] = await Promise.all([
    import('../adapters/kube/kube.ts'),
    import('../adapters/os/clock.ts'),
  ]);
  const kube = createKube({
    url: settings.kubeUrl,
    serviceAccountDir: settings.serviceAccountDir,
    namespace: settings.namespace,
    cluster: settings.cluster,
    pod: { name: settings.pod, uid: settings.uid },
    version,
    telemetry: noTelemetry,
    clock: createClock(),
  });
  return { kube, settings };
}
