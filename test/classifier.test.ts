import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datasets, type InMemoryDataset, layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { readSafetensorsHeader, readSafetensorsTensor } from '../src/safetensors.js';

const scratch = mkdtempSync(join(tmpdir(), 'onelogit-classifier-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const file = (name: string) => join(scratch, `${name}.safetensors`);

/** A generator of numbers in [-1, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
}
function floats(length: number, seed: number, scale = 1): Float32Array {
  const next = generator(seed);
  return Float32Array.from({ length }, () => next() * scale);
}

const glyphs = () => datasets.glyphs({ classes: 10, examplesPerClass: 60, seed: 3 });

/** A small network that learned glyphs. */
async function trained(
  lossName: 'batch-cross-entropy' | 'cross-entropy' = 'batch-cross-entropy',
): Promise<{ model: Model; data: InMemoryDataset }> {
  const data = glyphs();
  const model = Model.sequential({
    inputShape: data.inputShape,
    layers: [layers.flatten(), layers.dense(48), layers.batchNorm(), layers.relu(), layers.dropout(0.1), layers.dense(data.classes)],
    seed: 1,
  });
  await model.fit(data, {
    loss: losses.byName(lossName),
    optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
    steps: 300,
    batchSize: 64,
    validation: { fraction: 0.2, seed: 1 },
  });
  return { model, data };
}

let model: Model;
let data: InMemoryDataset;
let slc: SingleLogitClassifier;
let logits: Float32Array;
let size: number;
const example = (i: number) => data.inputs.subarray(i * size, (i + 1) * size) as Uint8Array;

beforeAll(async () => {
  ({ model, data } = await trained());
  size = data.inputs.length / data.length;
  slc = await SingleLogitClassifier.load(model);
  logits = await model.predict(data.inputs);
});

/** Some examples of a dataset. */
function rowsOf({ inputs, labels, length }: InMemoryDataset, indices: number[]) {
  const row = inputs.length / length;
  const part = new Uint8Array(indices.length * row);
  for (const [i, index] of indices.entries()) part.set(inputs.subarray(index * row, (index + 1) * row), i * row);
  return { inputs: part, labels: Int32Array.from(indices, (index) => labels[index]!) };
}

/** Equal to rounding: another order of summation. */
function expectClose(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThan(1e-4 * (1 + Math.abs(expected)));
}

describe('scores', () => {
  it('are the columns of predict, whichever way they are asked for', async () => {
    const path = file('columns');
    await model.save(path);
    for (const classifier of [slc, await SingleLogitClassifier.load(path)]) {
      expect([classifier.classes, classifier.features]).toEqual([10, 48]);
      for (const i of [0, 1, 77, 599]) {
        const bound = classifier.bind(example(i));
        const boundAsync = await classifier.bindAsync(example(i));
        (classifier.input as Uint8Array).set(example(i));
        const ids = [9, 0, 3, 3];
        const many = classifier.scoreMany(example(i), ids);
        for (let c = 0; c < 10; c++) {
          const score = classifier.score(example(i), c);
          expectClose(score, logits[i * 10 + c]!);
          expect(classifier.score(Float32Array.from(example(i)), c)).toBe(score);
          expect(classifier.score(new Uint8ClampedArray(example(i)) as never, c)).toBe(score);
          expect(classifier.scoreBound(c)).toBe(score);
          expect(bound.score(c)).toBe(score);
          expect(boundAsync.score(c)).toBe(score);
        }
        expect([...many]).toEqual(ids.map((c) => bound.score(c)));
        expect(bound.scoreMany(Int32Array.from(ids))).toEqual(many);
      }
      const batch = classifier.scoreBatch(data.inputs, 4);
      expect(batch).toHaveLength(600);
      for (let i = 0; i < 600; i++) expectClose(batch[i]!, logits[i * 10 + 4]!);
      expect(await classifier.scoreBatchAsync(data.inputs, 4)).toEqual(batch);
    }
  });

  it('go into the array they are given', async () => {
    const out = new Float32Array(2);
    expect(slc.scoreMany(example(0), [1, 2], out)).toBe(out);
    expect(out[1]).toBe(slc.score(example(0), 2));
    expect(slc.bind(example(0)).scoreMany([2, 1], out)).toBe(out);
    expect(out[0]).toBe(slc.score(example(0), 2));
    expect(slc.scoreBatch(data.inputs.subarray(0, 2 * size), 5, out)).toBe(out);
    expectClose(out[1]!, slc.score(example(1), 5));
    out.fill(0);
    expect(await slc.scoreBatchAsync(data.inputs.subarray(0, 2 * size), 5, out)).toBe(out);
    expectClose(out[1]!, slc.score(example(1), 5));
    expect(slc.scoreMany(example(0), [])).toHaveLength(0);
    expect(slc.scoreBatch(new Uint8Array(), 0)).toHaveLength(0);
    expect(await slc.scoreBatchAsync(new Uint8Array(), 0)).toHaveLength(0);
  });

  it('follow the input at the moment of the question, not of binding', () => {
    const input = new Uint8Array(example(0));
    const bound = slc.bind(input);
    const before = bound.score(3);
    input.fill(7);
    expect(bound.score(3)).toBe(before);
    slc.input.fill(7);
    expect(slc.scoreBound(3)).toBe(slc.score(input, 3));
    expect(slc.input.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(slc.input).toBeInstanceOf(Uint8Array);
  });

  it('come from a snapshot: the model may train on', async () => {
    const own = await trained();
    const classifier = await SingleLogitClassifier.load(own.model);
    const before = classifier.score(example(5), 5);
    await own.model.fit(own.data, { loss: losses.maxMargin(), optimizer: optimizers.sgd({ learningRate: 0.5 }), steps: 5, batchSize: 32 });
    expect(classifier.score(example(5), 5)).toBe(before);
    own.model.dispose();
    expect(classifier.score(example(5), 5)).toBe(before);
  });

  it('need no layers before the last, and take shared and offset memory', async () => {
    const bare = Model.sequential({ inputShape: [33], layers: [layers.dense(5)], seed: 2 });
    const classifier = await SingleLogitClassifier.load(bare);
    expect(classifier.input).toBeInstanceOf(Float32Array);
    const weight = bare.tensor('0.weight');
    const values = floats(33, 4);
    const shared = new Float32Array(new SharedArrayBuffer(40 * 4), 12, 33);
    shared.set(values);
    for (let c = 0; c < 5; c++) {
      const expected = values.reduce((sum, x, j) => sum + x * weight[c * 33 + j]!, 0);
      expectClose(classifier.score(values, c), expected);
      expect(classifier.score(shared, c)).toBe(classifier.score(values, c));
      expect(classifier.score(floats(40, 4).subarray(0, 33), c)).toBe(classifier.score(values, c));
    }
  });

  it('of one class cost the same with 10 classes and with 100,000', async () => {
    const time = async (classes: number) => {
      const wide = Model.sequential({ inputShape: [256], layers: [layers.dense(classes)], seed: 1 });
      const classifier = await SingleLogitClassifier.load(wide);
      wide.dispose();
      const input = floats(256, 9);
      let best = Infinity;
      for (let round = 0; round < 15; round++) {
        const start = process.hrtime.bigint();
        for (let i = 0; i < 2000; i++) classifier.score(input, classes - 1);
        best = Math.min(best, Number(process.hrtime.bigint() - start) / 2000);
      }
      classifier.dispose();
      return best;
    };
    const few = await time(10);
    const many = await time(100_000);
    // All of them would take 10,000 times as long.
    expect(many).toBeLessThan(20 * few);
  });
});

describe('class names', () => {
  it('come from the training data, through files, and are null without', async () => {
    const named = Model.sequential({ inputShape: [2], layers: [layers.dense(3)] });
    const classNames = ['naïve', '', '猫 😀'];
    await named.fit(
      {
        inputs: floats(60, 1),
        labels: Int32Array.from({ length: 30 }, (_, i) => i % 3),
        inputShape: [2],
        classes: 3,
        classNames,
        length: 30,
      },
      { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 2, batchSize: 4 },
    );
    const fromModel = await SingleLogitClassifier.load(named);
    expect(fromModel.classNames).toEqual(classNames);
    await fromModel.save(file('names'));
    const fromFile = await SingleLogitClassifier.load(file('names'));
    expect(fromFile.classNames).toEqual(classNames);
    await fromFile.save(file('names-again'));
    expect((await Model.load(file('names-again'))).classNames).toEqual(classNames);
    expect((await SingleLogitClassifier.load(Model.sequential({ inputShape: [2], layers: [layers.dense(3)] }))).classNames).toBeNull();
  });
});

describe('calibrate', () => {
  const validation = (): InMemoryDataset => datasets.glyphs({ classes: 10, examplesPerClass: 60, seed: 3, split: 'test' });

  it('sets thresholds that reach the recall, and matches uses them', async () => {
    const classifier = await SingleLogitClassifier.load(model);
    expect(classifier.thresholds).toBeNull();
    expect(() => classifier.matches(example(0), 0)).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_NOT_CALIBRATED' }));
    const held = validation();
    const result = await classifier.calibrate(held, { recall: 0.9 });
    expect(result).toEqual({ classes: 10, classesMeetingTarget: 10, classesWithFallback: 0, classesWithoutPositives: 0 });
    const thresholds = classifier.thresholds!;
    const heldSize = held.inputs.length / held.length;
    for (let c = 0; c < 10; c++) {
      let hits = 0;
      let positives = 0;
      for (let i = 0; i < held.length; i++) {
        if (held.labels[i] !== c) continue;
        const input = held.inputs.subarray(i * heldSize, (i + 1) * heldSize);
        const matches = classifier.matches(input, c);
        expect(matches).toBe(classifier.score(input, c) >= thresholds[c]!);
        expect(classifier.bind(input).matches(c)).toBe(matches);
        positives++;
        if (matches) hits++;
      }
      // ⌈0.9 · 61⌉ = 55 of 60, and no more unless logits are equal.
      expect([positives, hits]).toEqual([60, 55]);
    }
  });

  it('keeps false matches down for a precision', async () => {
    const classifier = await SingleLogitClassifier.load(model);
    const held = validation();
    const result = await classifier.calibrate(held, { precision: 0.9 });
    expect(result.classesMeetingTarget).toBeGreaterThanOrEqual(8);
    let right = 0;
    let wrong = 0;
    for (let c = 0; c < 10; c++) {
      const scores = classifier.scoreBatch(held.inputs, c);
      const threshold = classifier.thresholds![c]!;
      scores.forEach((score, i) => {
        if (score >= threshold) held.labels[i] === c ? right++ : wrong++;
      });
    }
    expect(right / (right + wrong)).toBeGreaterThan(0.9);
    expect(right).toBeGreaterThan(200);
  });

  it('gives the same from a reader as from memory', async () => {
    const held = validation();
    const inMemory = await SingleLogitClassifier.load(model);
    await inMemory.calibrate(held, { recall: 0.8 });
    const streamed = await SingleLogitClassifier.load(model);
    await streamed.calibrate(
      {
        inputShape: held.inputShape,
        classes: 10,
        length: held.length,
        read: async (indices) => {
          return rowsOf(held, [...indices]);
        },
      },
      { recall: 0.8 },
    );
    expect(streamed.thresholds).toEqual(inMemory.thresholds);
    await expect(
      streamed.calibrate(
        { inputShape: held.inputShape, classes: 10, length: 5, read: async () => Promise.reject(new Error('disk gone')) },
        { recall: 0.8 },
      ),
    ).rejects.toThrow('disk gone');
  });

  it('uses the pool for classes with few or no examples', async () => {
    const held = validation();
    const heldSize = held.inputs.length / held.length;
    const keep = [...held.labels.keys()].filter((i) => held.labels[i] !== 3 && (held.labels[i] !== 4 || i < 50));
    const few = { ...held, ...rowsOf(held, keep), length: keep.length };
    const classifier = await SingleLogitClassifier.load(model);
    const result = await classifier.calibrate(few, { recall: 0.9 });
    expect(result.classesWithFallback).toBe(2);
    expect(result.classesWithoutPositives).toBe(1);
    expect(classifier.thresholds!.every(Number.isFinite)).toBe(true);
    // Class 3 has the pooled threshold: nine tenths of all true logits reach it.
    const pooled = classifier.thresholds![3]!;
    const trueLogits = few.labels.reduce(
      (sum, label, i) => sum + Number(classifier.score(few.inputs.subarray(i * heldSize, (i + 1) * heldSize), label) >= pooled),
      0,
    );
    expect(trueLogits).toBe(Math.ceil(0.9 * few.length - 1e-9));
  });

  it.each([
    [{}, 'ERR_ONELOGIT_ARGUMENT'],
    [undefined, 'ERR_ONELOGIT_ARGUMENT'],
    [{ recall: 0.9, precision: 0.9 }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ recall: '0.9' }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ recal: 0.9 }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    [{ recall: 0 }, 'ERR_ONELOGIT_RANGE'],
    [{ recall: 1 }, 'ERR_ONELOGIT_RANGE'],
    [{ precision: Number.NaN }, 'ERR_ONELOGIT_RANGE'],
    [{ precision: 0.5, signal: 1 }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ precision: 0.5, signal: AbortSignal.abort() }, 'ERR_ONELOGIT_ABORTED'],
  ])('refuses %j', async (options, code) => {
    await expect(slc.calibrate(data, options as never)).rejects.toMatchObject({ code });
  });

  it('refuses data that does not fit', async () => {
    await expect(slc.calibrate({ ...data, inputShape: [5] }, { recall: 0.9 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_SHAPE' });
    await expect(slc.calibrate({ ...data, classes: 11 }, { recall: 0.9 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_CLASSES' });
    await expect(slc.calibrate({ ...data, labels: data.labels.map(() => 10) }, { recall: 0.9 })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_LABEL_RANGE',
    });
  });

  it('warns once, and says why, when the loss is not aligned', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const classifier = await SingleLogitClassifier.load((await trained('cross-entropy')).model);
    await classifier.calibrate(data, { recall: 0.9 });
    await classifier.calibrate(data, { recall: 0.8 });
    classifier.matches(example(0), 1);
    await (await SingleLogitClassifier.load(model)).calibrate(data, { recall: 0.9 });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    const own = warnings.filter((warning) => (warning as { code?: string }).code === 'ONELOGIT_LOSS_NOT_ALIGNED');
    expect(own).toHaveLength(1);
    expect(own[0]!.message).toMatch(/cross-entropy.*not aligned with the Principle of Logit Separation/);
  });
});

describe('save', () => {
  it('keeps thresholds and everything else', async () => {
    await model.save(file('plain'));
    const before = await readSafetensorsHeader(file('plain'));
    const classifier = await SingleLogitClassifier.load(file('plain'));
    await classifier.calibrate(data, { recall: 0.9 });
    // Onto the file that it came from, which stays whole.
    await classifier.save(file('plain'));
    const after = await readSafetensorsHeader(file('plain'));
    expect(after.metadata).toEqual(before.metadata);
    expect(after.tensors.map(({ name }) => name).sort()).toEqual([...before.tensors.map(({ name }) => name), 'thresholds'].sort());
    expect(await readSafetensorsTensor(file('plain'), 'thresholds')).toEqual(classifier.thresholds);
    const again = await SingleLogitClassifier.load(file('plain'));
    expect(again.thresholds).toEqual(classifier.thresholds);
    expect(again.matches(example(1), 1)).toBe(classifier.matches(example(1), 1));
    expect(again.loss!.name).toBe('batch-cross-entropy');
    expect(again.split).toEqual(model.split);
    // Calibrated anew, and from the model in memory: the same file.
    await again.calibrate(data, { recall: 0.5 });
    await again.save(file('again'));
    const fromModel = await SingleLogitClassifier.load(model);
    await fromModel.calibrate(data, { recall: 0.5 });
    await fromModel.save(file('memory'));
    expect(readFileSync(file('memory'))).toEqual(readFileSync(file('again')));
    // And still a model that can be trained.
    const loaded = await Model.load(file('again'));
    expect(await loaded.predict(example(3))).toEqual(await model.predict(example(3)));
    expect(readdirSync(scratch).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('keeps a checkpoint a checkpoint', async () => {
    const path = file('checkpoint');
    const make = () => Model.sequential({ inputShape: data.inputShape, layers: [layers.dense(10)], seed: 1 });
    const options = {
      loss: losses.batchCrossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
      steps: 20,
      batchSize: 32,
      checkpoint: { path, everySteps: 20 },
    };
    await make().fit(data, options);
    const classifier = await SingleLogitClassifier.load(path);
    await classifier.calibrate(data, { recall: 0.9 });
    await classifier.save(path);
    const resumed = await make().fit(data, { ...options, steps: 25, resumeFrom: path });
    expect(resumed.steps).toBe(25);
  });

  it('says what stands in the way', async () => {
    await expect(slc.save(join(scratch, 'absent', 'x'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await expect(slc.save(scratch)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await expect(slc.save(undefined as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
  });
});

describe('load', () => {
  it.each([
    [{ storage: 'bfloat16' }, 'ERR_ONELOGIT_UNSUPPORTED'],
    [{ storage: 'int8' }, 'ERR_ONELOGIT_UNSUPPORTED'],
    [{ storage: 'int4' }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ memoryMap: true }, 'ERR_ONELOGIT_UNSUPPORTED'],
    [{ memoryMap: 1 }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ device: 'tpu' }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ Storage: 'float32' }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    [[], 'ERR_ONELOGIT_ARGUMENT'],
  ])('refuses options %j', async (options, code) => {
    await expect(SingleLogitClassifier.load(model, options as never)).rejects.toMatchObject({ code });
  });

  it('takes the options it has', async () => {
    const classifier = await SingleLogitClassifier.load(model, { storage: 'float32', memoryMap: false, device: 'cpu' });
    expect(classifier.score(example(0), 0)).toBe(slc.score(example(0), 0));
  });

  it('refuses what is neither a path nor a model', async () => {
    for (const source of [undefined, null, 5, {}, { native: {} }, '', Object.create(Model.prototype)])
      await expect(SingleLogitClassifier.load(source as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    const disposed = Model.sequential({ inputShape: [2], layers: [layers.dense(2)] });
    disposed.dispose();
    await expect(SingleLogitClassifier.load(disposed)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_DISPOSED' });
    await expect(SingleLogitClassifier.load(join(scratch, 'absent'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
  });

  it('refuses a model that is being trained', async () => {
    const busy = Model.sequential({ inputShape: data.inputShape, layers: [layers.dense(10)], seed: 1 });
    const running = busy.fit(data, {
      loss: losses.crossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 0.1 }),
      steps: 200,
      batchSize: 32,
    });
    await expect(SingleLogitClassifier.load(busy)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_BUSY' });
    await running;
  });
});

describe('dispose', () => {
  it('ends everything with the documented error, and may be repeated', async () => {
    const classifier = await SingleLogitClassifier.load(model);
    await classifier.calibrate(data, { recall: 0.9 });
    const bound = classifier.bind(example(0));
    const { input } = classifier;
    const disposed = expect.objectContaining({ code: 'ERR_ONELOGIT_DISPOSED', name: 'OneLogitError' });
    const batch = classifier.scoreBatchAsync(data.inputs, 1);
    const calibration = classifier.calibrate(data, { recall: 0.9 });
    const binding = expect(classifier.bindAsync(example(0))).rejects.toEqual(disposed);
    classifier.dispose();
    classifier.dispose();
    classifier[Symbol.dispose]();
    for (const call of [
      () => classifier.score(example(0), 0),
      () => classifier.matches(example(0), 0),
      () => classifier.scoreBound(0),
      () => classifier.scoreMany(example(0), [0]),
      () => classifier.scoreBatch(example(0), 0),
      () => classifier.bind(example(0)),
      () => bound.score(0),
      () => bound.matches(0),
      () => bound.scoreMany([0]),
    ])
      expect(call).toThrow(disposed);
    for (const call of [
      () => classifier.scoreBatchAsync(example(0), 0),
      () => classifier.bindAsync(example(0)),
      () => classifier.calibrate(data, { recall: 0.9 }),
      () => classifier.save(file('disposed')),
    ])
      await expect(call()).rejects.toEqual(disposed);
    expect(existsSync(file('disposed'))).toBe(false);
    expect([classifier.classes, classifier.features, classifier.inputShape.length]).toEqual([10, 48, data.inputShape.length]);
    expect(input.fill(1)).toHaveLength(size);
    // Jobs that ran keep what they need.
    expect(await batch).toHaveLength(600);
    expect((await calibration).classes).toBe(10);
    await binding;
  });

  it('survives 300 loads, binds and disposals with garbage collection between', async () => {
    await model.save(file('many'));
    for (let round = 0; round < 300; round++) {
      const classifier = await SingleLogitClassifier.load(round % 2 ? model : file('many'));
      const bounds = Array.from({ length: 5 }, (_, i) => classifier.bind(example(i)));
      expect(bounds[2]!.score(1)).toBe(classifier.score(example(2), 1));
      if (round % 3) classifier.dispose();
    }
  });
});

describe('hostile arguments', () => {
  const detached = () => {
    const array = new Uint8Array(size);
    structuredClone(array, { transfer: [array.buffer] });
    return array;
  };
  const inputs = () =>
    fc.oneof(
      fc.constant(example(0)),
      fc.constant(Float32Array.from(example(0))),
      fc.constant(Int32Array.from(example(0))),
      fc.constantFrom(undefined, null, 0, '', [], {}, new Float64Array(size), new DataView(new ArrayBuffer(size)), new ArrayBuffer(size)),
      fc.integer({ min: 0, max: 3 * size }).map((length) => new Uint8Array(length)),
      fc.constant(null).map(detached),
      fc.constant(new Proxy(new Uint8Array(size), {})),
      fc.constant(Object.setPrototypeOf(new Uint8Array(size - 1), Float32Array.prototype)),
      fc.anything(),
    );
  const ids = () =>
    fc.oneof(
      fc.integer({ min: -2, max: 12 }),
      fc.double(),
      fc.constantFrom(1.5, -1, -0, NaN, Infinity, 10, 2 ** 31, 2 ** 53, 2 ** 64),
      fc.anything(),
    );
  const valid = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 10;

  /** The call's result, or its documented error. */
  function outcome(call: () => unknown): unknown {
    try {
      return call();
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      expect((error as { code?: string }).code).toMatch(/^ERR_ONELOGIT_(ARGUMENT|RANGE|LENGTH)$/);
      expect((error as Error).message).toMatch(/^Expected .+ for .+ but received /s);
      return 'refused';
    }
  }

  it('of score, scoreBound and bind', () => {
    fc.assert(
      fc.property(inputs(), ids(), (input, id) => {
        const score = outcome(() => slc.score(input as never, id as never));
        if (score !== 'refused') {
          expect(valid(id)).toBe(true);
          expect(typeof score).toBe('number');
        }
        const bound = outcome(() => slc.bind(input as never).score(id as never));
        expect(bound).toBe(score);
        if (!valid(id)) expect(score).toBe('refused');
        expect(outcome(() => slc.scoreBound(id as never)) === 'refused').toBe(!valid(id));
      }),
      { numRuns: 2000 },
    );
  });

  it('of scoreMany and scoreBatch', () => {
    const outs = fc.oneof(
      fc.constant(undefined),
      fc.integer({ min: 0, max: 5 }).map((length) => new Float32Array(length)),
      fc.constantFrom(null, 1, [], new Float64Array(3), new Int32Array(3)),
    );
    const lists = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }),
      fc.array(ids(), { maxLength: 4 }),
      fc.int32Array({ maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }).map((list) => Int32Array.from(list)),
      fc.anything(),
    );
    fc.assert(
      fc.property(inputs(), lists, ids(), outs, (input, list, id, out) => {
        for (const call of [
          () => slc.scoreMany(input as never, list as never, out as never),
          () => slc.bind(example(0)).scoreMany(list as never, out as never),
          () => slc.scoreBatch(input as never, id as never, out as never),
        ]) {
          const result = outcome(call);
          if (result !== 'refused') expect(result).toBeInstanceOf(Float32Array);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('of what runs off the event loop', async () => {
    await fc.assert(
      fc.asyncProperty(inputs(), ids(), async (input, id) => {
        for (const call of [() => slc.bindAsync(input as never), () => slc.scoreBatchAsync(input as never, id as never)]) {
          const error = await call().then(
            () => undefined,
            (reason) => reason,
          );
          if (error)
            outcome(() => {
              throw error;
            });
        }
      }),
      { numRuns: 200 },
    );
    const transferred = new Float32Array(1);
    const pending = slc.scoreBatchAsync(example(0), 1, transferred);
    structuredClone(transferred, { transfer: [transferred.buffer] });
    await expect(pending).rejects.toMatchObject({ code: 'ERR_ONELOGIT_LENGTH' });
  });

  it('of a model file', async () => {
    const calibrated = await SingleLogitClassifier.load(model);
    await calibrated.calibrate(data, { recall: 0.9 });
    await calibrated.save(file('good'));
    const good = readFileSync(file('good'));
    const headerLength = Number(good.readBigUInt64LE());
    const header = good.subarray(8, 8 + headerLength).toString();
    const path = file('mutated');
    const load = async (bytes: Uint8Array) => {
      writeFileSync(path, bytes);
      return SingleLogitClassifier.load(path).then(
        (classifier) => {
          expect(typeof classifier.scoreBound(0)).toBe('number');
          classifier.dispose();
        },
        (error) => {
          expect(error.code).toMatch(/^ERR_ONELOGIT_/);
          expect(error.message).toMatch(/^Expected .+ but received /s);
        },
      );
    };
    const words = ['0', '9', '-1', '1e9', '4294967296', 'null', '"', '{', '}', ',', '\\\\', 'dense', 'relu', '[]', 'true'];
    await fc.assert(
      fc.asyncProperty(fc.nat(header.length), fc.nat(12), fc.constantFrom(...words), async (at, removed, word) => {
        const mutated = Buffer.from(header.slice(0, at) + word + header.slice(at + removed));
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(mutated.length));
        await load(Buffer.concat([length, mutated, good.subarray(8 + headerLength)]));
      }),
      { numRuns: 1500 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length), async (length) => load(good.subarray(0, length))),
      { numRuns: 50 },
    );
    for (const name of ['thresholds', '1.weight', '5.bias', 'class_names.offsets']) {
      const changed = good.toString('latin1').replace(new RegExp(`"${name}":{"dtype":"[FI]`), (found) => `${found.slice(0, -1)}U`);
      writeFileSync(path, Buffer.from(changed, 'latin1'));
      await expect(SingleLogitClassifier.load(path)).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringContaining(`'${name}'`),
      });
    }
  });
});
