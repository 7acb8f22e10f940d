/**
 * Checks of paths that will be written to, before hours of work depend on them.
 */
import { access, constants, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { OneLogitError } from './errors.js';

/** The file that a path names after its links, which need not exist. */
export async function followLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    // Links in a circle are another error, which opening the file tells.
    const link = (error as NodeJS.ErrnoException).code === 'ENOENT' ? await readlink(path).catch(() => undefined) : undefined;
    return link === undefined ? path : followLinks(resolve(dirname(path), link));
  }
}

/**
 * Refuses a file that cannot be put where it is wanted.
 *
 * @param grows - it is written in its place, and may be a pipe or a device; other files are replaced as a whole
 */
export async function checkWritable(path: string, option: string, { grows = false }: { grows?: boolean } = {}): Promise<void> {
  const refuse = (received: string, cause?: unknown) =>
    new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file that can be written for ${option} but received ${path}: ${received}`, {
      cause,
    });
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory()) throw refuse('it is a directory');
  if (existing && !existing.isFile()) {
    if (grows) return;
    throw refuse('it is not a regular file');
  }
  const directory = dirname(await followLinks(path));
  try {
    if (!(await stat(directory)).isDirectory()) throw refuse(`${directory} is not a directory`);
    await access(directory, constants.W_OK);
  } catch (cause) {
    if (cause instanceof OneLogitError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? `the directory ${directory} does not exist` : `the directory ${directory} is not writable`, cause);
  }
}
