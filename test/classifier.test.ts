import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { exampleOf, glyphs, trainOnGlyphs } from './helpers/glyph-model.js';
import { detached } from './helpers/hostile.js';
import { uniform } from './helpers/problems.js';

const scratch = mkdtempSync(join(tmpdir(), 'onelogit-classifier-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const file = (name: string) => join(scratch, `${name}.safetensors`);

const data = glyphs();
const example = (index: number) => exampleOf(data, index);
const size = data.inputs.length / data.length;

/** Equal to rounding: another order of summation. */
function expectClose(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThan(1e-4 * (1 + Math.abs(expected)));
}

function floats(length: number, seed: number): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length }, () => 2 * next() - 1);
}

let model: Model;
let logits: Float32Array;
let slc: SingleLogitClassifier;
beforeAll(async () => {
  model = await trainOnGlyphs();
  slc = await SingleLogitClassifier.load(model);
  logits = await model.predict(data.inputs);
});

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
    const own = await trainOnGlyphs();
    const classifier = await SingleLogitClassifier.load(own);
    const before = classifier.score(example(5), 5);
    await own.fit(data, { loss: losses.maxMargin(), optimizer: optimizers.sgd({ learningRate: 0.5 }), steps: 5, batchSize: 32 });
    expect(classifier.score(example(5), 5)).toBe(before);
    own.dispose();
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

  it.skipIf(process.env.ONELOGIT_SANITIZED)('of one class cost the same with 10 classes and with 100,000', async () => {
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
    const classNames = ['\uFEFFnaïve', '', '猫 😀'];
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

describe('load', () => {
  it.each([
    [{ storage: 'int4' }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ memoryMap: true }, 'ERR_ONELOGIT_OPTION'],
    [{ prefault: true }, 'ERR_ONELOGIT_OPTION'],
    [{ memoryMap: 1 }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ device: 'tpu' }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ Storage: 'float32' }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    [[], 'ERR_ONELOGIT_ARGUMENT'],
  ])('refuses options %j', async (options, code) => {
    await expect(SingleLogitClassifier.load(model, options as never)).rejects.toMatchObject({ code });
  });

  it('takes the options it has', async () => {
    const classifier = await SingleLogitClassifier.load(model, { storage: 'float32', memoryMap: false, device: model.device });
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

describe('scores over the examples they are of', () => {
  it('are refused: they would be of other examples by then', async () => {
    const head = await SingleLogitClassifier.load(Model.sequential({ inputShape: [4], layers: [layers.dense(10)], seed: 2 }));
    const overlap = expect.objectContaining({ name: 'RangeError', code: 'ERR_ONELOGIT_OVERLAP' });
    for (const Memory of [ArrayBuffer, SharedArrayBuffer]) {
      const examples = new Float32Array(new Memory(64), 0, 12).fill(1);
      // Another view of the same memory, from the last number of the examples on, and from behind it.
      const [last, behind] = [44, 48].map((at) => new Float32Array(examples.buffer, at, 3));
      expect(() => head.scoreBatch(examples, 1, examples.subarray(0, 3))).toThrow(overlap);
      expect(() => head.scoreBatch(examples, 1, last)).toThrow(overlap);
      expect(() => head.scoreMany(examples.subarray(8), Int32Array.of(1, 2, 3), last)).toThrow(overlap);
      expect(() => head.scoreMany(examples.subarray(8), [1, 2, 3], last)).toThrow(overlap);
      expect(examples).toEqual(new Float32Array(12).fill(1));
      expect(head.scoreBatch(examples, 1, behind)).toEqual(new Float32Array(3).fill(head.score(examples.subarray(0, 4), 1)));
      expect(head.scoreMany(examples.subarray(0, 4), [1], examples.subarray(4, 5))[0]).toBe(behind![0]);
    }
    expect(head.scoreBatch(new Float32Array(), 1, new Float32Array())).toHaveLength(0);
  });
});

describe('arrays that are not what they seem', () => {
  const size = 16;
  let head: SingleLogitClassifier;
  beforeAll(async () => {
    head = await SingleLogitClassifier.load(Model.sequential({ inputShape: [size], layers: [layers.dense(10)], seed: 2 }));
  });
  const resizable = (from: number, to: number) => {
    const Resizable = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
    const buffer = new Resizable(from, { maxByteLength: 4096 }) as ArrayBuffer & { resize(length: number): void };
    const view = new Float32Array(buffer);
    buffer.resize(to);
    return view;
  };
  const posing = (value: object) => Object.setPrototypeOf(value, Float32Array.prototype);
  it.each<[string, () => unknown]>([
    ['bytes', () => posing(new Uint8Array(size * 4))],
    ['bytes that are no floats', () => posing(new Uint8Array(size * 4 + 1))],
    ['bytes at an odd address', () => posing(new Uint8Array(new ArrayBuffer(256), 1, size * 4))],
    ['float64', () => posing(new Float64Array(size))],
    ['a DataView', () => posing(new DataView(new ArrayBuffer(size * 4)))],
    ['an ArrayBuffer', () => posing(new ArrayBuffer(size * 4))],
    ['an object', () => Object.create(Float32Array.prototype)],
    ['a proxy', () => new Proxy(new Float32Array(size), {})],
    ['detached memory', () => detached(new Float32Array(size))],
    ['memory that shrank', () => resizable(size * 4, 8)],
    ['memory that shrank to nothing', () => resizable(size * 4, 0)],
    ['memory that grew', () => resizable(8, size * 4)],
    ['a large array in shared memory', () => new Float32Array(new SharedArrayBuffer(size * 4))],
  ])('%s: an answer or the documented error', (_, make) => {
    const asked = (ask: () => unknown) => {
      try {
        const answer = ask();
        expect(typeof answer === 'number' || answer instanceof Float32Array).toBe(true);
      } catch (error) {
        expect((error as { code: string }).code).toMatch(/^ERR_ONELOGIT_(ARGUMENT|LENGTH|RANGE|DETACHED)$/);
      }
    };
    const right = new Float32Array(size);
    asked(() => head.score(make() as Float32Array, 3));
    asked(() => head.scoreMany(make() as Float32Array, Int32Array.of(1, 2), new Float32Array(2)));
    asked(() => head.scoreMany(right, make() as Int32Array, new Float32Array(size)));
    asked(() => head.scoreMany(right, new Int32Array(size), make() as Float32Array));
    expect(head.scoreMany(right, new Int32Array(0), new Float32Array(0))).toHaveLength(0);
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
});
