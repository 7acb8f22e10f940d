import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { load } from '../src/data/load.js';
import { temporaryFile } from './helpers/temporary.js';

const types = { Float32Array: '<f4', Uint8Array: '|u1', Int32Array: '<i4' } as const;

function npy(shape: number[], data: Float32Array | Uint8Array | Int32Array): Uint8Array {
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const header = `{'descr': '${types[data.constructor.name as keyof typeof types]}', 'fortran_order': False, 'shape': ${tuple}, }\n`;
  const start = Buffer.from(`\x93NUMPY\x01\x00${String.fromCharCode(header.length & 255, header.length >> 8)}${header}`, 'latin1');
  return Buffer.concat([start, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
}

function directoryOf(files: Record<string, Uint8Array>) {
  const { directory, ...rest } = temporaryFile('data');
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return { ...rest, directory };
}

const floats = Float32Array.of(1.5, -2, 3, 4, 5, 6);
const small = { 'x_train.npy': npy([3, 2], floats), 'y_train.npy': npy([3], Int32Array.of(2, 0, 2)) };

describe('datasets.load, npy', () => {
  it('loads a pair of files', async () => {
    using files = directoryOf(small);
    expect(await load(files.directory)).toEqual({
      inputs: floats,
      labels: Int32Array.of(2, 0, 2),
      inputShape: [2],
      classes: 3,
      length: 3,
      format: 'npy',
      split: 'train',
      absentClasses: [1],
    });
  });

  it.each([
    ['train-images.npy', 'train-labels.npy', 'train'],
    ['X_val.npy', 'labels_val.npy', 'validation'],
    ['test_inputs.npy', 'y-test.npy', 'test'],
  ] as const)('takes %s and %s', async (images, labels, split) => {
    using files = directoryOf({
      [images]: npy([2, 2, 2, 1], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
      [labels]: npy([2, 1], Uint8Array.of(1, 0)),
    });
    expect(await load(files.directory, { split })).toMatchObject({ inputShape: [2, 2, 1], length: 2, labels: Int32Array.of(1, 0), split });
  });

  it('has the same classes and ids in all splits', async () => {
    using files = directoryOf({
      'x_train.npy': npy([2, 2], Int32Array.of(0, 1, 2, 1)),
      'y_train.npy': npy([2], Int32Array.of(0, 1)),
      'x_test.npy': npy([1, 2], Int32Array.of(8, 0)),
      'y_test.npy': npy([1], Int32Array.of(4)),
    });
    for (const split of ['train', 'test'] as const)
      expect(await load(files.directory, { split })).toMatchObject({ classes: 5, vocabulary: 9 });
  });

  it.each<[string, Record<string, Uint8Array>, string, string]>([
    ['inputs alone', { 'x_train.npy': small['x_train.npy'] }, 'a pair of .npy files of the train split', ''],
    [
      'two files of inputs',
      { ...small, 'train_images.npy': small['x_train.npy'] },
      'one file of inputs',
      'train_images.npy and x_train.npy',
    ],
    ['counts that differ', { ...small, 'y_train.npy': npy([2], Int32Array.of(0, 1)) }, 'as many labels as', 'y_train.npy'],
    [
      'labels that are not integers',
      { ...small, 'y_train.npy': npy([3], floats.subarray(0, 3)) },
      'labels that are integers',
      'y_train.npy',
    ],
    ['labels of two axes', { ...small, 'y_train.npy': npy([3, 2], Int32Array.from(floats)) }, 'one axis of labels', 'y_train.npy'],
    ['negative labels', { ...small, 'y_train.npy': npy([3], Int32Array.of(0, 1, -1)) }, 'labels from 0', '-1 at index 2'],
    // What lists the classes between would not fit in memory.
    [
      'labels that are ids of something',
      { ...small, 'y_train.npy': npy([3], Int32Array.of(0, 1, 2 ** 31 - 2)) },
      'labels numbered from 0',
      '3 different ones of 2147483647',
    ],
    ['negative ids', { ...small, 'x_train.npy': npy([3, 1], Int32Array.of(0, -5, 1)) }, 'ids from 0', '-5 at index 1'],
    [
      'inputs without examples',
      { 'x_train.npy': npy([0, 2], new Float32Array()), 'y_train.npy': npy([0], new Int32Array()) },
      'at least one',
      'x_train.npy',
    ],
    ['inputs of one axis', { ...small, 'x_train.npy': npy([3], floats.subarray(0, 3)) }, '2 to 9 axes', 'x_train.npy'],
    ['a truncated file', { ...small, 'x_train.npy': small['x_train.npy'].subarray(0, -1) }, '24 bytes for the shape (3, 2)', 'x_train.npy'],
  ])('refuses %s', async (_, content, expected, named) => {
    using files = directoryOf(content);
    const failure = await load(files.directory).catch((error) => error);
    expect(failure).toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    expect(failure.message).toContain(expected);
    expect(failure.message).toContain(named);
    expect(failure.message).toContain(files.directory);
  });
});
