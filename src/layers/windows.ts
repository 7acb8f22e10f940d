/** Windows over images: what convolutions and pools have in common. */
import { checkInteger, describe } from '../check.js';
import { rangeError, typeError } from '../errors.js';

/** One number for both directions, or [vertical, horizontal]. */
export type Extent = number | readonly [vertical: number, horizontal: number];

/**
 * What is added around an image before windows are laid over it. `'valid'`: nothing. `'same'`: so much that there are as many outputs as
 * there are strides in the input, the odd pixel below and right. Else pixels: one number for all sides, [vertical, horizontal], or
 * [top, bottom, left, right].
 */
export type Padding = 'same' | 'valid' | Pixels;

/** Pixels around an image: on all sides, [vertical, horizontal], or [top, bottom, left, right]. */
export type Pixels =
  | number
  | readonly [vertical: number, horizontal: number]
  | readonly [top: number, bottom: number, left: number, right: number];

/** {@link Padding} written out. */
export type CheckedPadding = 'same' | 'valid' | Sides;

/** {@link Pixels} written out. */
export type Sides = readonly [top: number, bottom: number, left: number, right: number];

// More pixels than an image has; the native code has the same bound.
const most = 2 ** 20;

/** Both directions of a kernel or stride. */
export function checkExtent(value: unknown, what: string): readonly [vertical: number, horizontal: number] {
  const numbers = checkIntegers(value, [2], 1, what, 'an integer or [vertical, horizontal]');
  const [vertical, horizontal = vertical] = numbers as [number, number?];
  return Object.freeze([vertical, horizontal] as const);
}

/** All sides of a padding; pixels that are all 0 are `'valid'`. */
export function checkPadding(value: unknown, what: string): CheckedPadding {
  if (value === undefined || value === 'valid') return 'valid';
  if (value === 'same') return 'same';
  const expected = "'same', 'valid', an integer, [vertical, horizontal] or [top, bottom, left, right]";
  const sides = checkPixels(value, what, expected);
  return sides.every((pixels) => pixels === 0) ? 'valid' : sides;
}

/** All sides of so many pixels. */
export function checkPixels(
  value: unknown,
  what: string,
  expected = 'an integer, [vertical, horizontal] or [top, bottom, left, right]',
): Sides {
  const numbers = checkIntegers(value, [2, 4], 0, what, expected);
  const [a, b = a, c, d] = numbers as [number, number?, number?, number?];
  return Object.freeze(c === undefined || d === undefined ? ([a, a, b, b] as const) : ([a, b, c, d] as const));
}

/** One integer, or an array of one of `lengths`, each from `least`. */
function checkIntegers(value: unknown, lengths: readonly number[], least: number, what: string, expected: string): number[] {
  if (typeof value === 'number') return [checkInteger(value, what, least, most)];
  if (!Array.isArray(value)) throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected ${expected} for ${what} but received ${describe(value)}`);
  if (!lengths.includes(value.length))
    throw rangeError('ERR_ONELOGIT_LENGTH', `Expected ${expected} for ${what} but received ${describe(value)}`);
  return Array.from(value, (element, index) => checkInteger(element, `${what}[${index}]`, least, most));
}
