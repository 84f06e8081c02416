/**
 * EndpointSlices follow labels, readiness and termination: what connects a role label to a Service.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Watch } from './client.ts';
import type { Dict } from './json.ts';
import { at, dictAt, listAt, textAt } from './json.ts';
import { core, pod, podStatus, service, slices } from './samples.ts';
import type { Subject } from './subject.ts';
import { NODE, startSubject } from './subject.ts';

let subject: Subject;
before(async () => {
  subject = await startSubject();
});
after(() => subject.close());

interface Scene {
  pods: string;
  services: string;
  watch: Watch;
  /** Waits until the addresses of the Service's slice are these. */
  shows(...addresses: string[]): Promise<Dict>;
}

async function scene(spec: Dict = {}): Promise<Scene> {
  const namespace = await subject.namespace();
  const watch = await subject.admin.watch(`${slices(namespace)}?watch=1&labelSelector=kubernetes.io/service-name%3Dog`);
  await subject.admin.post(core(namespace, 'services'), service(spec));
  async function shows(...wanted: string[]): Promise<Dict> {
    const events = await watch.until(({ type, object }) => {
      const found = listAt(object, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses'));
      return type !== 'DELETED' && found.map(String).sort().join() === wanted.join();
    });
    return events.at(-1)?.object ?? {};
  }
  return { pods: core(namespace, 'pods'), services: core(namespace, 'services'), watch, shows };
}

async function member(pods: string, name: string, ip: string, labels: Dict = {}, ready = true): Promise<void> {
  const made = await subject.admin.post(pods, pod({ name, labels }, { nodeName: NODE }));
  assert.equal(made.code, 201, made.text);
  await subject.admin.patch(`${pods}/${name}/status`, 'merge', podStatus(ip, ready));
}

function role(value: string | null): object {
  return { metadata: { labels: { 'opengauss.role': value } } };
}

test('a pod becomes an endpoint when it gets the label, and ceases to be one when it loses it', async () => {
  const { pods, watch, shows } = await scene();
  await shows();
  await member(pods, 'og-0', '10.1.2.3');
  await subject.admin.patch(`${pods}/og-0`, 'merge', role('primary'));
  const slice = await shows('10.1.2.3');
  assert.deepEqual(slice['ports'], [{ name: 'db', port: 5432, protocol: 'TCP' }]);
  const [endpoint] = listAt(slice, 'endpoints');
  assert.deepEqual(dictAt(endpoint, 'conditions'), { ready: true, serving: true, terminating: false });
  assert.equal(textAt(endpoint, 'targetRef', 'name'), 'og-0');
  assert.equal(textAt(endpoint, 'nodeName'), NODE);
  assert.equal(textAt(slice, 'metadata', 'labels', 'endpointslice.kubernetes.io/managed-by'), 'endpointslice-controller.k8s.io');
  await subject.admin.patch(`${pods}/og-0`, 'merge', role('standby'));
  await shows();
  watch.close();
});

test('the write address moves from one member to the other with the labels', async () => {
  const { pods, watch, shows } = await scene();
  await member(pods, 'og-0', '10.1.2.3', { 'opengauss.role': 'primary' });
  await member(pods, 'og-1', '10.1.2.4', { 'opengauss.role': 'standby' });
  await shows('10.1.2.3');
  await subject.admin.patch(`${pods}/og-0`, 'merge', role(null));
  await subject.admin.patch(`${pods}/og-1`, 'merge', role('primary'));
  await shows('10.1.2.4');
  watch.close();
});

test('a pod that is not ready is an endpoint that is not ready', async () => {
  const { pods, watch, shows } = await scene();
  await member(pods, 'og-0', '10.1.2.3', { 'opengauss.role': 'primary' }, false);
  const slice = await shows('10.1.2.3');
  assert.deepEqual(at(slice, 'endpoints', 0, 'conditions'), { ready: false, serving: false, terminating: false });
  await subject.admin.patch(`${pods}/og-0/status`, 'merge', podStatus('10.1.2.3', true));
  const events = await watch.until(({ object }) => at(object, 'endpoints', 0, 'conditions', 'ready') === true);
  assert.equal(events.at(-1)?.type, 'MODIFIED');
  watch.close();
});

test('a pod that is being deleted serves on but is not ready, and goes when it is gone', async () => {
  const { pods, watch, shows } = await scene();
  await member(pods, 'og-0', '10.1.2.3', { 'opengauss.role': 'primary' });
  await shows('10.1.2.3');
  await subject.admin.delete(`${pods}/og-0`);
  const events = await watch.until(({ object }) => at(object, 'endpoints', 0, 'conditions', 'terminating') === true);
  assert.deepEqual(at(events.at(-1)?.object, 'endpoints', 0, 'conditions'), { ready: false, serving: true, terminating: true });
  await subject.admin.delete(`${pods}/og-0`, { gracePeriodSeconds: 0 });
  await shows();
  watch.close();
});

test('a service that publishes addresses that are not ready shows every member as ready, with its host name', async () => {
  const { pods, watch, shows } = await scene({ clusterIP: 'None', publishNotReadyAddresses: true });
  const made = pod(
    { name: 'og-0', labels: { 'opengauss.role': 'primary' } },
    { nodeName: NODE, hostname: 'og-0', subdomain: 'og' },
  );
  await subject.admin.post(pods, made);
  await subject.admin.patch(`${pods}/og-0/status`, 'merge', podStatus('10.1.2.3', false));
  const slice = await shows('10.1.2.3');
  assert.deepEqual(at(slice, 'endpoints', 0, 'conditions'), { ready: true, serving: false, terminating: false });
  assert.equal(textAt(listAt(slice, 'endpoints')[0], 'hostname'), 'og-0');
  assert.equal(textAt(slice, 'metadata', 'labels', 'service.kubernetes.io/headless'), '');
  watch.close();
});

test('a pod on a node that does not exist is no endpoint', async () => {
  const { pods, watch, shows } = await scene();
  const made = pod({ name: 'lost', labels: { 'opengauss.role': 'primary' } }, { nodeName: 'no-such-node' });
  await subject.admin.post(pods, made);
  await subject.admin.patch(`${pods}/lost/status`, 'merge', podStatus('10.1.2.9', true));
  await member(pods, 'og-0', '10.1.2.3', { 'opengauss.role': 'primary' });
  await shows('10.1.2.3');
  watch.close();
});

test('a new selector moves the endpoints, a deleted service takes its slices along', async () => {
  const { pods, services, watch, shows } = await scene();
  await member(pods, 'og-0', '10.1.2.3', { 'opengauss.role': 'primary' });
  await member(pods, 'og-1', '10.1.2.4', { 'opengauss.role': 'standby' });
  await shows('10.1.2.3');
  await subject.admin.patch(`${services}/og`, 'merge', { spec: { selector: { 'opengauss.role': 'standby' } } });
  await shows('10.1.2.4');
  await subject.admin.delete(`${services}/og`);
  await watch.until(({ type }) => type === 'DELETED');
  watch.close();
});
