/** Shapes of examples. */
import { checkInteger, describe } from './check.js';
import { rangeError, typeError } from './errors.js';

/** The largest number of elements an example may have. */
const largest = 2 ** 31 - 1;

/** Number of elements of a shape. */
export function shapeSize(shape: readonly number[]): number {
  return shape.reduce((product, axis) => product * axis, 1);
}

/** One to eight positive axes whose product fits an int32. */
export function checkShape(value: unknown, what: string): readonly number[] {
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an array of positive integers for ${what} but received ${describe(value)}`);
  const { length } = value as ArrayLike<unknown>;
  if (length === 0 || length > 8) throw rangeError('ERR_ONELOGIT_RANGE', `Expected 1 to 8 axes for ${what} but received ${length}`);
  const checked = Array.from(value as ArrayLike<unknown>).map((axis, index) => checkInteger(axis, `${what}[${index}]`, 1, largest));
  if (shapeSize(checked) > largest)
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected at most ${largest} elements for ${what} but received ${checked.join(' × ')}`);
  return Object.freeze(checked);
}

/** Whether two shapes are the same, axis by axis. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, index) => axis === b[index]);
}
