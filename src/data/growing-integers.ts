/** Integers of which nobody knows beforehand how many will come: an Int32Array that doubles. */
import { OneLogitError } from '../errors.js';

export class GrowingIntegers {
  #array: Int32Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 1024) {
    this.#array = integersOf(capacity);
  }

  push(value: number): void {
    if (this.length === this.#array.length) {
      const larger = integersOf(2 * this.#array.length);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.length++] = value;
  }

  /** The integers so far, without a copy; the next `push` may leave it behind. */
  view(): Int32Array<ArrayBuffer> {
    return this.#array.subarray(0, this.length);
  }
}

/** An Int32Array of zeros, or `ERR_ONELOGIT_OUT_OF_MEMORY`. */
export function integersOf(length: number): Int32Array<ArrayBuffer> {
  try {
    return new Int32Array(length);
  } catch (cause) {
    throw new OneLogitError('ERR_ONELOGIT_OUT_OF_MEMORY', `Expected memory for ${length} integers of a data set but received none`, {
      cause,
    });
  }
}
