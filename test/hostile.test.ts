// What comes from outside may be anything. Every public function gets every hostile value in place of every argument and option; the
// answer is a result or a documented error, and the process goes on. Under `npm run test:sanitized` a read past a buffer fails too.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  datasets,
  exportOnnx,
  type Layer,
  layers,
  linearLoss,
  lossAndGradient,
  losses,
  Model,
  metrics,
  optimizers,
  SingleLogitClassifier,
  schedules,
  splitIndices,
  zoo,
} from '../src/index.js';
import { hostileValues, refusedOrDone } from './helpers/hostile.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

type Call = (...args: unknown[]) => unknown;
// The types forbid what these tests do.
const untyped = (call: unknown) => call as Call;

/** A function with valid arguments, made afresh for each call; options objects are also attacked name by name. */
interface Target {
  name: string;
  call: Call;
  valid: () => unknown[];
  /** Positions of objects that may have more in them than is looked at. */
  open?: number[];
}

const logits = () => Float32Array.of(1, 2, 3, 4, 5, 6);
const labels = () => Int32Array.of(0, 2);

const targets: Target[] = [
  {
    name: 'lossAndGradient',
    call: untyped(lossAndGradient),
    valid: () => [losses.batchCrossEntropy(), logits(), labels(), { classes: 3, device: 'cpu' }],
  },
  {
    name: 'linearLoss',
    call: untyped(linearLoss),
    valid: () => [
      losses.batchCrossEntropy(),
      {
        hidden: Float32Array.of(1, 2, 3, 4, 5, 6),
        weight: new Float32Array(12).fill(0.5),
        bias: new Float32Array(4),
        labels: labels(),
        features: 3,
        classes: 4,
        device: 'cpu',
        workspaceBytes: 1 << 20,
        out: { gradHidden: new Float32Array(6), gradWeight: new Float32Array(12), gradBias: new Float32Array(4) },
      },
    ],
  },
  {
    name: 'linearLoss of a bfloat16 weight',
    call: untyped(linearLoss),
    valid: () => [
      losses.crossEntropy(),
      { hidden: Float32Array.of(1, 2), weight: new Uint16Array(6).fill(0x3f80), labels: Int32Array.of(0, 2), features: 1, classes: 6 },
    ],
  },
  { name: 'metrics.averagePrecision', call: untyped(metrics.averagePrecision), valid: () => [logits(), Uint8Array.of(0, 1, 0, 1, 1, 0)] },
  {
    name: 'metrics.precisionAtRecall',
    call: untyped(metrics.precisionAtRecall),
    valid: () => [logits(), Uint8Array.of(0, 1, 0, 1, 1, 0), 0.9],
  },
  { name: 'metrics.separation', call: untyped(metrics.separation), valid: () => [logits(), labels(), 3] },
  { name: 'losses.crossEntropy', call: untyped(losses.crossEntropy), valid: () => [{ reduction: 'sum' }] },
  { name: 'losses.maxMargin', call: untyped(losses.maxMargin), valid: () => [{ margin: 1 }] },
  { name: 'losses.selfNormalization', call: untyped(losses.selfNormalization), valid: () => [{ alpha: 0.1 }] },
  {
    name: 'losses.nce',
    call: untyped(losses.nce),
    valid: () => [{ numSampled: 2, noiseRatio: 1, noise: 'uniform', samples: 'shared', removeAccidentalHits: true, seed: 1 }],
  },
  { name: 'losses.byName', call: untyped(losses.byName), valid: () => ['batch-max-margin', { margin: 1 }] },
];

const directory = mkdtempSync(join(tmpdir(), 'onelogit-hostile-'));
const before = process.cwd();
// Some hostile strings are good relative paths.
beforeAll(async () => {
  process.chdir(directory);
  await writeTinyIdx(join(directory, 'idx'));
});
afterAll(() => {
  process.chdir(before);
  rmSync(directory, { recursive: true });
});

const dataset = () => ({
  inputs: Float32Array.from({ length: 18 }, (_, i) => i / 18),
  labels: Int32Array.of(0, 1, 2, 0, 1, 2),
  inputShape: [3],
  classes: 3,
  classNames: ['a', 'b', 'c'],
  length: 6,
});
const reader = () => {
  const { inputs, labels, ...rest } = dataset();
  return {
    ...rest,
    read: async (indices: Int32Array) => ({
      inputs:
        Float32Array.from(indices).length === 0
          ? inputs
          : new Float32Array([...indices].flatMap((i) => [...inputs.subarray(3 * i, 3 * i + 3)])),
      labels: Int32Array.from(indices, (i) => labels[i] as number),
    }),
  };
};
const network = () =>
  Model.sequential({ inputShape: [3], layers: [layers.dense(4), layers.relu(), layers.dense(3)], seed: 1, device: 'cpu' });
/** One model for all attacks: whatever was refused must not have changed that it works. */
const model = network();
const fitOptions = () => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.01, momentum: 0.9 }),
  schedule: schedules.constant(),
  steps: 2,
  batchSize: 4,
  validation: { fraction: 0.5, seed: 1 },
  validateEverySteps: 1,
  checkpoint: { path: join(directory, 'checkpoint.safetensors'), everySteps: 1 },
  biasInit: 'prior',
  seed: 1,
  log: join(directory, 'run.jsonl'),
  tensorboard: join(directory, 'events'),
  logEverySteps: 1,
  notes: { experiment: 'hostile' },
  onProgress: () => {},
  signal: AbortSignal.timeout(1000), // some values are valid numbers of steps
});

/** Its own weights: a file of this package is a state dict too, where no image is flattened. */
const stateDict = join(directory, 'state-dict.safetensors');
await model.save(stateDict);

targets.push(
  { name: 'layers.dense', call: untyped(layers.dense), valid: () => [4, { bias: true, initializer: 'he-normal', name: 'fc' }] },
  {
    name: 'layers.conv2d',
    call: untyped(layers.conv2d),
    valid: () => [4, { kernel: [3, 1], stride: 2, padding: [1, 0], groups: 2, bias: false, initializer: 'zeros', name: 'conv' }],
  },
  { name: 'layers.maxPool', call: untyped(layers.maxPool), valid: () => [{ kernel: 3, stride: [2, 1], padding: 'same' }] },
  { name: 'layers.avgPool', call: untyped(layers.avgPool), valid: () => [{ kernel: 3, padding: [0, 1, 0, 1], countPadding: false }] },
  { name: 'layers.zeroPadding', call: untyped(layers.zeroPadding), valid: () => [[1, 2]] },
  { name: 'layers.localResponseNorm', call: untyped(layers.localResponseNorm), valid: () => [{ size: 3, alpha: 1, beta: 0.5, k: 2 }] },
  { name: 'layers.batchNorm', call: untyped(layers.batchNorm), valid: () => [{ epsilon: 1e-5, momentum: 0.1, name: 'bn' }] },
  { name: 'layers.embedding', call: untyped(layers.embedding), valid: () => [9, 4, { name: 'words' }] },
  { name: 'layers.input', call: untyped(layers.input), valid: () => [[2, 3]] },
  { name: 'layers.add', call: untyped(layers.add), valid: () => Array(2).fill(layers.input([2])) },
  { name: 'layers.concat', call: untyped(layers.concat), valid: () => Array(2).fill(layers.input([2])) },
  {
    name: 'apply of a SymbolicTensor',
    call: (...list) => layers.input([2]).apply(...(list as Layer[])),
    valid: () => [layers.relu(), layers.dense(2)],
  },
  { name: 'layers.freeze', call: untyped(layers.freeze), valid: () => [[layers.dense(2), layers.relu()]] },
  { name: 'layers.dropout', call: untyped(layers.dropout), valid: () => [0.5] },
  {
    name: 'optimizers.sgd',
    call: untyped(optimizers.sgd),
    valid: () => [{ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.1, clipNorm: 1 }],
  },
  {
    name: 'optimizers.adamW',
    call: untyped(optimizers.adamW),
    valid: () => [{ learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 }],
  },
  { name: 'schedules.step', call: untyped(schedules.step), valid: () => [{ every: 10, factor: 0.5 }] },
  { name: 'schedules.cosine', call: untyped(schedules.cosine), valid: () => [{ steps: 10, minimum: 0.1 }] },
  { name: 'schedules.warmup', call: untyped(schedules.warmup), valid: () => [{ steps: 10 }, schedules.constant()] },
  { name: 'splitIndices', call: untyped(splitIndices), valid: () => [10, 0.5, 1] },
  {
    name: 'Model.sequential',
    call: untyped(Model.sequential),
    valid: () => [
      {
        inputShape: [3],
        layers: [layers.dense(2)],
        preprocessing: { scale: 1, mean: [1, 2, 3], standardDeviation: [1, 1, 1] },
        seed: 1,
        device: 'cpu',
      },
    ],
  },
  {
    name: 'Model.build',
    call: untyped(Model.build),
    valid: () => {
      const input = layers.input([3]);
      return [{ input, output: input.apply(layers.dense(2)), preprocessing: { scale: 2 }, seed: 1, device: 'cpu' }];
    },
  },
  { name: 'zoo.mlp', call: untyped(zoo.mlp), valid: () => [{ classes: 3, seed: 1, device: 'cpu' }] },
  {
    name: 'exportOnnx',
    call: untyped(exportOnnx),
    valid: () => [model, join(directory, 'model.onnx'), { part: 'model', singleLogit: false, embedding: false, externalData: false }],
  },
  { name: 'model.save', call: untyped(model.save.bind(model)), valid: () => [join(directory, 'model.safetensors')] },
  { name: 'Model.load', call: untyped(Model.load), valid: () => [join(directory, 'model.safetensors'), { device: 'cpu' }] },
  { name: 'model.loadStateDict', call: untyped(model.loadStateDict.bind(model)), valid: () => [stateDict, { head: false }] },
  { name: 'model.fit', call: untyped(model.fit.bind(model)), valid: () => [dataset(), fitOptions()], open: [0] },
  { name: 'model.fit from a reader', call: untyped(model.fit.bind(model)), valid: () => [reader(), fitOptions()], open: [0] },
  { name: 'model.predict', call: untyped(model.predict.bind(model)), valid: () => [dataset().inputs] },
  { name: 'model.embed', call: untyped(model.embed.bind(model)), valid: () => [dataset().inputs] },
  { name: 'model.evaluate', call: untyped(model.evaluate.bind(model)), valid: () => [dataset(), { scores: 'single-logit' }], open: [0] },
  { name: 'model.tensor', call: untyped(model.tensor.bind(model)), valid: () => ['0.weight'] },
  { name: 'model.setTensor', call: untyped(model.setTensor.bind(model)), valid: () => ['0.bias', new Float32Array(4)] },
);

const slc = await SingleLogitClassifier.load(network());
await slc.calibrate(dataset(), { recall: 0.5 });
const example = () => Float32Array.of(1, 2, 3);
const bound = slc.bind(example());
const of = (method: unknown) => (method as Call).bind(slc);
targets.push(
  {
    name: 'SingleLogitClassifier.load',
    call: untyped(SingleLogitClassifier.load),
    valid: () => [model, { storage: 'float32', memoryMap: false, device: 'cpu' }],
  },
  { name: 'slc.score', call: of(slc.score), valid: () => [example(), 1] },
  { name: 'slc.matches', call: of(slc.matches), valid: () => [example(), 1] },
  { name: 'slc.scoreBound', call: of(slc.scoreBound), valid: () => [1] },
  { name: 'slc.scoreMany', call: of(slc.scoreMany), valid: () => [example(), Int32Array.of(0, 2), new Float32Array(2)] },
  { name: 'slc.scoreMany of an array', call: of(slc.scoreMany), valid: () => [example(), [0, 2]] },
  { name: 'slc.scoreBatch', call: of(slc.scoreBatch), valid: () => [dataset().inputs, 1, new Float32Array(6)] },
  { name: 'slc.scoreBatchAsync', call: of(slc.scoreBatchAsync), valid: () => [dataset().inputs, 1, new Float32Array(6)] },
  { name: 'slc.bind', call: of(slc.bind), valid: () => [example()] },
  { name: 'slc.bindAsync', call: of(slc.bindAsync), valid: () => [example()] },
  { name: 'bound.score', call: untyped(bound.score.bind(bound)), valid: () => [1] },
  { name: 'bound.matches', call: untyped(bound.matches.bind(bound)), valid: () => [1] },
  { name: 'bound.scoreMany', call: untyped(bound.scoreMany.bind(bound)), valid: () => [Int32Array.of(0, 2), new Float32Array(2)] },
  {
    name: 'slc.calibrate',
    call: of(slc.calibrate),
    valid: () => [dataset(), { precision: 0.5, signal: AbortSignal.timeout(1000) }],
    open: [0],
  },
  { name: 'datasets.glyphs', call: untyped(datasets.glyphs), valid: () => [{ classes: 3, examplesPerClass: 2, seed: 1 }] },
  { name: 'datasets.load', call: untyped(datasets.load), valid: () => [join(directory, 'idx'), { split: 'train' }] },
  { name: 'slc.save', call: of(slc.save), valid: () => [join(directory, 'classifier.safetensors')] },
);

const isOptions = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype && !Object.isFrozen(value);

describe.each(targets)('$name', ({ call, valid, open }) => {
  test('takes what is valid', async () => {
    await call(...valid());
  });

  test.each(hostileValues)('survives %s for any argument and any option', async (_, make) => {
    for (let position = 0; position < valid().length; position++) {
      const args = valid();
      const replaced = args[position];
      args[position] = make();
      await refusedOrDone(() => call(...args));
      if (!isOptions(replaced)) continue;
      for (const name of Object.keys(replaced)) {
        args[position] = { ...replaced, [name]: make() };
        await refusedOrDone(() => call(...args));
      }
      if (open?.includes(position)) continue;
      args[position] = { ...replaced, surprise: make() };
      await expect((async () => call(...args))()).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    }
  });

  test('survives arguments that are missing', async () => {
    for (let count = 0; count < valid().length; count++) await refusedOrDone(() => call(...valid().slice(0, count)));
  });

  test('survives options that change between reads', async () => {
    for (const [, make] of hostileValues) {
      const args = valid().map((value) => {
        if (!isOptions(value)) return value;
        const changing = {};
        for (const [name, first] of Object.entries(value)) {
          let reads = 0;
          Object.defineProperty(changing, name, { enumerable: true, get: () => (reads++ === 0 ? first : make()) });
        }
        return changing;
      });
      await refusedOrDone(() => call(...args));
    }
  });
});
