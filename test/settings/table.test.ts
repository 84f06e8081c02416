/** The static settings: what is read from an environment, and that everything wrong with one is told at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderProblems } from '../../agent/settings/problem.ts';
import { readSetting, readSettings } from '../../agent/settings/table.ts';

const needed = {
  POD_NAME: 'og-demo-0',
  POD_NAMESPACE: 'default',
  POD_IP: '10.0.0.10',
  POD_UID: '0f9a3c52-1111-4222-8333-444455556666',
  OG_CLUSTER: 'demo',
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  KUBERNETES_SERVICE_PORT: '443',
};

function fieldsOf(env: Record<string, string>): string[] {
  const read = readSettings({ ...needed, ...env });
  return read.ok ? [] : read.problems.map((problem) => problem.field);
}

function settingsOf(env: Record<string, string>) {
  const read = readSettings({ ...needed, ...env });
  assert.ok(read.ok, read.ok ? '' : renderProblems(read.problems));
  return read.settings;
}

test('the downward API and the API server’s address are enough to start', () => {
  const settings = settingsOf({});
  assert.equal(settings.haPort, 5433);
  assert.equal(settings.haPortAdvertised, 5433);
  assert.equal(settings.peerPortAdvertised, 8009);
  assert.equal(settings.logDir, '/var/lib/opengauss/log');
  assert.equal(settings.kubeUrl, 'https://10.96.0.1:443');
  assert.equal(settings.incarnation, undefined);
});

test('an empty environment is answered with everything that is missing at once', () => {
  const read = readSettings({});
  assert.ok(!read.ok);
  assert.deepEqual(
    read.problems.map((problem) => problem.field),
    ['POD_NAME', 'POD_NAMESPACE', 'POD_IP', 'POD_UID', 'OG_CLUSTER', 'KUBERNETES_SERVICE_HOST'],
  );
  assert.ok(read.problems.every((problem) => problem.hint !== ''));
});

test('set but empty is not set', () => {
  assert.deepEqual(fieldsOf({ POD_IP: '' }), ['POD_IP']);
  assert.equal(settingsOf({ OG_PORT: '' }).port, 5432);
});

test('what follows from another setting follows it', () => {
  const settings = settingsOf({ OG_PORT: '6000', OG_PEER_PORT: '9009', OG_DATA_DIR: '/data/' });
  assert.equal(settings.haPort, 6001);
  assert.equal(settings.haPortAdvertised, 6001);
  assert.equal(settings.peerPortAdvertised, 9009);
  assert.equal(settings.dataDir, '/data');
  assert.equal(settings.kubeUrl, 'https://10.96.0.1:443');
});

test('an API server’s address of its own wins, and an IPv6 one is bracketed', () => {
  assert.equal(settingsOf({ OG_KUBE_URL: 'http://127.0.0.1:6443/' }).kubeUrl, 'http://127.0.0.1:6443');
  assert.equal(settingsOf({ KUBERNETES_SERVICE_HOST: 'fd00::1' }).kubeUrl, 'https://[fd00::1]:443');
});

const mistakes: { title: string; env: Record<string, string>; fields: string[]; says?: RegExp }[] = [
  { title: 'a port that is none', env: { OG_HTTP_PORT: '80080' }, fields: ['OG_HTTP_PORT'] },
  { title: 'a port with letters', env: { OG_PORT: '5432x' }, fields: ['OG_PORT'] },
  {
    title: 'a Service that took the name of a setting',
    env: { OG_PORT: 'tcp://10.0.0.1:5432' },
    fields: ['OG_PORT'],
    says: /enableServiceLinks/,
  },
  { title: 'a replication port that is not the next one', env: { OG_HA_PORT: '5440' }, fields: ['OG_HA_PORT'], says: /5433/ },
  { title: 'two listeners on one port', env: { OG_PEER_PORT: '8008' }, fields: ['OG_PEER_PORT'], says: /OG_HTTP_PORT/ },
  {
    title: 'a listener on openGauss’s heartbeat port',
    env: { OG_READY_PORT: '5437' },
    fields: ['OG_READY_PORT'],
    says: /OG_PORT \+ 5/,
  },
  { title: 'no room above the port', env: { OG_PORT: '65534' }, fields: ['OG_PORT'], says: /65530/ },
  { title: 'a pod name with upper case', env: { POD_NAME: 'OG-demo-0' }, fields: ['POD_NAME'], says: /lower case/ },
  { title: 'a pod name that is too long', env: { POD_NAME: `og-demo-${'0'.repeat(60)}` }, fields: ['POD_NAME'], says: /63/ },
  { title: 'a cluster name that is too long', env: { OG_CLUSTER: 'c'.repeat(50) }, fields: ['OG_CLUSTER'], says: /49/ },
  { title: 'a pod of another cluster', env: { POD_NAME: 'og-other-0' }, fields: ['POD_NAME'], says: /og-demo-0/ },
  { title: 'a tenth member', env: { POD_NAME: 'og-demo-9' }, fields: ['POD_NAME'], says: /at most 9/ },
  { title: 'a relative path', env: { OG_DATA_DIR: 'data' }, fields: ['OG_DATA_DIR'], says: /absolute/ },
  { title: 'a path with a quote', env: { OG_LOG_DIR: "/var/lib/it's" }, fields: ['OG_LOG_DIR'] },
  {
    title: 'a socket path that Linux does not take',
    env: { OG_SOCKET_DIR: `/${'s'.repeat(100)}` },
    fields: ['OG_SOCKET_DIR'],
    says: /107/,
  },
  { title: 'a pod address that is a name', env: { POD_IP: 'og-demo-0.og-demo-pods' }, fields: ['POD_IP'] },
  { title: 'an API server address with another scheme', env: { OG_KUBE_URL: 'ftp://x' }, fields: ['OG_KUBE_URL'] },
  { title: 'a level that does not exist', env: { OG_LOG_LEVEL: 'verbose' }, fields: ['OG_LOG_LEVEL'], says: /debug/ },
  { title: 'an incarnation that would break the holder’s identity', env: { OG_INCARNATION: 'a/b' }, fields: ['OG_INCARNATION'] },
  { title: 'a mistyped name', env: { OG_SOCKT_DIR: '/run' }, fields: ['OG_SOCKT_DIR'], says: /OG_SOCKET_DIR/ },
  {
    title: 'several at once',
    env: { OG_PORT: 'x', POD_IP: 'y', OG_LOG_LEVEL: 'z' },
    fields: ['POD_IP', 'OG_PORT', 'OG_LOG_LEVEL'],
  },
];
for (const { title, env, fields, says } of mistakes) {
  test(`refused with its name and a cure: ${title}`, () => {
    const read = readSettings({ ...needed, ...env });
    assert.ok(!read.ok);
    assert.deepEqual(
      read.problems.map((problem) => problem.field),
      fields,
    );
    if (says !== undefined) assert.match(renderProblems(read.problems), says);
  });
}

test('variables that Kubernetes makes for Services are no settings', () => {
  const links = {
    OG_DEMO_SVC_SERVICE_HOST: '10.96.0.5',
    OG_DEMO_SVC_SERVICE_PORT: '5432',
    OG_DEMO_SVC_SERVICE_PORT_SQL: '5432',
    OG_DEMO_SVC_PORT: 'tcp://10.96.0.5:5432',
    OG_DEMO_SVC_PORT_5432_TCP: 'tcp://10.96.0.5:5432',
    OG_DEMO_SVC_PORT_5432_TCP_PROTO: 'tcp',
    OG_DEMO_SVC_PORT_5432_TCP_PORT: '5432',
    OG_DEMO_SVC_PORT_5432_TCP_ADDR: '10.96.0.5',
  };
  assert.deepEqual(fieldsOf(links), []);
});

test('the longest cluster name still gives pod names that fit', () => {
  const cluster = 'c'.repeat(49);
  assert.equal(settingsOf({ OG_CLUSTER: cluster, POD_NAME: `og-${cluster}-8` }).cluster, cluster);
});

test('problems are printed as a table, one line each, whatever the value holds', () => {
  const read = readSettings({ ...needed, OG_LOG_LEVEL: `x\ny\u001b[31m${'z'.repeat(200)}`, POD_IP: 'q' });
  assert.ok(!read.ok);
  const lines = renderProblems(read.problems).split('\n');
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? '', /^FIELD +PROBLEM +HINT$/);
  assert.ok(!lines.some((line) => line.includes('\u001b')));
});

test('one setting can be read where the others are not there', () => {
  assert.equal(readSetting({ OG_HTTP_PORT: '9000' }, 'httpPort'), 9000);
  assert.equal(readSetting({}, 'httpPort'), 8008);
  assert.equal(readSetting({ OG_HTTP_PORT: 'x' }, 'httpPort'), undefined);
});
