/** What a command is: its words, its options, its help, and the function that does it. */
import type { Io } from './io.ts';

export interface Option {
  type: 'string' | 'boolean';
  short?: string;
  /** What stands behind the name in the help, e.g. `FORMAT`. */
  value?: string;
  help: string;
}

export interface Parsed {
  values: Record<string, string | boolean | undefined>;
  words: string[];
}

export interface Command {
  /** What follows `agent`, e.g. `config show`. */
  name: string;
  /** The words behind the name, e.g. `FILE`. */
  words?: { usage: string; min: number; max: number };
  summary: string;
  /** More lines of help. */
  details?: string[];
  options: Record<string, Option>;
  run(parsed: Parsed, io: Io): Promise<number>;
}

/** An option given as text. */
export function textOption(parsed: Parsed, name: string): string | undefined {
  const value = parsed.values[name];
  return typeof value === 'string' ? value : undefined;
}
