/**
 * What tests want of a real API server and no request of theirs can bring about in time: a token that has expired, and
 * an account whose requests are all rejected for now.
 */
import { randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Client } from '../client.ts';
import { textAt } from '../json.ts';

const issuer = 'https://kubernetes.default.svc';

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** A service account's token signed with the server's own key, which KUBE_TEST_TOKEN_KEY names. */
export async function signToken(admin: Client, namespace: string, name: string, expiresAt: number): Promise<string> {
  const account = await admin.get(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}`);
  const ends = Math.floor(expiresAt / 1000);
  const claims = {
    iss: issuer,
    aud: [issuer],
    sub: `system:serviceaccount:${namespace}:${name}`,
    jti: randomUUID(),
    exp: ends,
    iat: ends - 600,
    nbf: ends - 600,
    'kubernetes.io': { namespace, serviceaccount: { name, uid: textAt(account.body, 'metadata', 'uid') } },
  };
  const text = `${encoded({ alg: 'ES256' })}.${encoded(claims)}`;
  const key = readFileSync(process.env['KUBE_TEST_TOKEN_KEY'] ?? '', 'utf8');
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

const group = '/apis/flowcontrol.apiserver.k8s.io/v1';

/** A priority level without any seat, for one account; answers the way to undo it. */
export async function rejectByPriority(admin: Client, namespace: string, name: string): Promise<() => Promise<void>> {
  const metadata = { name: `reject-${randomUUID().slice(0, 8)}` };
  const limited = {
    nominalConcurrencyShares: 0,
    lendablePercent: 0,
    borrowingLimitPercent: 0,
    limitResponse: { type: 'Reject' },
  };
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true };
  const subjects = [{ kind: 'ServiceAccount', serviceAccount: { namespace, name } }];
  await admin.post(`${group}/prioritylevelconfigurations`, {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'PriorityLevelConfiguration',
    metadata,
    spec: { type: 'Limited', limited },
  });
  const schema = await admin.post(`${group}/flowschemas`, {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata,
    spec: {
      matchingPrecedence: 2,
      priorityLevelConfiguration: metadata,
      rules: [{ subjects, resourceRules: [everything] }],
    },
  });
  if (schema.code !== 201) throw new Error(`no flow schema: ${schema.text}`);
  return async () => {
    await admin.delete(`${group}/flowschemas/${metadata.name}`);
    await admin.delete(`${group}/prioritylevelconfigurations/${metadata.name}`);
  };
}
