import { describe, expect, test } from 'vitest';
import {
  type FitOptions,
  type LossName,
  layers,
  losses,
  lossNames,
  Model,
  optimizers,
  type Progress,
  schedules,
  splitIndices,
} from '../src/index.js';
import { readSafetensorsHeader } from '../src/safetensors.js';
import { byteClouds, clouds, streamed } from './helpers/problems.js';
import { temporaryFile } from './helpers/temporary.js';

const network = (options: Partial<Parameters<typeof Model.sequential>[0]> = {}) =>
  Model.sequential({
    inputShape: [16],
    layers: [layers.dense(24), layers.batchNorm(), layers.relu(), layers.dropout(0.1), layers.dense(5)],
    seed: 7,
    ...options,
  });

const usual = (options: Partial<FitOptions> = {}): FitOptions => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
  batchSize: 32,
  ...(options.epochs === undefined ? { steps: 60 } : {}),
  ...options,
});

const weights = (model: Model) => model.tensors.map(({ name }) => model.tensor(name));

describe('learning', () => {
  // The margin losses stop where their margins are met, the others go on: what all must reach is a small validation error.
  test.each(lossNames)('%s separates overlapping clouds', async (name: LossName) => {
    const model = network();
    const result = await model.fit(clouds({ length: 2000 }), usual({ loss: losses.byName(name), steps: 400 }));
    expect(result).toMatchObject({ steps: 400, loss: name, device: model.device });
    const { accuracy, oneMinusAuprc, misorderedPairs, loss, examples } = await model.evaluate(clouds({ length: 1000, sample: 1 }));
    expect({ loss, examples }).toEqual({ loss: name, examples: 1000 });
    expect(accuracy).toBeGreaterThan(0.97);
    if (losses.byName(name).aligned) {
      expect(oneMinusAuprc).toBeLessThan(0.02);
      expect(misorderedPairs).toBeLessThan(0.02);
    }
    model.dispose();
  });

  test.each([
    optimizers.sgd({ learningRate: 0.05 }),
    optimizers.sgd({ learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 1e-4, clipNorm: 1 }),
    optimizers.adam({ learningRate: 0.01 }),
    optimizers.adamW({ learningRate: 0.01 }),
  ])('with $name', async (optimizer) => {
    const model = network();
    const { finalAccuracy } = await model.fit(clouds({ length: 1000 }), usual({ optimizer, steps: 300 }));
    expect(finalAccuracy).toBeGreaterThan(0.97);
    model.dispose();
  });

  test('xor needs the hidden layer, and finds it', async () => {
    const dataset = {
      inputs: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1),
      labels: Int32Array.of(0, 1, 1, 0),
      inputShape: [2],
      classes: 2,
      length: 4,
    };
    const options = usual({ loss: losses.crossEntropy(), optimizer: optimizers.adam({ learningRate: 0.05 }), steps: 500, batchSize: 4 });
    const deep = Model.sequential({ inputShape: [2], layers: [layers.dense(16), layers.relu(), layers.dense(2)], seed: 1 });
    await deep.fit(dataset, options);
    expect(await deep.evaluate(dataset)).toMatchObject({ accuracy: 1, misorderedPairs: 0, separationHolds: true });
    const flat = Model.sequential({ inputShape: [2], layers: [layers.dense(2)] });
    await flat.fit(dataset, options);
    expect((await flat.evaluate(dataset)).accuracy).toBeLessThanOrEqual(0.75);
  });

  test('softmax scores are the logits of cross-entropy put right', async () => {
    const dataset = clouds({ length: 1500, spread: 1.2 });
    const model = network();
    await model.fit(dataset, usual({ loss: losses.crossEntropy(), steps: 300 }));
    const logits = await model.evaluate(dataset);
    const softmax = await model.evaluate(dataset, { scores: 'softmax' });
    expect(logits.scores).toBe('single-logit');
    expect(softmax).toMatchObject({ scores: 'softmax', accuracy: logits.accuracy });
    expect(softmax.oneMinusAuprc).toBeLessThan(logits.oneMinusAuprc);
  });
});

describe('steps', () => {
  test.each([
    [1, 16],
    [2.5, 40],
    [0.01, 1],
  ])('%d epochs over 500 examples by 32 are %d steps', async (epochs, steps) => {
    const model = network();
    expect(await model.fit(clouds({ length: 500 }), usual({ epochs }))).toMatchObject({ steps });
  });

  test('epochs that rounding puts above an integer make no step more', async () => {
    expect(await network().fit(clouds({ length: 100 }), usual({ epochs: 1.1, batchSize: 10 }))).toMatchObject({ steps: 11 });
  });

  test('an epoch counts the examples that are left for training', async () => {
    const model = network();
    expect(await model.fit(clouds({ length: 500 }), usual({ epochs: 1, validation: { fraction: 0.36 } }))).toMatchObject({ steps: 10 });
  });

  test('a batch may be larger than the dataset', async () => {
    const model = network();
    const { finalAccuracy } = await model.fit(clouds({ length: 20 }), usual({ batchSize: 64, steps: 200 }));
    expect(finalAccuracy).toBe(1);
  });
});

describe('the same numbers', () => {
  test('for the same seed, others for another', async () => {
    const fitted = async (options: Partial<FitOptions>) => {
      const model = network();
      await model.fit(clouds(), usual(options));
      return weights(model);
    };
    const first = await fitted({});
    expect(await fitted({})).toEqual(first);
    expect(await fitted({ seed: 7 })).toEqual(first);
    expect(await fitted({ seed: 8 })).not.toEqual(first);
  });

  test('from memory, from a reader, from bytes or from the floats they are', async () => {
    const dataset = byteClouds();
    const fitted = async (data: Parameters<Model['fit']>[0], preprocessing?: { scale: number }) => {
      const model = network({ preprocessing });
      const result = await model.fit(data, usual({ validation: { fraction: 0.1 }, validateEverySteps: 25 }));
      return { result: { ...result, seconds: 0, examplesPerSecond: 0 }, weights: weights(model), model };
    };
    const memory = await fitted(dataset);
    const reader = streamed(dataset);
    const { model, ...read } = await fitted(reader);
    expect(read).toEqual({ result: memory.result, weights: memory.weights });
    expect(model).toMatchObject({ inputType: 'uint8', preprocessing: { scale: 1 / 255 }, split: memory.model.split });
    expect(reader.calls[0]).toBe(1); // asks for the element type
    expect((await fitted({ ...dataset, inputs: new Float32Array(dataset.inputs) }, { scale: 1 / 255 })).weights).toEqual(memory.weights);
  });

  test('when the arrays are overwritten, transferred or detached after fit was called', async () => {
    const untouched = network();
    await untouched.fit(clouds(), usual());
    const dataset = clouds();
    const model = network();
    const fitting = model.fit(dataset, usual());
    dataset.labels.fill(1_000_000);
    dataset.inputs.fill(Number.NaN);
    structuredClone(dataset.inputs.buffer, { transfer: [dataset.inputs.buffer as ArrayBuffer] });
    structuredClone(dataset.labels.buffer, { transfer: [dataset.labels.buffer as ArrayBuffer] });
    await fitting;
    expect(weights(model)).toEqual(weights(untouched));
  });

  const scheduled = usual({ optimizer: optimizers.adam(), schedule: schedules.warmup({ steps: 10 }, schedules.cosine()) });

  test.each([1, 17, 59])('after resuming from the checkpoint of an abort at step %d', async (at) => {
    const whole = network();
    await whole.fit(clouds(), scheduled);

    using path = temporaryFile('checkpoint.safetensors');
    const controller = new AbortController();
    const source = streamed(clouds());
    let reads = 0;
    const read = (indices: Int32Array) => {
      // One for the element type, then one a step; the reader runs a batch ahead.
      if (++reads === at + 2) controller.abort();
      return source.read(indices);
    };
    const interrupted = network();
    const fitting = interrupted.fit({ ...source, read }, { ...scheduled, checkpoint: { path: path.name }, signal: controller.signal });
    await expect(fitting).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ERR_ONELOGIT_ABORTED',
      message: expect.stringContaining(path.name),
    });
    const { metadata } = await readSafetensorsHeader(path.name);
    expect(Number(metadata['training.step'])).toBeGreaterThanOrEqual(at - 1);
    expect(Number(metadata['training.step'])).toBeLessThan(60);
    // The model holds the weights of that step, not of the beginning.
    expect(weights(interrupted)).toEqual(weights(await Model.load(path.name)));

    const resumed = network();
    expect((await resumed.fit(clouds(), { ...scheduled, resumeFrom: path.name })).steps).toBe(60);
    expect(weights(resumed)).toEqual(weights(whole));
    expect(await resumed.predict(clouds().inputs)).toEqual(await whole.predict(clouds().inputs));
  });

  test('after resuming a validation split, unigram noise and a reader', async () => {
    const dataset = byteClouds();
    const options = usual({
      loss: losses.nce({ noise: 'unigram', numSampled: 3 }),
      validation: { fraction: 0.2, seed: 3 },
    });
    const whole = network();
    const { validation } = await whole.fit(dataset, options);
    using path = temporaryFile('checkpoint.safetensors');
    await network().fit(dataset, { ...options, steps: 30, checkpoint: { path: path.name } });
    const resumed = network();
    expect((await resumed.fit(streamed(dataset), { ...options, resumeFrom: path.name })).validation).toEqual(validation);
    expect(weights(resumed)).toEqual(weights(whole));
    expect(resumed).toMatchObject({ inputType: 'uint8', preprocessing: { scale: 1 / 255 }, biasInit: 'prior', split: whole.split });
  });
});

describe('the last validation', () => {
  test('is made up for when a finished run is resumed', async () => {
    using path = temporaryFile('checkpoint.safetensors');
    const options = usual({ validation: { fraction: 0.2 }, checkpoint: { path: path.name } });
    const { validation, finalLoss } = await network().fit(clouds(), options);
    expect(validation).toBeDefined();
    expect(await network().fit(clouds(), { ...options, resumeFrom: path.name })).toMatchObject({ steps: 60, validation, finalLoss });
  });

  test('that was interrupted is not replaced by an earlier one', async () => {
    const controller = new AbortController();
    const held = streamed(clouds({ length: 50, sample: 1 }));
    let reads = 0;
    const read = (indices: Int32Array) => {
      if (++reads === 3) controller.abort(); // two batches a validation
      return held.read(indices);
    };
    const options = usual({ validation: { ...held, read }, validateEverySteps: 30, signal: controller.signal });
    const { validation, ...result } = await network().fit(clouds(), options);
    expect(result.steps).toBe(60);
    expect(reads).toBeGreaterThanOrEqual(3);
    expect(validation).toBeUndefined();
  });
});

test('a checkpoint that cannot be written is refused before the first step', async () => {
  const reports: number[] = [];
  for (const path of ['/nonexistent/checkpoint.safetensors', '/', '/dev/null', '/etc/passwd/checkpoint.safetensors']) {
    const fitting = network().fit(clouds(), usual({ checkpoint: { path }, onProgress: ({ step }) => reports.push(step) }));
    await expect(fitting).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringMatching(/^Expected a file that can be written for checkpoint of model\.fit but received /),
    });
  }
  expect(reports).toEqual([]);
});

describe('resumeFrom refuses', () => {
  const dataset = clouds();
  test.each<[string, Model, Partial<FitOptions>]>([
    ['other layers', network({ layers: [layers.dense(5)] }), {}],
    ['other preprocessing', network({ preprocessing: { scale: 2 } }), {}],
    ['another loss', network(), { loss: losses.crossEntropy() }],
    ['another optimizer', network(), { optimizer: optimizers.adam() }],
    ['another batch size', network(), { batchSize: 31 }],
    ['another seed', network(), { seed: 1 }],
    ['another split', network(), { validation: { fraction: 0.1 } }],
  ])('a checkpoint of %s', async (_, model, options) => {
    using path = temporaryFile('checkpoint.safetensors');
    await network().fit(dataset, usual({ steps: 3, checkpoint: { path: path.name } }));
    const before = weights(model);
    await expect(model.fit(dataset, usual({ ...options, resumeFrom: path.name }))).rejects.toMatchObject({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_CHECKPOINT',
      message: expect.stringContaining(path.name),
    });
    // A fit that never began leaves no trace.
    expect(weights(model)).toEqual(before);
    expect(model).toMatchObject({ trained: false, loss: null, inputType: null, busy: false });
  });

  test('a model that is no checkpoint', async () => {
    using path = temporaryFile('model.safetensors');
    await network().save(path.name);
    await expect(network().fit(dataset, usual({ resumeFrom: path.name }))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_CHECKPOINT' });
  });
});

describe('validation', () => {
  test('a share is set aside as splitIndices says, recorded, and never trained on', async () => {
    const dataset = clouds({ length: 300 });
    const split = { fraction: 0.25, seed: 42, length: 300 };
    const { training, validation } = splitIndices(300, 0.25, 42);
    const model = network();
    const result = await model.fit(dataset, usual({ validation: { fraction: 0.25, seed: 42 } }));
    expect(model.split).toEqual(split);
    expect(result.validation?.accuracy).toBeGreaterThan(0.5);

    // Ruin the examples that were set aside: the weights do not change. Ruin one of the others: they do.
    const ruined = async (index: number) => {
      const inputs = dataset.inputs.slice();
      inputs.fill(100, index * 16, (index + 1) * 16);
      const other = network();
      await other.fit({ ...dataset, inputs }, usual({ validation: { fraction: 0.25, seed: 42 } }));
      return weights(other);
    };
    expect(await ruined(validation[3])).toEqual(weights(model));
    expect(await ruined(training[3])).not.toEqual(weights(model));
  });

  test('has the loss and the accuracy that evaluation finds', async () => {
    const dataset = clouds({ length: 400, spread: 1.5 });
    const held = clouds({ length: 96, spread: 1.5, sample: 1 });
    const model = network();
    const { validation } = await model.fit(dataset, usual({ loss: losses.crossEntropy(), validation: held }));
    expect(model.split).toBeNull();
    expect(validation?.accuracy).toBeCloseTo((await model.evaluate(held)).accuracy, 6);
    const logits = await model.predict(held.inputs);
    let loss = 0;
    for (let i = 0; i < 96; i++) {
      const row = logits.subarray(i * 5, i * 5 + 5);
      loss += Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[held.labels[i]];
    }
    expect(validation?.loss).toBeCloseTo(loss / 96, 4);
  });

  test('runs every so many steps, and does not change what is learned', async () => {
    const plain = network();
    await plain.fit(clouds(), usual());
    const model = network();
    const seen: number[] = [];
    await model.fit(
      clouds(),
      usual({
        validation: clouds({ length: 50 }),
        validateEverySteps: 20,
        onProgress: ({ step, validation }) => {
          if (validation) seen.push(step);
        },
      }),
    );
    // Reports that come while the event loop is busy are merged: the last one is always there.
    expect(seen.at(-1)).toBe(60);
    expect(seen.every((step) => step % 20 === 0 || step === 60)).toBe(true);
    expect(weights(model)).toEqual(weights(plain));
  });
});

describe('the last bias', () => {
  const classes = 5;
  test.each<[LossName, number]>([
    ['binary-cross-entropy', -Math.log(classes - 1)],
    ['self-normalization', -Math.log(classes)],
    ['nce', Math.log(1 / classes)],
    ['cross-entropy', 0],
    ['batch-cross-entropy', 0],
  ])('starts for %s at %d, once', async (name, start) => {
    const frozen = usual({ loss: losses.byName(name), optimizer: optimizers.sgd({ learningRate: 0 }), steps: 1 });
    const model = network();
    expect((await model.fit(clouds(), frozen)).biasInit).toBe(start === 0 ? 'zeros' : 'prior');
    for (const bias of model.tensor('4.bias')) expect(bias).toBeCloseTo(start, 6);
    expect(model.biasInit).toBe(start === 0 ? 'zeros' : 'prior');
    // The model is trained now: what it has stays.
    await model.fit(clouds(), { ...frozen, loss: losses.selfNormalization() });
    for (const bias of model.tensor('4.bias')) expect(bias).toBeCloseTo(start, 6);

    const zeros = network();
    expect((await zeros.fit(clouds(), { ...frozen, biasInit: 'zeros' })).biasInit).toBe('zeros');
    expect(zeros.tensor('4.bias')).toEqual(new Float32Array(classes));
  });

  test('stays as it was set or loaded', async () => {
    const frozen = usual({ loss: losses.binaryCrossEntropy(), optimizer: optimizers.sgd({ learningRate: 0 }), steps: 1 });
    const set = network();
    set.setTensor('0.bias', new Float32Array(24));
    expect((await set.fit(clouds(), frozen)).biasInit).toBeNull();
    expect(set.tensor('4.bias')).toEqual(new Float32Array(classes));
    using path = temporaryFile('model.safetensors');
    await network().save(path.name);
    const loaded = await Model.load(path.name);
    expect((await loaded.fit(clouds(), frozen)).biasInit).toBeNull();
    expect(loaded.tensor('4.bias')).toEqual(new Float32Array(classes));
  });
});

describe('schedules', () => {
  test('a warm-up from a rate of 0 to a step that freezes: the weights move as the rates say', async () => {
    const rates: number[] = [];
    await network().fit(
      streamed(clouds()),
      usual({
        optimizer: optimizers.sgd({ learningRate: 0.5 }),
        schedule: schedules.warmup({ steps: 4 }, schedules.step({ every: 3, factor: 0.5 })),
        steps: 12,
        validation: clouds({ length: 8 }),
        validateEverySteps: 1,
        onProgress: ({ step, learningRate }) => {
          rates[step] = learningRate;
        },
      }),
    );
    const expected = [0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125];
    // A report may be merged into the next, the last never is.
    expect(rates[12]).toBeCloseTo(0.125, 10);
    rates.forEach((rate, step) => {
      expect(rate).toBeCloseTo(expected[step - 1], 10);
    });
  });
});

describe('progress', () => {
  test('comes with ascending steps, sensible numbers, and once at the end', async () => {
    const reports: Progress[] = [];
    const model = network();
    const result = await model.fit(clouds(), usual({ steps: 2000, onProgress: (progress) => reports.push(progress) }));
    expect(reports.at(-1)).toMatchObject({ step: 2000, steps: 2000, secondsLeft: 0 });
    expect(reports.map(({ step }) => step)).toEqual([...new Set(reports.map(({ step }) => step))].sort((a, b) => a - b));
    for (const { loss, accuracy, examplesPerSecond, secondsLeft } of reports) {
      expect(Number.isFinite(loss)).toBe(true);
      expect(accuracy).toBeGreaterThanOrEqual(0);
      expect(accuracy).toBeLessThanOrEqual(1);
      expect(examplesPerSecond).toBeGreaterThan(0);
      expect(secondsLeft).toBeGreaterThanOrEqual(0);
    }
    expect(result.examplesPerSecond).toBeGreaterThan(0);
    expect(result.seconds).toBeGreaterThan(0);
  });

  test('an exception in it stops training and is what fit is rejected with', async () => {
    const error = new Error('mine');
    let calls = 0;
    const fitting = network().fit(
      clouds(),
      usual({
        steps: 1_000_000_000,
        onProgress: () => {
          calls++;
          throw error;
        },
      }),
    );
    await expect(fitting).rejects.toBe(error);
    expect(calls).toBe(1);
  });
});

describe('a reader', () => {
  test('that fails is what fit is rejected with', async () => {
    const error = new Error('the disk is on fire');
    const source = streamed(clouds());
    let calls = 0;
    const dataset = { ...source, read: (indices: Int32Array) => (++calls === 5 ? Promise.reject(error) : source.read(indices)) };
    await expect(network().fit(dataset, usual())).rejects.toBe(error);
    calls = 4;
    await expect(network().evaluate(dataset)).rejects.toBe(error);
    const thrower = {
      ...source,
      read: () => {
        throw error;
      },
    };
    await expect(network().fit(thrower as never, usual())).rejects.toBe(error);
  });

  const batch = (inputs: unknown, labels: unknown) => async () => ({ inputs, labels });
  test.each<[string, (indices: Int32Array) => Promise<unknown>, string, RegExp]>([
    [
      'too few inputs',
      batch(new Float32Array(5), new Int32Array(1)),
      'ERR_ONELOGIT_LENGTH',
      /1 × 16 elements for inputs from read of dataset/,
    ],
    ['too few labels', batch(new Float32Array(16), new Int32Array(0)), 'ERR_ONELOGIT_LENGTH', /1 integers for labels from read of dataset/],
    [
      'inputs of another type',
      batch(new Float64Array(16), new Int32Array(1)),
      'ERR_ONELOGIT_ARGUMENT',
      /Float32Array or a Uint8Array for inputs from read/,
    ],
    ['nothing', async () => undefined, 'ERR_ONELOGIT_ARGUMENT', /\{ inputs, labels \} from read of dataset but received undefined/],
    [
      'a label out of range',
      async (indices) => ({ inputs: new Float32Array(16 * indices.length), labels: new Int32Array(indices.length).fill(5) }),
      'ERR_ONELOGIT_LABEL_RANGE',
      /classes from 0 to 4 for labels of read of dataset but received 5 at index 0/,
    ],
  ])('that delivers %s', async (_, read, code, message) => {
    const dataset = { inputShape: [16], classes: 5, length: 100, read } as never;
    await expect(network().fit(dataset, usual())).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    if (!_.startsWith('too few') && _ !== 'inputs of another type')
      await expect(network().evaluate(dataset)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test.each(['the caller', 'the reader'])('that never gives its first example does not hold up an abort by %s', async (who) => {
    const controller = new AbortController();
    const model = network();
    let seen: AbortSignal | undefined;
    const read = (_: Int32Array, signal: AbortSignal) => {
      seen = signal;
      if (who === 'the reader') controller.abort(new Error('enough'));
      return new Promise<never>(() => {});
    };
    const fitting = model.fit({ ...streamed(clouds()), read }, usual({ signal: controller.signal }));
    controller.abort(new Error('enough'));
    await expect(fitting).rejects.toMatchObject({ name: 'AbortError', code: 'ERR_ONELOGIT_ABORTED', cause: { message: 'enough' } });
    expect(seen?.aborted).toBe(true);
    expect(model.busy).toBe(false);
  });

  test('sees its signal raised when nobody waits for it any more', async () => {
    const signals = new Set<AbortSignal>();
    const source = streamed(clouds());
    const read = (indices: Int32Array, signal: AbortSignal) => {
      signals.add(signal);
      return source.read(indices);
    };
    await network().fit({ ...source, read }, usual({ steps: 3 }));
    expect([...signals].map((signal) => signal.aborted)).toEqual([true]);
  });
});

describe('a loss that is not finite', () => {
  test('stops training with the step and advice', async () => {
    const dataset = clouds();
    dataset.inputs[100 * 16 + 3] = Number.NaN;
    const model = network();
    await expect(model.fit(dataset, usual())).rejects.toMatchObject({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_LOSS_NOT_FINITE',
      // On a GPU the losses of many steps are read at once, when their batches are gone.
      message: expect.stringMatching(
        model.device === 'cpu' ? /for step \d+ but received NaN: .*example 100/ : /for step \d+ but received NaN/,
      ),
    });
    expect(model.busy).toBe(false);
  });

  test('also when the learning rate did it', async () => {
    const model = Model.sequential({ inputShape: [16], layers: [layers.dense(20), layers.relu(), layers.dense(5)] });
    const optimizer = optimizers.sgd({ learningRate: 1e30, weightDecay: 1 });
    await expect(model.fit(clouds(), usual({ loss: losses.crossEntropy(), optimizer }))).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_LOSS_NOT_FINITE',
      message: expect.stringContaining('learningRate'),
    });
  });

  test('a NaN score is refused by evaluate', async () => {
    const dataset = clouds();
    dataset.inputs[7] = Number.NaN;
    const model = Model.sequential({ inputShape: [16], layers: [layers.dense(5)] });
    await expect(model.evaluate(dataset)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_NOT_FINITE' });
  });
});
