import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../src/data/catalogue.js';
import { load } from '../src/data/load.js';
import { type MatOptions, matFile, type Variable } from './helpers/mat.js';
import { temporaryFile } from './helpers/temporary.js';

const pixel = (example: number, y: number, x: number, c: number) => (example * 89 + y * 37 + x * 11 + c * 101) & 255;

/** X and y of examples with these labels, and the images as height × width × channels. */
function digits(labels: number[], first = 0): { variables: { X: Variable; y: Variable }; images: Uint8Array } {
  const n = labels.length;
  const data = new Uint8Array(3072 * n);
  const images = new Uint8Array(3072 * n);
  for (let i = 0, to = 0; i < n; i++)
    for (let y = 0; y < 32; y++)
      for (let x = 0; x < 32; x++)
        for (let c = 0; c < 3; c++) data[y + 32 * (x + 32 * (c + 3 * i))] = images[to++] = pixel(first + i, y, x, c);
  // MATLAB keeps whole doubles in bytes.
  return { variables: { X: { shape: [32, 32, 3, n], data }, y: { shape: [n, 1], data: Uint8Array.from(labels), class: 6 } }, images };
}

function directoryOf(files: Record<string, Uint8Array>) {
  const { directory, ...rest } = temporaryFile('data');
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return { ...rest, directory };
}

const equal = (a: ArrayBufferView, b: ArrayBufferView) => Buffer.compare(a as Uint8Array, b as Uint8Array) === 0;

describe('datasets.load, svhn', () => {
  it.each<MatOptions>([{}, { compressed: true }, { bigEndian: true }, { compressed: true, bigEndian: true }])(
    'loads digits, %j',
    async (options) => {
      const { variables, images } = digits([1, 10, 9, 10, 5]);
      // Under the names that datasets.download leaves.
      const [train, test] = catalogue.svhn.files.map(({ name }) => name);
      const other = digits([3, 4], 50);
      using files = directoryOf({
        [train]: matFile(variables, options),
        [test]: matFile({ y: other.variables.y, X: other.variables.X }, options),
      });
      const dataset = await load(files.directory);
      expect(dataset).toMatchObject({
        labels: Int32Array.of(1, 0, 9, 0, 5),
        inputShape: [32, 32, 3],
        classes: 10,
        classNames: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
        length: 5,
        format: 'svhn',
        split: 'train',
        absentClasses: [2, 3, 4, 6, 7, 8],
      });
      expect(equal(dataset.inputs, images)).toBe(true);
      const held = await load(files.directory, { split: 'test' });
      expect(held.labels).toEqual(Int32Array.of(3, 4));
      expect(equal(held.inputs, other.images)).toBe(true);
    },
  );

  it('adds the extra examples when asked, to training', async () => {
    const [train, extra] = [digits([1, 2]), digits([10, 3, 4], 2)];
    using files = directoryOf({
      'train_32x32.mat': matFile(train.variables),
      'extra_32x32.mat': matFile(extra.variables, { compressed: true }),
    });
    expect((await load(files.directory, { extra: false })).length).toBe(2);
    const both = await load(files.directory, { extra: true });
    expect(both.labels).toEqual(Int32Array.of(1, 2, 0, 3, 4));
    expect(equal(both.inputs, Buffer.concat([train.images, extra.images]))).toBe(true);
    await expect(load(files.directory, { extra: true, split: 'test' })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(load(files.directory, { split: 'test' })).rejects.toThrow('Expected test_32x32.mat in');
  });

  it('loads a single example, whose last dimension MATLAB leaves out, and labels in a row', async () => {
    const { variables, images } = digits([7]);
    using files = directoryOf({ 'train_32x32.mat': matFile({ ...variables, X: { ...variables.X, shape: [32, 32, 3] } }) });
    const dataset = await load(files.directory);
    expect([dataset.length, equal(dataset.inputs, images)]).toEqual([1, true]);
    const two = digits([7, 8]).variables;
    using row = directoryOf({ 'train_32x32.mat': matFile({ ...two, y: { shape: [1, 2], data: Float64Array.of(7, 8) } }) });
    expect((await load(row.directory)).labels).toEqual(Int32Array.of(7, 8));
  });

  const { X, y } = digits([1, 2]).variables;
  it.each<[string, Uint8Array, string]>([
    ['a truncated file', matFile({ X, y }).subarray(0, 3000), 'bytes of an element'],
    ['a truncated compressed file', matFile({ X, y }, { compressed: true }).subarray(0, 1000), 'bytes of an element'],
    ['a file without labels', matFile({ X }), 'an array y'],
    [
      'labels of another number',
      matFile({ X, y: { ...y, shape: [1, 1], data: Uint8Array.of(1) } }),
      'as many labels in y as X has images (2)',
    ],
    ['a label 0', matFile({ X, y: { ...y, data: Uint8Array.of(1, 0) } }), 'labels from 1 to 10 in y'],
    ['a label 11', matFile({ X, y: { ...y, data: Uint8Array.of(11, 1) } }), 'received 11 at index 0'],
    ['half a label', matFile({ X, y: { ...y, data: Float64Array.of(1, 2.5) } }), 'received 2.5 at index 1'],
    [
      'another number of channels',
      matFile({ X: { shape: [32, 32, 1, 2], data: new Uint8Array(2048) }, y }),
      '32 × 32 × 3 × at least one example',
    ],
    ['no examples', matFile({ X: { shape: [32, 32, 3, 0], data: new Uint8Array(0) }, y }), '32 × 32 × 3 × at least one example'],
    ['numbers that are not bytes', matFile({ X: { ...X, data: Float32Array.from(X.data) }, y }), 'Expected bytes in X'],
  ])('refuses %s and names it', async (_, bytes, expected) => {
    using files = directoryOf({ 'train_32x32.mat': bytes });
    const failure = await load(files.directory).catch((error) => error);
    expect(failure).toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    expect(failure.message).toContain(expected);
    expect(failure.message).toContain(join(files.directory, 'train_32x32.mat'));
  });
});
