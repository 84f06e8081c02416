/**
 * The certificates and keys of a cluster under test, made by openssl in one directory: an authority, one pair for each
 * part, the key that signs service accounts' tokens; and the kubeconfigs that name them. Nothing is ever renewed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Missing } from './build.ts';

export interface Pair {
  certificate: string;
  key: string;
}

export interface Authority {
  /** The authority's own certificate. */
  file: string;
  pem: string;
  /** Signs tokens. */
  tokenKey: string;
  /** The authority's pair, for the controller that signs requests. */
  own: Pair;
  /** A pair for clients and servers alike; `subject` as openssl writes it, `hosts` are addresses or names. */
  pair(name: string, subject: string, hosts?: string[]): Pair;
  /** A kubeconfig with a pair of its own; answers its path. */
  kubeconfig(name: string, subject: string, url: string): string;
}

function openssl(...words: string[]) {
  try {
    execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Missing('there is no openssl on the PATH', 'Install the package openssl.');
    throw error;
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** The authority of that directory, made when there is none yet. */
export function createAuthority(dir: string): Authority {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const own: Pair = { certificate: join(dir, 'ca.crt'), key: join(dir, 'ca.key') };
  const tokenKey = join(dir, 'tokens.key');
  if (!existsSync(own.certificate)) {
    const what = ['-subj', '/CN=kubernetes-under-test', '-days', '3650'];
    openssl('req', '-x509', ...newKey, '-keyout', own.key, '-out', own.certificate, ...what);
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', tokenKey);
  }
  const pem = readFileSync(own.certificate, 'utf8');

  function pair(name: string, subject: string, hosts: string[] = []): Pair {
    const made: Pair = { certificate: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
    if (existsSync(made.certificate)) return made;
    const names = hosts.map((host) => (/^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(',');
    const extensions = ['-addext', 'extendedKeyUsage=clientAuth,serverAuth', '-addext', 'basicConstraints=critical,CA:FALSE'];
    if (names !== '') extensions.push('-addext', `subjectAltName=${names}`);
    const signed = ['-CA', own.certificate, '-CAkey', own.key, '-days', '3650', '-subj', subject, ...extensions];
    openssl('req', '-x509', ...newKey, ...signed, '-keyout', made.key, '-out', made.certificate);
    return made;
  }

  return {
    file: own.certificate,
    pem,
    tokenKey,
    own,
    pair,
    kubeconfig(name, subject, url) {
      const { certificate, key } = pair(name, subject);
      const path = join(dir, `${name}.kubeconfig`);
      writeFileSync(path, kubeconfigText(url, own.certificate, certificate, key), { mode: 0o600 });
      return path;
    },
  };
}

function kubeconfigText(url: string, authority: string, certificate: string, key: string): string {
  const data = (file: string) => readFileSync(file).toString('base64');
  return [
    'apiVersion: v1',
    'kind: Config',
    `clusters: [{name: lab, cluster: {server: "${url}", certificate-authority-data: ${data(authority)}}}]`,
    `users: [{name: lab, user: {client-certificate-data: ${data(certificate)}, client-key-data: ${data(key)}}}]`,
    'contexts: [{name: lab, context: {cluster: lab, user: lab}}]',
    'current-context: lab',
    '',
  ].join('\n');
}
