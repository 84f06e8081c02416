/**
 * What a client needs to reach a server: the text of a kubeconfig, and a self-signed certificate where openssl is at
 * hand. Writes no file outside the directory it is given.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface KubeconfigAsk {
  url: string;
  token: string;
  namespace?: string;
  /** PEM of the certificate to trust, for HTTPS. */
  ca?: string;
}

/** The text of a kubeconfig with one context. */
export function kubeconfig({ url, token, namespace = 'default', ca }: KubeconfigAsk): string {
  const trust = ca === undefined ? '' : `, certificate-authority-data: ${Buffer.from(ca).toString('base64')}`;
  return [
    'apiVersion: v1',
    'kind: Config',
    `clusters: [{name: lab, cluster: {server: "${url}"${trust}}}]`,
    `users: [{name: lab, user: {token: "${token}"}}]`,
    `contexts: [{name: lab, context: {cluster: lab, user: lab, namespace: ${namespace}}}]`,
    'current-context: lab',
    '',
  ].join('\n');
}

/** A self-signed certificate for addresses and names, or undefined where there is no openssl. */
export async function selfSigned(directory: string, hosts: string[]): Promise<{ cert: string; key: string } | undefined> {
  const cert = join(directory, 'api-server.crt');
  const key = join(directory, 'api-server.key');
  const names = hosts.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(',');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const what = ['-subj', '/CN=embedded-api-server', '-addext', `subjectAltName=${names}`, '-days', '3650'];
  try {
    await promisify(execFile)('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...what], { timeout: 20_000 });
    return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
  } catch {
    return undefined;
  }
}
