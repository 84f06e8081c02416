/**
 * Kubernetes' own strictness without a server: walks an object along the type maps of the client library's models and
 * names every field that does not exist and every value of another type. What it knows follows the library's release.
 */
import * as client from '@kubernetes/client-node';

interface Attribute {
  name: string;
  baseName: string;
  type: string;
}

interface Model {
  getAttributeTypeMap(): Attribute[];
}

const models = client as unknown as Record<string, Model | undefined>;

/** Class names that do not follow from apiVersion and kind. */
const prefixes: Record<string, string> = {
  v1: 'V1',
  'apps/v1': 'V1',
  'policy/v1': 'V1',
  'rbac.authorization.k8s.io/v1': 'V1',
};

/** Everything in the object that the API server would refuse or drop, as `path: problem`. */
export function strictProblems(object: Record<string, unknown>): string[] {
  const model = `${prefixes[String(object['apiVersion'])] ?? '?'}${String(object['kind'])}`;
  if (models[model] === undefined) return [`${model}: no such kind`];
  return check(object, model, String(object['kind']));
}

function check(value: unknown, type: string, path: string): string[] {
  const list = /^Array<(.*)>$/.exec(type)?.[1] ?? /^Set<(.*)>$/.exec(type)?.[1];
  if (list !== undefined) {
    if (!Array.isArray(value)) return [`${path}: not a list`];
    return value.flatMap((item, index) => check(item, list, `${path}[${index}]`));
  }
  const entry = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (entry !== undefined) {
    if (!isObject(value)) return [`${path}: not a mapping`];
    return Object.entries(value).flatMap(([key, item]) => check(item, entry, `${path}.${key}`));
  }
  const model = models[type];
  if (model?.getAttributeTypeMap !== undefined) return checkFields(value, model, path);
  return isScalar(value, type) ? [] : [`${path}: ${JSON.stringify(value)} is not a ${type}`];
}

function checkFields(value: unknown, model: Model, path: string): string[] {
  if (!isObject(value)) return [`${path}: not a mapping`];
  const attributes = new Map(model.getAttributeTypeMap().map((attribute) => [attribute.baseName, attribute.type]));
  return Object.entries(value).flatMap(([key, item]) => {
    const type = attributes.get(key);
    return type === undefined ? [`${path}.${key}: no such field`] : check(item, type, `${path}.${key}`);
  });
}

function isScalar(value: unknown, type: string): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'IntOrString':
      return typeof value === 'string' || Number.isInteger(value);
    default:
      return type === 'any';
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
