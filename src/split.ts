/**
 * Which examples of a dataset are set aside for validation: a function of its length, a fraction and a seed alone, so that a
 * recorded split can be made again anywhere.
 */
import { checkInteger, checkNumber } from './check.js';
import { rangeError } from './errors.js';

/** What `validation: { fraction, seed }` set aside, as the model records it; enough to make the split again. */
export interface Split {
  /** Share that was set aside. */
  readonly fraction: number;
  /** Of the draw. */
  readonly seed: number;
  /** How many examples the dataset had. */
  readonly length: number;
}

/**
 * Splits the indices 0 … length − 1 in two.
 *
 * round(length · fraction) examples, at least 1 and at most length − 1, are for validation: the first so many elements of a
 * Fisher-Yates shuffle drawn from `uniformIntegers(seed)`, below. Both parts are in ascending order.
 *
 * @param length - examples, at least 2
 * @param fraction - share set aside, above 0 and below 1
 * @param seed - a non-negative integer
 */
export function splitIndices(length: number, fraction: number, seed: number): { training: Int32Array; validation: Int32Array } {
  checkInteger(length, 'length of splitIndices', 2, 2 ** 31 - 1);
  checkFraction(fraction, 'fraction of splitIndices');
  checkInteger(seed, 'seed of splitIndices');
  const count = Math.min(length - 1, Math.max(1, Math.round(length * fraction)));
  const below = uniformIntegers(seed);
  // Of 10⁷ examples: marks instead of two sorts, and loops instead of callbacks, take a fifth of the time.
  const order = new Int32Array(length);
  for (let i = 0; i < length; i++) order[i] = i;
  for (let i = 0; i < count; i++) {
    const j = i + below(length - i);
    const chosen = order[j] as number;
    order[j] = order[i] as number;
    order[i] = chosen;
  }
  // Marks are written here and there, so those of the smaller part.
  const fewInValidation = count <= length - count;
  const few = fewInValidation ? order.subarray(0, count) : order.subarray(count);
  const isOneOfFew = new Uint8Array(length);
  for (let i = 0; i < few.length; i++) isOneOfFew[few[i] as number] = 1;
  const ofFew = new Int32Array(few.length);
  const ofMany = new Int32Array(length - few.length);
  let [nextOfFew, nextOfMany] = [0, 0];
  for (let i = 0; i < length; i++)
    if (isOneOfFew[i] === 1) ofFew[nextOfFew++] = i;
    else ofMany[nextOfMany++] = i;
  return fewInValidation ? { validation: ofFew, training: ofMany } : { validation: ofMany, training: ofFew };
}

/** A share of the examples: above 0, below 1. */
export function checkFraction(value: unknown, what: string): number {
  const fraction = checkNumber(value, what, { least: 0, most: 1, exclusive: true });
  if (fraction === 1) throw rangeError('ERR_ONELOGIT_RANGE', `Expected a number between 0 and 1 for ${what} but received 1`);
  return fraction;
}

/**
 * Uniform integers in [0, n), n ≤ 2³²: xoshiro128** (Blackman and Vigna 2018), its state filled by splitmix32 from the low, then
 * the high 32 bits of the seed; numbers that would favour small results are drawn again.
 */
function uniformIntegers(seed: number): (n: number) => number {
  let mixed = seed >>> 0;
  const next32 = (): number => {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let a = next32();
  let b = next32();
  mixed = (mixed ^ Math.floor(seed / 2 ** 32)) >>> 0;
  let c = next32();
  let d = next32() | 1; // never all zeros
  const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
  const draw = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  return (n) => {
    let x = draw();
    // The limit is above 2³² − n: the division by which it is found is needed for few numbers.
    while (x >= 2 ** 32 - n && x >= 2 ** 32 - (2 ** 32 % n)) x = draw();
    return x % n;
  };
}
