/**
 * `datasets.load`: finds the format of a directory by the names of its files and loads one split of it.
 */
import { readdir } from 'node:fs/promises';
import { checkOneOf, checkOptions, checkString } from '../check.js';
import { OneLogitError } from '../errors.js';
import { type DataFormat, formatError, type LoadedDataset, type Split } from './format.js';
import { idx } from './idx.js';

/** In the order in which they are tried. */
const formats: readonly DataFormat[] = [idx];

/** The formats that {@link load} knows. */
export type FormatName = 'idx';

export interface LoadOptions {
  /** Default: found by the names of the files. */
  format?: FormatName;
  /** Default: `'train'`. */
  split?: Split;
}

/**
 * Loads one split of the data set in a directory into memory, off the event loop.
 *
 * - **idx** (MNIST, EMNIST, Fashion-MNIST): a pair `…images-idx3-ubyte` and `…labels-idx1-ubyte`, plain or gzip, with `train` in its
 *   name, and one with `t10k` or `test`. Inputs are bytes, 0 to 255; `inputShape` is [height, width, 1]. `classes` is the largest label
 *   of either split plus one, so that both agree; where labels start at 1, class 0 is among `absentClasses`.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FILE` (cannot be read), `ERR_ONELOGIT_FORMAT` (no known format, or a file that does not hold what its
 *   header says; the message names the file), `ERR_ONELOGIT_OUT_OF_MEMORY`; TypeError `ERR_ONELOGIT_ARGUMENT`,
 *   `ERR_ONELOGIT_UNKNOWN_OPTION`.
 */
export async function load(directory: string, options?: LoadOptions): Promise<LoadedDataset> {
  checkString(directory, 'directory');
  const checked = checkOptions(options, ['format', 'split'], 'options of datasets.load');
  const names = formats.map(({ name }) => name);
  const asked = checked.format === undefined ? undefined : checkOneOf(checked.format, names, 'format');
  const split = checked.split === undefined ? 'train' : checkOneOf(checked.split, ['train', 'test'] as const, 'split');
  let fileNames: string[];
  try {
    fileNames = (await readdir(directory)).sort();
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such directory' : (cause as Error).message;
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a directory of data at ${directory} but received: ${reason}`, { cause });
  }
  const format = formats.find((candidate) => (asked === undefined ? candidate.detect(fileNames) : candidate.name === asked));
  if (!format) {
    const known = formats.map(({ name, files }) => `${name} (${files})`).join('; ');
    const received =
      fileNames.length === 0 ? 'an empty directory' : `${fileNames.slice(0, 5).join(', ')}${fileNames.length > 5 ? ', …' : ''}`;
    throw formatError(`the files of a known format, ${known},`, directory, received);
  }
  return format.load(directory, fileNames, split);
}
