/** What the system says of files, in the words of this package. */
import { OneLogitError } from '../errors.js';

/**
 * A failed call to the system as `ERR_ONELOGIT_FILE`, memory that JavaScript has not got as `ERR_ONELOGIT_OUT_OF_MEMORY`; anything else as it is.
 *
 * @param expected what was to be done: 'files that can be read in data/'
 */
export function explained(error: unknown, expected: string): unknown {
  const { syscall, code, message } = error as NodeJS.ErrnoException;
  const received = `Expected ${expected} but received: ${message}`;
  if (syscall !== undefined) return new OneLogitError('ERR_ONELOGIT_FILE', received, { cause: error });
  // 'Array buffer allocation failed', 'Set maximum size exceeded': V8's own have no code.
  if (error instanceof RangeError && code === undefined) return new OneLogitError('ERR_ONELOGIT_OUT_OF_MEMORY', received, { cause: error });
  return error;
}
