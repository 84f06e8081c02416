/** The last sentence: what the members asked the API server for in all that went before, held against the Role. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeRights, type Right, rights } from '../../../agent/adapters/kube/rights.ts';
import { sentence } from './scene.ts';

interface Audited {
  verb: string;
  objectRef?: { resource?: string; apiGroup?: string; name?: string; subresource?: string };
}

/** `verb group/resource`, as RBAC sees it. */
function asked(file: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const { verb, objectRef } = JSON.parse(line) as Audited;
    // What every account may ask, such as its own rights.
    if (objectRef?.resource === undefined || objectRef.apiGroup === 'authorization.k8s.io') continue;
    const sub = objectRef.subresource === undefined ? '' : `/${objectRef.subresource}`;
    const key = `${verb} ${objectRef.apiGroup ?? ''}/${objectRef.resource}${sub}`;
    const names = found.get(key) ?? new Set<string>();
    found.set(key, names.add(objectRef.name ?? ''));
  }
  return found;
}

function granted(rules: Right[]): Set<string> {
  return new Set(
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
    ),
  );
}

export function usedRights() {
  sentence('the members asked for nothing but what the Role grants', ({ cluster }, say) => {
    const used = asked(join(cluster.dir, 'log', 'audit.log'));
    const allowed = granted(rights('demo'));
    assert.ok(used.size > 5, `only ${used.size} kinds of requests were recorded`);
    // Without a right to it nobody is made an exception: a wrong Role was one of the mistakes above.
    const byComponent = granted(nodeRights);
    assert.deepEqual(
      [...used.keys()].filter((key) => !allowed.has(key) && !byComponent.has(key)),
      [],
    );
    say(`granted and not used: ${[...allowed].filter((key) => !used.has(key)).join(', ') || 'nothing'}`);
    return Promise.resolve();
  });
}
