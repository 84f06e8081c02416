/**
 * Goal: over TLS the adapter trusts the mounted CA as it is now, and nothing else; names are checked. Method: the embedded
 * API server with certificates made by openssl for 127.0.0.1.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, listen, must, mustFail, startCluster } from './cluster.ts';

/** A self-signed certificate that is its own CA; undefined where there is no openssl. */
function certificate(address: string): { cert: string; key: string } | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'og-tls-'));
  const [cert, key] = [join(dir, 'cert'), join(dir, 'key')];
  const subject = ['-subj', '/CN=test', '-addext', `subjectAltName=IP:${address}`];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...subject];
  const made = spawnSync('openssl', [...words, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const pair = made.status === 0 ? { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') } : undefined;
  rmSync(dir, { recursive: true, force: true });
  return pair;
}

const first = certificate('127.0.0.1');
const second = certificate('127.0.0.1');
const elsewhere = certificate('127.9.9.9');
const needed = first === undefined ? { skip: 'openssl is not installed' } : {};

test('calls and watches go over TLS with the mounted CA', needed, async (t) => {
  const cluster = await startCluster(t, first === undefined ? {} : { tls: first });
  const kube = cluster.adapter();
  assert.match(cluster.url, /^https:/);
  assert.equal(must(await kube.readLease(2000)), undefined);
  const hints = listen(t, kube);
  cluster.addPod(0);
  await eventually('a hint', () => hints.some((hint) => hint.of === 'pods'));
});

test('a server that the mounted CA does not vouch for gets no token', needed, async (t) => {
  const cluster = await startCluster(t, first === undefined ? {} : { tls: first });
  writeFileSync(join(cluster.accountDir, 'ca.crt'), second?.cert ?? '');
  const kube = cluster.adapter();
  const fault = mustFail(await kube.readLease(2000));
  assert.deepEqual([fault.kind, fault.done], ['unreachable', 'no']);
  assert.equal(cluster.server.requests.total(), 0);
});

test('a rotated CA is trusted from the next connection on', needed, async (t) => {
  const cluster = await startCluster(t, first === undefined ? {} : { tls: first });
  writeFileSync(join(cluster.accountDir, 'ca.crt'), second?.cert ?? '');
  const kube = cluster.adapter();
  mustFail(await kube.readLease(2000));
  writeFileSync(join(cluster.accountDir, 'ca.crt'), `${second?.cert}${first?.cert}`);
  must(await kube.readLease(2000));
});

test('a certificate for another address is refused', needed, async (t) => {
  const cluster = await startCluster(t, elsewhere === undefined ? {} : { tls: elsewhere });
  const kube = cluster.adapter();
  const fault = mustFail(await kube.readLease(2000));
  assert.equal(fault.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
});
