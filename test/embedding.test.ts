import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type InMemoryDataset,
  layers,
  losses,
  Model,
  type Optimizer,
  optimizers,
  SingleLogitClassifier,
  type StreamedDataset,
} from '../src/index.js';

const vocabulary = 40;
const features = 6;
const classes = 12;
const length = 300;

/** Integers, some frequent and some never, and a label that follows from them. */
const ids = Int32Array.from({ length }, (_, i) => (i % 3 === 0 ? i % 5 : (i * i) % 31));
const labels = ids.map((id) => (id * 5) % classes);
const integers: InMemoryDataset = { inputs: ids, labels, inputShape: [1], classes, length };
/** The same as one of `vocabulary` numbers that is 1: a dense layer without bias looks up its column. */
const oneHot: InMemoryDataset = {
  inputs: Float32Array.from({ length: length * vocabulary }, (_, at) => (ids[Math.floor(at / vocabulary)] === at % vocabulary ? 1 : 0)),
  labels,
  inputShape: [vocabulary],
  classes,
  length,
};

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)]!);
}

describe('layers.embedding', () => {
  const decaying: [string, Optimizer][] = [
    ['plain sgd', optimizers.sgd({ learningRate: 0.5 })],
    ['sgd with momentum and decay', optimizers.sgd({ learningRate: 0.2, momentum: 0.9, weightDecay: 0.01 })],
    ['clipped sgd', optimizers.sgd({ learningRate: 0.2, momentum: 0.5, nesterov: true, weightDecay: 0.02, clipNorm: 0.3 })],
  ];
  it.each(decaying)('trains as a dense layer on one-hot inputs does: %s', async (_, optimizer) => {
    const rest = [layers.dense(10), layers.relu(), layers.dense(classes)];
    const embedded = Model.sequential({ inputShape: [1], layers: [layers.embedding(vocabulary, features), ...rest], seed: 4 });
    const dense = Model.sequential({ inputShape: [vocabulary], layers: [layers.dense(features, { bias: false }), ...rest], seed: 4 });
    for (const { name } of embedded.tensors)
      dense.setTensor(name, name === '0.weight' ? transposed(embedded.tensor(name), vocabulary, features) : embedded.tensor(name));
    const options = { loss: losses.batchCrossEntropy(), optimizer, steps: 60, batchSize: 16, seed: 2, biasInit: 'zeros' as const };
    await embedded.fit(integers, { ...options, memory: 'store' });
    await dense.fit(oneHot, options);
    const expected = transposed(dense.tensor('0.weight'), features, vocabulary);
    const table = embedded.tensor('0.weight');
    for (let at = 0; at < table.length; at++) expect(Math.abs(table[at]! - expected[at]!)).toBeLessThan(2e-4);
  });

  it.each([
    ['adam', optimizers.adam({ learningRate: 0.01 })],
    ['adamW', optimizers.adamW({ learningRate: 0.01 })],
  ])('%s leaves rows alone that no example names, but for decay', async (name, optimizer) => {
    const model = Model.sequential({ inputShape: [1], layers: [layers.embedding(vocabulary, features), layers.dense(classes)] });
    const before = model.tensor('0.weight');
    const { finalAccuracy } = await model.fit(integers, {
      loss: losses.crossEntropy(),
      optimizer,
      steps: 400,
      batchSize: 32,
    });
    expect(finalAccuracy).toBeGreaterThan(0.9);
    const after = model.tensor('0.weight');
    const used = new Set(ids);
    for (let row = 0; row < vocabulary; row++) {
      const moved = after[row * features]! / before[row * features]! - 1;
      if (used.has(row)) expect(Math.abs(moved)).toBeGreaterThan(1e-3);
      else if (name === 'adam') expect(moved).toBe(0);
      // adamW's default decay is 0.01: (1 − 0.01 · 0.01)^400.
      else expect(moved).toBeCloseTo((1 - 1e-4) ** 400 - 1, 4);
    }
  });

  it('resumes from a checkpoint bit for bit, is saved, loaded and scored', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-embedding-'));
    try {
      const build = () =>
        Model.sequential({ inputShape: [1], layers: [layers.embedding(vocabulary, features), layers.flatten(), layers.dense(classes)] });
      const path = join(directory, 'checkpoint.safetensors');
      const options = {
        loss: losses.crossEntropy(),
        optimizer: optimizers.sgd({ learningRate: 0.3, momentum: 0.9, weightDecay: 1e-3 }),
        batchSize: 16,
        checkpoint: { path, everySteps: 20 },
      };
      const whole = build();
      await whole.fit(integers, { ...options, steps: 40 });
      await build().fit(integers, { ...options, steps: 20 });
      const resumed = build();
      await resumed.fit(integers, { ...options, steps: 40, resumeFrom: path });
      expect(resumed.tensor('0.weight')).toEqual(whole.tensor('0.weight'));
      await whole.save(path);
      const loaded = await Model.load(path);
      const some = ids.slice(0, 9);
      const logits = await loaded.predict(some);
      expect(logits).toEqual(await whole.predict(some));
      const classifier = await SingleLogitClassifier.load(path);
      expect(classifier.input).toBeInstanceOf(Int32Array);
      classifier.input[0] = some[3]!;
      for (let c = 0; c < classes; c++) {
        expect(classifier.score(some.subarray(3, 4), c)).toBeCloseTo(logits[3 * classes + c]!, 5);
        expect(classifier.scoreBound(c)).toBeCloseTo(logits[3 * classes + c]!, 5);
      }
      const outside = expect.objectContaining({ name: 'RangeError', code: 'ERR_ONELOGIT_INDEX_RANGE' });
      expect(() => classifier.score(Int32Array.of(vocabulary), 0)).toThrow(outside);
      expect(() => classifier.score(Int32Array.of(-1), 0)).toThrow(outside);
      classifier.input[0] = 2 ** 31 - 1;
      expect(() => classifier.scoreBound(0)).toThrow(outside);
      expect(() => classifier.score(new Float32Array(1), 0)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_ONELOGIT_ARGUMENT' }),
      );
      expect(() => classifier.scoreBatch(Int32Array.of(1, 2, -3), 0)).toThrow(outside);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('refuses what is no row of it, wherever it comes from', async () => {
    const model = Model.sequential({ inputShape: [2], layers: [layers.embedding(5, 3), layers.dense(2)] });
    const outside = { name: 'RangeError', code: 'ERR_ONELOGIT_INDEX_RANGE' };
    const options = { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 3, batchSize: 2 };
    const bad: InMemoryDataset = { inputs: Int32Array.of(0, 1, 2, 5), labels: Int32Array.of(0, 1), inputShape: [2], classes: 2, length: 2 };
    await expect(model.predict(Int32Array.of(0, 5))).rejects.toMatchObject(outside);
    await expect(model.fit(bad, options)).rejects.toMatchObject(outside);
    await expect(model.evaluate(bad)).rejects.toMatchObject(outside);
    await expect(
      model.fit(
        {
          inputShape: [2],
          classes: 2,
          length: 2,
          read: async (at) => ({ inputs: new Int32Array(at.length * 2).fill(-1), labels: at.map(() => 0) }),
        },
        options,
      ),
    ).rejects.toMatchObject(outside);
    await expect(model.fit({ ...bad, inputs: new Float32Array(4) }, options)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(model.predict(new Uint8Array(2))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    expect(model.trained).toBe(false);
  });

  it('names the example with an integer that is no row, not its place in a batch', async () => {
    const model = Model.sequential({ inputShape: [1], layers: [layers.embedding(5, 3), layers.dense(2)] });
    const length = 3000;
    const bad = 2700;
    const inputs = new Int32Array(length);
    inputs[bad] = 9;
    const memory: InMemoryDataset = { inputs, labels: new Int32Array(length), inputShape: [1], classes: 2, length };
    const streamed: StreamedDataset = {
      inputShape: [1],
      classes: 2,
      length,
      read: async (indices) => ({ inputs: indices.map((i) => inputs[i]!), labels: indices.map(() => 0) }),
    };
    const good: InMemoryDataset = { inputs: new Int32Array(4), labels: new Int32Array(4), inputShape: [1], classes: 2, length: 4 };
    const options = { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), batchSize: 64 };
    const path = join(await mkdtemp(join(tmpdir(), 'onelogit-embedding-')), 'model.safetensors');
    await model.save(path);
    const classifier = await SingleLogitClassifier.load(path);
    await rm(dirname(path), { recursive: true });
    const calls: Record<string, () => unknown> = {
      predict: () => model.predict(inputs),
      fit: () => model.fit(memory, { ...options, epochs: 1 }),
      'fit, streamed': () => model.fit(streamed, { ...options, epochs: 1 }),
      validation: () => model.fit(good, { ...options, steps: 1, validation: streamed }),
      evaluate: () => model.evaluate(memory),
      'evaluate, streamed': () => model.evaluate(streamed),
      scoreBatch: () => classifier.scoreBatch(inputs, 0),
      calibrate: () => classifier.calibrate(streamed, { recall: 0.9 }),
    };
    for (const [name, call] of Object.entries(calls))
      await expect(
        (async () => call())().catch((error: Error) => `${name}: ${error.message}`),
        name,
      ).resolves.toMatch(new RegExp(`: Expected integers from 0 to 4 .* but received 9 in example ${bad}$`));
  });

  it('stands first, and takes no preprocessing', () => {
    const code = (build: () => unknown, expected: string) => expect(build).toThrow(expect.objectContaining({ code: expected }));
    code(
      () => Model.sequential({ inputShape: [2], layers: [layers.relu(), layers.embedding(5, 3), layers.dense(2)] }),
      'ERR_ONELOGIT_LAYER',
    );
    code(
      () => Model.sequential({ inputShape: [2], layers: [layers.embedding(5, 3), layers.dense(2)], preprocessing: { scale: 2 } }),
      'ERR_ONELOGIT_OPTION',
    );
    code(() => layers.embedding(0, 3), 'ERR_ONELOGIT_RANGE');
    code(() => layers.embedding(3, 1.5), 'ERR_ONELOGIT_RANGE');
  });
});
