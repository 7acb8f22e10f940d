// Code of the caller's runs inside our calls: getters, readers, callbacks, other threads on shared memory. Whatever it does to the
// objects at work, the answer is a result or a documented error.
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import {
  type Dataset,
  layers,
  linearLoss,
  lossAndGradient,
  losses,
  Model,
  metrics,
  optimizers,
  SingleLogitClassifier,
} from '../src/index.js';
import { detached, refusedOrDone } from './helpers/hostile.js';
import { clouds, streamed } from './helpers/problems.js';

const data = clouds();
const size = data.inputs.length / data.length;
const network = () => Model.sequential({ inputShape: [size], layers: [layers.dense(8), layers.relu(), layers.dense(data.classes)] });
const options = (steps = 50) => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.01 }),
  steps,
  batchSize: 8,
});
const code = (name: string) => expect.objectContaining({ code: name });

class Throwing {
  get inputs(): never {
    throw new Error('mine');
  }
}

const wrongBatches: [string, () => unknown][] = [
  ['detached inputs', () => ({ inputs: detached(new Float32Array(8 * size)), labels: new Int32Array(8) })],
  ['detached labels', () => ({ inputs: new Float32Array(8 * size), labels: detached(new Int32Array(8)) })],
  ['labels of no class', () => ({ inputs: new Float32Array(8 * size), labels: new Int32Array(8).fill(1_000_000) })],
  ['too few examples', () => ({ inputs: new Float32Array(7 * size), labels: new Int32Array(7) })],
  ['nothing', () => undefined],
  ['a getter that throws', () => new Throwing()],
];

describe('fit', () => {
  test.each(['dispose', 'fit', 'save', 'predict'] as const)('refuses %s from its own progress callback', async (method) => {
    const model: Model = network();
    const seen: unknown[] = [];
    await model.fit(data, {
      ...options(),
      onProgress: () => {
        const call: () => unknown = {
          dispose: () => model.dispose(),
          fit: () => model.fit(data, options()),
          save: () => model.save('/nonexistent/model.safetensors'),
          predict: () => model.predict(data.inputs),
        }[method];
        seen.push(
          Promise.resolve()
            .then(call)
            .catch((error) => error),
        );
      },
    });
    expect(seen.length).toBeGreaterThan(0);
    // The last report comes when the thread has ended, but before the promise is settled.
    for (const error of await Promise.all(seen)) expect(error).toEqual(code('ERR_ONELOGIT_BUSY'));
  });

  test('survives options whose getters dispose of the model or start another fit', async () => {
    for (const interfere of [(model: Model) => model.dispose(), (model: Model) => void model.fit(data, options()).catch(() => {})])
      for (const name of ['loss', 'optimizer', 'steps', 'batchSize', 'seed']) {
        const model = network();
        const trap = { ...options(3) } as Record<string, unknown>;
        const value = trap[name];
        Object.defineProperty(trap, name, {
          enumerable: true,
          get: () => {
            interfere(model);
            return value;
          },
        });
        await refusedOrDone(() => model.fit(data, trap as unknown as Parameters<Model['fit']>[1]));
      }
  });

  test('is not disturbed when its arrays are transferred or overwritten while it runs', async () => {
    const reference = network();
    const undisturbed = await reference.fit(data, options());
    const own = { ...data, inputs: data.inputs.slice(), labels: data.labels.slice() };
    const model = network();
    const fitting = model.fit(own, options());
    own.inputs.fill(Number.NaN);
    own.labels.fill(-1);
    detached(own.inputs);
    detached(own.labels);
    expect((await fitting).finalLoss).toBe(undisturbed.finalLoss);
  });

  test.each(wrongBatches)('ends with an error when a reader delivers %s', async (_, batch) => {
    const reader = streamed(data);
    let reads = 0;
    const read: typeof reader.read = async (indices) =>
      reads++ < 3 ? reader.read(indices) : (batch() as Awaited<ReturnType<typeof reader.read>>);
    const model = network();
    await expect(model.fit({ ...reader, read } as Dataset, options())).rejects.toThrow();
    await model.fit(data, options(2)); // the model is free again
  });

  test('survives a reader that disposes of the model, or starts another fit', async () => {
    const model = network();
    const reader = streamed(data);
    const seen: unknown[] = [];
    const read: typeof reader.read = async (indices) => {
      try {
        model.dispose();
      } catch (error) {
        seen.push(error);
      }
      seen.push(await model.fit(data, options()).catch((error) => error));
      return reader.read(indices);
    };
    await model.fit({ ...reader, read } as Dataset, options(3));
    for (const error of seen) expect(error).toEqual(code('ERR_ONELOGIT_BUSY'));
  });
});

describe('a classifier', () => {
  test('survives ids whose getters dispose of it', async () => {
    const slc = await SingleLogitClassifier.load(network());
    const bound = slc.bind(data.inputs.slice(0, size));
    const ids = [0, 1];
    Object.defineProperty(ids, 1, {
      get: () => {
        slc.dispose();
        return 1;
      },
    });
    expect(() => slc.scoreMany(data.inputs.slice(0, size), ids)).toThrow(code('ERR_ONELOGIT_DISPOSED'));
    expect(() => bound.score(0)).toThrow(code('ERR_ONELOGIT_DISPOSED'));
    expect(() => slc.scoreBound(0)).toThrow(code('ERR_ONELOGIT_DISPOSED'));
  });

  test('finishes or refuses what was going on when it was disposed of', async () => {
    for (let round = 0; round < 10; round++) {
      const slc = await SingleLogitClassifier.load(network());
      const going = [slc.scoreBatchAsync(data.inputs, 0), slc.bindAsync(data.inputs.slice(0, size)), slc.calibrate(data, { recall: 0.5 })];
      slc.dispose();
      slc.dispose();
      await Promise.all(going.map((promise) => refusedOrDone(() => promise)));
    }
  });

  test('refuses to answer into the memory of its own input', async () => {
    const slc = await SingleLogitClassifier.load(
      Model.sequential({ inputShape: [4], layers: [layers.dense(6)], preprocessing: { scale: 1 } }),
    );
    const memory = new Float32Array(4).fill(1);
    expect(() => slc.scoreMany(memory, [0, 1, 2, 3], memory)).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_OVERLAP' }));
    expect([...memory]).toEqual([1, 1, 1, 1]);
  });
});

describe('shared memory that another thread writes to', () => {
  // Labels flip between classes and nonsense, scores between numbers and NaN, as fast as a thread can.
  async function whileWriting(memory: SharedArrayBuffer, labels: number, body: () => Promise<void>) {
    const worker = new Worker(
      `const { workerData: { memory, labels } } = require('node:worker_threads');
      const ints = new Int32Array(memory), end = Date.now() + 1500;
      for (let round = 0; Date.now() < end; round++)
        for (let i = 0; i < ints.length; i++) ints[i] = round % 2 ? (i % labels) : [2147483647, -1, 0x7fc00000, -2147483648][i % 4];`,
      { eval: true, workerData: { memory, labels } },
    );
    let running = true;
    const exit = new Promise<void>((resolve) =>
      worker.once('exit', () => {
        running = false;
        resolve();
      }),
    );
    while (running) {
      await body();
      await new Promise(setImmediate);
    }
    await exit;
  }

  test('is read once: losses, metrics, training, scoring', async () => {
    const classes = data.classes;
    const m = 512;
    const labelMemory = new SharedArrayBuffer(m * 4);
    const labels = new Int32Array(labelMemory);
    const numbers = new Float32Array(new SharedArrayBuffer(m * classes * 4)).fill(0.5);
    const inputs = new Float32Array(m * size).fill(0.25);
    const weight = new Float32Array(classes * size).fill(0.25);
    const slc = await SingleLogitClassifier.load(network());
    const out = new Float32Array(m);
    await whileWriting(labelMemory, classes, async () => {
      for (const loss of [losses.batchCrossEntropy(), losses.nce({ numSampled: 5, removeAccidentalHits: true }), losses.batchMaxMargin()]) {
        await refusedOrDone(() => lossAndGradient(loss, numbers, labels, { classes }));
        await refusedOrDone(() => linearLoss(loss, { hidden: inputs, weight, labels, features: size, classes }));
      }
      await refusedOrDone(() => metrics.separation(numbers, labels, classes));
      await refusedOrDone(() => network().fit({ inputs, labels, inputShape: [size], classes, length: m }, options(2)));
      await refusedOrDone(() => slc.scoreMany(inputs.subarray(0, size), labels, out));
      await refusedOrDone(() => slc.calibrate({ inputs, labels, inputShape: [size], classes, length: m }, { recall: 0.5 }));
    });
    await whileWriting(numbers.buffer as SharedArrayBuffer, 2, async () => {
      const positives = new Uint8Array(numbers.buffer, 0, numbers.length).map((byte) => byte & 1);
      await refusedOrDone(() => metrics.averagePrecision(numbers, positives));
      await refusedOrDone(() => metrics.precisionAtRecall(numbers, new Uint8Array(numbers.buffer, 0, numbers.length), 0.9));
      await refusedOrDone(() => metrics.separation(numbers, new Int32Array(m), classes));
      await refusedOrDone(() => lossAndGradient(losses.crossEntropy(), numbers, new Int32Array(m), { classes }));
      await refusedOrDone(() => slc.scoreBatch(new Float32Array(numbers.buffer, 0, size * 8), 0));
    });
  });
});
