/**
 * pg_controldata: the only trustworthy place for the system identifier of a stopped server. The SQL function
 * pg_control_checkpoint() prints shifted columns (opengauss-interface 3.1) and is not used.
 */
import { failed, ok, type Result } from '../../core/result.ts';
import type { InstanceOptions } from './options.ts';
import { exitFault, runTool } from './tool.ts';

export interface ControlData {
  /** Decimal text. */
  systemId: string;
  /** E.g. `in production`, `shut down`. */
  clusterState: string;
}

/** Reads the labels of PostgreSQL 9.2 that openGauss kept. */
export function parseControlData(output: string): ControlData | undefined {
  const fields = new Map<string, string>();
  for (const line of output.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const systemId = fields.get('Database system identifier');
  const clusterState = fields.get('Database cluster state');
  if (systemId === undefined || !/^\d+$/.test(systemId) || clusterState === undefined) return undefined;
  return { systemId, clusterState };
}

/** Runs pg_controldata on the data directory. */
export async function readControlData(options: InstanceOptions, deadlineMs: number): Promise<Result<ControlData>> {
  const run = await runTool(options, 'pg_controldata', [options.pgdata], { deadlineMs });
  if (!run.ok) return run;
  if (run.value.exitCode !== 0) return failed(exitFault('pg_controldata', run.value));
  const data = parseControlData(run.value.stdout);
  if (data !== undefined) return ok(data);
  return failed({ of: 'command', kind: 'malformed', done: 'no', detail: 'pg_controldata names no system identifier' });
}
