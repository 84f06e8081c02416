/**
 * The embedded API server alone, to try with kubectl:
 *   node test/kube/main.ts [--host 127.0.0.1] [--port 0] [--namespace default] [--plain] [--dir DIR] [--rbac FILE]
 * Prints the address and the path of a kubeconfig for the token `admin`; ends on SIGINT or SIGTERM.
 * HTTPS where openssl is at hand; over plain HTTP kubectl sends no token, so who comes without one is `admin` there.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { Dict } from './json.ts';
import { kubeconfig, selfSigned } from './kubeconfig.ts';
import { createApiServer } from './server.ts';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    namespace: { type: 'string', default: 'default' },
    plain: { type: 'boolean', default: false },
    dir: { type: 'string' },
    rbac: { type: 'string' },
  },
});

const directory = values.dir ?? (await mkdtemp(join(tmpdir(), 'kube-')));
const tls = values.plain ? undefined : await selfSigned(directory, [values.host, 'localhost']);
const rbac =
  values.rbac === undefined
    ? undefined
    : parseAllDocuments(await readFile(values.rbac, 'utf8')).map((document) => document.toJS() as Dict);

const server = createApiServer({
  namespace: values.namespace,
  tokens: [{ token: 'admin', user: 'admin' }],
  ...(tls === undefined ? {} : { tls }),
  ...(rbac === undefined ? {} : { rbac }),
});
const { url } = await server.listen(values.host, Number(values.port), tls === undefined ? { anonymousUser: 'admin' } : {});
const file = join(directory, 'kubeconfig');
const text = kubeconfig({ url, token: 'admin', namespace: values.namespace, ...(tls === undefined ? {} : { ca: tls.cert }) });
await writeFile(file, text, { mode: 0o600 });
process.stdout.write(`${url}\nexport KUBECONFIG=${file}\n`);

async function end(): Promise<void> {
  await server.close();
  if (values.dir === undefined) await rm(directory, { recursive: true, force: true });
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end());
