/**
 * Checks of paths that will be written to, before hours of work depend on them.
 */
import { accessSync, constants, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { OneLogitError } from './errors.js';

/** What `look` finds out, or undefined where that fails. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** The file that a path names after its links, which need not exist. */
export function followLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    // Links in a circle are another error, which opening the file tells.
    const link = (error as NodeJS.ErrnoException).code === 'ENOENT' ? ifThere(() => readlinkSync(path)) : undefined;
    return link === undefined ? path : followLinks(resolve(dirname(path), link));
  }
}

/**
 * Refuses a file that cannot be put where it is wanted.
 *
 * @param grows - it is written in its place, and may be a pipe or a device; other files are replaced as a whole
 */
export function checkWritable(path: string, option: string, { grows = false }: { grows?: boolean } = {}): void {
  const refuse = (received: string, cause?: unknown) =>
    new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file that can be written for ${option} but received ${path}: ${received}`, {
      cause,
    });
  const existing: Stats | undefined = ifThere(() => statSync(path));
  if (existing?.isDirectory()) throw refuse('it is a directory');
  if (existing && !existing.isFile()) {
    if (grows) return;
    throw refuse('it is not a regular file');
  }
  const directory = dirname(followLinks(path));
  try {
    if (!statSync(directory).isDirectory()) throw refuse(`${directory} is not a directory`);
    accessSync(directory, constants.W_OK);
  } catch (cause) {
    if (cause instanceof OneLogitError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? `the directory ${directory} does not exist` : `the directory ${directory} is not writable`, cause);
  }
}
