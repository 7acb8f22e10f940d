/**
 * Checks of paths that will be written to, before hours of work depend on them.
 */
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OneLogitError } from './errors.js';

/** Refuses a file that cannot be put where it is wanted. */
export async function checkWritable(path: string, option: string): Promise<void> {
  const refuse = (received: string, cause?: unknown) =>
    new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file that can be written for ${option} but received ${path}: ${received}`, {
      cause,
    });
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory()) throw refuse('it is a directory');
  const directory = dirname(path);
  try {
    if (!(await stat(directory)).isDirectory()) throw refuse(`${directory} is not a directory`);
    await access(directory, constants.W_OK);
  } catch (cause) {
    if (cause instanceof OneLogitError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? `the directory ${directory} does not exist` : `the directory ${directory} is not writable`, cause);
  }
}
