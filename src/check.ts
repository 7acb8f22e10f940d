/**
 * Checks of what crosses the public boundary. Each says what was expected, what for, and what came.
 */
import { types } from 'node:util';
import { rangeError, typeError } from './errors.js';

// Neither `instanceof` nor a property: prototypes and properties can be replaced, and arrays can come from another realm.
const trueLength = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length')!.get as () => number;

/** How many elements a typed array has; 0 if its buffer is detached or has shrunk away under it. */
export function typedArrayLength(array: Float32Array | Int32Array | Uint8Array | Uint8ClampedArray | Uint16Array): number {
  return trueLength.call(array);
}

/** How a value looks in an error message: short, with its type. Never throws, whatever the value does when it is looked at. */
export function describe(value: unknown): string {
  try {
    return description(value);
  } catch {
    return 'an object that cannot be read';
  }
}

function description(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (typeof value === 'string') return value.length > 40 ? `the string '${value.slice(0, 37)}…'` : `the string '${value}'`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'function') return 'a function';
  if (ArrayBuffer.isView(value)) {
    if (value.byteLength === 0 && value.buffer.byteLength === 0) return `an empty or detached ${value.constructor.name}`;
    return `${withArticle(value.constructor.name)} of length ${'length' in value ? String(value.length) : value.byteLength}`;
  }
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  const name = (value as object).constructor?.name;
  return name && name !== 'Object' ? withArticle(name) : 'an object';
}

function withArticle(name: string): string {
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** Refuses anything but a plain object whose names are all known: a misspelt option is an error, not a default. */
export function checkOptions(options: unknown, known: readonly string[], what: string): Record<string, unknown> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options) || ArrayBuffer.isView(options))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an object for ${what} but received ${describe(options)}`);
  for (const name of Object.keys(options))
    if (!known.includes(name))
      throw typeError(
        'ERR_ONELOGIT_UNKNOWN_OPTION',
        `Expected one of ${known.join(', ') || 'no options'} for ${what} but received the unknown option '${name}'`,
      );
  return options as Record<string, unknown>;
}

/** An object, no array, of a file: its properties are looked at by whoever needs them, and what else it has is passed over. */
export function checkObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an object for ${what} but received ${describe(value)}`);
  return value as Record<string, unknown>;
}

/** A finite number within [least, most]; `exclusive` leaves out `least` itself. */
export function checkNumber(
  value: unknown,
  what: string,
  { least = -Infinity, most = Infinity, exclusive = false }: { least?: number; most?: number; exclusive?: boolean } = {},
): number {
  if (typeof value !== 'number') throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a number for ${what} but received ${describe(value)}`);
  if (!Number.isFinite(value) || value < least || value > most || (exclusive && value === least)) {
    const range =
      least === -Infinity && most === Infinity
        ? 'a finite number'
        : most === Infinity
          ? `a number ${exclusive ? 'above' : 'of at least'} ${least}`
          : `a number from ${exclusive ? 'above ' : ''}${least} to ${most}`;
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected ${range} for ${what} but received ${value}`);
  }
  return value;
}

/** An integer within [least, most]. */
export function checkInteger(value: unknown, what: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number')
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an integer for ${what} but received ${describe(value)}`);
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw rangeError(
      'ERR_ONELOGIT_RANGE',
      `Expected an integer ${most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`} for ${what} but received ${value}`,
    );
  return value;
}

export function checkBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean')
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected true or false for ${what} but received ${describe(value)}`);
  return value;
}

/** A function, or undefined where none is given. */
export function checkCallback<T extends (...args: never[]) => unknown>(value: unknown, what: string): T | undefined {
  if (value === undefined || typeof value === 'function') return value as T | undefined;
  throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a function for ${what} but received ${describe(value)}`);
}

export function checkString(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '')
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected a string for ${what} but received ${value === '' ? 'an empty one' : describe(value)}`,
    );
  return value;
}

/** One of a fixed set of strings. */
export function checkOneOf<T extends string>(value: unknown, allowed: readonly T[], what: string): T {
  if (typeof value !== 'string' || !(allowed as readonly string[]).includes(value))
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected ${allowed.map((name) => `'${name}'`).join(' or ')} for ${what} but received ${describe(value)}`,
    );
  return value as T;
}

/** A Float32Array, of exactly `length` elements if that is given. */
export function checkFloat32Array(value: unknown, what: string, length?: number): Float32Array {
  if (!types.isFloat32Array(value))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a Float32Array for ${what} but received ${describe(value)}`);
  if (length !== undefined && typedArrayLength(value) !== length)
    throw rangeError('ERR_ONELOGIT_LENGTH', `Expected ${length} numbers for ${what} but received ${describe(value)}`);
  return value;
}

/** An Int32Array, of exactly `length` elements if that is given. */
export function checkInt32Array(value: unknown, what: string, length?: number): Int32Array {
  if (!types.isInt32Array(value))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an Int32Array for ${what} but received ${describe(value)}`);
  if (length !== undefined && typedArrayLength(value) !== length)
    throw rangeError('ERR_ONELOGIT_LENGTH', `Expected ${length} integers for ${what} but received ${describe(value)}`);
  return value;
}
