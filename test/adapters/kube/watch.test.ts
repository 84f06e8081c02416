/**
 * Goal: watches are hints that keep coming: whatever happens to a connection, another takes over, nothing throws, and
 * what may have been missed is announced. Method: the real adapter against the embedded API server.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { lineReader, startWatch } from '../../../agent/adapters/kube/watch.ts';
import { failed, ok } from '../../../agent/core/result.ts';
import type { StreamSink } from '../../../agent/adapters/kube/transport.ts';
import { aWrite, eventually, listen, must, relayTo, startCluster } from './cluster.ts';

test('every change of what the loop looks at becomes a hint', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const hints = listen(t, kube);
  const lease = must(await kube.writeLease(aWrite(undefined), 1000));
  await eventually('the lease', () =>
    hints.some((hint) => hint.of === 'lease' && hint.record?.resourceVersion === lease.resourceVersion),
  );
  cluster.addPod(0);
  await eventually('the pod', () => hints.some((hint) => hint.of === 'pods' && hint.pod.name === 'og-demo-0' && !hint.deleted));
  for (const [name, of] of [
    ['config', 'config'],
    ['state', 'facts'],
    ['request', 'request'],
  ] as const) {
    cluster.server.store.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `og-demo-${name}` },
      data: { kind: 'x' },
    });
    await eventually(name, () => hints.some((hint) => hint.of === of));
  }
  cluster.server.store.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'another' }, data: {} });
  cluster.server.store.delete('pods', 'og-demo-0');
  await eventually('the end of the pod', () => hints.some((hint) => hint.of === 'pods' && hint.deleted));
  cluster.server.store.delete('leases', 'og-demo-leader');
  await eventually('the end of the lease', () => hints.some((hint) => hint.of === 'lease' && hint.record === undefined));
  assert.ok(!hints.some((hint) => hint.of === 'resync'));
});

test('what there is already is told at the start', async (t) => {
  const cluster = await startCluster(t);
  cluster.addPod(0);
  const kube = cluster.adapter();
  must(await kube.writeLease(aWrite(undefined), 1000));
  const hints = listen(t, kube);
  await eventually('both', () => hints.some((hint) => hint.of === 'pods') && hints.some((hint) => hint.of === 'lease'));
});

test('a watch whose connection breaks goes on where it was', async (t) => {
  const cluster = await startCluster(t);
  const relay = await relayTo(t, cluster.url);
  const kube = cluster.adapter({ url: relay.url });
  const hints = listen(t, kube);
  cluster.addPod(0);
  await eventually('the first pod', () => hints.some((hint) => hint.of === 'pods'));
  relay.cut();
  cluster.addPod(1);
  await eventually('the second pod', () => hints.some((hint) => hint.of === 'pods' && hint.pod.name === 'og-demo-1'));
  const names = hints.flatMap((hint) => (hint.of === 'pods' ? [hint.pod.name] : []));
  assert.equal(names.filter((name) => name === 'og-demo-0').length, 1);
});

test('watches wait for an API server that cannot be reached, and come back by themselves', async (t) => {
  const cluster = await startCluster(t);
  const blank = createServer();
  await new Promise<void>((resolve) => blank.listen(0, '127.0.0.1', resolve));
  const { port } = blank.address() as { port: number };
  await new Promise((resolve) => blank.close(resolve));
  const kube = cluster.adapter({ url: `http://127.0.0.1:${port}` });
  const hints = listen(t, kube);
  await eventually('some tries', () => cluster.samples.filter(({ code }) => code === 'unreachable').length > 10);
  await cluster.server.listen('127.0.0.1', port);
  cluster.addPod(0);
  await eventually('the pod', () => hints.some((hint) => hint.of === 'pods'));
});

test('a version that the server has forgotten is a gap, and is told as one', async (t) => {
  const cluster = await startCluster(t);
  const relay = await relayTo(t, cluster.url);
  const kube = cluster.adapter({ url: relay.url });
  const hints = listen(t, kube);
  cluster.addPod(0);
  cluster.addPod(1);
  await eventually('the pods', () => hints.filter((hint) => hint.of === 'pods').length === 2);
  hints.length = 0;
  const stop = cluster.server.faults.add({ match: { verb: 'watch' }, effect: { do: 'error', code: 503 } });
  relay.cut();
  await eventually('a refusal', () => stop.hits() > 0);
  cluster.server.store.delete('pods', 'og-demo-0');
  cluster.server.store.compact();
  stop.remove();
  await eventually('the gap', () => hints.some((hint) => hint.of === 'resync'));
  await eventually('what there is', () => hints.some((hint) => hint.of === 'pods' && hint.pod.name === 'og-demo-1'));
});

type WatchOptions = Parameters<typeof startWatch>[0];

/** One lease is watched, and what is delivered is of no interest. */
function watchLease(part: Pick<WatchOptions, 'transport'> & Partial<WatchOptions>): ReturnType<typeof startWatch> {
  const select = { kind: 'fieldSelector', text: 'metadata.name=x' } as const;
  return startWatch({ namespace: 'default', resource: 'leases', select, onObject() {}, onGap() {}, ...part });
}

test('a half-open watch is given up after its silence', async () => {
  let opened = 0;
  const stream = (_ask: unknown, sink: StreamSink) => {
    opened += 1;
    sink.onOpen();
    let ended = false;
    return {
      stop() {
        if (!ended) sink.onEnd(failed({ of: 'kube', kind: 'cancelled', done: 'no', detail: 'stopped' }));
        ended = true;
      },
    };
  };
  const watch = watchLease({ transport: { stream }, quietMs: 30 });
  await eventually('two more connections', () => opened >= 3);
  watch.stop();
});

test('a watch that falls silent, or whose version is refused, begins again without one', async () => {
  const versions: (string | null)[] = [];
  const stream = (ask: { path: string }, sink: StreamSink) => {
    const version = new URLSearchParams(ask.path.split('?')[1]).get('resourceVersion');
    versions.push(version);
    let ended = false;
    const stop = (code?: string) => {
      if (!ended) sink.onEnd(failed({ of: 'kube', kind: 'cancelled', done: 'no', detail: 'stopped', ...(code && { code }) }));
      ended = true;
    };
    const refused = versions.length === 4;
    setTimeout(() => {
      if (refused) return stop('504');
      sink.onOpen();
      if (version === null) sink.onText('{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}\n');
      if (versions.length === 3) stop();
    }, 1);
    return { stop };
  };
  const watch = watchLease({ transport: { stream }, quietMs: 30 });
  await eventually('five connections', () => versions.length >= 5);
  watch.stop();
  assert.deepEqual(versions.slice(0, 5), [null, null, null, '7', null]);
});

test('a watch that never stops talking is ended at its age all the same, and the next one goes on where it was', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const opened: URLSearchParams[] = [];
  const ended: number[] = [];
  let gaps = 0;
  let seconds = 0;
  const stream = (ask: { path: string }, sink: StreamSink) => {
    opened.push(new URLSearchParams(ask.path.split('?')[1]));
    sink.onOpen();
    const talk = setInterval(
      () => sink.onText(`{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"${seconds}"}}}\n`),
      500,
    );
    return {
      stop() {
        clearInterval(talk);
        ended.push(seconds);
        sink.onEnd(failed({ of: 'kube', kind: 'cancelled', done: 'no', detail: 'stopped' }));
      },
    };
  };
  const watch = watchLease({ transport: { stream }, quietMs: 8000, onGap: () => (gaps += 1) });
  for (seconds = 1; seconds <= 120; seconds += 1) t.mock.timers.tick(1000);
  watch.stop();
  const ages = opened.map((query) => Number(query.get('timeoutSeconds')));
  for (const age of ages) assert.ok(age >= 40 && age <= 50, `asked for ${age} s`);
  // The server ends it first; it is ended here when the server does not.
  assert.ok(ended[0] !== undefined && ended[0] > (ages[0] ?? 0) && ended[0] < 60, `ended after ${ended[0]} s`);
  assert.ok(opened.length >= 3, `${opened.length} connections in two minutes`);
  assert.deepEqual([opened[0]?.get('resourceVersion'), Number(opened[1]?.get('resourceVersion')) > 40, gaps], [null, true, 0]);
});

test('garbage in the stream ends the connection, and the next one starts afresh with a gap', async () => {
  const paths: string[] = [];
  const texts = [
    '{"type":"ADDED","object":{"metadata":{"resourceVersion":"5"}}}\n{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}\n',
    '{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"10"}}}\n{"type":"ADDED","obj',
    'not json\n',
    '{"type":"ERROR","object":{"kind":"Status","code":410}}\n',
  ];
  let gaps = 0;
  let objects = 0;
  const stream = (ask: { path: string }, sink: StreamSink) => {
    paths.push(new URLSearchParams(ask.path.split('?')[1]).get('resourceVersion') ?? '-');
    let ended = false;
    const end = () => {
      if (!ended) sink.onEnd(ok());
      ended = true;
    };
    setTimeout(() => {
      sink.onOpen();
      const text = texts[paths.length - 1];
      if (text !== undefined) sink.onText(text);
      if (text !== undefined) end();
    }, 1);
    return { stop: end };
  };
  const watch = startWatch({
    transport: { stream },
    namespace: 'default',
    resource: 'pods',
    select: { kind: 'labelSelector', text: 'a=b' },
    onObject: () => (objects += 1),
    onGap: () => (gaps += 1),
  });
  await eventually('five connections and what they tell', () => paths.length >= 5 && gaps >= 2);
  watch.stop();
  assert.deepEqual(paths.slice(0, 5), ['-', '9', '10', '-', '-']);
  assert.equal(objects, 2);
  assert.equal(gaps, 2);
});

test('lines are put together across pieces, and a line without end is refused', () => {
  const lines: string[] = [];
  const read = lineReader((line) => lines.push(line) > 0);
  assert.ok(read('{"a"'));
  assert.ok(read(':1}\n\n{"b":2}\n{'));
  assert.deepEqual(lines, ['{"a":1}', '{"b":2}']);
  assert.equal(read('x'.repeat(3 << 20)), false);
  assert.equal(read('}\n'), false);
});

test('a stopped watch opens no further connection', async (t) => {
  const cluster = await startCluster(t);
  const kube = cluster.adapter();
  const watch = kube.watch(() => {});
  await eventually('the watches are open', () => cluster.samples.filter(({ verb }) => verb === 'watch').length === 5);
  watch.stop();
  await kube.readLease(1000);
  assert.equal(cluster.samples.filter(({ verb }) => verb === 'watch').length, 5);
});
