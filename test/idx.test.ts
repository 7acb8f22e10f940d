import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readIdx } from '../src/data/idx.js';
import { load } from '../src/data/load.js';
import { mnistDirectory } from './helpers/data.js';

let root: string;
let number = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onelogit-idx-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function directoryOf(files: Record<string, Uint8Array>): Promise<string> {
  const directory = join(root, String(number++));
  await mkdir(directory);
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(directory, name), bytes);
  return directory;
}

function idxBytes(shape: number[], elements: ArrayLike<number>, magic = 0x800 | shape.length): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + elements.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  for (const [i, size] of shape.entries()) view.setUint32(4 + 4 * i, size);
  bytes.set(elements, 4 + 4 * shape.length);
  return bytes;
}

const images = idxBytes([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
const labels = idxBytes([3], [2, 0, 1]);
const small = { 'train-images-idx3-ubyte': images, 'train-labels-idx1-ubyte': labels };

describe('datasets.load, idx', () => {
  it('loads a plain pair', async () => {
    expect(await load(await directoryOf(small))).toEqual({
      inputs: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
      labels: Int32Array.of(2, 0, 1),
      inputShape: [2, 2, 1],
      classes: 3,
      length: 3,
      format: 'idx',
      split: 'train',
      absentClasses: [],
    });
  });

  it.each([
    ['gzip', gzipSync(images), '.gz'],
    ['gzip under a plain name', gzipSync(images), ''],
    ['plain under a gzip name', images, '.gz'],
    ['gzip of several members', Buffer.concat([gzipSync(images.subarray(0, 9)), gzipSync(images.subarray(9))]), '.gz'],
  ])('loads %s', async (_, bytes, suffix) => {
    const directory = await directoryOf({ [`train-images-idx3-ubyte${suffix}`]: bytes, 'train-labels-idx1-ubyte.gz': gzipSync(labels) });
    const dataset = await load(directory);
    expect(dataset.inputs).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    expect(dataset.labels).toEqual(Int32Array.of(2, 0, 1));
  });

  it('takes any prefix, and the plain file where both are there', async () => {
    const directory = await directoryOf({
      'emnist-letters-train-images-idx3-ubyte': images,
      'emnist-letters-train-images-idx3-ubyte.gz': Uint8Array.of(1, 2, 3),
      'emnist-letters-train-labels-idx1-ubyte': labels,
      'emnist-letters-test-images-idx3-ubyte': idxBytes([1, 2, 2], [9, 9, 9, 9]),
      'emnist-letters-test-labels-idx1-ubyte': idxBytes([1], [1]),
      'readme.txt': new Uint8Array(3),
    });
    expect((await load(directory)).length).toBe(3);
    expect(await load(directory, { split: 'test', format: 'idx' })).toMatchObject({
      length: 1,
      classes: 3,
      split: 'test',
      absentClasses: [0, 2],
    });
  });

  it('has the same classes in both splits, and reports those that are absent', async () => {
    const directory = await directoryOf({
      'train-images-idx3-ubyte': idxBytes([2, 1, 1], [0, 0]),
      'train-labels-idx1-ubyte': idxBytes([2], [1, 2]),
      't10k-images-idx3-ubyte': idxBytes([2, 1, 1], [0, 0]),
      't10k-labels-idx1-ubyte': idxBytes([2], [4, 1]),
    });
    expect(await load(directory)).toMatchObject({ classes: 5, absentClasses: [0, 3, 4] });
    expect(await load(directory, { split: 'test' })).toMatchObject({ classes: 5, absentClasses: [0, 2, 3] });
  });

  const huge = 0xffffffff;
  it.each<[string, Record<string, Uint8Array>, string]>([
    [
      'a wrong magic number',
      { ...small, 'train-images-idx3-ubyte': idxBytes([3, 2, 2], Array(12).fill(0), 2052) },
      'the magic number 2051',
    ],
    ['labels where images should be', { ...small, 'train-images-idx3-ubyte': idxBytes([9], Array(9).fill(0)) }, 'received 2049'],
    ['a truncated file', { ...small, 'train-images-idx3-ubyte': images.subarray(0, -1) }, 'Expected 12 bytes of 3 × 2 × 2 elements'],
    ['a truncated header', { ...small, 'train-images-idx3-ubyte': images.subarray(0, 15) }, 'Expected a header of 16 bytes'],
    ['an empty file', { ...small, 'train-labels-idx1-ubyte': new Uint8Array(0) }, 'but received 0 bytes'],
    ['trailing bytes', { ...small, 'train-labels-idx1-ubyte': idxBytes([3], [2, 0, 1, 0]) }, 'Expected 3 bytes of 3 elements'],
    [
      'dimensions that multiply past the file',
      { ...small, 'train-images-idx3-ubyte': idxBytes([huge, huge, huge], [1]) },
      'but received 1 bytes',
    ],
    [
      'the same, compressed',
      { ...small, 'train-images-idx3-ubyte': gzipSync(idxBytes([huge, huge, huge], [1])) },
      'compressed bytes, too few',
    ],
    ['no examples', { ...small, 'train-images-idx3-ubyte': idxBytes([0, 2, 2], []) }, 'at least one example'],
    ['images without pixels', { ...small, 'train-images-idx3-ubyte': idxBytes([3, 0, 2], []) }, 'at least one element'],
    [
      'counts that differ',
      { ...small, 'train-labels-idx1-ubyte': idxBytes([2], [0, 1]) },
      'as many labels as train-images-idx3-ubyte has images (3)',
    ],
    ['truncated gzip', { ...small, 'train-images-idx3-ubyte': gzipSync(images).subarray(0, -5) }, 'but received a truncated file'],
    ['damaged gzip', { ...small, 'train-images-idx3-ubyte': gzipSync(images).fill(0x55, 10, 20) }, 'but received damaged data'],
    [
      'a wrong gzip checksum',
      { ...small, 'train-images-idx3-ubyte': Uint8Array.from(gzipSync(images)).fill(0x55, -8, -4) },
      'but received damaged data',
    ],
    [
      'bytes after the gzip data',
      { ...small, 'train-images-idx3-ubyte': Buffer.concat([gzipSync(images), Buffer.alloc(7)]) },
      '7 more bytes',
    ],
    ['too much inside the gzip data', { ...small, 'train-images-idx3-ubyte': gzipSync(Buffer.concat([images, images])) }, 'more than that'],
    ['labels missing', { 'train-images-idx3-ubyte': images }, 'train-labels-idx1-ubyte'],
    ['two data sets', { ...small, 'x-train-images-idx3-ubyte': images }, 'directories of their own'],
    ['an unknown format', { 'model.onnx': images }, 'idx (…images-idx3-ubyte[.gz]'],
    ['an empty directory', {}, 'an empty directory'],
    ['another format than asked for', { 'data.npy': images }, 'idx'],
  ])('refuses %s', async (_, files, message) => {
    const directory = await directoryOf(files);
    const failure = await load(directory).catch((error) => error);
    expect(failure).toMatchObject({ name: 'OneLogitError', code: 'ERR_ONELOGIT_FORMAT' });
    expect(failure.message).toContain(message);
    expect(failure.message).toContain(directory);
  });

  it('does not wait for what nobody writes into a pipe', async () => {
    const directory = await directoryOf({ 'train-images-idx3-ubyte': images });
    execFileSync('mkfifo', [join(directory, 'train-labels-idx1-ubyte')]);
    await expect(load(directory)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE', message: expect.stringContaining('a pipe') });
  });

  it('stops inflating a bomb at what its header announces', async () => {
    // 256 MiB of zeros in 260 kB behind a header that announces 4 pixels.
    const bomb = gzipSync(Buffer.concat([idxBytes([1, 2, 2], []), Buffer.alloc(1 << 28)]), { level: 1 });
    const directory = await directoryOf({ 'train-images-idx3-ubyte.gz': bomb, 'train-labels-idx1-ubyte': idxBytes([1], [0]) });
    const before = process.memoryUsage().arrayBuffers;
    let largest = 0;
    const watch = setInterval(() => {
      largest = Math.max(largest, process.memoryUsage().arrayBuffers - before);
    }, 1);
    await expect(load(directory)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    clearInterval(watch);
    expect(largest).toBeLessThan(1 << 25);
  });

  it('refuses wrong arguments', async () => {
    const directory = await directoryOf(small);
    await expect(load(join(root, 'none'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await expect(load(join(directory, 'train-images-idx3-ubyte'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await expect(load(5 as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(load(directory, { split: 'valid' as never })).rejects.toThrow("Expected 'train' or 'validation' or 'test' for split");
    await expect(load(directory, { split: 'validation' })).rejects.toThrow("Expected 'train' or 'test' for split of idx data");
    await expect(load(directory, { context: 4 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    await expect(load(directory, { format: 'parquet' as never })).rejects.toThrow(/Expected 'idx' or .* for format/);
    await expect(load(directory, { Split: 'test' } as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    await expect(load(directory, { split: 'test' })).rejects.toThrow('a pair of IDX files of the test split');
    const folders = await directoryOf({ 'train-labels-idx1-ubyte': labels });
    await mkdir(join(folders, 'train-images-idx3-ubyte'));
    await expect(load(folders)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
  });

  it('survives 6,000 damaged files: each is an array that fits its header, or an error', async () => {
    let state = 1;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let accepted = 0;
    let refused = 0;
    for (let round = 0; round < 6000; round++) {
      const bytes = Uint8Array.from(images);
      for (let change = random(3); change >= 0; change--) bytes[random(bytes.length)] = random(2) ? random(256) : 1 << random(8);
      const file = random(4) ? bytes : bytes.subarray(0, random(bytes.length + 1));
      const cut = random(file.length + 1);
      const compression = random(2) === 0 ? ('gzip' as const) : ('none' as const);
      async function* pieces() {
        yield file.subarray(0, cut);
        yield file.subarray(cut);
      }
      try {
        const { shape, data } = await readIdx({ pieces: pieces(), fileBytes: file.length, compression }, 3, 'fuzz');
        expect(shape.reduce((a, b) => a * b)).toBe(data.length);
        expect(data).toEqual(file.subarray(16));
        accepted++;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
        refused++;
      }
    }
    expect(accepted).toBeGreaterThan(500);
    expect(refused).toBeGreaterThan(500);
  });

  it('survives 200 damaged gzip files', async () => {
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const intact = gzipSync(images);
    const directory = await directoryOf(small);
    for (let round = 0; round < 200; round++) {
      const bytes = Uint8Array.from(intact);
      bytes[random(bytes.length)]! ^= 1 << random(8);
      await writeFile(join(directory, 'train-images-idx3-ubyte'), bytes.subarray(0, random(3) ? bytes.length : random(bytes.length)));
      const result = await load(directory).catch((error) => error);
      if (result instanceof Error) expect(result).toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
      else expect(result.inputs).toEqual(images.subarray(16)); // the change was in a field of gzip's header that says nothing
    }
  });

  it('loads MNIST whole, leaving the event loop free', async (context) => {
    const directory = mnistDirectory(context);
    const perClass = (dataset: { labels: Int32Array }) => {
      const counts = Array<number>(10).fill(0);
      for (const label of dataset.labels) counts[label]++;
      return counts;
    };
    let ticks = 0;
    let loading = true;
    const loaded = load(directory).finally(() => {
      loading = false;
    });
    while (loading) {
      await sleep(1);
      ticks++;
    }
    const train = await loaded;
    expect(ticks).toBeGreaterThan(20);
    expect(train).toMatchObject({ length: 60000, classes: 10, inputShape: [28, 28, 1], absentClasses: [] });
    expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    expect(perClass(train)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    const test = await load(directory, { split: 'test' });
    expect(perClass(test)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // Mean and standard deviation of the training pixels, as published.
    let sum = 0;
    let squares = 0;
    for (const pixel of train.inputs) {
      sum += pixel;
      squares += pixel * pixel;
    }
    const mean = sum / train.inputs.length;
    expect(mean).toBeCloseTo(33.3184, 3);
    expect(Math.sqrt(squares / train.inputs.length - mean * mean)).toBeCloseTo(78.5675, 3);
    expect(
      createHash('sha256')
        .update(test.inputs as Uint8Array)
        .digest('hex'),
    ).toBe('6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161');
  });
});
