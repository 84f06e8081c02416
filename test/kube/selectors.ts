/**
 * Label selectors (query text and LabelSelector objects) and field selectors. Parsing refuses what Kubernetes
 * refuses; matching is pure.
 */
import { dictAt, isDict, listAt, textAt, textsAt } from './json.ts';
import { badRequest } from './status.ts';

type Labels = Record<string, string>;

/** True when an object belongs to the selection. */
export type Matcher = (values: Labels) => boolean;

const everything: Matcher = () => true;

/** Splits at commas outside parentheses. */
function clauses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '(') depth++;
    else if (text[index] === ')') depth--;
    else if (text[index] === ',' && depth === 0) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim());
}

const KEY = `[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?`;
const VALUE = `(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?`;
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUAL = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const PRESENT = new RegExp(`^(!?)\\s*(${KEY})$`);
const ORDER = new RegExp(`^(${KEY})\\s*([<>])\\s*(-?\\d+)$`);

function clause(text: string, whole: string): Matcher {
  const set = SET.exec(text);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const wanted = new Set(list.split(',').map((item) => item.trim()));
    return (labels) => (labels[key] !== undefined && wanted.has(labels[key])) === (operator === 'in');
  }
  const equal = EQUAL.exec(text);
  if (equal !== null) {
    const [, key = '', operator, value] = equal;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  const order = ORDER.exec(text);
  if (order !== null) {
    const [, key = '', operator, value] = order;
    return (labels) =>
      labels[key] !== undefined && (operator === '<' ? Number(labels[key]) < Number(value) : Number(labels[key]) > Number(value));
  }
  const present = PRESENT.exec(text);
  if (present !== null) {
    const [, not, key = ''] = present;
    return (labels) => (labels[key] !== undefined) === (not === '');
  }
  const odd = /^\S+\s+(\S+)/.exec(text)?.[1];
  if (odd !== undefined) throw badRequest(`unable to parse requirement: found '${odd}', expected: in, notin, =, ==, !=, gt, lt`);
  throw badRequest(`unable to parse requirement: found '${text}', in selector "${whole}"`);
}

/** The matcher of a `labelSelector` parameter. */
export function labelMatcher(text: string | undefined): Matcher {
  if (text === undefined || text.trim() === '') return everything;
  const matchers = clauses(text).map((part) => clause(part, text));
  return (labels) => matchers.every((matches) => matches(labels));
}

/** The matcher of a LabelSelector object; an empty one selects everything, undefined nothing. */
export function labelSelectorMatcher(selector: unknown): Matcher {
  if (!isDict(selector)) return () => false;
  const equal = Object.entries(textsAt(selector, 'matchLabels'));
  const expressions = listAt(selector, 'matchExpressions').map((item) => expression(item));
  return (labels) => equal.every(([key, value]) => labels[key] === value) && expressions.every((matches) => matches(labels));
}

function expression(item: unknown): Matcher {
  const key = textAt(item, 'key') ?? '';
  const values = new Set(listAt(item, 'values'));
  switch (textAt(item, 'operator')) {
    case 'In':
      return (labels) => values.has(labels[key]);
    case 'NotIn':
      return (labels) => !values.has(labels[key]);
    case 'Exists':
      return (labels) => labels[key] !== undefined;
    default:
      return (labels) => labels[key] === undefined;
  }
}

/** Kinds that can be selected by nothing but name and namespace have another sentence. */
function unknownField(key: string, allowed: readonly string[]): Error {
  if (allowed.some((field) => !field.startsWith('metadata.'))) return badRequest(`field label not supported: ${key}`);
  return badRequest(`"${key}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
}

/** The matcher of a `fieldSelector` parameter over the fields that a kind can be selected by. */
export function fieldMatcher(text: string | undefined, allowed: readonly string[]): Matcher {
  if (text === undefined || text.trim() === '') return everything;
  const matchers = text.split(',').map((part): Matcher => {
    const found = /^([^!=]+?)\s*(==|=|!=)\s*(.*)$/.exec(part.trim());
    if (found === null) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
    const [, key = '', operator, value] = found;
    if (!allowed.includes(key)) throw unknownField(key, allowed);
    return (fields) => ((fields[key] ?? '') === value) === (operator !== '!=');
  });
  return (fields) => matchers.every((matches) => matches(fields));
}

/** True when every pair of a Service's plain selector is on the object. */
export function plainMatcher(selector: unknown): Matcher {
  const pairs = Object.entries(dictAt(selector));
  return (labels) => pairs.every(([key, value]) => labels[key] === value);
}
