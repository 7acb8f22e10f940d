import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { catalogue } from '../src/data/catalogue.js';
import { load } from '../src/data/load.js';
import { extractMembers } from '../src/data/tar.js';
import { dataDirectory } from './helpers/data.js';
import { tarOf } from './helpers/tar.js';

let root: string;
let number = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onelogit-cifar-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function directoryOf(files: Record<string, Uint8Array | string>): Promise<string> {
  const directory = join(root, String(number++));
  await mkdir(directory);
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  return directory;
}

/** The pixel of an image, as the planes have it: different for different places, images, rows, columns and colours. */
const pixel = (image: number, y: number, x: number, channel: number) => (image * 89 + y * 37 + x * 11 + channel * 101) & 255;

/** A file of records with these label bytes, and the same images as height × width × channels. */
function recordsOf(labels: number[][], firstImage = 0): { bytes: Uint8Array; images: Uint8Array } {
  const bytes: number[] = [];
  const images: number[] = [];
  for (const [i, own] of labels.entries()) {
    const image = firstImage + i;
    bytes.push(...own);
    for (let c = 0; c < 3; c++) for (let y = 0; y < 32; y++) for (let x = 0; x < 32; x++) bytes.push(pixel(image, y, x, c));
    for (let y = 0; y < 32; y++) for (let x = 0; x < 32; x++) for (let c = 0; c < 3; c++) images.push(pixel(image, y, x, c));
  }
  return { bytes: Uint8Array.from(bytes), images: Uint8Array.from(images) };
}

/** Comparing hundreds of thousands of elements one by one takes seconds. */
const equal = (a: ArrayBufferView, b: ArrayBufferView) => Buffer.compare(a as Uint8Array, b as Uint8Array) === 0;

const classes10 = Array.from({ length: 10 }, (_, i) => `class ${i}`);
const lines = (names: string[]) => `${names.join('\n')}\n\n`; // the original ends with an empty line

describe('datasets.load, cifar10', () => {
  it('loads the batches in the order of their numbers, plain and gzip', async () => {
    const [one, two, ten] = [recordsOf([[3], [9]]), recordsOf([[0]], 2), recordsOf([[7], [7]], 3)];
    const directory = await directoryOf({
      'data_batch_10.bin': ten.bytes,
      'data_batch_2.bin.gz': gzipSync(two.bytes),
      'data_batch_1.bin': one.bytes,
      'data_batch_1.bin.gz': 'the plain file is taken',
      'batches.meta.txt': lines(classes10),
    });
    const dataset = await load(directory);
    expect(dataset).toMatchObject({
      labels: Int32Array.of(3, 9, 0, 7, 7),
      inputShape: [32, 32, 3],
      classes: 10,
      classNames: classes10,
      length: 5,
      format: 'cifar10',
      split: 'train',
      absentClasses: [1, 2, 4, 5, 6, 8],
    });
    expect(equal(dataset.inputs, Buffer.concat([one.images, two.images, ten.images]))).toBe(true);
    await expect(load(directory, { split: 'test' })).rejects.toThrow(
      `Expected data_batch_….bin[.gz] and test_batch.bin[.gz] of the test split in ${directory}`,
    );
  });

  it('loads the test batch, and does without names', async () => {
    const { bytes, images } = recordsOf([[1], [2], [3]]);
    const dataset = await load(await directoryOf({ 'test_batch.bin': bytes }), { split: 'test' });
    expect(dataset).toMatchObject({ labels: Int32Array.of(1, 2, 3), split: 'test', classes: 10 });
    expect(dataset.classNames).toBeUndefined();
    expect(equal(dataset.inputs, images)).toBe(true);
  });

  it('reads records across the pieces of a file', async () => {
    const labels = Array.from({ length: 300 }, (_, i) => [i % 10]);
    const { bytes, images } = recordsOf(labels); // 0.9 MB, in pieces of 256 KiB that end within records
    for (const files of [{ 'data_batch_1.bin': bytes }, { 'data_batch_1.bin.gz': gzipSync(bytes) }]) {
      const dataset = await load(await directoryOf(files));
      expect(dataset.labels).toEqual(Int32Array.from(labels.flat()));
      expect(equal(dataset.inputs, images)).toBe(true);
    }
  });

  const one = recordsOf([[3], [9]]).bytes;
  const ten = Uint8Array.from(recordsOf([[3], [10]]).bytes);
  it.each<[string, Record<string, Uint8Array | string>, string, string]>([
    ['a truncated file', { 'data_batch_1.bin': one.subarray(0, -1) }, 'records of 3073 bytes', '6145 bytes'],
    ['the same, compressed', { 'data_batch_1.bin': gzipSync(one.subarray(0, -1)) }, 'records of 3073 bytes', '6145 bytes'],
    ['an empty file', { 'data_batch_1.bin': '' }, 'at least one of records', '0 bytes'],
    ['a label out of range', { 'data_batch_1.bin': ten }, 'a label from 0 to 9 in record 1', 'received 10'],
    ['a truncated gzip file', { 'data_batch_1.bin': gzipSync(one).subarray(0, -20) }, 'intact gzip data', 'a truncated file'],
  ])('refuses %s and names it', async (_, files, expected, received) => {
    const directory = await directoryOf(files);
    const failure = await load(directory).catch((error) => error);
    expect(failure).toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    expect(failure.message).toContain(expected);
    expect(failure.message).toContain(received);
    expect(failure.message).toContain(join(directory, 'data_batch_1.bin'));
  });

  it('inflates no more than a data set can have', async () => {
    // 60,001 black airplanes in 0.2 MB.
    const bomb = gzipSync(new Uint8Array(3073 * 60_001));
    const failure = await load(await directoryOf({ 'data_batch_1.bin.gz': bomb })).catch((error) => error);
    expect(failure.message).toContain('Expected at most 60000 records');
  });

  it('refuses names that are not one for each class', async () => {
    const directory = await directoryOf({ 'data_batch_1.bin': one, 'batches.meta.txt': 'airplane\nbird\n' });
    await expect(load(directory)).rejects.toThrow(`Expected 10 names of classes in ${join(directory, 'batches.meta.txt')} but received 2`);
  });

  it('says when a file cannot be read', async () => {
    const directory = await directoryOf({});
    await symlink('nowhere', join(directory, 'data_batch_1.bin'));
    await expect(load(directory)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
  });

  it('loads the first 4,000 images of CIFAR-10', async (context) => {
    const dataset = await load(dataDirectory('cifar10-first4000', context));
    expect(dataset).toMatchObject({ length: 4000, classes: 10, format: 'cifar10', absentClasses: [] });
    expect(dataset.classNames?.slice(0, 3)).toEqual(['airplane', 'automobile', 'bird']);
    expect([...dataset.labels.subarray(0, 10)]).toEqual([6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    expect([0, 3, 6].map((i) => dataset.inputs[i])).toEqual([59, 43, 50]); // red of the first three pixels
    // Back to records, they are the file bit for bit.
    const hash = createHash('sha256');
    const record = new Uint8Array(3073);
    for (let i = 0; i < dataset.length; i++) {
      record[0] = dataset.labels[i];
      for (let p = 0; p < 1024; p++) for (let c = 0; c < 3; c++) record[1 + c * 1024 + p] = dataset.inputs[i * 3072 + p * 3 + c];
      hash.update(record);
    }
    expect(hash.digest('hex')).toBe('0993cf8b8e43bc207603aef9787006995746513f5e3fa5a52e06d1b069926330');
  });
});

describe('datasets.load, cifar100', () => {
  const { bytes, images } = recordsOf([
    [11, 19],
    [19, 99],
  ]);
  const fine = Array.from({ length: 100 }, (_, i) => `fine ${i}`);
  const coarse = Array.from({ length: 20 }, (_, i) => `coarse ${i}`);
  const files = { 'train.bin': bytes, 'test.bin': bytes, 'fine_label_names.txt': lines(fine), 'coarse_label_names.txt': lines(coarse) };

  it('loads fine labels, coarse ones when asked', async () => {
    const directory = await directoryOf(files);
    const dataset = await load(directory);
    expect(dataset).toMatchObject({ labels: Int32Array.of(19, 99), classes: 100, classNames: fine, format: 'cifar100', length: 2 });
    expect(equal(dataset.inputs, images)).toBe(true);
    expect(await load(directory, { split: 'test', labels: 'coarse' })).toMatchObject({
      labels: Int32Array.of(11, 19),
      classes: 20,
      classNames: coarse,
      split: 'test',
    });
  });

  it('checks both labels, and refuses other values and formats of the option', async () => {
    const directory = await directoryOf({ 'train.bin': recordsOf([[20, 5]]).bytes });
    await expect(load(directory)).rejects.toThrow('a label from 0 to 19 in record 0');
    await expect(load(directory, { labels: 'both' as 'fine' })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    const ten = await directoryOf({ 'test_batch.bin': recordsOf([[0]]).bytes });
    await expect(load(ten, { split: 'test', labels: 'fine' })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
  });
});

describe.each(['cifar10', 'cifar100'] as const)('what datasets.download leaves of %s', (name) => {
  it('is found and loaded', async () => {
    // An archive of the same names in the same folder, with two records for each file.
    const archive = join(root, `${name}.tar.gz`);
    const label =
      name === 'cifar10'
        ? [[4], [5]]
        : [
            [1, 4],
            [2, 5],
          ];
    const { bytes } = recordsOf(label);
    const names: Record<string, number> = { 'batches.meta.txt': 10, 'fine_label_names.txt': 100, 'coarse_label_names.txt': 20 };
    const members = catalogue[name].members!.map((member) => (member.bytes === undefined ? member : { ...member, bytes: bytes.length }));
    const content = ({ name: file }: { name: string }) =>
      file in names ? lines(Array.from({ length: names[file] }, (_, i) => `${i}`)) : bytes;
    await writeFile(
      archive,
      gzipSync(tarOf(Object.fromEntries(members.map((member) => [`cifar-binary/${member.name}`, content(member)])))),
    );
    const directory = await directoryOf({});
    await extractMembers(archive, directory, members);
    const train = await load(directory);
    expect(train).toMatchObject({ format: name, length: name === 'cifar10' ? 10 : 2, classes: name === 'cifar10' ? 10 : 100 });
    expect(train.classNames).toHaveLength(train.classes);
    expect(await load(directory, { split: 'test' })).toMatchObject({ length: 2, labels: Int32Array.of(4, 5) });
  });
});
