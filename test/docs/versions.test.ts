/** Goal: what is said of versions of Kubernetes is said once: the preflight, the docs and the manifests agree. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { features } from '../../agent/cli/kubeversion.ts';

const root = new URL('../../', import.meta.url);
const text = readFileSync(new URL('docs/OPERATIONS.md', root), 'utf8');

test('the operations guide lists what an older Kubernetes lacks, as the preflight does', () => {
  const section = text.split('## Versions of Kubernetes\n')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => /^\| .*\| 1\.\d+ \|/.test(line));
  const listed = rows.map((row) => row.replaceAll('`', ''));
  assert.deepEqual(
    listed,
    features.map(({ what, since, without }) => `| ${what} | 1.${since} | ${without} |`),
  );
});

test('the manifests use what the preflight says that they use', () => {
  for (const [file, word] of [
    ['base/poddisruptionbudget.yaml', 'unhealthyPodEvictionPolicy'],
    ['base/poddisruptionbudget.yaml', 'apiVersion: policy/v1'],
    ['base/statefulset.yaml', 'persistentVolumeClaimRetentionPolicy'],
    ['namespace.yaml', 'pod-security.kubernetes.io/enforce'],
  ] as const)
    assert.ok(readFileSync(new URL(`manifests/${file}`, root), 'utf8').includes(word), word);
});
