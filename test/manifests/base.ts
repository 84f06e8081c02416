/** The objects of manifests/base, read by ourselves: the base uses `resources` of kustomize and nothing else of it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { V1Container, V1Service, V1StatefulSet } from '@kubernetes/client-node';
import { parse, parseAllDocuments } from 'yaml';

export const baseDir = fileURLToPath(new URL('../../manifests/base/', import.meta.url));

export interface Manifest extends Record<string, unknown> {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
}

/** What is in a text of several documents. */
export function objectsIn(text: string): Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** Every object of the base. */
export function readBase(): Manifest[] {
  const kustomization = parse(readFileSync(`${baseDir}kustomization.yaml`, 'utf8')) as { resources: string[] };
  return kustomization.resources.flatMap((file) => objectsIn(readFileSync(baseDir + file, 'utf8')));
}

/** The object of that kind and name. */
export function find<T>(objects: Manifest[], kind: string, name: string): T {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found as unknown as T;
}

/** The StatefulSet, its one container and the Services. */
export function parts(objects: Manifest[]): { set: V1StatefulSet; og: V1Container; services: V1Service[] } {
  const set = find<V1StatefulSet>(objects, 'StatefulSet', 'og-demo');
  const og = set.spec?.template.spec?.containers.find((container) => container.name === 'og');
  if (og === undefined) throw new Error('no container og');
  return { set, og, services: objects.filter((object) => object.kind === 'Service') as unknown as V1Service[] };
}
