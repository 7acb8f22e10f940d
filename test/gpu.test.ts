/** `device: 'cuda'` against `device: 'cpu'`. Each group is a phase of scripts/test-gpu.mjs; without a GPU all are skipped, and say so. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  datasets,
  type FitOptions,
  layers,
  linearLoss,
  lossAndGradient,
  losses,
  lossNames,
  Model,
  optimizers,
  SingleLogitClassifier,
  zoo,
} from '../src/index.js';
import { dataDirectory, mnistDirectory } from './helpers/data.js';
import { distance, needsGpu, note } from './helpers/gpu.js';
import { lossValue } from './helpers/loss-values.js';
import { clouds, normal, uniform } from './helpers/problems.js';
import { packageUrl, runModule } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

beforeEach(needsGpu);

/** Rounding of sums in another order; products in float32 on both sides. */
const tolerance = 1e-4;

function layerProblem(m: number, d: number, k: number, seed: number) {
  const next = normal(seed);
  const label = uniform(seed + 1);
  return {
    hidden: Float32Array.from({ length: m * d }, next),
    weight: Float32Array.from({ length: k * d }, () => next() / Math.sqrt(d)),
    bias: Float32Array.from({ length: k }, next),
    labels: Int32Array.from({ length: m }, () => Math.floor(label() * k)),
    features: d,
    classes: k,
  };
}

const network = (device: 'cpu' | 'cuda') =>
  Model.sequential({
    inputShape: [16],
    layers: [layers.dense(24), layers.batchNorm(), layers.relu(), layers.dropout(0.1), layers.dense(5)],
    seed: 7,
    device,
  });

const training = (options: Partial<FitOptions> = {}): FitOptions => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
  batchSize: 32,
  steps: 30,
  seed: 3,
  ...options,
});

/** All in one: the gradient of a bias before batch normalisation is rounding alone, and so is what it comes to. */
const weights = (model: Model) => model.tensors.flatMap(({ name }) => [...model.tensor(name)]);

describe('gpu typescript', () => {
  it.each(lossNames)('lossAndGradient, %s', (name) => {
    let largest = 0;
    for (const [m, classes] of [
      [1, 2],
      [7, 33],
      [64, 1000],
      [33, 40_000],
    ] as const) {
      const next = normal(m + classes);
      const logits = Float32Array.from({ length: m * classes }, () => 3 * next());
      const labels = Int32Array.from({ length: m }, (_, i) => (i * 7919) % classes);
      const ours = lossAndGradient(losses.byName(name), logits, labels, { classes, device: 'cuda' });
      const expected = lossAndGradient(losses.byName(name), logits, labels, { classes, device: 'cpu' });
      expect(Math.abs(ours.value - expected.value)).toBeLessThanOrEqual(1e-5 * Math.abs(expected.value) + 1e-6);
      largest = Math.max(largest, distance(ours.gradient, expected.gradient));
    }
    note(`lossAndGradient ${name}`, largest);
    expect(largest).toBeLessThan(1e-5);
  });

  it.each(lossNames)('linearLoss, %s', (name) => {
    let largest = 0;
    for (const [m, d, k] of [
      [1, 3, 2],
      [9, 20, 501],
      [64, 100, 5000],
    ] as const) {
      const problem = layerProblem(m, d, k, m);
      const ours = linearLoss(losses.byName(name), { ...problem, device: 'cuda' });
      const expected = linearLoss(losses.byName(name), { ...problem, device: 'cpu' });
      expect(Math.abs(ours.value - expected.value)).toBeLessThanOrEqual(1e-5 * Math.abs(expected.value) + 1e-6);
      for (const gradient of ['gradHidden', 'gradWeight', 'gradBias'] as const)
        largest = Math.max(largest, distance(ours[gradient], expected[gradient]));
    }
    note(`linearLoss ${name}`, largest);
    expect(largest).toBeLessThan(tolerance);
  });

  it.each(lossNames)('fit, predict and evaluate, %s', async (name) => {
    using gpu = network('cuda');
    using cpu = network('cpu');
    const options = training({ loss: losses.byName(name) });
    const data = clouds({ length: 1000 });
    const result = await gpu.fit(data, options);
    const expected = await cpu.fit(data, options);
    expect(result).toMatchObject({ device: 'cuda', steps: 30 });
    expect(Math.abs(result.finalLoss - expected.finalLoss)).toBeLessThanOrEqual(1e-3 * Math.abs(expected.finalLoss) + 1e-5);
    const apart = distance(weights(gpu), weights(cpu));
    note(`fit ${name}`, apart);
    expect(apart).toBeLessThan(1e-3); // thirty steps amplify rounding
    const others = clouds({ length: 500, sample: 1 });
    expect(distance(await gpu.predict(others.inputs), await cpu.predict(others.inputs))).toBeLessThan(1e-3);
    const [measured, wanted] = [await gpu.evaluate(others), await cpu.evaluate(others)];
    expect(Math.abs(measured.accuracy - wanted.accuracy)).toBeLessThanOrEqual(0.01);
    expect(Math.abs(measured.misorderedPairs - wanted.misorderedPairs)).toBeLessThanOrEqual(0.01);
  });

  it('a classifier of a model on the CPU stays there, whatever is reloaded', async () => {
    using scratch = temporaryFile('model.safetensors');
    const slc = await SingleLogitClassifier.load(network('cpu'));
    const other = network('cpu');
    other.setTensor('4.bias', new Float32Array(5).fill(3));
    await other.save(scratch.name);
    await slc.reload(scratch.name);
    // One set of weights: those of this file on the CPU.
    const onCpu = await SingleLogitClassifier.load(scratch.name, { device: 'cpu' });
    expect(slc.generation).toBe(onCpu.generation);
    const example = Float32Array.from({ length: 16 }, uniform(5));
    expect(slc.score(example, 1)).toBe(onCpu.score(example, 1));
    expect((await SingleLogitClassifier.load(scratch.name)).generation).not.toBe(slc.generation);
  });

  // Exit handlers run last in, first out: those of the libraries for the GPU, opened after a first job on the CPU, must not run under another one.
  it('process.exit() during predict ends the process as it says', async () => {
    const source = `
      const { layers, Model } = await import('${packageUrl}');
      const network = (device) =>
        Model.sequential({ inputShape: [64], layers: [layers.dense(256), layers.relu(), layers.dense(5)], device });
      await network('cpu').predict(new Float32Array(64));
      const model = network('cuda');
      await model.predict(new Float32Array(64));
      model.predict(new Float32Array(64 * 500_000));
      setTimeout(() => process.exit(3), 100);`;
    for (let round = 0; round < 4; round++) {
      const { status, signal, stderr } = await runModule(source);
      expect({ status, signal, stderr }).toEqual({ status: 3, signal: null, stderr: '' });
    }
  });
});

describe('gpu gradients', () => {
  it.each(lossNames)('%s against finite differences in float64', (name) => {
    const loss = losses.byName(name);
    for (let seed = 1; seed <= 10; seed++) {
      const next = normal(seed);
      const [m, classes] = [1 + (seed % 5), 2 + (seed % 9)];
      const labels = Int32Array.from({ length: m }, (_, i) => (i * 5 + seed) % classes);
      const logits = Float32Array.from({ length: m * classes }, () => 2 * next());
      const { value, gradient } = lossAndGradient(loss, logits, labels, { classes, device: 'cuda' });
      expect(value).toBeCloseTo(lossValue(loss, [...logits], labels, classes), 5);
      const h = 1e-6;
      const numeric = Array.from(logits, (_, n) => {
        const at = (shift: number) =>
          lossValue(
            loss,
            Array.from(logits, (z, other) => (other === n ? z + shift : z)),
            labels,
            classes,
          );
        return (at(h) - at(-h)) / (2 * h);
      });
      for (const [n, expected] of numeric.entries()) expect(Math.abs(gradient[n]! - expected)).toBeLessThan(1e-5);
    }
  });
});

describe('gpu determinism', () => {
  it.each(lossNames)('%s: two trainings give the same bits', async (name) => {
    const results = [];
    for (let run = 0; run < 2; run++) {
      using model = network('cuda');
      await model.fit(clouds({ length: 2000 }), training({ loss: losses.byName(name), steps: 200 }));
      results.push(weights(model));
    }
    expect(results[1]).toEqual(results[0]);
  });
});

describe('gpu images', () => {
  const network = (device: 'cpu' | 'cuda', precision: 'float32' | 'tf32' | 'bfloat16' = 'float32') =>
    Model.sequential({
      inputShape: [32, 32, 3],
      layers: [
        layers.conv2d(16, { kernel: 5, stride: 2, padding: 'same' }),
        layers.batchNorm(),
        layers.relu(),
        layers.maxPool({ kernel: 3, stride: 2, padding: 'same' }),
        layers.localResponseNorm({ alpha: 0.1 }),
        layers.conv2d(16, { kernel: 3, padding: 'same', groups: 2 }),
        layers.relu(),
        layers.avgPool({ kernel: 3, stride: 2, padding: 1, countPadding: false }),
        layers.conv2d(24, { kernel: 1 }),
        layers.batchNorm(),
        layers.relu(),
        layers.zeroPadding(1),
        layers.conv2d(24, { kernel: 3, stride: 2 }),
        layers.globalAvgPool(),
        layers.dense(10),
      ],
      seed: 7,
      device,
      precision,
    });
  const options = training({ optimizer: optimizers.sgd({ learningRate: 0.01, momentum: 0.9 }), steps: 10 });

  it('CIFAR-10: fit, predict and evaluate', { timeout: 120_000 }, async (context) => {
    const data = await datasets.load(dataDirectory('cifar10-first4000', context));
    using gpu = network('cuda');
    using cpu = network('cpu');
    const result = await gpu.fit(data, options);
    const expected = await cpu.fit(data, options);
    expect(result).toMatchObject({ device: 'cuda', steps: 10 });
    expect(Math.abs(result.finalLoss - expected.finalLoss)).toBeLessThanOrEqual(1e-3 * Math.abs(expected.finalLoss));
    const apart = distance(weights(gpu), weights(cpu));
    note('images', apart);
    expect(apart).toBeLessThan(1e-3); // ten steps amplify rounding
    const others = { ...data, inputs: data.inputs.subarray(0, 300 * 3072), labels: data.labels.subarray(0, 300), length: 300 };
    expect(distance(await gpu.predict(others.inputs), await cpu.predict(others.inputs))).toBeLessThan(1e-3);
    const [measured, wanted] = [await gpu.evaluate(others), await cpu.evaluate(others)];
    expect(Math.abs(measured.accuracy - wanted.accuracy)).toBeLessThanOrEqual(0.02);
    for (const precision of ['tf32', 'bfloat16'] as const) {
      using rounded = network('cuda', precision);
      await rounded.fit(data, options);
      const rounding = distance(weights(rounded), weights(cpu));
      note(`images ${precision}`, rounding);
      expect(rounding).toBeLessThan(0.05);
    }
  });

  it('CIFAR-10: two trainings give the same bits', { timeout: 120_000 }, async (context) => {
    const data = await datasets.load(dataDirectory('cifar10-first4000', context));
    const results = [];
    for (let run = 0; run < 2; run++) {
      using model = network('cuda');
      await model.fit(data, { ...options, steps: 30 });
      results.push(weights(model));
    }
    expect(results[1]).toEqual(results[0]);
  });
});

describe('gpu memory', () => {
  it('more than there is: ERR_ONELOGIT_OUT_OF_MEMORY, and the process goes on', async () => {
    // Activations of a million examples of 65,536 units: 262 GB.
    const length = 1_000_000;
    using wide = Model.sequential({ inputShape: [1], layers: [layers.dense(65_536), layers.dense(2)], seed: 1, device: 'cuda' });
    const data = {
      inputs: new Float32Array(length).fill(0.5),
      labels: Int32Array.from({ length }, (_, i) => i % 2),
      inputShape: [1],
      classes: 2,
      length,
    };
    const large = wide.fit(data, training({ batchSize: length, steps: 1 }));
    await expect(large).rejects.toMatchObject({ code: 'ERR_ONELOGIT_OUT_OF_MEMORY' });
    const { steps } = await wide.fit(data, training({ batchSize: 32, steps: 3, optimizer: optimizers.sgd({ learningRate: 1e-4 }) }));
    expect(steps).toBe(3);
  });
});

describe('gpu train', () => {
  beforeEach((context) => {
    context.skip(process.env.ONELOGIT_CUDA_HOST === '1', 'the stand-in for a GPU is too slow');
  });
  const seeds = [1, 2, 3];
  const measures = ['accuracy', 'oneMinusAuprc', 'misorderedPairs'] as const;

  it.for(['batch-cross-entropy', 'cross-entropy'] as const)('MNIST with %s, ten epochs', { timeout: 550_000 }, async (name, context) => {
    const directory = mnistDirectory(context);
    const train = await datasets.load(directory, { split: 'train' });
    const test = await datasets.load(directory, { split: 'test' });
    const measure = async (device: 'cpu' | 'cuda', seed: number) => {
      using model = zoo.mlp({ classes: 10, seed, device });
      const { seconds } = await model.fit(train, {
        loss: losses.byName(name),
        optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0, weightDecay: 1e-4 }),
        epochs: 10,
        batchSize: 128,
        seed,
      });
      const { accuracy, oneMinusAuprc, misorderedPairs } = await model.evaluate(test);
      return { accuracy, oneMinusAuprc: oneMinusAuprc!, misorderedPairs, seconds };
    };
    const gpu = await measure('cuda', seeds[0]!);
    const cpu = [];
    for (const seed of seeds) cpu.push(await measure('cpu', seed));
    note(`train ${name}`, { gpu, cpu });
    for (const each of measures) {
      const values = cpu.map((result) => result[each]);
      const [least, most] = [Math.min(...values), Math.max(...values)];
      // Three trainings do not show the whole range: as much again on either side, and a thousandth.
      const slack = most - least + 0.001;
      expect(gpu[each], each).toBeGreaterThanOrEqual(least - slack);
      expect(gpu[each], each).toBeLessThanOrEqual(most + slack);
    }
  });
});
