/**
 * Images in a directory for each class: `train/<class>/<image>`, and the same in `val` and `test`, as ImageNet is kept. A part may also be an
 * archive, `train.tar.gz`. Small sets are decoded at once, large ones batch by batch while they are used.
 */
import { open, readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { OneLogitError } from '../errors.js';
import { type ByteStream, withByteStream } from './byte-stream.js';
import { bytesOf } from './bytes.js';
import { concurrently } from './concurrently.js';
import {
  absentClasses,
  type DataFormat,
  type FormatOptions,
  formatError,
  type LoadContext,
  type LoadedDataset,
  type LoadedStream,
  type Split,
} from './format.js';
import { integersOf } from './growing-integers.js';
import { type EncodedImage, type ImageDecoder, type ImageShape, imageDecoder, isImageName } from './image-decoder.js';
import type { Meter } from './meter.js';
import { readTar } from './tar.js';

/** What the part of a split may be called, as a directory or as an archive. */
const partNames: Readonly<Record<Split, readonly string[]>> = {
  train: ['train'],
  validation: ['val', 'validation', 'valid'],
  test: ['test'],
};
const archiveName = /\.(?:tar|tar\.gz|tgz)$/i;

const largestImage = 1 << 28; // bytes, encoded
/** Bytes of decoded images where nobody said how many: a gigabyte. */
const mostUnasked = 2 ** 30;
/** An archive is read as a whole, and its images are kept encoded. */
const largestArchive = 2 ** 31;
/** sharp has as many threads as libuv, four unless told otherwise; a few more keep them busy while files are read. */
const mostAtOnce = Math.max(4, Math.min(2 * availableParallelism(), 16));

/** Files that systems leave in directories. */
const isSystemFile = (name: string) => name.startsWith('.') || /^(?:thumbs\.db|desktop\.ini)$/i.test(name);
const byLetters = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** The images of a part, the classes in the order of their letters, and in each the images. */
interface Part {
  path: string;
  classNames: string[];
  images: EncodedImage[];
  /** Index into `classNames`. */
  labels: number[];
}

/** The name of the part of a split in a directory; two of them are an error. */
function partName(fileNames: readonly string[], split: Split, directory: string): string | undefined {
  const found = fileNames.filter((name) => partNames[split].includes(name.replace(archiveName, '')));
  if (found.length > 1) throw formatError(`one part of the ${split} split`, directory, found.join(' and '));
  return found[0];
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}

async function directoriesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (isSystemFile(entry.name)) continue;
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(path, entry.name))))) names.push(entry.name);
    else throw formatError('a directory for each class', path, `the file ${entry.name}`);
  }
  return names.sort(byLetters);
}

async function readImage(path: string): Promise<Uint8Array> {
  const failure = (received: string, cause?: unknown) =>
    new OneLogitError('ERR_ONELOGIT_FILE', `Expected a readable file at ${path} but received: ${received}`, { cause });
  try {
    const { size } = await stat(path).then((status) => (status.isFile() ? status : { size: -1 }));
    if (size < 0) throw failure('a directory or a device');
    if (size > largestImage) throw formatError(`an image of at most ${largestImage} bytes`, path, String(size));
    const file = await open(path);
    try {
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw cause instanceof OneLogitError ? cause : failure((cause as Error).message, cause);
  }
}

async function readDirectories(path: string, signal: AbortSignal | undefined): Promise<Part> {
  const part: Part = { path, classNames: await directoriesIn(path), images: [], labels: [] };
  for (const [label, className] of part.classNames.entries()) {
    signal?.throwIfAborted();
    const directory = join(path, className);
    const names = (await readdir(directory)).filter((name) => !isSystemFile(name)).sort(byLetters);
    if (names.length === 0) throw formatError('images', directory, 'an empty directory');
    for (const name of names) {
      const image = join(directory, name);
      if (!isImageName(name)) throw formatError('images (.jpg, .png, .webp, .gif, .avif, .tif) alone', directory, name);
      part.images.push({ name: image, read: () => readImage(image) });
      part.labels.push(label);
    }
  }
  return part;
}

async function readArchive(path: string, meter: Meter): Promise<Part> {
  const found: { className: string; name: string; bytes: Uint8Array }[] = [];
  let before: string | undefined;
  let total = 0;
  await meter.expectFiles([path]);
  const read = ({ pieces }: ByteStream) =>
    readTar(pieces, path, async (entry, content) => {
      meter.signal?.throwIfAborted();
      const [, prefix, className, name] = /^(?:(.*)\/)?([^/]+)\/([^/]+)$/.exec(entry.path) ?? [];
      if (!entry.regular || isSystemFile(entry.path.split('/').at(-1)!)) return false;
      if (className === undefined || name === undefined || !isImageName(name))
        throw formatError('images (.jpg, .png, .webp, .gif, .avif, .tif) in a directory for each class', path, entry.path);
      if (found.length > 0 && prefix !== before)
        throw formatError(`directories of classes in ${before ?? 'its root'} alone`, path, entry.path);
      before = prefix;
      total += entry.size;
      if (entry.size > largestImage || total > largestArchive)
        throw formatError(`images of at most ${largestArchive} bytes together`, path, 'more: unpack it');
      const bytes = bytesOf(entry.size, entry.path);
      let filled = 0;
      await content((piece) => {
        bytes.set(piece, filled);
        filled += piece.length;
      });
      found.push({ className, name, bytes });
      return false;
    });
  await withByteStream(path, read, meter);
  found.sort((a, b) => byLetters(a.className, b.className) || byLetters(a.name, b.name));
  const part: Part = { path, classNames: [], images: [], labels: [] };
  for (const { className, name, bytes } of found) {
    if (part.classNames.at(-1) !== className) part.classNames.push(className);
    part.images.push({ name: `${path}: ${className}/${name}`, read: async () => bytes });
    part.labels.push(part.classNames.length - 1);
  }
  return part;
}

async function readPart(path: string, meter: Meter): Promise<Part> {
  const part = (await isDirectory(path)) ? await readDirectories(path, meter.signal) : await readArchive(path, meter);
  if (part.images.length === 0) throw formatError('a directory of images for each class', path, 'none');
  return part;
}

/** The labels of a part under the classes of the training part: other parts may lack some, not have others. */
function labelsAmong(part: Part, classNames: readonly string[]): Int32Array {
  const label = new Map(classNames.map((name, i) => [name, i]));
  const labels = part.classNames.map((name) => {
    const found = label.get(name);
    if (found === undefined) throw formatError('only classes that the train part has', part.path, name);
    return found;
  });
  return integersOf(part.labels.length).map((_, i) => labels[part.labels[i]!]!);
}

/** The shape of all images: what was asked for, and for the rest what the first training image has. */
async function shapeFor(first: EncodedImage, decoder: ImageDecoder, { imageSize, channels }: FormatOptions): Promise<ImageShape> {
  if (imageSize !== undefined && channels !== undefined) return [...imageSize, channels];
  const [height, width, own] = await decoder.shapeOf(first);
  if (channels === undefined && own !== 1 && own !== 3)
    throw formatError('1 (grey) or 3 (colour) channels', first.name, `${own}, one of them transparency (channels: 1 or 3 drops it)`);
  return [...(imageSize ?? ([height, width] as const)), channels ?? own];
}

async function load(
  directory: string,
  fileNames: readonly string[],
  split: Split,
  options: FormatOptions,
  { memoryBytes, signal, meter }: LoadContext,
): Promise<LoadedDataset | LoadedStream> {
  const decoder = await imageDecoder();
  const own = partName(fileNames, split, directory);
  if (own === undefined) {
    const others = (Object.keys(partNames) as Split[]).filter((name) => partName(fileNames, name, directory) !== undefined);
    throw formatError(
      `${partNames[split].join('/ or ')}/ for the ${split} split`,
      directory,
      others.length === 0 ? 'none' : `only the splits ${others.join(' and ')}`,
    );
  }
  const part = await readPart(join(directory, own), meter);
  const train = split === 'train' ? own : partName(fileNames, 'train', directory);
  const reference = train === undefined || train === own ? part : await readPart(join(directory, train), meter);
  const { classNames } = reference;
  const labels = labelsAmong(part, classNames);
  const shape = await shapeFor(reference.images[0]!, decoder, options);
  const [resized, converted] = [options.imageSize !== undefined, options.channels !== undefined];
  const size = shape[0] * shape[1] * shape[2];
  const { images } = part;
  const decodeAll = async (indices: Int32Array | undefined, count: number, aborted: AbortSignal | undefined, decoded?: () => void) => {
    const inputs = bytesOf(count * size, 'images');
    await concurrently(count, mostAtOnce, aborted, async (i) => {
      inputs.set(await decoder.decode(images[indices ? indices[i]! : i]!, shape, resized, converted), i * size);
      decoded?.();
    });
    return inputs;
  };
  const common = {
    labels,
    inputShape: shape as number[],
    classes: classNames.length,
    classNames,
    length: images.length,
    format: 'image-folder',
    split,
    absentClasses: absentClasses(labels, classNames.length, part.path),
  };
  const bytes = images.length * size;
  if (bytes <= (memoryBytes ?? mostUnasked)) {
    meter.begin(images.length, 'images');
    return { ...common, inputs: await decodeAll(undefined, images.length, signal, () => meter.add(1)) };
  }
  if (memoryBytes === undefined)
    throw new OneLogitError(
      'ERR_ONELOGIT_MEMORY_LIMIT',
      `Expected at most ${mostUnasked} bytes of decoded images in ${part.path} but received ${images.length} × ${shape.join(' × ')}: give memoryBytes, and what takes more than that is decoded batch by batch`,
    );
  return {
    ...common,
    read: async (indices, aborted) => ({
      inputs: await decodeAll(indices, indices.length, aborted),
      labels: indices.map((index) => labels[index]!),
    }),
  };
}

/** A directory or an archive with the name of a part whose first class, or first file, is of images. */
async function detect(fileNames: readonly string[], directory: string): Promise<boolean> {
  const names = Object.values(partNames).flat();
  const name = fileNames.find((file) => names.includes(file.replace(archiveName, '')));
  if (name === undefined) return false;
  const path = join(directory, name);
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  if (entries) {
    for (const entry of entries)
      if (!entry.isFile() && (await readdir(join(path, entry.name)).catch(() => [])).some(isImageName)) return true;
    return false;
  }
  let found = false;
  await withByteStream(path, ({ pieces }) =>
    readTar(pieces, path, async (entry) => {
      const counts = entry.regular && !isSystemFile(entry.path.split('/').at(-1)!);
      found = counts && isImageName(entry.path);
      return counts;
    }),
  );
  return found;
}

export const imageFolder: DataFormat = {
  name: 'image-folder',
  files: 'train, and val or test, each with a directory of images for each class, or as .tar[.gz] of them',
  splits: ['train', 'validation', 'test'],
  options: ['imageSize', 'channels'],
  detect,
  load,
};
