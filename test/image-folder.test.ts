import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { concurrently } from '../src/data/concurrently.js';
import { load } from '../src/data/load.js';
import { layers, losses, Model, optimizers, type StreamedDataset } from '../src/index.js';
import { dataDirectory } from './helpers/data.js';
import { packageUrl, runModule } from './helpers/process.js';
import { runCli } from './helpers/run-cli.js';
import { tarOf } from './helpers/tar.js';
import { temporaryFile } from './helpers/temporary.js';

/** Pixels that tell images, rows, columns and colours apart. */
const pixels = (image: number, height: number, width: number, channels: number) =>
  Uint8Array.from({ length: height * width * channels }, (_, i) => (image * 71 + i * 13) & 255);

const png = (image: number, height = 3, width = 4, channels: 1 | 2 | 3 | 4 = 3) =>
  sharp(pixels(image, height, width, channels), { raw: { height, width, channels } })
    .toColourspace(channels < 3 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();

function directoryOf(files: Record<string, Uint8Array | string>) {
  const { directory, ...rest } = temporaryFile('data');
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(join(directory, name), content);
    else mkdirSync(join(directory, name));
  }
  return { ...rest, directory };
}

/** Two classes of two and one images in train, one class in val. */
const small = async () => ({
  'train/cat/b.png': await png(1),
  'train/cat/a.PNG': await png(0),
  'train/cat/.DS_Store': 'left by a file manager',
  'train/ape/x.png': await png(2),
  'val/cat/y.png': await png(3),
});

const jpeg = async () =>
  sharp(pixels(0, 64, 64, 3), { raw: { height: 64, width: 64, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();

describe('datasets.load, image-folder', () => {
  it('loads a directory for each class, in the order of their letters', async () => {
    using files = directoryOf(await small());
    expect(await load(files.directory)).toEqual({
      inputs: Uint8Array.from([2, 0, 1].flatMap((image) => [...pixels(image, 3, 4, 3)])),
      labels: Int32Array.of(0, 1, 1),
      inputShape: [3, 4, 3],
      classes: 2,
      classNames: ['ape', 'cat'],
      length: 3,
      format: 'image-folder',
      split: 'train',
      absentClasses: [],
    });
    const validation = await load(files.directory, { split: 'validation' });
    expect(validation).toMatchObject({ labels: Int32Array.of(1), classes: 2, classNames: ['ape', 'cat'], absentClasses: [0] });
    expect(validation.inputs).toEqual(pixels(3, 3, 4, 3));
    await expect(load(files.directory, { split: 'test' })).rejects.toThrow(
      `Expected test/ for the test split in ${files.directory} but received only the splits train and validation`,
    );
  });

  it.each(['train.tar.gz', 'train.tgz', 'train.tar'])('loads the same from %s', async (name) => {
    const { 'val/cat/y.png': validation, ...train } = await small();
    const archive = tarOf(train);
    using files = directoryOf({ [name]: name.endsWith('.tar') ? archive : gzipSync(archive), 'val/cat/y.png': validation });
    using unpacked = directoryOf({ ...train, 'val/cat/y.png': validation });
    expect(await load(files.directory)).toEqual(await load(unpacked.directory));
    expect(await load(files.directory, { split: 'validation' })).toEqual(await load(unpacked.directory, { split: 'validation' }));
  });

  it('resizes so that an image covers the size, and takes its middle', async () => {
    // Columns of one grey each: of 40 × 20 resized to 10 × 10 the middle half is left.
    const wide = Uint8Array.from({ length: 20 * 40 * 3 }, (_, i) =>
      Math.floor(i / 3) % 40 < 10 || Math.floor(i / 3) % 40 >= 30 ? 0 : 200,
    );
    const image = await sharp(wide, { raw: { height: 20, width: 40, channels: 3 } })
      .png()
      .toBuffer();
    using files = directoryOf({ 'train/a/1.png': image, 'train/a/2.png': await png(1, 7, 5) });
    const dataset = await load(files.directory, { imageSize: 10 });
    expect(dataset.inputShape).toEqual([10, 10, 3]);
    // Away from the edge, where the filter reaches over it.
    for (let y = 0; y < 10; y++) for (let x = 2; x < 8; x++) expect(dataset.inputs[(y * 10 + x) * 3]).toBeGreaterThan(190);
    expect(await load(files.directory, { imageSize: [4, 6] })).toMatchObject({ inputShape: [4, 6, 3], length: 2 });
  });

  it('converts channels when asked', async () => {
    using files = directoryOf({
      'train/a/1.png': await png(1, 3, 4, 1),
      'train/a/2.png': await png(2, 3, 4, 3),
      'train/a/3.png': await png(3, 3, 4, 4),
      'train/a/4.png': await png(4, 3, 4, 2),
    });
    const colour = await load(files.directory, { channels: 3 });
    expect(colour.inputShape).toEqual([3, 4, 3]);
    expect(colour.inputs.subarray(0, 36)).toEqual(Uint8Array.from([...pixels(1, 3, 4, 1)].flatMap((grey) => [grey, grey, grey])));
    expect(colour.inputs.subarray(36, 72)).toEqual(pixels(2, 3, 4, 3));
    expect(colour.inputs.subarray(72, 108)).toEqual(pixels(3, 3, 4, 4).filter((_, i) => i % 4 !== 3));
    const grey = await load(files.directory, { channels: 1 });
    expect(grey.inputShape).toEqual([3, 4, 1]);
    expect(grey.inputs.subarray(0, 12)).toEqual(pixels(1, 3, 4, 1));
    expect(grey.inputs.subarray(36, 48)).toEqual(pixels(4, 3, 4, 2).filter((_, i) => i % 2 === 0));
  });

  it('turns images as their EXIF data say', async () => {
    const upright = sharp(pixels(0, 3, 4, 3), { raw: { height: 3, width: 4, channels: 3 } });
    using files = directoryOf({ 'train/a/1.png': await upright.withMetadata({ orientation: 6 }).png().toBuffer() });
    expect((await load(files.directory)).inputShape).toEqual([4, 3, 3]);
    expect((await load(files.directory, { imageSize: [4, 3], channels: 3 })).inputShape).toEqual([4, 3, 3]);
  });

  it('takes grey images as they are', async () => {
    using files = directoryOf({ 'train/a/1.png': await png(1, 3, 4, 1) });
    expect(await load(files.directory)).toMatchObject({ inputShape: [3, 4, 1], inputs: pixels(1, 3, 4, 1) });
  });

  it.each<[string, () => Promise<Record<string, Uint8Array | string>>, string, string]>([
    ['a truncated JPEG', async () => ({ 'train/a/1.jpg': (await jpeg()).subarray(0, 2000) }), 'an intact image', 'train/a/1.jpg'],
    [
      'a JPEG with damaged data',
      async () => {
        const bytes = Buffer.from(await jpeg());
        bytes.fill(0xff, 1500, 1600);
        return { 'train/a/1.jpg': bytes };
      },
      'an intact image',
      'train/a/1.jpg',
    ],
    ['what is no image', async () => ({ 'train/a/1.jpg': 'hello' }), 'an intact image', 'train/a/1.jpg'],
    ['an empty file', async () => ({ 'train/a/1.jpg': '' }), 'an intact image', 'train/a/1.jpg'],
    [
      'another number of channels',
      async () => ({ 'train/a/1.png': await png(1), 'train/a/2.png': await png(1, 3, 4, 1) }),
      'Expected 3 (colour) channels, as the first image has, in',
      'train/a/2.png but received 1 (grey) (channels: 3 converts)',
    ],
    ['transparency', async () => ({ 'train/a/1.png': await png(1, 3, 4, 4) }), '1 (grey) or 3 (colour) channels', 'train/a/1.png'],
    [
      'another size',
      async () => ({ 'train/a/1.png': await png(1), 'train/a/2.png': await png(1, 4, 3) }),
      'Expected 3 × 4 pixels, as the first image has, in',
      'train/a/2.png but received 4 × 3 (imageSize resizes)',
    ],
    [
      'an empty class',
      async () => ({ 'train/a/1.png': await png(1), 'train/b/': '' }),
      'Expected images in',
      'train/b but received an empty',
    ],
    ['no class', async () => ({ 'train/': '' }), 'a directory of images for each class', 'train but received none'],
    [
      'a file beside the classes',
      async () => ({ 'train/a/1.png': await png(1), 'train/list.txt': '' }),
      'a directory for each class',
      'list.txt',
    ],
    ['a file that is no image', async () => ({ 'train/a/1.png': await png(1), 'train/a/x.txt': '' }), 'Expected images (', 'x.txt'],
    [
      'two training parts',
      async () => ({ 'train/a/1.png': await png(1), 'train.tar': '' }),
      'one part of the train split',
      'train and train.tar',
    ],
    ['a directory with the name of an image', async () => ({ 'train/a/1.png/x': '' }), 'a readable file', 'train/a/1.png'],
    ['an archive of something else', async () => ({ 'train.tar': tarOf({ 'a/x.txt': 'x' }) }), 'images (.jpg', 'a/x.txt'],
    [
      'an archive of two parts',
      async () => ({ 'train.tar': tarOf({ 'train/a/1.png': await png(1), 'val/a/1.png': await png(1) }) }),
      'directories of classes in train alone',
      'val/a/1.png',
    ],
    ['a damaged image in an archive', async () => ({ 'train.tar': tarOf({ 'a/1.png': 'x' }) }), 'an intact image', 'train.tar: a/1.png'],
    ['an archive without images', async () => ({ 'train.tar': tarOf({}) }), 'a directory of images', 'train.tar'],
  ])('refuses %s and names it', async (_, content, expected, named) => {
    using files = directoryOf(await content());
    const failure = await load(files.directory, { format: 'image-folder' }).catch((error) => error);
    expect(failure.code).toMatch(/^ERR_ONELOGIT_(?:FORMAT|FILE)$/);
    expect(failure.message).toContain(expected);
    expect(failure.message).toContain(named);
    expect(failure.message).toContain(files.directory);
  });

  it.skipIf(process.env.ONELOGIT_SANITIZED)('refuses an image of another size before it takes memory for its pixels', async () => {
    const bomb = await sharp({ create: { width: 12_000, height: 12_000, channels: 3, background: '#777' } })
      .png()
      .toBuffer();
    using files = directoryOf({ 'train/a/0.png': await png(0), 'train/a/1.png': bomb });
    const source = `import { datasets } from '${packageUrl}';
      const { message } = await datasets.load(${JSON.stringify(files.directory)}).catch((error) => error);
      console.log(message, process.resourceUsage().maxRSS < 300_000);`;
    const { stdout, stderr } = await runModule(source);
    expect([stdout, stderr]).toEqual([expect.stringMatching(/but received 12000 × 12000 \(imageSize resizes\) true\n$/), '']);
  });

  it('refuses classes that training did not have', async () => {
    using files = directoryOf({ ...(await small()), 'val/dog/1.png': await png(1) });
    await expect(load(files.directory, { split: 'validation' })).rejects.toThrow(
      `Expected only classes that the train part has in ${join(files.directory, 'val')} but received dog`,
    );
  });

  it.each([
    ['imageSize', 0],
    ['imageSize', [3]],
    ['imageSize', [3, 4.5]],
    ['imageSize', 1e9],
    ['channels', 2],
    ['channels', '3'],
    ['memoryBytes', -1],
    ['signal', {}],
  ])('refuses %s: %j', async (name, value) => {
    using files = directoryOf(await small());
    await expect(load(files.directory, { [name]: value })).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_ONELOGIT_(?:ARGUMENT|RANGE)/),
    });
  });

  it('sees an archive of images behind what a file manager left', async () => {
    const train = tarOf({ './.DS_Store': 'x', 'train/cat/._a.png': 'x', 'train/cat/a.png': await png(1) });
    using files = directoryOf({ 'train.tar': train });
    expect(await load(files.directory)).toMatchObject({ format: 'image-folder', length: 1, classNames: ['cat'] });
  });

  it('says which link leads nowhere', async () => {
    using files = directoryOf(await small());
    symlinkSync('nowhere', join(files.directory, 'train/dog'));
    await expect(load(files.directory)).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringMatching(/^Expected files that can be read in .* but received: ENOENT.*train\/dog/),
    });
  });

  it('leaves directories of texts to their own format', async () => {
    using files = directoryOf({ 'train/a/1.md': 'a text', 'readings.txt': 'and another' });
    expect(await load(files.directory)).toMatchObject({ format: 'text' });
  });

  it('says what to install where sharp is missing', async () => {
    using files = directoryOf(await small());
    const { stdout } = await runModule(`
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(
        "export const resolve = (name, context, next) => { if (name === 'sharp') throw Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' }); return next(name, context); }"));
      const { datasets } = await import(${JSON.stringify(packageUrl)});
      await datasets.load(${JSON.stringify(files.directory)}).catch(({ code, message }) => console.log(code, message));
    `);
    expect(stdout).toContain(
      'ERR_ONELOGIT_DEPENDENCY Expected the package sharp, which decodes images (npm install sharp), but received: it is not',
    );
  });
});

describe('image folders that are read batch by batch', () => {
  it('give the same pixels as in memory', async () => {
    using files = directoryOf(await small());
    const whole = await load(files.directory);
    const limit = whole.inputs.length;
    expect(await load(files.directory, { memoryBytes: limit })).toEqual(whole);
    const streamed = await load(files.directory, { memoryBytes: limit - 1 });
    const { inputs, ...others } = whole;
    expect(streamed).toEqual({ ...others, read: expect.any(Function) });
    const batch = await (streamed as StreamedDataset).read(Int32Array.of(2, 0, 2), new AbortController().signal);
    const image = (i: number) => [...inputs.subarray(i * 36, (i + 1) * 36)];
    expect(batch).toEqual({ inputs: Uint8Array.from([2, 0, 2].flatMap(image)), labels: Int32Array.of(1, 0, 1) });
  });

  it('train to the same bits, in an order that mixes the classes', async () => {
    const content: Record<string, Uint8Array> = {};
    for (let i = 0; i < 60; i++) content[`train/class ${Math.floor(i / 20)}/${i}.png`] = await png(i);
    using files = directoryOf(content);
    const whole = await load(files.directory);
    const streamed = (await load(files.directory, { memoryBytes: 0 })) as StreamedDataset;
    const asked: Int32Array[] = [];
    const watched = {
      ...streamed,
      read: (indices: Int32Array, signal: AbortSignal) => {
        asked.push(indices.slice());
        return streamed.read(indices, signal);
      },
    };
    const trained = async (dataset: typeof whole | StreamedDataset) => {
      const model = Model.sequential({ inputShape: [3, 4, 3], layers: [layers.flatten(), layers.dense(3)], seed: 1 });
      await model.fit(dataset, { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 12, batchSize: 20 });
      return model.predict(whole.inputs);
    };
    expect(await trained(watched)).toEqual(await trained(whole));
    // The first may be the one that asks for the type of the inputs. Sorted by class, each of the others would have one label.
    const batches = asked.filter((indices) => indices.length === 20);
    expect(batches.length).toBe(12);
    for (const indices of batches) expect(new Set([...indices].map((i) => whole.labels[i])).size).toBe(3);
  });

  it('stop when they are aborted, and name what is damaged', async () => {
    using files = directoryOf({ ...(await small()), 'train/cat/b.png': 'no image' });
    const streamed = (await load(files.directory, { memoryBytes: 0 })) as StreamedDataset;
    await expect(streamed.read(Int32Array.of(0, 1), AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    await expect(streamed.read(Int32Array.of(0, 2), new AbortController().signal)).rejects.toThrow(
      join(files.directory, 'train', 'cat', 'b.png'),
    );
    await expect(load(files.directory, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('are refused where nobody asked for them', async () => {
    // Three images of 2^14 × 2^14 × 3 decoded bytes, which nobody decodes.
    using files = directoryOf(await small());
    const failure = await load(files.directory, { imageSize: 1 << 14 }).catch((error) => error);
    expect(failure).toMatchObject({ code: 'ERR_ONELOGIT_MEMORY_LIMIT' });
    expect(failure.message).toContain('3 × 16384 × 16384 × 3: give memoryBytes');
    expect(await load(files.directory, { imageSize: 1 << 14, memoryBytes: 2 ** 30 })).toHaveProperty('read');
  });
});

describe('onelogit train', () => {
  it('streams what --memory-bytes does not allow, to the same model', async () => {
    using files = directoryOf({ ...(await small()), 'train/ape/large.png': await png(5, 9, 9, 1) });
    const train = async (name: string, ...more: string[]) => {
      const out = join(files.directory, `${name}.safetensors`);
      const options = ['--image-size', '8', '--channels', '3', '--hidden', '4', '--steps', '5', '--batch-size', '4', '--out', out];
      const { code, stderr } = await runCli(['train', files.directory, ...options, ...more]);
      expect(code, stderr).toBe(0);
      return readFileSync(out);
    };
    expect(Buffer.compare(await train('streamed', '--memory-bytes', '0'), await train('whole'))).toBe(0);
  });
});

describe('classes of another directory', () => {
  it('are refused where they are called otherwise than in the model', async () => {
    const more = Object.fromEntries(
      await Promise.all(['ape', 'cat', 'dog'].map(async (name) => [`more/test/${name}/z.png`, await png(4)])),
    );
    using files = directoryOf({ ...(await small()), 'other/test/cat/z.png': await png(4), 'same/test/ape/z.png': await png(4), ...more });
    const cli = (...args: string[]) => runCli([...args, '--json'], { cwd: files.directory });
    const training = ['--hidden', '4', '--steps', '2', '--batch-size', '2', '--checkpoint', 'c.safetensors'];
    expect((await cli('train', '.', ...training, '--out', 'm.safetensors')).code).toBe(0);
    const message =
      /^Expected the classes of [mc].safetensors, 'ape' for class 0, in other but received 'cat': classes are numbered by the training part/;
    for (const args of [
      ['evaluate', 'm.safetensors', 'other'],
      ['calibrate', 'm.safetensors', 'other', '--recall', '0.9', '--split', 'test'],
      ['convert', 'm.safetensors', '--storage', 'int8', '--out', 'n.safetensors', '--data', 'other'],
      ['score', 'm.safetensors', '--class', 'cat', '--data', 'other', '--index', '0'],
      ['train', 'other', '--split', 'test', ...training, '--out', 'm.safetensors', '--resume', 'c.safetensors'],
    ]) {
      const { code, stdout } = await cli(...args);
      expect([code, JSON.parse(stdout)]).toEqual([1, { error: { code: 'ERR_ONELOGIT_CLASSES', message: expect.stringMatching(message) } }]);
    }
    expect((await cli('evaluate', 'm.safetensors', 'same')).code).toBe(0);
    const { error } = JSON.parse((await cli('evaluate', 'm.safetensors', 'more')).stdout);
    expect(error).toMatchObject({ code: 'ERR_ONELOGIT_CLASSES', message: expect.stringMatching(/^Expected at most 2 classes/) });
  });
});

describe('concurrently', () => {
  it('runs so many at a time and no more, each once', async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;
    await concurrently(50, 4, undefined, async (i) => {
      most = Math.max(most, ++running);
      await sleep((i * 7) % 5);
      running--;
      done.push(i);
    });
    expect(most).toBe(4);
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('begins nothing after a failure, and throws when what was begun has ended', async () => {
    let running = 0;
    let begun = 0;
    const run = concurrently(50, 4, undefined, async (i) => {
      begun++;
      running++;
      await sleep(i === 2 ? 1 : 20);
      running--;
      if (i === 2) throw new Error('the third');
    });
    await expect(run).rejects.toThrow('the third');
    expect([begun, running]).toEqual([4, 0]);
  });
});

it('loads CIFAR-10 as JPEG, to the bits of libjpeg-turbo, leaving the event loop free', async (context) => {
  const directory = dataDirectory('cifar10-jpeg', context);
  let [last, longest] = [performance.now(), 0];
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const test = await load(directory, { split: 'test' });
  clearInterval(timer);
  expect(test).toMatchObject({ format: 'image-folder', length: 10_000, inputShape: [32, 32, 3], classes: 10, absentClasses: [] });
  expect(test.classNames).toEqual(['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']);
  if (process.env.ONELOGIT_SANITIZED !== '1') expect(longest).toBeLessThan(500);
  // As CIFAR-10's records.
  const hash = createHash('sha256');
  const record = new Uint8Array(3073);
  for (let i = 0; i < test.length; i++) {
    record[0] = test.labels[i];
    for (let p = 0; p < 1024; p++) for (let c = 0; c < 3; c++) record[1 + c * 1024 + p] = test.inputs[i * 3072 + p * 3 + c];
    hash.update(record);
  }
  expect(hash.digest('hex')).toBe('cf28711b3059b27ed8a78d6529b5ba5b5c94130096ca62a1a924268a9a9ec05b');
});
