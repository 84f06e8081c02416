/**
 * Tables as `kubectl get` shows them: columns of each kind with the cells that Kubernetes prints. Cells are for
 * people; nothing decides on them.
 */
import { CELLS } from './columns.ts';
import type { Dict } from './json.ts';
import type { Kind } from './kinds.ts';
import type { KubeObject } from './objects.ts';

export interface TableAsk {
  included: 'None' | 'Metadata' | 'Object';
  nowMs: number;
  headers: boolean;
  metadata: Dict;
}

function shownObject(object: KubeObject, included: TableAsk['included']): Dict | null {
  if (included === 'None') return null;
  if (included === 'Object') return object;
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

/** A Table of objects of one kind. */
export function tableOf(kind: Kind, objects: KubeObject[], ask: TableAsk): Dict {
  const columns = CELLS[kind.plural] ?? CELLS[''] ?? [];
  const definitions = columns.map(({ name, wide, integer, date }) => ({
    name,
    type: integer === true ? 'integer' : date === true ? 'date' : 'string',
    format: name === 'Name' ? 'name' : '',
    description: name,
    priority: wide === true ? 1 : 0,
  }));
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: ask.metadata,
    columnDefinitions: ask.headers ? definitions : null,
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, ask.nowMs)),
      object: shownObject(object, ask.included),
    })),
  };
}
