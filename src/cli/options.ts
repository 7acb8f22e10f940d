/**
 * The options of a command: what they are called, how their text becomes a value, and how help describes them.
 * `node:util` parseArgs does the splitting; names it does not know, and values that do not fit, are usage errors.
 */
import { parseArgs } from 'node:util';
import { suggestion, UsageError } from './usage.js';

/** One option. `T` is the type of its value, `undefined` included when it may be absent. */
export interface OptionSpec<T = unknown> {
  /** What stands for the value in help: `N`, `FILE`; undefined for a switch. */
  placeholder: string | undefined;
  help: string;
  /** Value when the option is absent. */
  otherwise: T;
  /** Turns the text into the value, or throws a UsageError. */
  parse(text: string, name: string): T;
}

export interface PositionalSpec {
  name: string;
  help: string;
  optional?: boolean;
}

/** What a command accepts; help is made from it. */
export interface CommandSpec<Options extends Record<string, OptionSpec<unknown>> = Record<string, OptionSpec<unknown>>> {
  name: string;
  /** One line, for the program's help. */
  summary: string;
  /** A paragraph or two, for the command's own help. */
  description?: string;
  positionals: readonly PositionalSpec[];
  options: Options;
  /** Command line and what it does. */
  examples: readonly (readonly [commandLine: string, what: string])[];
}

export type OptionValues<Options> = { [Name in keyof Options]: Options[Name] extends OptionSpec<infer T> ? T : never };

function expected(what: string, name: string, text: string): UsageError {
  return new UsageError(`Expected ${what} for --${name} but received '${text}'`);
}

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** What the native code keeps in float32, or counts with 32 bits, may be no more. */
export const largestFloat32 = 3.4e38;
export const largestInt32 = 2 ** 31 - 1;

export interface NumberRange {
  least?: number;
  most?: number;
  /** `least` itself is not allowed. */
  above?: boolean;
  /** `most` itself is not allowed. */
  below?: boolean;
}

function describeRange(kind: string, { least = -Infinity, most = Infinity, above = false, below = false }: NumberRange): string {
  if (least === -Infinity && most === Infinity) return kind;
  if (most === Infinity) return above ? `${kind} above ${least}` : `${kind} of at least ${least}`;
  return `${kind} from ${above ? 'above ' : ''}${least} to ${below ? 'below ' : ''}${most}`;
}

/** The number that the whole text spells, within the range; '1e3' and '.5' are fine, '', '0x10', 'ten', '1,000' are not. */
export function parseNumber(text: string, name: string, kind: 'a number' | 'an integer', range: NumberRange): number {
  const { least = -Infinity, most = Infinity, above = false, below = false } = range;
  const value = numberPattern.test(text) ? Number(text) : NaN;
  const fits = Number.isFinite(value) && value >= least && value <= most && !(above && value === least) && !(below && value === most);
  if (!fits || (kind === 'an integer' && !Number.isSafeInteger(value))) throw expected(describeRange(kind, range), name, text);
  return value;
}

type Optional<T> = OptionSpec<T | undefined>;

export function number(help: string, range?: NumberRange & { placeholder?: string }): Optional<number>;
export function number(help: string, range: NumberRange & { placeholder?: string; otherwise: number }): OptionSpec<number>;
export function number(help: string, range: NumberRange & { placeholder?: string; otherwise?: number } = {}): Optional<number> {
  return {
    placeholder: range.placeholder ?? 'X',
    help,
    otherwise: range.otherwise,
    parse: (text, name) => parseNumber(text, name, 'a number', range),
  };
}

export function integer(help: string, range?: NumberRange): Optional<number>;
export function integer(help: string, range: NumberRange & { otherwise: number }): OptionSpec<number>;
export function integer(help: string, range: NumberRange & { otherwise?: number } = {}): Optional<number> {
  return {
    placeholder: 'N',
    help,
    otherwise: range.otherwise,
    parse: (text, name) => parseNumber(text, name, 'an integer', range),
  };
}

export function text(help: string, placeholder: string): Optional<string>;
export function text(help: string, placeholder: string, otherwise: string): OptionSpec<string>;
export function text(help: string, placeholder: string, otherwise?: string): Optional<string> {
  return {
    placeholder,
    help,
    otherwise,
    parse(value, name) {
      if (value === '') throw expected(`${placeholder}`, name, value);
      return value;
    },
  };
}

export function flag(help: string): OptionSpec<boolean> {
  return { placeholder: undefined, help, otherwise: false, parse: () => true };
}

export function choice<const C extends string>(help: string, choices: readonly C[]): Optional<C>;
export function choice<const C extends string>(help: string, choices: readonly C[], otherwise: NoInfer<C>): OptionSpec<C>;
export function choice<const C extends string>(help: string, choices: readonly C[], otherwise?: C): Optional<C> {
  return {
    // A long list is named in the text instead.
    placeholder: choices.join('|').length <= 32 ? choices.join('|') : 'NAME',
    help,
    otherwise,
    parse: (value, name) => oneOf(value, name, choices),
  };
}

function oneOf<C extends string>(value: string, name: string, choices: readonly C[]): C {
  if ((choices as readonly string[]).includes(value)) return value as C;
  throw new UsageError(`Expected ${choices.join(', ')} for --${name} but received '${value}'${suggestion(value, choices)}`);
}

/** Several of a fixed set, separated by commas. */
export function choices<const C extends string>(help: string, all: readonly C[]): Optional<readonly C[]> {
  return {
    placeholder: 'NAME,…',
    help,
    otherwise: undefined,
    parse: (value, name) => [...new Set(value.split(',').map((item) => oneOf(item.trim(), name, all)))],
  };
}

/** Several integers, separated by commas. */
export function integers(help: string, range: NumberRange): Optional<readonly number[]>;
export function integers(help: string, range: NumberRange, otherwise: readonly number[]): OptionSpec<readonly number[]>;
export function integers(help: string, range: NumberRange, otherwise?: readonly number[]): Optional<readonly number[]> {
  return {
    placeholder: 'N,…',
    help,
    otherwise,
    parse: (value, name) => value.split(',').map((item) => parseNumber(item.trim(), name, 'an integer', range)),
  };
}

/** Options that every command has. */
export const commonOptions = {
  json: flag('print one JSON object and nothing else on standard output'),
  help: flag('show this help'),
};

/** The values of a command's options and its positional arguments, or a UsageError. */
export function parseCommandLine<Options extends Record<string, OptionSpec<unknown>>>(
  spec: CommandSpec<Options>,
  args: readonly string[],
): { values: OptionValues<Options & typeof commonOptions>; positionals: string[] } {
  const specs: Record<string, OptionSpec<unknown>> = { ...spec.options, ...commonOptions };
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, option]) => [
      name,
      { type: option.placeholder === undefined ? ('boolean' as const) : ('string' as const), ...(name === 'help' ? { short: 'h' } : {}) },
    ]),
  );
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw usageErrorOf(error as Error & { code?: string }, args, options, spec.name);
  }
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(specs)) {
    const given = parsed.values[name];
    values[name] = given === undefined ? option.otherwise : option.parse(String(given), name);
  }
  if (!values.help) checkPositionals(spec, parsed.positionals);
  return { values: values as OptionValues<Options & typeof commonOptions>, positionals: parsed.positionals };
}

function checkPositionals(spec: CommandSpec, given: readonly string[]): void {
  const missing = spec.positionals.find((positional, i) => !positional.optional && (given[i] ?? '') === '');
  if (missing) throw new UsageError(`Expected ${missing.name} (${missing.help}) after 'onelogit ${spec.name}' but received nothing`);
  if (given.length > spec.positionals.length)
    throw new UsageError(
      `Expected ${spec.positionals.length || 'no'} arguments for ${spec.name} but received also '${given[spec.positionals.length]}'`,
    );
}

/** parseArgs's own error, said our way: with the known options and the one that was probably meant. */
function usageErrorOf(
  error: Error & { code?: string },
  args: readonly string[],
  options: Record<string, { type: 'boolean' | 'string' }>,
  command: string,
): UsageError {
  const known = Object.keys(options);
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = options[token.name];
    if (!option) {
      const list = known.map((name) => `--${name}`).join(', ');
      return new UsageError(
        `Expected an option of ${command} but received the unknown option '${token.rawName}'${suggestion(token.name, known, '--')}\nKnown options: ${list}`,
      );
    }
    if (option.type === 'boolean' && token.value !== undefined)
      return new UsageError(`Expected no value for --${token.name} but received '${token.value}'`);
    if (
      option.type === 'string' &&
      (token.value === undefined || (!token.inlineValue && token.value.startsWith('-') && token.value !== '-'))
    )
      return new UsageError(
        `Expected a value for --${token.name} but received ${token.value === undefined ? 'nothing' : `'${token.value}' (write --${token.name}=${token.value} if that is the value)`}`,
      );
  }
  return new UsageError(error.message);
}
