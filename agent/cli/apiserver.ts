/**
 * The preflight's look at the API server: does it answer, has it what is used, and may the service account do what the agent does. Plain
 * HTTP, as the Kubernetes client would cost a third of a second and is not needed for two kinds of request. An API
 * server that does not answer is a warning: the agent waits for it. A right that is missing is a failure.
 */
import { readFile } from 'node:fs/promises';
import { type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import { nodeRights, type Right, rights } from '../adapters/kube/rights.ts';
import type { Settings } from '../settings/table.ts';
import { failure, type Finding, fine, warning, why } from './checks.ts';
import { readJson } from './json.ts';
import { checkVersion } from './kubeversion.ts';

const callMs = 3000;
const bodyBytesMax = 1 << 20;
const check = 'API server';

interface Asked {
  verb: string;
  group: string;
  resource: string;
  /** Undefined: any. */
  name: string | undefined;
}

/** The adapter's rights one by one; of the pods only the own one, as a right on all nine names is one rule. */
function asked(settings: Settings, wanted: Right[]): Asked[] {
  return wanted.flatMap(({ apiGroups, resources, verbs, resourceNames }) => {
    const names = resourceNames?.includes(settings.pod) === true ? [settings.pod] : (resourceNames ?? [undefined]);
    return apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.flatMap((verb) => names.map((name) => ({ verb, group, resource, name })))),
    );
  });
}

interface Account {
  token: string;
  ca: string | undefined;
}

type Reply = { status: number; body: unknown } | { unreachable: string };

/** Reachability first; rights only where somebody answers. */
export async function checkApiServer(settings: Settings): Promise<Finding[]> {
  const account = await readAccount(settings);
  if ('verdict' in account) return [account];
  const reply = await call(settings, account, 'GET', '/version');
  if ('unreachable' in reply) {
    return [
      warning(
        check,
        `${settings.kubeUrl} does not answer: ${reply.unreachable}`,
        'The agent waits for it. Look at the network policy, the address and the CA.',
      ),
    ];
  }
  if (reply.status === 401)
    return [
      failure(
        check,
        `${settings.kubeUrl} does not accept the token`,
        'Look at the service account of the pod and at automountServiceAccountToken.',
      ),
    ];
  const nodes = settings.readsNodes ? [checkNodeRights(settings, account)] : [];
  const found = await Promise.all([checkRights(settings, account), ...nodes]);
  return [fine(check, settings.kubeUrl), checkVersion(reply.body), ...found];
}

async function readAccount(settings: Settings): Promise<Account | Finding> {
  const read = (name: string) => readFile(join(settings.serviceAccountDir, name), 'utf8');
  try {
    const token = (await read('token')).trim();
    const ca = settings.kubeUrl.startsWith('https:') ? await read('ca.crt') : undefined;
    return { token, ca };
  } catch (error) {
    return failure(
      check,
      `the service account in ${settings.serviceAccountDir} cannot be read: ${why(error)}`,
      'Set serviceAccountName and automountServiceAccountToken in the pod.',
    );
  }
}

/** The member runs without it, and a machine that people declare off proves nothing to it. */
async function checkNodeRights(settings: Settings, account: Account): Promise<Finding> {
  const replies = await Promise.all(asked(settings, nodeRights).map((right) => review(settings, account, right)));
  const may = replies.every((reply) => reply === 'yes');
  if (may) return fine('node rights', 'get nodes');
  const hint = 'Apply the ClusterRole and its binding of manifests/components/out-of-service, or leave OG_READ_NODES off.';
  const doubt = replies.includes('no') ? 'may not get nodes' : 'may perhaps not get nodes: that could not be checked';
  return warning('node rights', `OG_READ_NODES is on and the service account ${doubt}`, hint);
}

async function checkRights(settings: Settings, account: Account): Promise<Finding> {
  const wanted = asked(settings, rights(settings.cluster));
  const replies = await Promise.all(wanted.map((right) => review(settings, account, right)));
  const missing = wanted.filter((_, index) => replies[index] === 'no').map(words);
  const unknown = replies.filter((reply) => reply === 'unknown').length;
  if (missing.length > 0) {
    return failure(
      'rights',
      `the service account may not ${missing.join(', ')}`,
      `Apply the Role and RoleBinding of the manifests in namespace ${settings.namespace}.`,
    );
  }
  if (unknown > 0)
    return warning('rights', `${unknown} of ${wanted.length} could not be checked`, 'The agent says so if one is missing.');
  return fine('rights', `all ${wanted.length} that are needed`);
}

function words({ verb, resource, name }: Asked): string {
  return `${verb} ${resource}${name === undefined ? '' : `/${name}`}`;
}

async function review(settings: Settings, account: Account, right: Asked): Promise<'yes' | 'no' | 'unknown'> {
  const { verb, group, resource, name } = right;
  // A node lies in no namespace.
  const namespace = resource === 'nodes' ? '' : settings.namespace;
  const resourceAttributes = { namespace, verb, group, resource, ...(name === undefined ? {} : { name }) };
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
  const reply = await call(settings, account, 'POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body);
  if ('unreachable' in reply || reply.status !== 201) return 'unknown';
  const allowed = (reply.body as { status?: { allowed?: unknown } } | undefined)?.status?.allowed;
  return allowed === true ? 'yes' : allowed === false ? 'no' : 'unknown';
}

function call(settings: Settings, account: Account, method: string, path: string, content?: object): Promise<Reply> {
  const body = content === undefined ? '' : JSON.stringify(content);
  const options: RequestOptions & { ca?: string } = {
    method,
    agent: false,
    signal: AbortSignal.timeout(callMs),
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${account.token}`,
      'user-agent': 'opengauss-agent/preflight',
      ...(body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    },
    ...(account.ca === undefined ? {} : { ca: account.ca }),
  };
  return new Promise((resolve) => {
    const lost = (error: unknown) =>
      resolve({ unreachable: (error as Error).name === 'AbortError' ? 'no answer in time' : why(error) });
    const send = settings.kubeUrl.startsWith('https:') ? requestHttps : requestHttp;
    const sent = send(`${settings.kubeUrl}${path}`, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > bodyBytesMax) response.destroy(new Error('the answer is too long'));
      });
      response.on('error', lost);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: readJson(text) }));
    });
    sent.on('error', lost);
    sent.end(body);
  });
}
