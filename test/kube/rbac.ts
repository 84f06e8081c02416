/**
 * May this user do that? Answered from the Role and RoleBinding objects in the store as they are now, plus what
 * Kubernetes grants everybody who is authenticated: discovery, health, and questions about oneself.
 */
import type { Dict } from './json.ts';
import { listAt, textAt } from './json.ts';
import { kindNamed } from './kinds.ts';
import type { Ask, ResourceAsk } from './paths.ts';
import type { ApiError } from './status.ts';
import { forbidden } from './status.ts';
import type { ObjectStore } from './store.ts';
import type { User } from './tokens.ts';

export interface Attributes {
  verb: string;
  group: string;
  resource: string;
  subresource: string;
  name: string;
  namespace: string;
}

export interface PolicyRule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  resourceNames: string[];
  /** Who gives it to whom, in the words of an access review. */
  source?: string;
}

export interface Authorizer {
  allows(user: User, attributes: Attributes): boolean;
  /** The rule that allows it. */
  grant(user: User, attributes: Attributes): PolicyRule | undefined;
  /** The refusal for a request, or undefined when it is allowed. */
  refusal(user: User, ask: Ask, selectedName: string): ApiError | undefined;
  rulesOf(user: User, namespace: string): PolicyRule[];
}

const SELF_SOURCE =
  'RBAC: allowed by ClusterRoleBinding "system:basic-user" of ClusterRole "system:basic-user" to Group "system:authenticated"';
const SELF: PolicyRule[] = [
  {
    verbs: ['create'],
    apiGroups: ['authorization.k8s.io'],
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    resourceNames: [],
  },
  { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], resourceNames: [] },
].map((rule) => ({ ...rule, source: SELF_SOURCE }));
const EVERYTHING: PolicyRule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: [] };

const PUBLIC_PATHS = /^\/(healthz|livez|readyz|version)\/?$/;
const DISCOVERY_PATHS = /^\/(api|apis|openapi|healthz|livez|readyz|version)(\/.*)?$/;

function texts(value: unknown, field: string): string[] {
  return listAt(value, field).filter((item) => typeof item === 'string');
}

function ruleOf(rule: unknown): PolicyRule {
  return {
    verbs: texts(rule, 'verbs'),
    apiGroups: texts(rule, 'apiGroups'),
    resources: texts(rule, 'resources'),
    resourceNames: texts(rule, 'resourceNames'),
  };
}

function covers(rule: PolicyRule, asked: Attributes): boolean {
  const resource = asked.subresource === '' ? asked.resource : `${asked.resource}/${asked.subresource}`;
  const wild = asked.subresource === '' ? [] : [`*/${asked.subresource}`];
  return (
    ['*', asked.verb].some((verb) => rule.verbs.includes(verb)) &&
    ['*', asked.group].some((group) => rule.apiGroups.includes(group)) &&
    ['*', resource, ...wild].some((name) => rule.resources.includes(name)) &&
    (rule.resourceNames.length === 0 || rule.resourceNames.includes(asked.name))
  );
}

function isSubject(subject: unknown, user: User, bindingNamespace: string): boolean {
  const name = textAt(subject, 'name') ?? '';
  switch (textAt(subject, 'kind')) {
    case 'User':
      return name === user.name;
    case 'Group':
      return user.groups.includes(name);
    case 'ServiceAccount':
      return user.name === `system:serviceaccount:${textAt(subject, 'namespace') ?? bindingNamespace}:${name}`;
    default:
      return false;
  }
}

function shownSubject(subject: unknown, namespace: string): string {
  const name = textAt(subject, 'name') ?? '';
  const kind = textAt(subject, 'kind') ?? '';
  return `${kind} "${kind === 'ServiceAccount' ? `${name}/${textAt(subject, 'namespace') ?? namespace}` : name}"`;
}

/** Words of a refusal, as the API server composes them. */
function sentence(user: User, asked: Attributes): string {
  const resource = asked.subresource === '' ? asked.resource : `${asked.resource}/${asked.subresource}`;
  const where = asked.namespace === '' ? 'at the cluster scope' : `in the namespace "${asked.namespace}"`;
  return `User "${user.name}" cannot ${asked.verb} resource "${resource}" in API group "${asked.group}" ${where}`;
}

function attributesOf(ask: ResourceAsk, selectedName: string): Attributes {
  const name = ask.name === '' ? selectedName : ask.name;
  // A request for the namespace itself is in that namespace.
  const namespace = ask.namespace ?? (ask.resource === 'namespaces' ? ask.name : '');
  return { verb: ask.verb, group: ask.group, resource: ask.resource, subresource: ask.subresource, name, namespace };
}

/** `enforced` false lets every authenticated user do everything. */
export function createAuthorizer(store: ObjectStore, enforced: boolean): Authorizer {
  const isAdmin = (user: User): boolean => user.groups.includes('system:masters');
  const isKnown = (user: User): boolean => user.groups.includes('system:authenticated');

  function bound(user: User, namespace: string): PolicyRule[] {
    return store.list(kindNamed('rolebindings'), namespace).flatMap((binding) => {
      const subject = listAt(binding, 'subjects').find((item) => isSubject(item, user, namespace));
      if (subject === undefined || textAt(binding, 'roleRef', 'kind') !== 'Role') return [];
      const name = textAt(binding, 'roleRef', 'name') ?? '';
      const source = `RBAC: allowed by RoleBinding "${binding.metadata.name}/${namespace}" of Role "${name}" to ${shownSubject(subject, namespace)}`;
      return listAt(store.get(kindNamed('roles'), namespace, name), 'rules').map((rule) => ({ ...ruleOf(rule), source }));
    });
  }

  function rulesOf(user: User, namespace: string): PolicyRule[] {
    if (isAdmin(user) || (!enforced && isKnown(user))) return [EVERYTHING];
    return isKnown(user) ? [...SELF, ...bound(user, namespace)] : bound(user, namespace);
  }

  function grant(user: User, asked: Attributes): PolicyRule | undefined {
    return rulesOf(user, asked.namespace).find((rule) => covers(rule, asked));
  }

  function allows(user: User, asked: Attributes): boolean {
    return grant(user, asked) !== undefined;
  }

  function allowsPath(user: User, verb: string, path: string): boolean {
    if (isAdmin(user)) return true;
    if (PUBLIC_PATHS.test(path)) return true;
    return isKnown(user) && verb === 'get' && DISCOVERY_PATHS.test(path);
  }

  function refusal(user: User, ask: Ask, selectedName: string): ApiError | undefined {
    if (ask.of === 'path') {
      if (allowsPath(user, ask.verb, ask.path)) return undefined;
      return forbidden({ group: '', plural: '', kind: '' }, '', `User "${user.name}" cannot ${ask.verb} path "${ask.path}"`);
    }
    const asked = attributesOf(ask, selectedName);
    if (allows(user, asked)) return undefined;
    return forbidden({ group: ask.group, plural: ask.resource, kind: '' }, asked.name, sentence(user, asked));
  }

  return { allows, grant, refusal, rulesOf };
}

/** A rule as SelfSubjectRulesReview shows it. */
export function shownRule(rule: PolicyRule): Dict {
  return {
    verbs: rule.verbs,
    apiGroups: rule.apiGroups,
    resources: rule.resources,
    ...(rule.resourceNames.length > 0 ? { resourceNames: rule.resourceNames } : {}),
  };
}
