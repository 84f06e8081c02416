/**
 * Whether the API server has what agent and manifests use. What it lacks is told with what it costs; only the Lease is something
 * that nothing works without.
 */
import { failure, type Finding, fine, warning } from './checks.ts';

const check = 'Kubernetes';

interface Feature {
  /** The first minor version of Kubernetes 1 that has it without being asked. */
  since: number;
  what: string;
  without: string;
}

/** The newest first; a test holds docs/OPERATIONS.md to it. */
export const features: readonly Feature[] = [
  {
    since: 27,
    what: 'unhealthyPodEvictionPolicy of the budget',
    without: 'a member that is not ready can block the drain of its node',
  },
  {
    since: 27,
    what: 'persistentVolumeClaimRetentionPolicy of the StatefulSet',
    without: 'the field is dropped; claims are kept all the same',
  },
  { since: 23, what: 'Pod Security', without: 'the namespace lets in pods below the restricted profile' },
  {
    since: 21,
    what: 'policy/v1 PodDisruptionBudget',
    without: 'the manifests are not taken, and a drain may stop all members at once',
  },
  { since: 19, what: 'events.k8s.io/v1', without: 'the agent’s Events are lost; its log has the same' },
];
const leaseSince = 14;
const oldest = Math.max(...features.map(({ since }) => since));

/** From the answer to /version. */
export function checkVersion(body: unknown): Finding {
  const { major, minor, gitVersion } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  // Some providers write `27+`.
  const [first, second] = [Number.parseInt(String(major), 10), Number.parseInt(String(minor), 10)];
  if (Number.isNaN(first) || Number.isNaN(second))
    return warning(check, 'the API server does not say its version', `It should be 1.${oldest} or newer.`);
  const name = typeof gitVersion === 'string' ? gitVersion : `v${first}.${second}`;
  if (first > 1 || second >= oldest) return fine(check, name);
  if (second < leaseSince)
    return failure(check, `${name} has no coordination.k8s.io/v1 Lease`, `Use a cluster of version 1.${oldest} or newer.`);
  const lacks = features.filter(({ since }) => since > second);
  return warning(
    check,
    `${name} lacks ${lacks.map(({ what, since }) => `${what} (1.${since})`).join(', ')}`,
    `${lacks.map(({ without }) => without).join('; ')}. Use 1.${oldest} or newer.`,
  );
}
