// What datasets.load tells while it reads: how far it is, in bytes of the files or in images; and that it can be stopped meanwhile.
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type datasets as Datasets, datasets } from '../src/index.js';
import { temporaryFile } from './helpers/temporary.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

type LoadProgress = Datasets.LoadProgress;
afterEach(() => vi.restoreAllMocks());

/** Every report comes: the clock makes a leap whenever somebody looks at it. */
function leapingClock(): void {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 1000;
    return now;
  });
}

function npy(descr: string, shape: string, data: Uint8Array): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117);
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]), Buffer.from(`${header}\n`), data]);
}

const bytesOf = (directory: string, names: readonly string[]) => names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

/** Writes a directory of one format; gives the files that loading its training part reads. */
const makers: Record<string, (directory: string) => Promise<string[]> | string[]> = {
  async idx(directory) {
    await writeTinyIdx(directory);
    return ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-labels-idx1-ubyte'];
  },
  npy(directory) {
    // More than is read at once.
    writeFileSync(join(directory, 'x_train.npy'), npy('|u1', '(20, 1048576)', new Uint8Array(20 * 2 ** 20)));
    writeFileSync(join(directory, 'y_train.npy'), npy('<i4', '(20,)', new Uint8Array(80)));
    return ['x_train.npy', 'y_train.npy'];
  },
  cifar10(directory) {
    for (const part of [1, 2]) writeFileSync(join(directory, `data_batch_${part}.bin`), new Uint8Array(300 * 3073));
    writeFileSync(join(directory, 'data_batch_3.bin.gz'), gzipSync(new Uint8Array(300 * 3073)));
    return ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin.gz'];
  },
  sequences(directory) {
    writeFileSync(join(directory, 'events.txt'), Array.from({ length: 50_000 }, (_, i) => `${i} ${(i % 7) + 1}\n`).join(''));
    return ['events.txt'];
  },
  text(directory) {
    for (let book = 0; book < 10; book++) writeFileSync(join(directory, `${book}.txt`), 'one word after the other '.repeat(100));
    return Array.from({ length: 10 }, (_, book) => `${book}.txt`);
  },
};

describe('loading', () => {
  test.each(Object.keys(makers))('%s tells how many bytes it has read of all', async (format) => {
    using file = temporaryFile(format);
    mkdirSync(file.name);
    const names = await makers[format]!(file.name);
    leapingClock();
    const reports: LoadProgress[] = [];
    const dataset = await datasets.load(file.name, { onProgress: (progress) => reports.push(progress) });
    expect(dataset.format).toBe(format);
    const total = bytesOf(file.name, names);
    expect(reports.at(-1)).toEqual({ done: total, total, unit: 'bytes' });
    expect(new Set(reports.map((report) => report.total))).toEqual(new Set([total]));
    const done = reports.map((report) => report.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(reports.length).toBeGreaterThanOrEqual(2 - Number(format === 'sequences'));
  });

  test('tells at most ten times a second, and at the end', async () => {
    using file = temporaryFile('text');
    mkdirSync(file.name);
    await makers.text!(file.name);
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 30));
    let calls = 0;
    await datasets.load(file.name, { onProgress: () => calls++ });
    expect(calls).toBeGreaterThan(2);
    expect(calls).toBeLessThan(6);
  });

  test('tells the end once, however much is decompressed after all of a file has been read', async () => {
    using file = temporaryFile('cifar10');
    mkdirSync(file.name);
    const packed = gzipSync(new Uint8Array(1000 * 3073)); // 47 pieces of 64 KiB, of a file that is read at once
    writeFileSync(join(file.name, 'data_batch_1.bin.gz'), packed);
    leapingClock();
    const reports: LoadProgress[] = [];
    await datasets.load(file.name, { onProgress: (progress) => reports.push(progress) });
    expect(reports).toEqual([{ done: packed.length, total: packed.length, unit: 'bytes' }]);
  });

  test('of images tells how many are decoded', async () => {
    const { default: sharp } = await import('sharp');
    using file = temporaryFile('photos');
    for (const name of ['cat', 'dog']) {
      mkdirSync(join(file.name, 'train', name), { recursive: true });
      for (let i = 0; i < 5; i++)
        await sharp(Buffer.alloc(8 * 8 * 3, 20 * i), { raw: { width: 8, height: 8, channels: 3 } })
          .png()
          .toFile(join(file.name, 'train', name, `${i}.png`));
    }
    leapingClock();
    const reports: LoadProgress[] = [];
    await datasets.load(file.name, { onProgress: (progress) => reports.push(progress) });
    expect(reports).toEqual(Array.from({ length: 10 }, (_, i) => ({ done: i + 1, total: 10, unit: 'images' })));
  });

  test.each(Object.keys(makers))('%s ends with what the function throws, as it is', async (format) => {
    using file = temporaryFile(format);
    mkdirSync(file.name);
    await makers[format]!(file.name);
    for (const thrown of [new RangeError('mine'), Object.assign(new Error('mine'), { syscall: 'read' }), 'a string']) {
      const onProgress = () => {
        throw thrown;
      };
      await expect(datasets.load(file.name, { onProgress })).rejects.toBe(thrown);
    }
  });

  test.each(Object.keys(makers))('%s ends when its signal is raised', async (format) => {
    using file = temporaryFile(format);
    mkdirSync(file.name);
    await makers[format]!(file.name);
    leapingClock();
    const controller = new AbortController();
    const reports: LoadProgress[] = [];
    const onProgress = (progress: LoadProgress) => {
      reports.push(progress);
      controller.abort();
    };
    const loading = datasets.load(file.name, { onProgress, signal: controller.signal });
    // One whose only piece was the last has nothing left to stop.
    if (format === 'sequences') await loading.catch(() => undefined);
    else await expect(loading).rejects.toMatchObject({ name: 'AbortError', code: 'ERR_ONELOGIT_ABORTED' });
    expect(reports).toHaveLength(1);
  });

  test('refuses what is no function', async () => {
    await expect(datasets.load('somewhere', { onProgress: true as never })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_ARGUMENT',
      message: 'Expected a function for onProgress but received true',
    });
  });
});
