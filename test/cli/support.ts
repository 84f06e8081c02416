/** Runs a command in this process with streams that record, against a board of the test's own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createBoard, type ReadableBoard } from '../../agent/adapters/http/board.ts';
import { createMetrics } from '../../agent/adapters/http/metrics.ts';
import { serveHttp } from '../../agent/adapters/http/server.ts';
import { runCli } from '../../agent/cli.ts';
import type { Snapshot, View } from '../../agent/core/view.ts';
import { now } from '../core/builders.ts';

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Runs `agent …` with that environment. */
export async function agent(
  env: Record<string, string>,
  words: string[],
  options: { signal?: AbortSignal; onOut?: (all: string) => void } = {},
): Promise<Ran> {
  let out = '';
  let err = '';
  const code = await runCli(words, {
    env,
    out: {
      write: (text) => {
        out += text;
        options.onOut?.(out);
      },
    },
    err: {
      write: (text) => {
        err += text;
      },
    },
    signal: options.signal ?? new AbortController().signal,
  });
  return { code, out, err };
}

export function shot(view: View): Snapshot {
  return {
    view,
    decision: { lease: { do: 'nothing' }, instance: { do: 'nothing' }, reason: 'leads' },
    cycle: 7,
    at: '2026-11-21T07:16:00Z',
  };
}

/** An agent's HTTP port over a board, and the environment by which commands find it. */
export async function anAgent(t: TestContext): Promise<{ board: ReadableBoard; env: Record<string, string> }> {
  const board = createBoard();
  const clock = { now: () => now };
  const metrics = createMetrics({ version: '0.1.0', cluster: 'demo', pod: 'og-demo-1', board, clock });
  const served = await serveHttp({ address: '127.0.0.1', port: 0, board, metrics, clock });
  if (!served.ok) throw new Error(served.fault.detail);
  t.after(served.value.close);
  return { board, env: { OG_HTTP_PORT: String(served.value.port) } };
}

/** A directory that goes with the test. */
export function aDirectory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'og-cli-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
