/**
 * `datasets.load`: finds the format of a directory by the names of its files and loads one split of it.
 */
import { readdir } from 'node:fs/promises';
import { checkBoolean, checkCallback, checkInteger, checkOneOf, checkOptions, checkString, describe } from '../check.js';
import { AbortError, OneLogitError, typeError } from '../errors.js';
import { checkSignal, throwIfAborted } from '../job.js';
import { type DataFormat, type FormatOptions, formatError, type LoadedDataset, type LoadedStream, type Split } from './format.js';
import { type FormatName, formatNames } from './format-names.js';
import { type LoadProgress, Meter } from './meter.js';
import { explained } from './system-error.js';

type OptionChecks = { [Name in keyof FormatOptions]-?: (value: unknown, name: string) => NonNullable<FormatOptions[Name]> };

/** Options that only some formats have. */
const optionChecks: OptionChecks = {
  context: (value, name) => checkInteger(value, name, 1, 1 << 16),
  vocabularySize: (value, name) => checkInteger(value, name, 1, 2 ** 31 - 2),
  labels: (value, name) => checkOneOf(value, ['fine', 'coarse'] as const, name),
  extra: checkBoolean,
  imageSize: checkImageSize,
  channels: (value, name) => {
    if (value === 1 || value === 3) return value;
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected 1 or 3 for ${name} but received ${describe(value)}`);
  },
};
const formatOptions = Object.keys(optionChecks) as (keyof FormatOptions)[];

function checkImageSize(value: unknown, name: string): [number, number] {
  const size = (side: unknown) => checkInteger(side, name, 1, 1 << 14);
  if (!Array.isArray(value)) return [size(value), size(value)];
  if (value.length === 2) return [size(value[0]), size(value[1])];
  throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an integer or [height, width] for ${name} but received ${describe(value)}`);
}

const validationHint = 'it has no validation part of its own, let fit set one aside (validation: { fraction, seed })';

/** Options of {@link load}. */
export interface LoadOptions extends Omit<FormatOptions, 'imageSize'> {
  /** Default: found by the names of the files. */
  format?: FormatName | undefined;
  /** Default: `'train'`. */
  split?: Split | undefined;
  /** Height and width that images are resized to, or one number for both. */
  imageSize?: number | [height: number, width: number] | undefined;
  /**
   * Of a format that can be read batch by batch (image-folder): the most bytes of inputs that are kept in memory; a larger data set comes
   * with `read` instead of `inputs`. Without it a data set always comes in memory, and one of more than 1 GiB is an error.
   */
  memoryBytes?: number | undefined;
  /** Called a few times a second while files are read and images decoded. What it throws ends the loading and rejects. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Stops loading. */
  signal?: AbortSignal | undefined;
}

/**
 * Loads one split of the data set in a directory into memory, off the event loop.
 *
 * - **idx** (MNIST, EMNIST, Fashion-MNIST): a pair `…images-idx3-ubyte` and `…labels-idx1-ubyte`, plain or gzip, with `train` in its
 *   name, and one with `t10k` or `test`. Inputs are bytes, 0 to 255; `inputShape` is [height, width, 1]. `classes` is the largest label
 *   of either split plus one, so that both agree; where labels start at 1, class 0 is among `absentClasses`.
 * - **cifar10**, **cifar100** (binary version): `data_batch_….bin` and `test_batch.bin`, or `train.bin` and `test.bin`, plain or gzip.
 *   Inputs are bytes, `inputShape` is [32, 32, 3]. Of cifar100 `labels: 'coarse'` takes the 20 superclasses instead of the 100 classes.
 * - **svhn** (cropped digits): `train_32x32.mat`, `test_32x32.mat` and, added to the train split when `extra` is true, `extra_32x32.mat`. Inputs are
 *   bytes, `inputShape` is [32, 32, 3], the class is the digit.
 * - **npy**: `x_train.npy` and `y_train.npy`, and the same for val and test; float32, uint8 or int32 (ids, with `vocabulary`) as in the file,
 *   and integers for labels.
 * - **knowledge-graph** (OpenKE's files): the example is [head, entities + relation], the class its tail. `vocabulary` is entities +
 *   relations, the size of an embedding table for both; `alsoCorrect` has the other right tails of every example, in any split.
 * - **sequences** ("user item" lines): the example is the user's previous `context` items (default 10; 0 where there are none), the class
 *   the next item − 1. A user's last item is test, the one before validation, the rest train; all train where there are fewer than 3.
 * - **image-folder** (`train/`, `val/` and `test/`, each with a directory of images for each class, or archives of them): decoded by the
 *   package sharp, which has to be installed. Inputs are bytes; `inputShape` is that of the first training image, where `imageSize` and
 *   `channels` do not say otherwise. Images of another shape are an error unless these are given.
 * - **text** (`.md` and `.txt` files, also in directories below, or one archive of them): the example is the `context` words before
 *   (default 4), the class the word, 0 the most frequent; `vocabularySize` limits the classes, words beyond are `classes` in contexts and
 *   no examples. Of every ten books, in the order of their paths, the tenth is test, the ninth validation.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FILE` (cannot be read), `ERR_ONELOGIT_FORMAT` (no known format, or a file that does not hold what its
 *   header says; the message names the file), `ERR_ONELOGIT_OUT_OF_MEMORY`, `ERR_ONELOGIT_MEMORY_LIMIT`, `ERR_ONELOGIT_DEPENDENCY` (sharp is
 *   not installed); TypeError `ERR_ONELOGIT_ARGUMENT`, `ERR_ONELOGIT_UNKNOWN_OPTION`; AbortError.
 */
export function load(directory: string, options: LoadOptions & { memoryBytes: number }): Promise<LoadedDataset | LoadedStream>;
export function load(directory: string, options?: LoadOptions): Promise<LoadedDataset>;
export async function load(directory: string, options?: LoadOptions): Promise<LoadedDataset | LoadedStream> {
  checkString(directory, 'directory');
  const checked = checkOptions(
    options,
    ['format', 'split', ...formatOptions, 'memoryBytes', 'onProgress', 'signal'],
    'options of datasets.load',
  );
  const asked = checked.format === undefined ? undefined : checkOneOf(checked.format, formatNames, 'format');
  const split = checked.split === undefined ? 'train' : checkOneOf(checked.split, ['train', 'validation', 'test'] as const, 'split');
  const ownOptions: FormatOptions = {};
  for (const name of formatOptions)
    if (checked[name] !== undefined) Object.assign(ownOptions, { [name]: optionChecks[name](checked[name], name) });
  const memoryBytes = checked.memoryBytes === undefined ? undefined : checkInteger(checked.memoryBytes, 'memoryBytes', 0);
  const onProgress = checkCallback<(progress: LoadProgress) => void>(checked.onProgress, 'onProgress');
  const signal = checkSignal(checked.signal, 'datasets.load');
  throwIfAborted(signal, 'datasets.load');
  const fileNames = await namesIn(directory);
  const { formats } = await import('./formats.js');
  const meter = new Meter(onProgress, signal);
  try {
    const format = asked === undefined ? await detectFormat(formats, fileNames, directory) : formats.find(({ name }) => name === asked)!;
    checkFormatHas(format, split, ownOptions);
    return await format.load(directory, fileNames, split, ownOptions, { memoryBytes, signal, meter });
  } catch (error) {
    // As it is, whatever was made of it on the way.
    if (meter.failure) throw meter.failure.error;
    if (signal?.aborted) throw new AbortError(`Expected datasets.load to read ${directory} but its signal was aborted`, signal);
    throw explained(error, `files that can be read in ${directory}`);
  }
}

function checkFormatHas(format: DataFormat, split: Split, options: FormatOptions): void {
  if (!format.splits.includes(split))
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected ${format.splits.map((name) => `'${name}'`).join(' or ')} for split of ${format.name} data but received the string '${split}': ${validationHint}`,
    );
  for (const name of Object.keys(options) as (keyof FormatOptions)[])
    if (!format.options.includes(name))
      throw typeError(
        'ERR_ONELOGIT_UNKNOWN_OPTION',
        `Expected ${format.options.join(', ') || 'no options of its own'} for ${format.name} data but received the option '${name}'`,
      );
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (cause) {
    const reasons: Record<string, string> = { ENOENT: 'no such directory', ENOTDIR: 'a file, or a path through one' };
    const reason = reasons[(cause as NodeJS.ErrnoException).code ?? ''] ?? (cause as Error).message;
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a directory of data at ${directory} but received: ${reason}`, { cause });
  }
}

async function detectFormat(formats: readonly DataFormat[], fileNames: readonly string[], directory: string): Promise<DataFormat> {
  for (const format of formats) if (await format.detect(fileNames, directory)) return format;
  const known = formats.map(({ name, files }) => `${name} (${files})`).join('; ');
  const received =
    fileNames.length === 0 ? 'an empty directory' : `${fileNames.slice(0, 5).join(', ')}${fileNames.length > 5 ? ', …' : ''}`;
  throw formatError(`the files of a known format, ${known},`, directory, received);
}
