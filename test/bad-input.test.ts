// What a caller can get wrong about data and options gives the documented error, names what was wrong, and leaves the model as it was.
// (hostile.test.ts attacks every argument with values that are wrong everywhere.)
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FitOptions, type Layer, type LossName, layers, losses, lossNames, Model, optimizers, schedules, zoo } from '../src/index.js';
import { detached } from './helpers/hostile.js';
import { clouds, streamed, uniform } from './helpers/problems.js';

// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const anything = (value: unknown): any => value;

const network = () => Model.sequential({ inputShape: [16], layers: [layers.dense(8), layers.batchNorm(), layers.relu(), layers.dense(5)] });
const usual = (options: object = {}): FitOptions => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.1 }),
  steps: 3,
  batchSize: 8,
  ...options,
});

type Case = [what: string, given: () => unknown, name: string, code: string, message: RegExp];
const dataset = (change: object) => () => ({ ...clouds({ length: 40 }), ...change });
const labels = (...values: number[]) => Int32Array.of(...values, ...new Int32Array(40 - values.length));

const datasets: Case[] = [
  ['no dataset', () => undefined, 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /^Expected a dataset .* for dataset but received undefined$/],
  ['an array', () => [1, 2], 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /for dataset but received an array of length 2$/],
  ['a typed array', () => new Float32Array(4), 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /received a Float32Array of length 4$/],
  [
    'no inputs',
    dataset({ inputs: undefined }),
    'TypeError',
    'ERR_ONELOGIT_ARGUMENT',
    /Float32Array or a Uint8Array for inputs of dataset but/,
  ],
  [
    'inputs of float64',
    dataset({ inputs: new Float64Array(640) }),
    'TypeError',
    'ERR_ONELOGIT_ARGUMENT',
    /received a Float64Array of length 640$/,
  ],
  [
    'integers without an embedding',
    dataset({ inputs: new Int32Array(640) }),
    'TypeError',
    'ERR_ONELOGIT_ARGUMENT',
    /received an Int32Array of length 640$/,
  ],
  ['inputs in nested arrays', dataset({ inputs: [[1], [2]] }), 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /received an array of length 2$/],
  [
    'too few inputs',
    dataset({ inputs: new Float32Array(639) }),
    'RangeError',
    'ERR_ONELOGIT_LENGTH',
    /^Expected 40 × 16 elements for inputs of dataset but received a Float32Array of length 639$/,
  ],
  ['too many inputs', dataset({ inputs: new Uint8Array(641) }), 'RangeError', 'ERR_ONELOGIT_LENGTH', /40 × 16 elements/],
  [
    'detached inputs',
    dataset({ inputs: detached(new Float32Array(640)) }),
    'RangeError',
    'ERR_ONELOGIT_LENGTH',
    /received an empty or detached Float32Array$/,
  ],
  [
    'labels in an array',
    dataset({ labels: Array(40).fill(0) }),
    'TypeError',
    'ERR_ONELOGIT_ARGUMENT',
    /Int32Array for labels of dataset but received an array of length 40$/,
  ],
  ['labels of bytes', dataset({ labels: new Uint8Array(40) }), 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /Int32Array for labels of dataset/],
  [
    'too few labels',
    dataset({ labels: new Int32Array(39) }),
    'RangeError',
    'ERR_ONELOGIT_LENGTH',
    /^Expected 40 integers for labels of dataset but received/,
  ],
  ['detached labels', dataset({ labels: detached(new Int32Array(40)) }), 'RangeError', 'ERR_ONELOGIT_LENGTH', /detached Int32Array$/],
  [
    'a label that is no class',
    dataset({ labels: labels(0, 4, 5) }),
    'RangeError',
    'ERR_ONELOGIT_LABEL_RANGE',
    /^Expected classes from 0 to 4 for labels of dataset but received 5 at index 2$/,
  ],
  ['a negative label', dataset({ labels: labels(-1) }), 'RangeError', 'ERR_ONELOGIT_LABEL_RANGE', /received -1 at index 0$/],
  [
    'a label above the dataset’s own classes',
    dataset({ classes: 3, labels: labels(3) }),
    'RangeError',
    'ERR_ONELOGIT_LABEL_RANGE',
    /from 0 to 2 .* received 3/,
  ],
  ['more classes than the model', dataset({ classes: 6 }), 'RangeError', 'ERR_ONELOGIT_CLASSES', /at most 5 classes .* received 6$/],
  ['no classes', dataset({ classes: 0 }), 'RangeError', 'ERR_ONELOGIT_RANGE', /classes of dataset but received 0$/],
  [
    'no examples',
    dataset({ length: 0, inputs: new Float32Array(0), labels: new Int32Array(0) }),
    'RangeError',
    'ERR_ONELOGIT_RANGE',
    /length of dataset but received 0$/,
  ],
  ['half an example', dataset({ length: 2.5 }), 'RangeError', 'ERR_ONELOGIT_RANGE', /length of dataset but received 2.5$/],
  [
    'another shape',
    dataset({ inputShape: [8, 3] }),
    'RangeError',
    'ERR_ONELOGIT_SHAPE',
    /^Expected examples of shape \[16\] for dataset but received \[8, 3\]$/,
  ],
  ['a shape that is none', dataset({ inputShape: '4x4' }), 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /inputShape of dataset/],
  ['too few names', dataset({ classNames: ['a'] }), 'RangeError', 'ERR_ONELOGIT_LENGTH', /^Expected 5 strings for classNames of dataset/],
  [
    'names that are numbers',
    dataset({ classNames: [1, 2, 3, 4, 5] }),
    'TypeError',
    'ERR_ONELOGIT_ARGUMENT',
    /strings for classNames of dataset but received 1$/,
  ],
  [
    'a reader that is none',
    () => ({ ...streamed(clouds()), read: 'file' }),
    'TypeError',
    'ERR_ONELOGIT_ARGUMENT',
    /function for read of dataset/,
  ],
];

describe.each(datasets)('%s', (_, given, name, code, message) => {
  const error = expect.objectContaining({ name, code, message: expect.stringMatching(message) });

  test('is refused by fit, which leaves the model as it was', async () => {
    const model = network();
    await expect(model.fit(anything(given()), usual())).rejects.toEqual(error);
    expect(model).toMatchObject({ trained: false, preprocessing: null, loss: null, busy: false });
    await model.fit(clouds(), usual());
  });

  test('is refused by evaluate', async () => {
    await expect(network().evaluate(anything(given()))).rejects.toEqual(error);
  });

  test('is refused as validation', async () => {
    if (given() === undefined) return;
    const validation = expect.objectContaining({
      name,
      code,
      message: expect.stringMatching(
        new RegExp(message.source.replaceAll('dataset but', 'validation but').replace('of dataset', 'of validation')),
      ),
    });
    await expect(network().fit(clouds(), usual({ validation: given() }))).rejects.toEqual(validation);
  });
});

describe('fit refuses', () => {
  test.each<[string, object, string, RegExp]>([
    ['neither steps nor epochs', { steps: undefined }, 'ERR_ONELOGIT_ARGUMENT', /exactly one of steps and epochs .* received neither/],
    ['both steps and epochs', { epochs: 1 }, 'ERR_ONELOGIT_ARGUMENT', /received both/],
    ['no steps', { steps: 0 }, 'ERR_ONELOGIT_RANGE', /steps of model.fit but received 0/],
    ['endless epochs', { steps: undefined, epochs: Infinity }, 'ERR_ONELOGIT_RANGE', /epochs of model.fit but received Infinity/],
    ['more steps than can be counted', { steps: undefined, epochs: 1e300 }, 'ERR_ONELOGIT_RANGE', /steps of these epochs/],
    ['more examples than can be counted', { steps: 2 ** 53 - 1, batchSize: 2 ** 31 - 1 }, 'ERR_ONELOGIT_RANGE', /steps/],
    ['no batchSize', { batchSize: undefined }, 'ERR_ONELOGIT_ARGUMENT', /batchSize of model.fit/],
    ['a batchSize of 0', { batchSize: 0 }, 'ERR_ONELOGIT_RANGE', /batchSize of model.fit but received 0/],
    ['a batch too small for batch normalisation', { batchSize: 1 }, 'ERR_ONELOGIT_BATCH_SIZE', /batch/],
    ['no loss', { loss: undefined }, 'ERR_ONELOGIT_ARGUMENT', /loss made by losses/],
    ['a loss by its name', { loss: 'cross-entropy' }, 'ERR_ONELOGIT_ARGUMENT', /loss made by losses/],
    ['an unknown loss', { loss: { name: 'hinge' } }, 'ERR_ONELOGIT_UNKNOWN_LOSS', /hinge/],
    ['noise for other classes', { loss: losses.nce({ noise: new Float32Array(4).fill(1) }) }, 'ERR_ONELOGIT_LENGTH', /noise/],
    ['no optimizer', { optimizer: undefined }, 'ERR_ONELOGIT_ARGUMENT', /optimizer made by optimizers/],
    ['a schedule that is none', { schedule: 'cosine' }, 'ERR_ONELOGIT_ARGUMENT', /schedule made by schedules/],
    ['a share above 1', { validation: { fraction: 1.5 } }, 'ERR_ONELOGIT_RANGE', /fraction of validation of model.fit/],
    ['a misspelt share', { validation: { fraction: 0.1, sed: 3 } }, 'ERR_ONELOGIT_UNKNOWN_OPTION', /unknown option 'sed'/],
    ['a misspelt option', { batchsize: 3 }, 'ERR_ONELOGIT_UNKNOWN_OPTION', /unknown option 'batchsize'/],
    ['an option of a later version', { distil: {} }, 'ERR_ONELOGIT_UNKNOWN_OPTION', /unknown option 'distil'/],
    ['validation every 0 steps', { validateEverySteps: 0 }, 'ERR_ONELOGIT_RANGE', /validateEverySteps/],
    ['validation now and then of nothing', { validateEverySteps: 5 }, 'ERR_ONELOGIT_ARGUMENT', /validation with validateEverySteps/],
    ['a checkpoint without a path', { checkpoint: { everySteps: 3 } }, 'ERR_ONELOGIT_ARGUMENT', /path of checkpoint/],
    ['a checkpoint that cannot be written', { checkpoint: { path: '/nowhere/checkpoint' } }, 'ERR_ONELOGIT_FILE', /\/nowhere\/checkpoint/],
    ['a checkpoint that is not there', { resumeFrom: '/nowhere/checkpoint' }, 'ERR_ONELOGIT_FILE', /\/nowhere\/checkpoint/],
    ['an unknown biasInit', { biasInit: 'ones' }, 'ERR_ONELOGIT_ARGUMENT', /'prior' or 'zeros' for biasInit/],
    ['a signal that is none', { signal: new EventTarget() }, 'ERR_ONELOGIT_ARGUMENT', /AbortSignal for signal of model.fit/],
    ['progress that is none', { onProgress: true }, 'ERR_ONELOGIT_ARGUMENT', /function for onProgress/],
  ])('%s', async (_, options, code, message) => {
    const model = network();
    await expect(model.fit(clouds({ length: 40 }), usual(options))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(model.busy).toBe(false);
  });

  test('margin losses with one class', async () => {
    const one = { inputs: new Float32Array(8), labels: new Int32Array(8), inputShape: [1], classes: 1, length: 8 };
    const model = Model.sequential({ inputShape: [1], layers: [layers.dense(1)] });
    for (const loss of [losses.maxMargin(), losses.batchMaxMargin()])
      await expect(model.fit(one, usual({ loss }))).rejects.toMatchObject({ name: 'RangeError', code: 'ERR_ONELOGIT_RANGE' });
    expect(model).toMatchObject({ trained: false, preprocessing: null });
    await model.fit(one, usual({ loss: losses.binaryCrossEntropy() }));
  });

  test('a split of a single example', async () => {
    const single = { inputs: new Float32Array(16), labels: new Int32Array(1), inputShape: [16], classes: 5, length: 1 };
    await expect(network().fit(single, usual({ validation: { fraction: 0.5 } }))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RANGE' });
  });

  // AddressSanitizer's allocator ends the process instead of refusing.
  test.skipIf(process.env.ONELOGIT_SANITIZED)('a batch larger than memory, without dying', async () => {
    await expect(network().fit(clouds(), usual({ batchSize: 2 ** 31 - 1, steps: 1 }))).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_OUT_OF_MEMORY',
    });
  });
});

describe('predict and embed refuse', () => {
  test.each<[string, unknown, string, string, RegExp]>([
    ['an example and a half', new Float32Array(24), 'RangeError', 'ERR_ONELOGIT_LENGTH', /multiple of 16 elements .* received 24$/],
    ['plain arrays', Array(16).fill(0), 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /Float32Array or a Uint8Array/],
    ['float64', new Float64Array(16), 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /received a Float64Array/],
    ['nothing', undefined, 'TypeError', 'ERR_ONELOGIT_ARGUMENT', /received undefined$/],
  ])('%s', async (_, inputs, name, code, message) => {
    const model = network();
    const error = expect.objectContaining({ name, code, message: expect.stringMatching(message) });
    await expect(model.predict(anything(inputs))).rejects.toEqual(error);
    await expect(model.embed(anything(inputs))).rejects.toEqual(error);
  });

  test('nothing when arrays are overwritten or detached after the call: the inputs were copied', async () => {
    const model = network();
    const { inputs } = clouds();
    const expected = await model.predict(inputs);
    const given = inputs.slice();
    const predicting = model.predict(given);
    given.fill(Number.NaN);
    detached(given);
    expect(await predicting).toEqual(expected);
  });
});

test('evaluate refuses unknown options and scores', async () => {
  await expect(network().evaluate(clouds(), anything({ score: 'softmax' }))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
  await expect(network().evaluate(clouds(), anything({ scores: 'sigmoid' }))).rejects.toMatchObject({
    code: 'ERR_ONELOGIT_ARGUMENT',
    message: expect.stringContaining("'single-logit' or 'softmax' for scores of model.evaluate"),
  });
});

describe('what looks odd and is right', () => {
  test('a dataset with fewer classes than the model, and one whose classes do not all occur', async () => {
    const model = network();
    await model.fit({ ...clouds({ classes: 3 }) }, usual({ steps: 20 }));
    const result = await model.evaluate(clouds({ classes: 3 }));
    expect(result).toMatchObject({ classes: 5, classesWithoutPositives: 2 });
    expect(result.perClass[4]).toEqual({ class: 4, positives: 0, averagePrecision: null, precisionAt90: null, precisionAt99: null });
  });

  test('shapes that differ in axes of 1, or are flattened', async () => {
    const model = zoo.mlp({ classes: 5, inputShape: [4, 4, 1], hidden: [6] });
    for (const inputShape of [[4, 4], [16], [1, 4, 4, 1]]) await model.fit({ ...clouds(), inputShape }, usual());
    await expect(model.fit({ ...clouds(), inputShape: [2, 8] }, usual())).rejects.toMatchObject({ code: 'ERR_ONELOGIT_SHAPE' });
  });

  test('more properties than a dataset needs, and properties behind getters', async () => {
    class Loaded {
      readonly extra = 'anything';
      get inputs() {
        return clouds().inputs;
      }
      get labels() {
        return clouds().labels;
      }
      readonly inputShape = [16];
      readonly classes = 5;
      readonly length = 500;
    }
    await network().fit(new Loaded(), usual());
  });
});

test('any network, loss, optimizer and batch trains, evaluates, saves and predicts, from memory and from a reader alike', async () => {
  const layer = fc.oneof(
    fc.record({ units: fc.integer({ min: 1, max: 40 }), bias: fc.boolean() }).map(({ units, bias }) => layers.dense(units, { bias })),
    fc.constant(layers.batchNorm()),
    fc.constant(layers.relu()),
    fc.constant(layers.softmax()),
    fc.constant(layers.flatten()),
    fc.double({ min: 0, max: 0.9, noNaN: true }).map((rate) => layers.dropout(rate)),
  );
  const optimizer = fc.constantFrom(
    optimizers.sgd({ learningRate: 0.01 }),
    optimizers.sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0.01, clipNorm: 1 }),
    optimizers.adam(),
    optimizers.adamW({ clipNorm: 0.1 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        hidden: fc.array(layer as fc.Arbitrary<Layer>, { maxLength: 6 }),
        classes: fc.integer({ min: 2, max: 33 }),
        shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
        length: fc.integer({ min: 2, max: 50 }),
        batchSize: fc.integer({ min: 2, max: 70 }),
        steps: fc.integer({ min: 1, max: 4 }),
        loss: fc.constantFrom<LossName>(...lossNames),
        optimizer,
        seed: fc.maxSafeNat(),
        bytes: fc.boolean(),
        fraction: fc.option(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { nil: undefined }),
      }),
      async ({ hidden, classes, shape, length, batchSize, steps, loss, optimizer, seed, bytes, fraction }) => {
        const size = shape.reduce((product, axis) => product * axis, 1);
        const draw = uniform(seed);
        const data = {
          inputs: bytes
            ? Uint8Array.from({ length: length * size }, () => draw() * 256)
            : Float32Array.from({ length: length * size }, () => draw() - 0.5),
          labels: Int32Array.from({ length }, () => draw() * classes),
          inputShape: shape,
          classes,
          length,
        };
        const build = () => Model.sequential({ inputShape: shape, layers: [...hidden, layers.dense(classes)], seed });
        const options: FitOptions = {
          loss: losses.byName(loss),
          optimizer,
          schedule: schedules.warmup({ steps: 2 }, schedules.cosine()),
          steps,
          batchSize,
          ...(fraction === undefined ? {} : { validation: { fraction }, validateEverySteps: 2 }),
        };
        const [memory, reader] = [build(), build()];
        const { finalLoss } = await memory.fit(data, options);
        expect(Number.isFinite(finalLoss)).toBe(true);
        await reader.fit(streamed(data), options);
        for (const { name } of memory.tensors) expect(reader.tensor(name)).toEqual(memory.tensor(name));
        expect(await reader.evaluate(streamed(data))).toEqual(await memory.evaluate(data));
        expect(await reader.evaluate(data, { scores: 'softmax' })).toMatchObject({ examples: length, classes });
        expect(await reader.embed(data.inputs)).toHaveLength(length * memory.features);
        memory.dispose();
        reader.dispose();
      },
    ),
    { numRuns: 150 },
  );
});
