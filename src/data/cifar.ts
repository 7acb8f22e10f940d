/**
 * CIFAR-10 and CIFAR-100 in their binary version (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte, or of a coarse
 * and a fine one, and 3,072 pixels, the red, the green and the blue plane of 32 × 32, row by row.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OneLogitError } from '../errors.js';
import { withByteStream } from './byte-stream.js';
import { bytesOf } from './bytes.js';
import {
  absentClasses,
  type DataFormat,
  type FormatOptions,
  formatError,
  type LoadContext,
  type LoadedDataset,
  type Split,
} from './format.js';
import { integersOf } from './growing-integers.js';
import type { Meter } from './meter.js';

const [size, channels] = [32, 3] as const;
const plane = size * size;
const pixels = plane * channels;

/** All images of a data set: a compressed file inflates no further. */
const mostRecords = 60_000;
const largestNames = 1 << 16; // bytes

/** What the two data sets differ in. */
interface Variant {
  name: 'cifar10' | 'cifar100';
  files: string;
  /** Files of each split, plain or .gz. */
  pattern: Readonly<Record<'train' | 'test', RegExp>>;
  options: DataFormat['options'];
  /** Of each label byte of a record: how many classes, and the file that names them, one a line. */
  labels: readonly { classes: number; names: string }[];
  /** Which of the label bytes is the class. */
  chosen(options: FormatOptions): number;
}

/** The records of one file. */
interface Records {
  inputs: Uint8Array;
  labels: Uint8Array;
}

/** Doubles until it is large enough, and never beyond `most`. */
function enlarged(array: Uint8Array<ArrayBuffer>, length: number, most: number): Uint8Array<ArrayBuffer> {
  if (length <= array.length) return array;
  const larger = bytesOf(Math.min(Math.max(length, 2 * array.length), most), 'images');
  larger.set(array);
  return larger;
}

function readRecords(path: string, variant: Variant, chosen: number, meter: Meter): Promise<Records> {
  const labelBytes = variant.labels.length;
  const recordBytes = labelBytes + pixels;
  const whole = `records of ${recordBytes} bytes`;
  return withByteStream(
    path,
    async ({ pieces, fileBytes, compression }) => {
      if (compression === 'none' && fileBytes % recordBytes !== 0) throw formatError(whole, path, `${fileBytes} bytes`);
      const expected = Math.ceil(fileBytes / recordBytes);
      const most = compression === 'none' ? expected : mostRecords;
      if (expected > most) throw formatError(`at most ${most} records`, path, `${fileBytes} bytes`);
      let inputs = bytesOf(expected * pixels, 'images');
      let labels = bytesOf(expected, 'labels');
      let records = 0;
      let at = 0; // in the record
      for await (const piece of pieces) {
        for (let i = 0; i < piece.length; ) {
          if (at === 0) {
            if (records === most) throw formatError(`at most ${most} records`, path, 'more');
            inputs = enlarged(inputs, (records + 1) * pixels, most * pixels);
            labels = enlarged(labels, records + 1, most);
          }
          if (at < labelBytes) {
            const { classes } = variant.labels[at]!;
            const label = piece[i++]!;
            if (label >= classes) throw formatError(`a label from 0 to ${classes - 1} in record ${records}`, path, String(label));
            if (at === chosen) labels[records] = label;
            at++;
            continue;
          }
          // Planes to pixels.
          let from = at - labelBytes;
          const end = Math.min(from + piece.length - i, pixels);
          const base = records * pixels;
          while (from < end) {
            const channel = Math.floor(from / plane);
            const planeEnd = Math.min(end, (channel + 1) * plane);
            for (let to = base + (from - channel * plane) * channels + channel; from < planeEnd; from++, to += channels)
              inputs[to] = piece[i++]!;
          }
          at = end + labelBytes;
          if (at === recordBytes) {
            at = 0;
            records++;
          }
        }
      }
      if (at !== 0 || records === 0)
        throw formatError(`${records === 0 ? 'at least one of ' : ''}${whole}`, path, `${records * recordBytes + at} bytes`);
      return { inputs: inputs.subarray(0, records * pixels), labels: labels.subarray(0, records) };
    },
    meter,
  );
}

/** The names of the classes, if the file is there. */
async function readNames(path: string, classes: number): Promise<string[] | undefined> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a readable file at ${path} but received: ${cause.message}`, { cause });
  });
  if (!bytes) return undefined;
  if (bytes.length > largestNames) throw formatError(`at most ${largestNames} bytes of names`, path, String(bytes.length));
  const names = bytes
    .toString('utf8')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (names.length !== classes) throw formatError(`${classes} names of classes`, path, String(names.length));
  return names;
}

const isCompressed = (name: string) => /\.gz$/i.test(name);

/** The files of a split in the order of their numbers; `name.gz` is only taken where `name` is not there. */
function filesOf(fileNames: readonly string[], pattern: RegExp): string[] {
  return fileNames
    .filter((name) => pattern.test(name))
    .filter((name) => !isCompressed(name) || !fileNames.includes(name.slice(0, -3)))
    .sort(new Intl.Collator('en', { numeric: true }).compare);
}

async function load(
  variant: Variant,
  directory: string,
  fileNames: readonly string[],
  split: Split,
  options: FormatOptions,
  { meter }: LoadContext,
): Promise<LoadedDataset> {
  const names = filesOf(fileNames, variant.pattern[split as 'train' | 'test']);
  if (names.length === 0) throw formatError(`${variant.files} of the ${split} split`, directory, 'none');
  const chosen = variant.chosen(options);
  const { classes, names: namesFile } = variant.labels[chosen]!;
  const classNames = await readNames(join(directory, namesFile), classes);
  const parts: Records[] = [];
  const paths = names.map((name) => join(directory, name));
  await meter.expectFiles(paths);
  for (const path of paths) parts.push(await readRecords(path, variant, chosen, meter));
  const length = parts.reduce((sum, part) => sum + part.labels.length, 0);
  const inputs = parts.length === 1 ? parts[0]!.inputs : bytesOf(length * pixels, 'images');
  const labels = integersOf(length);
  let done = 0;
  for (const part of parts) {
    if (part.inputs !== inputs) inputs.set(part.inputs, done * pixels);
    labels.set(part.labels, done);
    done += part.labels.length;
  }
  return {
    inputs,
    labels,
    inputShape: [size, size, channels],
    classes,
    ...(classNames ? { classNames } : {}),
    length,
    format: variant.name,
    split,
    absentClasses: absentClasses(labels, classes, directory),
  };
}

function formatOf(variant: Variant): DataFormat {
  const { name, files, pattern, options } = variant;
  return {
    name,
    files,
    splits: ['train', 'test'],
    options,
    detect: (fileNames) => fileNames.some((file) => pattern.train.test(file) || pattern.test.test(file)),
    load: (directory, fileNames, split, given, context) => load(variant, directory, fileNames, split, given, context),
  };
}

export const cifar10 = formatOf({
  name: 'cifar10',
  files: 'data_batch_….bin[.gz] and test_batch.bin[.gz]',
  pattern: { train: /^data_batch_\w+\.bin(?:\.gz)?$/i, test: /^test_batch\w*\.bin(?:\.gz)?$/i },
  options: [],
  labels: [{ classes: 10, names: 'batches.meta.txt' }],
  chosen: () => 0,
});

export const cifar100 = formatOf({
  name: 'cifar100',
  files: 'train.bin[.gz] and test.bin[.gz]',
  pattern: { train: /^train\.bin(?:\.gz)?$/i, test: /^test\.bin(?:\.gz)?$/i },
  options: ['labels'],
  labels: [
    { classes: 20, names: 'coarse_label_names.txt' },
    { classes: 100, names: 'fine_label_names.txt' },
  ],
  chosen: ({ labels = 'fine' }) => (labels === 'fine' ? 1 : 0),
});
