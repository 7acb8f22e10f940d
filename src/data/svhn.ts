/**
 * SVHN's cropped digits (http://ufldl.stanford.edu/housenumbers/): MAT-files of X, 32 × 32 × 3 × examples, and y, one of 1 to 10 for each,
 * 10 being the digit 0.
 */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { typeError } from '../errors.js';
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
import { readMat } from './mat.js';
import type { Meter } from './meter.js';

const [size, channels, classes] = [32, 3, 10] as const;
const pixels = size * size * channels;
/** Converted at once: some milliseconds. */
const examplesAtOnce = 1000;

type File = 'train' | 'test' | 'extra';
const fileName = (name: string): File | undefined => name.match(/^(train|test|extra)_32x32\.mat$/i)?.[1]?.toLowerCase() as File | undefined;

interface Digits {
  inputs: Uint8Array;
  labels: Int32Array;
}

/** Column-major 32 × 32 × 3 to row-major, each example in place. */
async function transpose(images: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  const image = new Uint8Array(pixels);
  for (let begin = 0, done = 0; begin < images.length; begin += pixels) {
    image.set(images.subarray(begin, begin + pixels));
    for (let y = 0, to = begin; y < size; y++)
      for (let x = 0; x < size; x++) for (let c = 0; c < channels; c++) images[to++] = image[y + size * (x + size * c)]!;
    if (++done % examplesAtOnce !== 0) continue;
    signal?.throwIfAborted();
    await setImmediate();
  }
}

async function readDigits(path: string, meter: Meter): Promise<Digits> {
  const { X, y } = await readMat(path, ['X', 'y'], meter);
  // MATLAB leaves out a last dimension of 1.
  const [height, width, depth, length = 1] = X.shape;
  if (height !== size || width !== size || depth !== channels || X.shape.length > 4 || length < 1)
    throw formatError(`${size} × ${size} × ${channels} × at least one example in X`, path, X.shape.join(' × '));
  if (!(X.data instanceof Uint8Array)) throw formatError('bytes in X', path, `a ${X.data.constructor.name}`);
  if (y.data.length !== length) throw formatError(`as many labels in y as X has images (${length})`, path, y.shape.join(' × '));
  const labels = integersOf(length);
  for (let i = 0; i < length; i++) {
    const label = y.data[i]!;
    if (!(Number.isInteger(label) && label >= 1 && label <= classes))
      throw formatError(`labels from 1 to ${classes} in y`, path, `${label} at index ${i}`);
    labels[i] = label % classes;
  }
  await transpose(X.data, meter.signal);
  return { inputs: X.data, labels };
}

async function joined(parts: Digits[]): Promise<Digits> {
  const length = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  const all = { inputs: bytesOf(length * pixels, 'images'), labels: integersOf(length) };
  let done = 0;
  for (const { inputs, labels } of parts) {
    all.inputs.set(inputs, done * pixels);
    all.labels.set(labels, done);
    done += labels.length;
    await setImmediate();
  }
  return all;
}

async function load(
  directory: string,
  fileNames: readonly string[],
  split: Split,
  { extra = false }: FormatOptions,
  { meter }: LoadContext,
): Promise<LoadedDataset> {
  if (extra && split !== 'train')
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected extra for the train split of svhn data but received it for the ${split} split`);
  const wanted: File[] = [split as 'train' | 'test', ...(extra ? (['extra'] as const) : [])];
  const paths = wanted.map((file) => {
    const name = fileNames.find((one) => fileName(one) === file);
    if (name === undefined) throw formatError(`${file}_32x32.mat`, directory, 'no such file');
    return join(directory, name);
  });
  await meter.expectFiles(paths);
  const parts: Digits[] = [];
  for (const path of paths) parts.push(await readDigits(path, meter));
  const { inputs, labels } = parts.length === 1 ? parts[0]! : await joined(parts);
  return {
    inputs,
    labels,
    inputShape: [size, size, channels],
    classes,
    classNames: Array.from({ length: classes }, (_, digit) => String(digit)),
    length: labels.length,
    format: 'svhn',
    split,
    absentClasses: absentClasses(labels, classes, directory),
  };
}

export const svhn: DataFormat = {
  name: 'svhn',
  files: 'train_32x32.mat and test_32x32.mat',
  splits: ['train', 'test'],
  options: ['extra'],
  detect: (fileNames) => fileNames.some((name) => fileName(name) !== undefined),
  load,
};
