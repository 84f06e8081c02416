/**
 * What the members of a lab asked the API server for, held against the Role of the manifests: nothing was refused, nothing
 * is granted that nobody used. Who calls it has had people's commands run before, as some rights are for those alone.
 */
import assert from 'node:assert/strict';
import { readBase } from '../manifests/base.ts';
import type { Lab } from '../lab/lab.ts';

/** Granted, and needed when something happens that need not happen in a run. */
const RARE: Record<string, string> = {
  'patch events.k8s.io/events': 'an Event that repeats itself counts up',
};

function granted(): string[] {
  const role = readBase().find(({ kind }) => kind === 'Role') as unknown as {
    rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  };
  return role.rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  );
}

export function rightsFit(lab: Lab): void {
  const used = lab.rightsUsed();
  const allowed = new Set(granted());
  assert.ok(used.size > 5, `only ${used.size} kinds of requests were recorded`);
  assert.deepEqual(
    [...used.keys()].filter((right) => !allowed.has(right)),
    [],
    'used and not granted',
  );
  assert.deepEqual(
    [...used].filter(([, codes]) => codes.has(403)).map(([right]) => right),
    [],
    'refused',
  );
  assert.deepEqual(
    [...allowed].filter((right) => !used.has(right) && RARE[right] === undefined),
    [],
    'granted and not used',
  );
}
