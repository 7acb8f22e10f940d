import { OneLogitError } from '../errors.js';

/** A Uint8Array of zeros, or `ERR_ONELOGIT_OUT_OF_MEMORY`. */
export function bytesOf(length: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new OneLogitError('ERR_ONELOGIT_OUT_OF_MEMORY', `Expected memory for ${length} bytes of ${what} but received none`, { cause });
  }
}
