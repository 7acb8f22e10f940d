/**
 * Where data sets are looked for when no directory is given: by `onelogit quickstart`, by tests and by benchmarks.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../package-root.js';

/** Where downloads are kept: `$ONELOGIT_CACHE`, else `onelogit` in `$XDG_CACHE_HOME`, else `~/.cache/onelogit`. */
export function cacheDirectory(): string {
  const { ONELOGIT_CACHE: own, XDG_CACHE_HOME: common } = process.env;
  return own || join(common || join(homedir(), '.cache'), 'onelogit');
}

/** The directories that may hold data sets, each in a directory of its own name, in the order in which they are looked at. */
export function dataDirectories(): string[] {
  const { ONELOGIT_DATA: asked } = process.env;
  // Beside a checkout; of an installed package that is a path in node_modules at which nothing is.
  return [...(asked ? [asked] : []), join(dirname(packageRoot), 'shared', 'data'), cacheDirectory()];
}

/**
 * The directory of a data set: the first of {@link dataDirectories} that has one of that name with all of `files` in it.
 *
 * @param name `'mnist'`
 * @param files names of files that have to be there, each plain or with `.gz`: a download that was broken off is not a data set.
 * @returns undefined if there is none.
 */
export function findData(name: string, files: readonly string[] = []): string | undefined {
  return dataDirectories()
    .map((directory) => join(directory, name))
    .find(
      (directory) =>
        existsSync(directory) && files.every((file) => existsSync(join(directory, file)) || existsSync(join(directory, `${file}.gz`))),
    );
}

/** The directory of MNIST's four files, if there is one. */
export function findMnist(): string | undefined {
  return findData('mnist', ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']);
}
