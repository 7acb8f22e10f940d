import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Augmentation,
  type Dataset,
  datasets,
  type FitOptions,
  type InMemoryDataset,
  layers,
  losses,
  Model,
  optimizers,
  schedules,
} from '../src/index.js';
import { runCli } from './helpers/run-cli.js';
import { temporaryFile } from './helpers/temporary.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

const digits = await datasets.glyphs({ classes: 4, examplesPerClass: 20, seed: 1, size: 12 });

/** The same examples behind a reader. */
function streamed({ inputs, labels, ...others }: InMemoryDataset): Dataset {
  const size = inputs.length / labels.length;
  return {
    ...others,
    async read(indices) {
      const parts = Array.from(indices, (i) => inputs.subarray(i * size, (i + 1) * size) as Uint8Array);
      return { inputs: Buffer.concat(parts), labels: indices.map((i) => labels[i]) };
    },
  };
}

const makeModel = (inputShape = digits.inputShape) =>
  Model.sequential({
    inputShape,
    layers: [layers.flatten(), layers.dense(16), layers.batchNorm(), layers.relu(), layers.dense(4)],
    seed: 3,
  });

async function fitted(model: Model, dataset: Dataset, options: Partial<FitOptions>) {
  await model.fit(dataset, {
    loss: losses.crossEntropy(),
    optimizer: optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
    schedule: schedules.cosine(),
    steps: 30,
    batchSize: 16,
    ...options,
  });
  return model;
}
const trained = async (dataset: Dataset, options: Partial<FitOptions>) =>
  (await fitted(makeModel(), dataset, options)).predict(digits.inputs);

const augment: Augmentation = { padding: 2, flip: true };

describe('fit with augment', () => {
  it('is the same in memory and streamed, and a function of the seed', async () => {
    const first = await trained(digits, { augment });
    expect(await trained(digits, { augment })).toEqual(first);
    expect(await trained(streamed(digits), { augment })).toEqual(first);
    const others = [
      {},
      { augment: { padding: 2 } },
      { augment: { flip: true } },
      { augment: { padding: 1, flip: true } },
      { augment, seed: 9 },
    ];
    for (const other of others) expect(await trained(digits, other)).not.toEqual(first);
    // float32 examples are changed alike.
    const numbers = { ...digits, inputs: Float32Array.from(digits.inputs, (byte) => Math.fround(byte / 255)) };
    const scaled = await (await fitted(makeModel(), numbers, { augment })).predict(numbers.inputs);
    scaled.forEach((value, i) => {
      expect(value).toBeCloseTo(first[i], 2);
    });
  });

  it('continues from a checkpoint bit for bit, and refuses one of other changes', async () => {
    using file = temporaryFile('run.safetensors');
    for (const dataset of [digits, streamed(digits)]) {
      const whole = await trained(dataset, { augment, schedule: schedules.constant() });
      const checkpoint = { path: file.name };
      await trained(dataset, { augment, schedule: schedules.constant(), steps: 11, checkpoint });
      const resume = { schedule: schedules.constant(), resumeFrom: file.name };
      expect(await trained(dataset, { ...resume, augment })).toEqual(whole);
      for (const other of [{}, { augment: { padding: 2 } }, { augment: { padding: 3, flip: true } }])
        await expect(trained(dataset, { ...resume, ...other })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_CHECKPOINT' });
    }
  });

  it('leaves validation examples as they are', async () => {
    const model = makeModel();
    const result = await model.fit(digits, {
      loss: losses.crossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 0.05 }),
      steps: 20,
      batchSize: 16,
      augment: { padding: 5, flip: true },
      validation: digits,
    });
    const evaluation = await model.evaluate(digits);
    expect(result.validation?.accuracy).toBe(evaluation.accuracy);
  });

  it.each<[string, unknown, string]>([
    ['nothing to do', {}, 'ERR_ONELOGIT_ARGUMENT'],
    ['no padding and no flip', { padding: 0, flip: false }, 'ERR_ONELOGIT_ARGUMENT'],
    ['null', null, 'ERR_ONELOGIT_ARGUMENT'],
    ['a string', 'flip', 'ERR_ONELOGIT_ARGUMENT'],
    ['an unknown change', { flip: true, rotate: 5 }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['padding as wide as the image', { padding: 12 }, 'ERR_ONELOGIT_RANGE'],
    ['negative padding', { padding: -1 }, 'ERR_ONELOGIT_RANGE'],
    ['half a pixel', { padding: 0.5 }, 'ERR_ONELOGIT_RANGE'],
    ['flip that is a number', { flip: 1 }, 'ERR_ONELOGIT_ARGUMENT'],
  ])('refuses %s', async (_, value, code) => {
    await expect(trained(digits, { augment: value as Augmentation })).rejects.toMatchObject({ code });
  });

  it.each([[[144]], [[12, 12]], [[12, 12, 1, 1]]])('refuses examples of shape %j', async (inputShape) => {
    const dataset = { ...digits, inputShape };
    await expect(fitted(makeModel(inputShape), dataset, { augment })).rejects.toThrow(
      `Expected examples of height × width × channels for augment of model.fit but received the shape [${inputShape.join(', ')}]`,
    );
  });

  it('refuses integers', async () => {
    const model = Model.sequential({
      inputShape: [2, 2, 1],
      layers: [layers.embedding(9, 2), layers.flatten(), layers.dense(2)],
    });
    const dataset = { inputs: new Int32Array(8), labels: Int32Array.of(0, 1), inputShape: [2, 2, 1], classes: 2, length: 2 };
    await expect(fitted(model, dataset, { augment: { flip: true } })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_SHAPE' });
  });
});

describe('onelogit train --augment', () => {
  it('trains and continues with it', async () => {
    using data = temporaryFile('data');
    await writeTinyIdx(data.name);
    const path = (name: string) => join(data.directory, name);
    const train = (...more: string[]) =>
      runCli(['train', data.name, '--hidden', '4', '--batch-size', '4', '--out', path('m.safetensors'), ...more]);
    const checkpoint = ['--checkpoint', path('c.safetensors'), '--steps', '5'];
    expect((await train('--augment', 'pad-crop=1,flip', ...checkpoint)).code).toBe(0);
    expect((await train('--augment', 'flip,pad-crop=1', '--steps', '7', '--resume', path('c.safetensors'))).code).toBe(0);
    const other = await train('--augment', 'flip', '--steps', '7', '--resume', path('c.safetensors'), '--json');
    expect(JSON.parse(other.stdout).error.code).toBe('ERR_ONELOGIT_CHECKPOINT');
  });

  it.each(['', 'pad-crop', 'pad-crop=0', 'pad-crop=x', 'pad-crop=1,pad-crop=2', 'flip,flip', 'flip=1', 'rotate', 'flip,'])(
    'refuses %j',
    async (text) => {
      const { code, stderr } = await runCli(['train', 'nowhere', `--augment=${text}`]);
      expect(code).toBe(2);
      expect(stderr).toContain('--augment');
    },
  );
});
