import { copyFile, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClassStorage, datasets, layers, losses, Model, metrics, optimizers, SingleLogitClassifier, zoo } from '../src/index.js';
import { readSafetensorsHeader } from '../src/safetensors.js';
import { runCli } from './helpers/run-cli.js';
import { type Images, writeIdx } from './helpers/tiny-idx.js';

const storages: ClassStorage[] = ['float32', 'bfloat16', 'int8'];
let directory = '';
let file = '';
let model: Model;
const train = datasets.glyphs({ classes: 12, examplesPerClass: 40, seed: 1 });
const test = datasets.glyphs({ classes: 12, examplesPerClass: 20, seed: 2 });
const example = (i: number) => (test.inputs as Uint8Array).subarray(i * 784, (i + 1) * 784);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-storage-'));
  model = zoo.mlp({ classes: 12, inputShape: train.inputShape, hidden: [61], seed: 2 });
  await model.fit(train, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.adam({ learningRate: 0.003 }),
    steps: 150,
    batchSize: 32,
  });
  file = join(directory, 'model.safetensors');
  await model.save(file);
});
afterAll(() => rm(directory, { recursive: true }));

/** Largest difference of the logits of all classes for the first examples, relative to the largest logit. */
function error(a: SingleLogitClassifier, b: SingleLogitClassifier): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < 30; i++)
    for (let c = 0; c < 12; c++) {
      largest = Math.max(largest, Math.abs(a.score(example(i), c)));
      difference = Math.max(difference, Math.abs(a.score(example(i), c) - b.score(example(i), c)));
    }
  return difference / largest;
}

describe('storage', () => {
  const limits = { float32: 1e-6, bfloat16: 4e-3, int8: 1e-2 };
  it.each(storages)('%s: from a file and from a model the same scores, close to float32', async (storage) => {
    const exact = await SingleLogitClassifier.load(file);
    const fromFile = await SingleLogitClassifier.load(file, { storage });
    const fromModel = await SingleLogitClassifier.load(model, { storage });
    expect(fromFile.storage).toBe(storage);
    expect(error(fromFile, fromModel)).toBe(0);
    expect(error(exact, fromFile)).toBeLessThan(limits[storage]);
    if (storage !== 'float32') expect(error(exact, fromFile)).toBeGreaterThan(0);
    const many = fromFile.scoreMany(example(3), [1, 11, 1]);
    expect([...many]).toEqual([1, 11, 1].map((c) => fromFile.score(example(3), c)));
    expect(fromFile.bind(example(3)).score(5)).toBe(fromFile.score(example(3), 5));
  });

  it.each(storages)('%s: saved, loaded and mapped without a change, in the bytes it promises', async (storage) => {
    const classifier = await SingleLogitClassifier.load(file, { storage });
    await classifier.calibrate(test, { recall: 0.9 });
    const path = join(directory, `${storage}.safetensors`);
    await classifier.save(path);
    const { tensors } = await readSafetensorsHeader(path);
    const weight = tensors.find(({ name, shape }) => name.endsWith('.weight') && shape[0] === 12)!;
    expect(weight.dtype).toBe({ float32: 'F32', bfloat16: 'BF16', int8: 'I8' }[storage]);
    for (const options of [{}, { memoryMap: true }, { memoryMap: true, prefault: true }, { storage, memoryMap: true }]) {
      const loaded = await SingleLogitClassifier.load(path, options);
      expect(loaded.storage).toBe(storage);
      expect(error(classifier, loaded)).toBe(0);
      expect(loaded.thresholds).toEqual(classifier.thresholds);
      const again = join(directory, 'again.safetensors');
      await loaded.save(again);
      expect((await readFile(again)).equals(await readFile(path))).toBe(true);
      loaded.dispose();
    }
    // Another storage needs another file.
    for (const other of storages.filter((one) => one !== storage)) {
      await expect(SingleLogitClassifier.load(path, { storage: other, memoryMap: true })).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_STORAGE',
        message: expect.stringContaining('onelogit convert'),
      });
      expect((await SingleLogitClassifier.load(path, { storage: other })).storage).toBe(other);
    }
    if (storage === 'int8')
      await expect(Model.load(path)).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringMatching(/received one in int8, which is for scoring alone \(onelogit convert --storage float32/),
      });
    else
      expect((await Model.load(path)).layers.at(-1)).toEqual(
        storage === 'bfloat16' ? expect.objectContaining({ storage }) : expect.not.objectContaining({ storage: 'bfloat16' }),
      );
  });

  it('a mapped file may be replaced by rename, and one that is cut off before it is mapped is refused', async () => {
    const path = join(directory, 'replaced.safetensors');
    await copyFile(file, path);
    const classifier = await SingleLogitClassifier.load(path, { memoryMap: true });
    const before = classifier.score(example(0), 3);
    await writeFile(join(directory, 'other'), 'something else');
    await rename(join(directory, 'other'), path);
    expect(classifier.score(example(0), 3)).toBe(before);
    await expect(SingleLogitClassifier.load(path, { memoryMap: true })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
  });

  it.each([
    ['a scale of another length', [3]],
    ['no scale', undefined],
  ])('refuses an int8 file with %s', async (_, shape) => {
    const path = join(directory, 'int8.safetensors');
    await (await SingleLogitClassifier.load(file, { storage: 'int8' })).save(path);
    const bytes = await readFile(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
      string,
      { shape: number[]; data_offsets: number[]; dtype: string }
    >;
    const [name, entry] = Object.entries(header).find(([key]) => key.endsWith('.scale'))!;
    delete header[name];
    // The bytes must be somebody's: three numbers and the rest, or all of them under a name of their own.
    const [begin, end] = entry.data_offsets as [number, number];
    if (shape) {
      header[name] = { dtype: 'F32', shape, data_offsets: [begin, begin + 12] };
      header['training.rest'] = { dtype: 'U8', shape: [end - begin - 12], data_offsets: [begin + 12, end] };
    } else header['training.rest'] = { dtype: 'U8', shape: [end - begin], data_offsets: [begin, end] };
    const text = Buffer.from(JSON.stringify(header));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    await writeFile(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
    for (const options of [{}, { memoryMap: true }])
      await expect(SingleLogitClassifier.load(path, options)).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringContaining('.scale'),
      });
  });
});

describe('onelogit convert', () => {
  it('writes a smaller file that scores, and says so', async () => {
    const out = join(directory, 'converted.safetensors');
    const { stdout } = await runCli(['convert', file, '--storage', 'int8', '--out', out, '--json']);
    const result = JSON.parse(stdout) as { bytesBefore: number; bytesAfter: number; classes: number };
    expect(result).toMatchObject({ storage: 'int8', out, classes: 12, features: 61 });
    expect(result.bytesAfter).toBe((await stat(out)).size);
    expect(result.bytesBefore).toBe((await stat(file)).size);
    expect((await SingleLogitClassifier.load(out)).storage).toBe('int8');
  });

  it.each(storages)('measures what %s costs', async (storage) => {
    await writeIdx(join(directory, 'data'), train as Images, test as Images);
    const out = join(directory, `measured-${storage}.safetensors`);
    const args = ['convert', file, '--storage', storage, '--out', out, '--data', join(directory, 'data'), '--json'];
    const { before, after } = JSON.parse((await runCli(args)).stdout);
    expect(before.oneMinusAuprc).toBe((await model.evaluate(test)).oneMinusAuprc);
    // From single logits of what was written.
    const converted = await SingleLogitClassifier.load(out);
    let sum = 0;
    for (let c = 0; c < 12; c++)
      sum += metrics.averagePrecision(
        converted.scoreBatch(test.inputs, c),
        Array.from(test.labels, (label) => label === c),
      );
    expect(after.oneMinusAuprc).toBeCloseTo(1 - sum / 12, 6);
  });

  it('measures a large int8 matrix without a copy of it on the heap', async () => {
    // 2^24 weights: 128 MiB as a list of numbers. Of more than 2^27 there is none at all.
    const large = Model.sequential({
      inputShape: [784],
      layers: [layers.dense(1024), layers.dense(16384)],
      preprocessing: { scale: 1 / 255 },
    });
    const path = join(directory, 'large.safetensors');
    await large.save(path);
    large.dispose();
    await writeIdx(join(directory, 'large-data'), train as Images, test as Images);
    const args = ['convert', path, '--storage', 'int8', '--out', join(directory, 'large-int8.safetensors')];
    const { code, signal, stdout } = await runCli([...args, '--data', join(directory, 'large-data'), '--json'], {
      env: { NODE_OPTIONS: '--max-old-space-size=64' },
    });
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(JSON.parse(stdout)).toMatchObject({ classes: 16384, features: 1024, after: { oneMinusAuprc: expect.any(Number) } });
  });

  it.each(['float32', 'bfloat16', 'int8'] as const)('writes what info describes: %s', async (storage) => {
    const out = join(directory, `described-${storage}.safetensors`);
    await runCli(['convert', file, '--storage', storage, '--out', out]);
    const { model } = JSON.parse((await runCli(['info', out, '--json'])).stdout) as { model: Record<string, unknown> };
    const { parameters } = JSON.parse((await runCli(['info', file, '--json'])).stdout).model;
    expect(model).toMatchObject({ path: out, storage, classes: 12, features: 61, parameters, calibrated: false });
    expect((await runCli(['info', out])).stdout).toMatch(new RegExp(`^storage +${storage}, of the class matrix of 12 × 61$`, 'm'));
  });

  it('has info say what is wrong with a file whose tensors are not those of its layers', async () => {
    const broken = join(directory, 'described-broken.safetensors');
    const bytes = await readFile(file);
    const at = bytes.indexOf('.weight"');
    await writeFile(broken, Buffer.concat([bytes.subarray(0, at), Buffer.from('.wEight"'), bytes.subarray(at + 8)]));
    const { code, stderr } = await runCli(['info', broken]);
    expect(code).toBe(1);
    expect(stderr).toContain(broken);
  });

  it.each([
    [['convert', 'x', '--out', 'y'], /--storage/],
    [['convert', 'x', '--storage', 'int8'], /--out/],
    [['convert', 'x', '--storage', 'int4', '--out', 'y'], /int4/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await runCli(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
