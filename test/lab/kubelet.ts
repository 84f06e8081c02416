/**
 * The kubelet's part for one pod: the readiness probe (tcp, once a second, three failures make it not ready) and the
 * pod's status. It reports what it sees and decides nothing; silenced, it writes nothing, as on a node without power.
 */
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from './api.ts';
import { type ContainerSight, podStatus } from './objects.ts';

const probePeriodMs = 1000;
const probeDeadlineMs = 1000;
const failuresMax = 3;

export interface KubeletOptions {
  api: Api;
  /** `/api/v1/namespaces/…/pods/…` */
  path: string;
  ip: string;
  readyPort: number;
}

export interface Kubelet {
  /** Reports a container's new state. */
  setContainer(sight: ContainerSight): void;
  /** Probes now rather than at the next second. */
  nudge(): void;
  /** A silenced kubelet neither probes nor writes. */
  silence(on: boolean): void;
  /** Resolves when everything reported so far is written. */
  settled(): Promise<void>;
  stop(): void;
}

/** Starts probing; `setContainer` must follow. */
export function startKubelet(options: KubeletOptions): Kubelet {
  let sight: ContainerSight | undefined;
  let ready = false;
  let failures = 0;
  let silent = false;
  let since = new Date().toISOString();
  let stopped = false;
  let wake = new AbortController();
  let writing = Promise.resolve();

  function report() {
    writing = writing.then(write).catch(() => undefined);
  }
  async function write() {
    if (silent || stopped || sight === undefined) return;
    const status = podStatus(options.ip, sight, ready, since);
    for (let tries = 0; tries < 3; tries += 1) {
      const answer = await options.api.merge(`${options.path}/status`, { status }).catch(() => undefined);
      if (answer !== undefined && answer.status < 500) return;
      await sleep(100);
    }
  }
  function setReady(next: boolean) {
    if (ready === next) return;
    ready = next;
    since = new Date().toISOString();
    report();
  }
  async function probe() {
    if (sight === undefined || !('running' in sight.state)) {
      failures = failuresMax;
      return setReady(false);
    }
    const accepted = await accepts(options.ip, options.readyPort);
    failures = accepted ? 0 : failures + 1;
    if (accepted) setReady(true);
    else if (failures >= failuresMax) setReady(false);
  }
  async function run() {
    while (!stopped) {
      if (!silent) await probe();
      await sleep(probePeriodMs, undefined, { signal: wake.signal }).catch(() => undefined);
      if (wake.signal.aborted) wake = new AbortController();
    }
  }
  void run();

  return {
    setContainer(next) {
      sight = next;
      if (!('running' in next.state)) ready = false;
      report();
    },
    nudge: () => wake.abort(),
    silence(on) {
      silent = on;
      if (!on) report();
    },
    settled: () => writing,
    stop() {
      stopped = true;
      wake.abort();
    },
  };
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: probeDeadlineMs });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(false));
    socket.once('error', () => settle(false));
  });
}
