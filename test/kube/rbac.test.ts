/**
 * Who may do what: tokens, roles, the words of a refusal, and questions about oneself.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Client } from './client.ts';
import { at, listAt, textAt } from './json.ts';
import { core, lease, leases } from './samples.ts';
import type { Subject } from './subject.ts';
import { startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

const ROLE = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: ['leader'], verbs: ['get', 'update'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
  { apiGroups: [''], resources: ['pods', 'pods/status'], verbs: ['list', 'patch'] },
];

/** A namespace and a member whose account may do what ROLE says. */
async function scene(): Promise<{ namespace: string; member: Client; user: string }> {
  const namespace = await subject.namespace();
  const member = await subject.account(namespace, 'og');
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await subject.admin.post(`${rbac}/roles`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'og' },
    rules: ROLE,
  });
  await subject.admin.post(`${rbac}/rolebindings`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'og' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'og' },
    subjects: [{ kind: 'ServiceAccount', name: 'og', namespace }],
  });
  // A real server learns of roles through its own watches.
  const deadline = performance.now() + 5_000;
  while ((await member.get(core(namespace, 'pods'))).code !== 200 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return { namespace, member, user: `system:serviceaccount:${namespace}:og` };
}

test('a member may do what its role says, by name where the role names', async () => {
  const { namespace, member } = await scene();
  assert.equal((await member.post(leases(namespace), lease())).code, 201);
  assert.equal((await member.get(`${leases(namespace)}/leader`)).code, 200);
  assert.equal((await member.get(core(namespace, 'pods'))).code, 200);
});

test('a member is refused what its role does not say, in the words of Kubernetes', async () => {
  const { namespace, member, user } = await scene();
  const reply = await member.get(`${leases(namespace)}/other`);
  assert.deepEqual(reply.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `leases.coordination.k8s.io "other" is forbidden: User "${user}" cannot get resource "leases" in API group "coordination.k8s.io" in the namespace "${namespace}"`,
    reason: 'Forbidden',
    details: { name: 'other', group: 'coordination.k8s.io', kind: 'leases' },
    code: 403,
  });
});

const REFUSALS = [
  {
    name: 'a list',
    ask: (member: Client, space: string) => member.get(leases(space)),
    words:
      'leases.coordination.k8s.io is forbidden: User "USER" cannot list resource "leases" in API group "coordination.k8s.io" in the namespace "SPACE"',
  },
  {
    name: 'a watch',
    ask: (member: Client, space: string) => member.get(`${core(space, 'pods')}?watch=1`),
    words: 'pods is forbidden: User "USER" cannot watch resource "pods" in API group "" in the namespace "SPACE"',
  },
  {
    name: 'a subresource',
    ask: (member: Client, space: string) => member.post(`${core(space, 'pods')}/og-0/eviction`, {}),
    words:
      'pods "og-0" is forbidden: User "USER" cannot create resource "pods/eviction" in API group "" in the namespace "SPACE"',
  },
  {
    name: 'a cluster-wide read',
    ask: (member: Client) => member.get('/api/v1/nodes'),
    words: 'nodes is forbidden: User "USER" cannot list resource "nodes" in API group "" at the cluster scope',
  },
  {
    name: 'another namespace',
    ask: (member: Client) => member.get(core('kube-system', 'pods')),
    words: 'pods is forbidden: User "USER" cannot list resource "pods" in API group "" in the namespace "kube-system"',
  },
];

for (const { name, ask, words } of REFUSALS) {
  test(`the refusal of ${name} names user, verb, resource and place`, async () => {
    const { namespace, member, user } = await scene();
    const reply = await ask(member, namespace);
    assert.equal(reply.code, 403);
    assert.equal(reply.body['message'], words.replace('USER', user).replace('SPACE', namespace));
  });
}

test('a list of one name is allowed where that name is', async () => {
  const { namespace, member } = await scene();
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/og`;
  await subject.admin.patch(rbac, 'merge', {
    rules: [...ROLE, { apiGroups: [''], resources: ['configmaps'], resourceNames: ['og-config'], verbs: ['list'] }],
  });
  const path = `${core(namespace, 'configmaps')}?fieldSelector=metadata.name%3Dog-config`;
  const deadline = performance.now() + 5_000;
  let reply = await member.get(path);
  while (reply.code !== 200 && performance.now() < deadline) reply = await member.get(path);
  assert.equal(reply.code, 200);
  assert.equal((await member.get(core(namespace, 'configmaps'))).code, 403);
});

test('a right that is taken away is gone for the next requests', async () => {
  const { namespace, member } = await scene();
  await subject.admin.patch(`/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/og`, 'merge', { rules: [] });
  const deadline = performance.now() + 5_000;
  let reply = await member.get(core(namespace, 'pods'));
  while (reply.code === 200 && performance.now() < deadline) reply = await member.get(core(namespace, 'pods'));
  assert.equal(reply.code, 403);
});

test('a wrong token is not known', async () => {
  const namespace = await subject.namespace();
  const reply = await subject.client('wrong').get(core(namespace, 'pods'));
  assert.equal(reply.code, 401);
  assert.deepEqual(reply.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Unauthorized',
    reason: 'Unauthorized',
    code: 401,
  });
});

test('who comes without a token is anonymous', async () => {
  const namespace = await subject.namespace();
  const reply = await subject.anonymous.get(core(namespace, 'pods'));
  assert.equal(reply.code, 403);
  assert.match(String(reply.body['message']), /^pods is forbidden: User "system:anonymous" cannot list resource "pods"/);
});

test('a member learns what it may do by asking', async () => {
  const { namespace, member } = await scene();
  const ask = async (attributes: object): Promise<unknown> => {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, ...attributes } },
    };
    const reply = await member.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review);
    assert.equal(reply.code, 201, reply.text);
    return at(reply.body, 'status', 'allowed');
  };
  assert.equal(await ask({ verb: 'update', group: 'coordination.k8s.io', resource: 'leases', name: 'leader' }), true);
  assert.equal(await ask({ verb: 'update', group: 'coordination.k8s.io', resource: 'leases', name: 'other' }), false);
  assert.equal(await ask({ verb: 'update', group: 'coordination.k8s.io', resource: 'leases' }), false);
  assert.equal(await ask({ verb: 'patch', resource: 'pods', subresource: 'status' }), true);
  assert.equal(await ask({ verb: 'delete', resource: 'pods' }), false);
});

test('a member learns all its rules by asking', async () => {
  const { namespace, member } = await scene();
  const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } };
  const reply = await member.post('/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', review);
  const rules = listAt(reply.body, 'status', 'resourceRules');
  for (const rule of ROLE)
    assert.ok(rules.some((found) => JSON.stringify(listAt(found, 'resources')) === JSON.stringify(rule.resources)));
});

test('the administrator may ask as somebody else', async () => {
  const { namespace, user } = await scene();
  const headers = { 'Impersonate-User': user };
  assert.equal((await subject.admin.send('GET', core(namespace, 'pods'), { headers })).code, 200);
  const refused = await subject.admin.send('GET', core(namespace, 'secrets'), { headers });
  assert.equal(refused.code, 403);
});

test('a role is refused that names no verbs or resources', async () => {
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${await subject.namespace()}/roles`;
  const reply = await subject.admin.post(path, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'r' },
    rules: [{ verbs: [] }],
  });
  assert.equal(reply.code, 422);
  assert.equal(textAt(listAt(reply.body, 'details', 'causes')[0], 'field'), 'rules[0].verbs');
});
