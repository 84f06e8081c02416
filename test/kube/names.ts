/**
 * The rules for names, labels and other words of metadata, with the sentences that Kubernetes answers.
 */
import { dictAt, listAt, textAt } from './json.ts';
import type { FieldError } from './status.ts';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = String.raw`[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`;
const LABEL_VALUE = '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?';
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';

export type NameRule = 'subdomain' | 'label' | 'path';

const LABEL_WORDS = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`;
const SUBDOMAIN_WORDS = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
const LABEL_VALUE_WORDS = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${LABEL_VALUE}')`;
const NAME_PART_WORDS = `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`;

function whole(pattern: string): RegExp {
  return new RegExp(`^${pattern}$`);
}

function nameFault(name: string, rule: NameRule): string | undefined {
  if (rule === 'path') {
    if (name === '.' || name === '..') return `may not be '${name}'`;
    if (name.includes('/')) return `may not contain '/'`;
    return name.includes('%') ? `may not contain '%'` : undefined;
  }
  const limit = rule === 'label' ? 63 : 253;
  if (name.length > limit) return `must be no more than ${limit} characters`;
  if (rule === 'label' && !whole(LABEL).test(name)) return whole(SUBDOMAIN).test(name) ? 'must not contain dots' : LABEL_WORDS;
  if (rule === 'label') return undefined;
  return whole(SUBDOMAIN).test(name) ? undefined : SUBDOMAIN_WORDS;
}

/** Faults of a qualified key such as `example.io/role`. */
function keyFaults(key: string): string[] {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.length > 2)
    return [
      `a valid label key must consist of ${NAME_PART_WORDS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined;
  const faults: string[] = [];
  if (prefix === '') faults.push('prefix part must be non-empty');
  else if (prefix !== undefined && !whole(SUBDOMAIN).test(prefix)) faults.push(`prefix part ${SUBDOMAIN_WORDS}`);
  if (name === '') faults.push('name part must be non-empty');
  else if (name.length > 63) faults.push('name part must be no more than 63 characters');
  if (name === '' || !whole(QUALIFIED).test(name)) faults.push(NAME_PART_WORDS);
  return faults;
}

function labelErrors(metadata: unknown): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(dictAt(metadata, 'labels'))) {
    for (const detail of keyFaults(key)) errors.push({ type: 'Invalid', field: 'metadata.labels', value: key, detail });
    const text = String(value);
    if (text.length > 63)
      errors.push({ type: 'Invalid', field: 'metadata.labels', value: text, detail: 'must be no more than 63 characters' });
    if (!whole(LABEL_VALUE).test(text))
      errors.push({ type: 'Invalid', field: 'metadata.labels', value: text, detail: LABEL_VALUE_WORDS });
  }
  return errors;
}

const ANNOTATION_BYTES = 256 * 1024;

function annotationErrors(metadata: unknown): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(dictAt(metadata, 'annotations'))) {
    for (const detail of keyFaults(key.toLowerCase()))
      errors.push({ type: 'Invalid', field: 'metadata.annotations', value: key, detail });
    size += Buffer.byteLength(key) + Buffer.byteLength(String(value));
  }
  if (size > ANNOTATION_BYTES)
    errors.push({ type: 'TooLong', field: 'metadata.annotations', detail: `may not be more than ${ANNOTATION_BYTES} bytes` });
  return errors;
}

/** What is wrong with an object's metadata by itself. */
export function metadataErrors(metadata: unknown, rule: NameRule): FieldError[] {
  const errors: FieldError[] = [];
  const name = textAt(metadata, 'name') ?? '';
  if (name === '') errors.push({ type: 'Required', field: 'metadata.name', detail: 'name or generateName is required' });
  const fault = name === '' ? undefined : nameFault(name, rule);
  if (fault !== undefined) errors.push({ type: 'Invalid', field: 'metadata.name', value: name, detail: fault });
  errors.push(...labelErrors(metadata), ...annotationErrors(metadata));
  for (const finalizer of listAt(metadata, 'finalizers')) {
    for (const detail of keyFaults(String(finalizer)))
      errors.push({ type: 'Invalid', field: 'metadata.finalizers', value: finalizer, detail });
  }
  return errors;
}
