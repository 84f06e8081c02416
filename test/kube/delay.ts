/**
 * How long a label takes to become an endpoint: what a Service adds to every failover. Measures, asserts nothing.
 */
import { listAt } from './json.ts';
import { core, pod, podStatus, service, slices } from './samples.ts';
import { NODE, startSubject } from './subject.ts';

const rounds = 10;

/** The median in milliseconds, on the server that subject.ts gives. */
export async function endpointDelay(): Promise<number> {
  const subject = await startSubject();
  try {
    const namespace = await subject.namespace();
    const pods = core(namespace, 'pods');
    const watch = await subject.admin.watch(`${slices(namespace)}?watch=1&labelSelector=kubernetes.io/service-name%3Dog`);
    await subject.admin.post(core(namespace, 'services'), service());
    await subject.admin.post(pods, pod({}, { nodeName: NODE }));
    await subject.admin.patch(`${pods}/og-0/status`, 'merge', podStatus('10.1.2.3', true));
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const role of ['primary', null]) {
        const wanted = role === null ? 0 : 1;
        const began = performance.now();
        await subject.admin.patch(`${pods}/og-0`, 'merge', { metadata: { labels: { 'opengauss.role': role } } });
        await watch.until(({ object }) => listAt(object, 'endpoints').length === wanted);
        times.push(performance.now() - began);
      }
    }
    watch.close();
    return times.sort((a, b) => a - b)[rounds] ?? Number.NaN;
  } finally {
    await subject.close();
  }
}
