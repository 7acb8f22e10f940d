/**
 * IDX files, the format of MNIST, EMNIST and Fashion-MNIST: a big-endian 32-bit magic number (0, 0, element type, number of
 * dimensions), one big-endian 32-bit size per dimension, then the elements. A file is hostile until shown otherwise: nothing is
 * allocated that its size cannot back, nothing is inflated beyond what its header announces.
 */
import { join } from 'node:path';
import { OneLogitError } from '../errors.js';
import { type ByteStream, mostBytes, withByteStream } from './byte-stream.js';
import {
  absentClasses,
  type DataFormat,
  type FormatOptions,
  formatError,
  type LoadContext,
  type LoadedDataset,
  type Split,
} from './format.js';
import type { Meter } from './meter.js';

/** Unsigned bytes (8) in `dimensions` dimensions. */
const magicNumber = (dimensions: number) => 0x800 | dimensions;

/** An IDX file of unsigned bytes. */
export interface IdxArray {
  /** Sizes, the first that of the examples. */
  shape: number[];
  data: Uint8Array;
}

/**
 * Reads an IDX array of unsigned bytes.
 *
 * @param stream the file's bytes.
 * @param dimensions 3 for images, 1 for labels: what the magic number has to say.
 * @param name what to call the file in errors.
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT`: wrong magic number, a dimension of 0, fewer or more bytes than the dimensions announce;
 *   `ERR_ONELOGIT_OUT_OF_MEMORY`.
 */
export async function readIdx(stream: ByteStream, dimensions: 1 | 3, name: string): Promise<IdxArray> {
  const header = new Uint8Array(4 + 4 * dimensions);
  let headerFilled = 0;
  let shape: number[] = [];
  let data: Uint8Array | undefined;
  let filled = 0;
  for await (const piece of stream.pieces) {
    let rest = piece;
    if (!data) {
      const part = rest.subarray(0, header.length - headerFilled);
      header.set(part, headerFilled);
      headerFilled += part.length;
      if (headerFilled < header.length) continue;
      rest = rest.subarray(part.length);
      shape = parseHeader(header, dimensions, name);
      data = allocate(shape, header.length, stream, name);
    }
    if (rest.length > data.length - filled)
      throw formatError(`${data.length} bytes of ${shape.join(' × ')} elements`, name, 'more than that');
    data.set(rest, filled);
    filled += rest.length;
  }
  if (!data) throw formatError(`a header of ${header.length} bytes`, name, `${headerFilled} bytes`);
  if (filled < data.length) throw formatError(`${data.length} bytes of ${shape.join(' × ')} elements`, name, `${filled} bytes`);
  return { shape, data };
}

function parseHeader(header: Uint8Array, dimensions: number, name: string): number[] {
  const view = new DataView(header.buffer);
  const magic = view.getUint32(0);
  if (magic !== magicNumber(dimensions))
    throw formatError(
      `the magic number ${magicNumber(dimensions)} (unsigned bytes in ${dimensions} ${dimensions === 1 ? 'dimension' : 'dimensions'})`,
      name,
      String(magic),
    );
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  if (shape.includes(0)) throw formatError('at least one example, each of at least one element,', name, shape.join(' × '));
  return shape;
}

function allocate(shape: number[], headerBytes: number, stream: ByteStream, name: string): Uint8Array {
  const bytes = shape.reduce((product, size) => product * size, 1);
  const announced = `${bytes} bytes of ${shape.join(' × ')} elements`;
  const most = mostBytes(stream) - headerBytes;
  const compressed = stream.compression !== 'none';
  if (bytes > most)
    throw formatError(announced, name, compressed ? `${stream.fileBytes} compressed bytes, too few for that` : `${most} bytes`);
  if (!compressed && bytes < most) throw formatError(announced, name, `${most} bytes`);
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new OneLogitError('ERR_ONELOGIT_OUT_OF_MEMORY', `Expected memory for ${announced} of ${name} but received none`, { cause });
  }
}

const imagesName = /^(.*)images[-.]idx3-ubyte(?:\.gz)?$/i;

/** The split that a prefix names: by the last of the words in it, so that "latest-train-" is train. None: undefined. */
function splitOf(prefix: string): Split | undefined {
  const last = prefix.toLowerCase().match(/.*(train|t10k|test)/)?.[1];
  return last === undefined ? undefined : last === 'train' ? 'train' : 'test';
}

interface Pair {
  images: string;
  labels: string;
}

/** The pair of files of each split that has one. `name.gz` is only taken where `name` is not. */
function findPairs(fileNames: readonly string[], directory: string): Map<Split, Pair> {
  const found = new Map<Split, { prefix: string; images: string }>();
  const plainFirst = [...fileNames].sort((a, b) => Number(/\.gz$/i.test(a)) - Number(/\.gz$/i.test(b)));
  for (const images of plainFirst) {
    const prefix = images.match(imagesName)?.[1];
    const split = prefix === undefined ? undefined : splitOf(prefix);
    if (prefix === undefined || split === undefined) continue;
    const before = found.get(split);
    if (before && before.prefix !== prefix)
      throw formatError(
        `one images file of the ${split} split`,
        directory,
        `${before.images} and ${images}: put them into directories of their own`,
      );
    if (!before) found.set(split, { prefix, images });
  }
  const pairs = new Map<Split, Pair>();
  for (const [split, { prefix, images }] of found) {
    const labels = plainFirst.find((name) => /^labels[-.]idx1-ubyte(?:\.gz)?$/i.test(name.slice(prefix.length)) && name.startsWith(prefix));
    if (labels === undefined) throw formatError(`${prefix}labels-idx1-ubyte, plain or .gz, beside ${images}`, directory, 'no such file');
    pairs.set(split, { images, labels });
  }
  return pairs;
}

const read = (path: string, dimensions: 1 | 3, meter: Meter) => withByteStream(path, (stream) => readIdx(stream, dimensions, path), meter);

async function load(
  directory: string,
  fileNames: readonly string[],
  split: Split,
  _: FormatOptions,
  { meter }: LoadContext,
): Promise<LoadedDataset> {
  const pairs = findPairs(fileNames, directory);
  const pair = pairs.get(split);
  if (!pair)
    throw formatError(`a pair of IDX files of the ${split} split`, directory, `only ${[...pairs.keys()].join(' and ') || 'others'}`);
  const imagesPath = join(directory, pair.images);
  const labelsPath = join(directory, pair.labels);
  const others = [...pairs].filter(([other]) => other !== split).map(([, { labels: name }]) => join(directory, name));
  await meter.expectFiles([imagesPath, labelsPath, ...others]);
  const labels = await read(labelsPath, 1, meter);
  const images = await read(imagesPath, 3, meter);
  const [length, height, width] = images.shape as [number, number, number];
  if (length !== labels.data.length)
    throw formatError(`as many labels as ${pair.images} has images (${length})`, labelsPath, String(labels.data.length));
  // Both splits of a directory have the same classes, so that a model of one fits the other.
  let largest = 0;
  for (const label of labels.data) if (label > largest) largest = label;
  for (const path of others) for (const label of (await read(path, 1, meter)).data) if (label > largest) largest = label;
  const classes = largest + 1;
  const ownLabels = new Int32Array(labels.data);
  return {
    inputs: images.data,
    labels: ownLabels,
    inputShape: [height, width, 1],
    classes,
    length,
    format: 'idx',
    split,
    absentClasses: absentClasses(ownLabels, classes, labelsPath),
  };
}

export const idx: DataFormat = {
  name: 'idx',
  files: '…images-idx3-ubyte[.gz] and …labels-idx1-ubyte[.gz] with train, t10k or test in their names',
  splits: ['train', 'test'],
  options: [],
  detect: (fileNames) => fileNames.some((name) => splitOf(name.match(imagesName)?.[1] ?? '') !== undefined),
  load,
};
