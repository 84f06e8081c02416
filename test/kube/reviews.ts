/**
 * Questions about oneself: may I, what may I, who am I. Answered for the user who asks, stored nowhere.
 */
import type { Dict } from './json.ts';
import { dictAt, isDict, textAt } from './json.ts';
import type { ResourceAsk } from './paths.ts';
import type { Authorizer } from './rbac.ts';
import { shownRule } from './rbac.ts';
import { kubeTime } from './registry.ts';
import { badRequest } from './status.ts';
import type { User } from './tokens.ts';

function accessReview(user: User, spec: Dict, authorizer: Authorizer): Dict {
  const asked = dictAt(spec, 'resourceAttributes');
  if (isDict(spec['nonResourceAttributes'])) {
    const path = textAt(spec, 'nonResourceAttributes', 'path') ?? '';
    const verb = textAt(spec, 'nonResourceAttributes', 'verb') ?? '';
    return { allowed: authorizer.refusal(user, { of: 'path', verb, path }, '') === undefined };
  }
  const text = (field: string): string => textAt(asked, field) ?? '';
  const rule = authorizer.grant(user, {
    verb: text('verb'),
    group: text('group'),
    resource: text('resource'),
    subresource: text('subresource'),
    name: text('name'),
    namespace: text('namespace'),
  });
  return { allowed: rule !== undefined, ...(rule?.source === undefined ? {} : { reason: rule.source }) };
}

function rulesReview(user: User, spec: Dict, authorizer: Authorizer): Dict {
  const rules = authorizer.rulesOf(user, textAt(spec, 'namespace') ?? '').map(shownRule);
  const get = (paths: string[]): Dict => ({ verbs: ['get'], nonResourceURLs: paths });
  const openId = ['/.well-known/openid-configuration', '/openid/v1/jwks'].flatMap((path) => [path, `${path}/`]);
  const nonResourceRules = [
    get(['/healthz', '/livez', '/readyz', '/version', '/version/']),
    get([
      '/api',
      '/api/*',
      '/apis',
      '/apis/*',
      '/healthz',
      '/livez',
      '/openapi',
      '/openapi/*',
      '/readyz',
      '/version',
      '/version/',
    ]),
    get(openId),
  ];
  return { resourceRules: rules, nonResourceRules, incomplete: false };
}

/** The answer of a review, or undefined when the resource is no review. */
export function review(ask: ResourceAsk, user: User, body: unknown, authorizer: Authorizer, nowMs: number): Dict | undefined {
  if (ask.verb !== 'create') return undefined;
  const at = `${ask.group}/${ask.resource}`;
  const known: Record<string, string> = {
    'authorization.k8s.io/selfsubjectaccessreviews': 'SelfSubjectAccessReview',
    'authorization.k8s.io/selfsubjectrulesreviews': 'SelfSubjectRulesReview',
    'authentication.k8s.io/selfsubjectreviews': 'SelfSubjectReview',
  };
  const kind = known[at];
  if (kind === undefined) return undefined;
  const shell = { kind, apiVersion: `${ask.group}/${ask.version}`, metadata: {} };
  if (kind === 'SelfSubjectReview')
    return {
      ...shell,
      metadata: { creationTimestamp: kubeTime(nowMs) },
      status: { userInfo: { username: user.name, groups: user.groups } },
    };
  if (!isDict(body)) throw badRequest("Object 'Kind' is missing in 'null'");
  const spec = dictAt(body, 'spec');
  if (kind === 'SelfSubjectRulesReview') return { ...shell, spec: {}, status: rulesReview(user, spec, authorizer) };
  return { ...shell, spec, status: accessReview(user, spec, authorizer) };
}
