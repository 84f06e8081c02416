/** kubectl for tests, with a configuration and a cache of its own in one directory. */
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const KUBECTL = process.env['KUBE_TEST_KUBECTL'] ?? 'kubectl';
/** What tests with kubectl need and this machine lacks. */
export const MISSING = [KUBECTL, 'openssl'].filter(
  (tool) => spawnSync(tool, ['--help'], { stdio: 'ignore' }).error !== undefined,
);

/** For each test that needs kubectl, or openssl for the certificate. */
export const kubectlOptions = MISSING.length === 0 ? {} : { skip: `missing here: ${MISSING.join(', ')}` };

export interface Outcome {
  code: number;
  out: string;
}

export function runKubectl(directory: string, words: string[], timeout: number): Promise<Outcome> {
  const env = {
    ...process.env,
    KUBECONFIG: join(directory, 'kubeconfig'),
    KUBECACHEDIR: join(directory, 'cache'),
    HOME: directory,
  };
  return new Promise((resolve) => {
    execFile(KUBECTL, words, { env, timeout }, (error, out, errors) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out: `${out}${errors}` });
    });
  });
}
