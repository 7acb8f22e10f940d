import { OneLogitError } from './errors.js';

/** A Float32Array of zeros, or `ERR_ONELOGIT_OUT_OF_MEMORY`: V8's own errors have no code. */
export function floatsOf(length: number, what: string): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(length);
  } catch (cause) {
    throw new OneLogitError('ERR_ONELOGIT_OUT_OF_MEMORY', `Expected memory for ${length} numbers of ${what} but received none`, { cause });
  }
}
