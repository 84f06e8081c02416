/**
 * The API server as the loop needs it. Every call has a deadline, every failure is a Fault; after a failed write
 * `fault.done` says whether it may have happened. No `V1*` type of the client library rises above the adapter.
 */
import type { ClusterFacts, LeaseRecord, MemberName, NodeSight, PodSight, Request } from '../core/model.ts';
import type { Result } from '../core/result.ts';
import type { LeaseDraft } from '../core/view.ts';

/** What a lease write puts down; `over` is the very version that was decided on (compare-and-swap, S4). */
export interface LeaseWrite {
  record: LeaseDraft;
  /** resourceVersion to replace, or undefined to create. */
  over: string | undefined;
  /** metadata.uid of what is replaced: without it a PUT over a Lease that was deleted makes a new one. */
  uid?: string;
}

export interface EventNote {
  /** One of the table in docs/OPERATIONS.md, e.g. `Promoted`. */
  reason: string;
  type: 'Normal' | 'Warning';
  action: string;
  note: string;
}

export interface KubePort {
  /** Undefined value: answered 404. */
  readLease(deadlineMs: number): Promise<Result<LeaseRecord | undefined>>;
  writeLease(write: LeaseWrite, deadlineMs: number): Promise<Result<LeaseRecord>>;
  /** All pods of the cluster (by label `opengauss.cluster`), sorted by name. */
  listPods(deadlineMs: number): Promise<Result<PodSight[]>>;
  /**
   * Sets (text) or removes (null) labels and annotations of one pod, only if it is still that pod (uid) and, when
   * `resourceVersion` is given, still that version.
   */
  patchPod(
    pod: { name: MemberName; uid: string; resourceVersion?: string },
    change: { labels?: Record<string, string | null>; annotations?: Record<string, string | null> },
    deadlineMs: number,
  ): Promise<Result<PodSight>>;
  /** The text of key `config.yaml` of `og-<c>-config`; undefined when ConfigMap or key is absent. */
  readConfig(deadlineMs: number): Promise<Result<{ text: string | undefined; resourceVersion: string | undefined }>>;
  readFacts(deadlineMs: number): Promise<Result<ClusterFacts>>;
  /** Creates `og-<c>-state` or replaces exactly the version in `facts.resourceVersion`. */
  writeFacts(facts: ClusterFacts, deadlineMs: number): Promise<Result<ClusterFacts>>;
  /** The Node of that name; undefined: answered 404, which proves nothing of the machine. */
  readNode(name: string, deadlineMs: number): Promise<Result<NodeSight | undefined>>;
  readRequest(deadlineMs: number): Promise<Result<Request | undefined>>;
  /** Creates `og-<c>-request` (empty resourceVersion) or replaces exactly that version. */
  writeRequest(request: Request, deadlineMs: number): Promise<Result<Request>>;
  /** Best effort, rate-limited, on the own pod; never on the critical path. */
  event(note: EventNote): void;
  /**
   * Hints: calls back whenever lease, pods, config, state or request may have changed, with the new lease where the
   * watch delivered it. Reconnects by itself, with a maximum age; correctness never depends on it (K24).
   */
  watch(onChange: (hint: KubeHint) => void): { stop(): void };
  close(): Promise<void>;
}

/** What only the command line does, on behalf of a person; the loop never writes what people write. */
export interface HandPort {
  /** Creates `og-<c>-config` (no version) or replaces the key `config.yaml` of exactly that version. */
  writeConfig(text: string, over: string | undefined, deadlineMs: number): Promise<Result<void>>;
}

export type KubeHint =
  | { of: 'lease'; record: LeaseRecord | undefined }
  | { of: 'pods'; pod: PodSight; deleted: boolean }
  | { of: 'config' | 'facts' | 'request' }
  | { of: 'resync' };
