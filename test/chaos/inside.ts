/** A shell line inside a member's container, as `kubectl exec` runs it. */
import { command, type Output } from '../e2e/harness.ts';
import type { Lab } from '../lab/lab.ts';

/** Runs it with the container's environment; the answer comes when it has ended. */
export function execIn(lab: Lab, member: string, line: string): Promise<Output> {
  const path = 'export PATH=$GAUSSHOME/bin:$PATH LD_LIBRARY_PATH=$GAUSSHOME/lib:$LD_LIBRARY_PATH;';
  return command(process.execPath, ['test/lab/main.ts', '--dir', lab.dir, 'exec', member, '--', 'sh', '-c', `${path} ${line}`]);
}
