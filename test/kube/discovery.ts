/**
 * Discovery: version, groups, resources, in the old form and the aggregated one, and the paths of OpenAPI.
 */
import type { Dict } from './json.ts';
import type { Kind } from './kinds.ts';
import { groupVersion, KINDS } from './kinds.ts';
import { openApiV2, openApiV3 } from './openapi.ts';

export const VERSION: Dict = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.3',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: 'go1.26',
  compiler: 'gc',
  platform: 'linux/amd64',
};

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** Resources that are only asked, never stored. */
const REVIEWS = [
  { group: 'authorization.k8s.io', plural: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview' },
  { group: 'authorization.k8s.io', plural: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview' },
  { group: 'authentication.k8s.io', plural: 'selfsubjectreviews', kind: 'SelfSubjectReview' },
];

const GROUPS = [
  '',
  ...new Set([...KINDS.map((kind) => kind.group).filter((group) => group !== ''), ...REVIEWS.map((review) => review.group)]),
];

/** Verbs, group version and kind of each subresource. */
const SUBRESOURCES: Record<string, { verbs: string[]; kind?: string; group?: string; version?: string }> = {
  status: { verbs: ['get', 'patch', 'update'] },
  log: { verbs: ['get'] },
  eviction: { verbs: ['create'], kind: 'Eviction', group: 'policy', version: 'v1' },
  scale: { verbs: ['get', 'patch', 'update'], kind: 'Scale', group: 'autoscaling', version: 'v1' },
  token: { verbs: ['create'], kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1' },
};

function subresourceRows(kind: Kind): Dict[] {
  return kind.subresources.map((name) => {
    const row = SUBRESOURCES[name];
    const foreign = row?.group === undefined ? {} : { group: row.group, version: row.version };
    return {
      name: `${kind.plural}/${name}`,
      singularName: '',
      namespaced: kind.namespaced,
      ...foreign,
      kind: row?.kind ?? kind.kind,
      verbs: row?.verbs ?? [],
    };
  });
}

function resourceList(group: string): Dict {
  const rows: Dict[] = KINDS.filter((kind) => kind.group === group).flatMap((kind) => [
    {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: VERBS,
      ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
      ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    },
    ...subresourceRows(kind),
  ]);
  for (const review of REVIEWS.filter((item) => item.group === group))
    rows.push({
      name: review.plural,
      singularName: review.kind.toLowerCase(),
      namespaced: false,
      kind: review.kind,
      verbs: ['create'],
    });
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: groupVersion({ group, version: 'v1' }), resources: rows };
}

function aggregatedResources(group: string): Dict[] {
  const rows: Dict[] = KINDS.filter((kind) => kind.group === group).map((kind) => ({
    resource: kind.plural,
    responseKind: { group: '', version: '', kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: VERBS,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(kind.subresources.length === 0
      ? {}
      : { subresources: kind.subresources.map((name) => aggregatedSubresource(kind, name)) }),
  }));
  for (const review of REVIEWS.filter((item) => item.group === group)) {
    const responseKind = { group: '', version: '', kind: review.kind };
    rows.push({
      resource: review.plural,
      responseKind,
      scope: 'Cluster',
      singularResource: review.kind.toLowerCase(),
      verbs: ['create'],
    });
  }
  return rows;
}

function aggregatedSubresource(kind: Kind, name: string): Dict {
  const row = SUBRESOURCES[name];
  const responseKind = { group: row?.group ?? '', version: row?.version ?? '', kind: row?.kind ?? kind.kind };
  return { subresource: name, responseKind, verbs: row?.verbs ?? [] };
}

function aggregated(groups: string[]): Dict {
  const items = groups.map((group) => ({
    metadata: { name: group === '' ? null : group, creationTimestamp: null },
    versions: [{ version: 'v1', resources: aggregatedResources(group), freshness: 'Current' }],
  }));
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: items.map((item) => (item.metadata.name === null ? { ...item, metadata: {} } : item)),
  };
}

function groupRow(group: string): Dict {
  const version = { groupVersion: `${group}/v1`, version: 'v1' };
  return { name: group, versions: [version], preferredVersion: version };
}

/** The answer for a path of discovery; undefined when it is none. */
export function discover(path: string, wantsAggregated: boolean): Dict | string | Buffer | undefined {
  const clean = path.replace(/\/+$/, '');
  if (/^\/(healthz|livez|readyz)(\/[\w.-]+)*$/.test(clean)) return 'ok';
  if (clean === '/version') return VERSION;
  if (clean === '/api') {
    if (wantsAggregated) return aggregated(['']);
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  }
  const named = GROUPS.filter((group) => group !== '');
  if (clean === '/apis')
    return wantsAggregated ? aggregated(named) : { kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(groupRow) };
  if (clean === '/api/v1') return resourceList('');
  if (clean === '/openapi/v2') return openApiV2();
  if (clean === '/openapi/v3') {
    const entry = (group: string): string => (group === '' ? 'api/v1' : `apis/${group}/v1`);
    return {
      paths: Object.fromEntries(
        GROUPS.map((group) => [entry(group), { serverRelativeURL: `/openapi/v3/${entry(group)}?hash=1` }]),
      ),
    };
  }
  const schema = /^\/openapi\/v3\/(?:api|apis\/([^/]+))\/v1$/.exec(clean);
  if (schema !== null) return openApiV3(schema[1] ?? '');
  const group = /^\/apis\/([^/]+)(\/v1)?$/.exec(clean);
  if (group?.[1] === undefined || !named.includes(group[1])) return undefined;
  return group[2] === undefined ? { kind: 'APIGroup', apiVersion: 'v1', ...groupRow(group[1]) } : resourceList(group[1]);
}
