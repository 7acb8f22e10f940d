/**
 * What a loader of one format is. `load.ts` holds the list of them; a new format is a new file and one more line there.
 */
import type { InMemoryDataset, StreamedDataset } from '../dataset.js';
import { OneLogitError } from '../errors.js';
import { bytesOf } from './bytes.js';
import type { Meter } from './meter.js';

/** Which part of a data set to load. Not every format has a validation part of its own. */
export type Split = 'train' | 'validation' | 'test';

/** Options that only some formats have. */
export interface FormatOptions {
  /** How many items or words before the one to predict. */
  context?: number | undefined;
  /** The most frequent words so many are classes; the others are unknown. */
  vocabularySize?: number | undefined;
  /** Of two labels for each example, the one that is its class. */
  labels?: 'fine' | 'coarse' | undefined;
  /** Take the extra examples, too. */
  extra?: boolean | undefined;
  /** Height and width that images are resized to. */
  imageSize?: [height: number, width: number] | undefined;
  /** Channels that images are converted to: grey or colour. */
  channels?: 1 | 3 | undefined;
}

/** What is worth knowing about a data set from files. */
export interface Loaded {
  /** The format that was found, or asked for. */
  format: string;
  /** The part that was loaded. */
  split: Split;
  /** Classes below `classes` without an example in this split, ascending: class 0 where labels start at 1. */
  absentClasses: number[];
  /** Of formats whose inputs are ids: how many different ones there are, so the size of the embedding table. */
  vocabulary?: number;
}

/** A data set from files, in memory. */
export interface LoadedDataset extends InMemoryDataset, Loaded {}

/** One that is too large for that: its inputs are read when they are asked for. */
export interface LoadedStream extends StreamedDataset, Loaded {
  /** Class of each example, known without reading it. */
  labels: Int32Array;
}

/** What loading may take and whether it should go on. */
export interface LoadContext {
  /** Most bytes of inputs in memory before a format that can stream does. Undefined: it must not. */
  memoryBytes: number | undefined;
  signal: AbortSignal | undefined;
  /** Told what has been read. */
  meter: Meter;
}

export interface DataFormat {
  /** The public name: `'idx'`. */
  name: string;
  /** Which files it is recognised by, for error messages. */
  files: string;
  /** Whether a directory looks like this format: by the names of its files and, where those do not tell, by how one of them begins. */
  detect(fileNames: readonly string[], directory: string): boolean | Promise<boolean>;
  splits: readonly Split[];
  /** The options that it has; another one is an error. */
  options: readonly (keyof FormatOptions)[];
  load(
    directory: string,
    fileNames: readonly string[],
    split: Split,
    options: FormatOptions,
    context: LoadContext,
  ): Promise<LoadedDataset | LoadedStream>;
}

/** The error for a file that is there but does not hold what it should. */
export function formatError(expected: string, where: string, received: string, cause?: unknown): OneLogitError {
  return new OneLogitError('ERR_ONELOGIT_FORMAT', `Expected ${expected} in ${where} but received ${received}`, { cause });
}

/** More classes than this that do not occur are no gaps: the labels are ids of something, and a list of the others would not fit in memory. */
const mostAbsent = 2 ** 25;

/**
 * The classes in [0, classes) that do not occur among the labels, ascending.
 *
 * @param where the file or the directory that the labels are from
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT` if they are more than 2²⁵.
 */
export function absentClasses(labels: Int32Array, classes: number, where: string): number[] {
  const occurs = bytesOf(classes, 'marks of classes');
  let different = 0;
  for (const label of labels) {
    if (occurs[label]) continue;
    occurs[label] = 1;
    different++;
  }
  if (classes - different > mostAbsent)
    throw formatError(
      `labels numbered from 0, at most ${mostAbsent} of them without an example,`,
      where,
      `${different} different ones of ${classes}`,
    );
  const absent: number[] = [];
  for (let label = 0; label < classes; label++) if (!occurs[label]) absent.push(label);
  return absent;
}
