import { afterEach, describe, expect, test } from 'vitest';
import { backendInfo, type Layer, layers, losses, Model, optimizers, zoo } from '../src/index.js';
import { byteClouds, clouds, normal } from './helpers/problems.js';

// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const anything = (value: unknown): any => value;

/** What a model computes at inference, in float64 and as plainly as possible. */
function reference(model: Model, inputs: ArrayLike<number>): { logits: number[][]; embeddings: number[][] } {
  const size = model.inputShape.reduce((product, axis) => product * axis, 1);
  const lastDense = model.layers.findLastIndex((layer) => layer.type === 'dense');
  const { scale = 1, mean = [0], standardDeviation = [1] } = model.preprocessing ?? {};
  let rows = Array.from({ length: inputs.length / size }, (_, row) =>
    Array.from(
      { length: size },
      (_, j) => (inputs[row * size + j] * scale - mean[j % mean.length]) / standardDeviation[j % standardDeviation.length],
    ),
  );
  let embeddings = rows;
  for (const [index, layer] of model.layers.entries()) {
    const tensor = (name: string) => model.tensor(`${index}.${name}`);
    if (index === lastDense) embeddings = rows;
    if (layer.type === 'dense') {
      const weight = tensor('weight');
      const bias = layer.bias ? tensor('bias') : new Float32Array(layer.units);
      rows = rows.map((row) => Array.from(bias, (b, unit) => row.reduce((sum, x, j) => sum + x * weight[unit * row.length + j], b)));
    } else if (layer.type === 'batchNorm') {
      const [gamma, beta, running, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(tensor);
      rows = rows.map((row) => row.map((x, j) => (gamma[j] * (x - running[j])) / Math.sqrt(variance[j] + layer.epsilon) + beta[j]));
    } else if (layer.type === 'relu') rows = rows.map((row) => row.map((x) => Math.max(x, 0)));
  }
  return { logits: rows, embeddings };
}

function expectClose(actual: Float32Array, expected: number[][], tolerance = 1e-4) {
  const flat = expected.flat();
  expect(actual.length).toBe(flat.length);
  const norm = Math.hypot(...flat);
  expect(Math.hypot(...flat.map((x, index) => x - actual[index])) / norm).toBeLessThan(tolerance);
}

const models: Model[] = [];
function sequential(options: Parameters<typeof Model.sequential>[0]): Model {
  const model = Model.sequential(options);
  models.push(model);
  return model;
}
afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
});

describe('a sequential model', () => {
  test('knows its shapes, tensors and parameters', () => {
    const model = sequential({
      inputShape: [4, 3, 2],
      layers: [layers.dense(7), layers.batchNorm(), layers.relu(), layers.dense(5)],
      seed: 3,
    });
    expect(model).toMatchObject({ classes: 5, features: 7, inputShape: [4, 3, 2], seed: 3, trained: false, busy: false });
    expect(model).toMatchObject({ loss: null, split: null, preprocessing: null, inputType: null, classNames: null, biasInit: null });
    expect(model.tensors).toEqual([
      { name: '0.weight', shape: [7, 24], trainable: true },
      { name: '0.bias', shape: [7], trainable: true },
      { name: '1.weight', shape: [7], trainable: true },
      { name: '1.bias', shape: [7], trainable: true },
      { name: '1.running_mean', shape: [7], trainable: false },
      { name: '1.running_var', shape: [7], trainable: false },
      { name: '3.weight', shape: [5, 7], trainable: true },
      { name: '3.bias', shape: [5], trainable: true },
    ]);
    expect(model.parameterCount).toBe(7 * 24 + 7 + 14 + 5 * 7 + 5);
    expect(model.summary().split('\n')).toEqual([
      '   layer      output  parameters',
      '0  dense      7              175',
      '1  batchNorm  7               14',
      '2  relu       7                0',
      '3  dense      5               40',
      `229 trainable parameters on ${model.device}`,
    ]);
  });

  test('starts from its seed: He for hidden layers, Glorot for the logits, zeros for biases', () => {
    const build = (seed: number) => sequential({ inputShape: [200], layers: [layers.dense(300), layers.relu(), layers.dense(400)], seed });
    const [a, b, c] = [build(1), build(1), build(2)];
    expect(a.tensor('0.weight')).toEqual(b.tensor('0.weight'));
    expect(a.tensor('0.weight')).not.toEqual(c.tensor('0.weight'));
    const deviation = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    expect(deviation(a.tensor('0.weight')) / Math.sqrt(2 / 200)).toBeCloseTo(1, 1.5);
    expect(deviation(a.tensor('2.weight')) / Math.sqrt(2 / (300 + 400))).toBeCloseTo(1, 1.5);
    expect(a.tensor('2.weight').reduce((largest, x) => Math.max(largest, Math.abs(x)), 0)).toBeLessThanOrEqual(Math.sqrt(6 / 700));
    expect(a.tensor('0.bias').every((x) => x === 0)).toBe(true);
  });

  test('predicts and embeds what the formulas say, batch normalisation with running statistics', async () => {
    const model = sequential({
      inputShape: [6, 5, 3],
      preprocessing: { scale: 0.5, mean: [0.1, -0.2, 0.3], standardDeviation: [1, 2, 0.5] },
      layers: [
        layers.flatten(),
        layers.dense(33),
        layers.batchNorm({ epsilon: 1e-3 }),
        layers.relu(),
        layers.dropout(0.5),
        layers.dense(17, { bias: false }),
        layers.relu(),
        layers.dense(9),
      ],
    });
    const draw = normal(5);
    for (const { name, shape } of model.tensors) {
      const size = shape.reduce((product, axis) => product * axis, 1);
      model.setTensor(
        name,
        Float32Array.from({ length: size }, () => (name.endsWith('running_var') ? 0.5 + Math.abs(draw()) : 0.3 * draw())),
      );
    }
    for (const examples of [1, 2, 255, 256, 300]) {
      const inputs = Float32Array.from({ length: examples * 90 }, draw);
      const { logits, embeddings } = reference(model, inputs);
      expectClose(await model.predict(inputs), logits);
      expectClose(await model.embed(inputs), embeddings);
    }
  });

  test('says that logits would not fit into memory', async () => {
    const model = sequential({ inputShape: [1], layers: [layers.dense(100)] });
    // More numbers than an array can have.
    await expect(model.predict(new Uint8Array(2 ** 27))).rejects.toMatchObject({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_OUT_OF_MEMORY',
      message: expect.stringContaining('13421772800 numbers of model.predict'),
    });
  });

  test('answers nothing for nothing', async () => {
    const model = zoo.mlp({ classes: 3, inputShape: [4], hidden: [5] });
    models.push(model);
    expect(await model.predict(new Float32Array(0))).toEqual(new Float32Array(0));
    expect(await model.embed(new Float32Array(0))).toEqual(new Float32Array(0));
  });

  test('computes xor with weights set by hand', async () => {
    const model = sequential({ inputShape: [2], layers: [layers.dense(2), layers.relu(), layers.dense(2)] });
    // hidden = (relu(a + b), relu(a + b − 1)); xor = hidden₀ − 2 hidden₁; logits (½ − xor, xor − ½).
    model.setTensor('0.weight', Float32Array.of(1, 1, 1, 1));
    model.setTensor('0.bias', Float32Array.of(0, -1));
    model.setTensor('2.weight', Float32Array.of(-1, 2, 1, -2));
    model.setTensor('2.bias', Float32Array.of(0.5, -0.5));
    expect(model.trained).toBe(true);
    expect(await model.predict(Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1))).toEqual(
      Float32Array.of(0.5, -0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5),
    );
    expect(await model.embed(Float32Array.of(1, 1))).toEqual(Float32Array.of(2, 1));
  });

  test('gives copies of its tensors, and the weights that were set', () => {
    const model = sequential({ inputShape: [2], layers: [layers.dense(3)] });
    const values = Float32Array.of(1, 2, 3, 4, 5, 6);
    model.setTensor('0.weight', values);
    const copy = model.tensor('0.weight');
    expect(copy).toEqual(values);
    copy.fill(0);
    values.fill(0);
    expect(model.tensor('0.weight')).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(() => model.tensor('1.weight')).toThrow(expect.objectContaining({ name: 'RangeError', code: 'ERR_ONELOGIT_TENSOR' }));
    expect(() => model.setTensor('0.weight', new Float32Array(5))).toThrow(
      expect.objectContaining({ name: 'RangeError', code: 'ERR_ONELOGIT_LENGTH' }),
    );
  });

  test('treats bytes and the same numbers as floats alike', async () => {
    const dataset = byteClouds({ features: 12, classes: 3, length: 60 });
    const model = zoo.mlp({ classes: 3, inputShape: [12], hidden: [8] });
    models.push(model);
    await model.fit(dataset, { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 5, batchSize: 16 });
    expect(model).toMatchObject({ inputType: 'uint8', preprocessing: { scale: 1 / 255 } });
    const fromBytes = await model.predict(dataset.inputs);
    expect(fromBytes).toEqual(await model.predict(new Float32Array(dataset.inputs)));
    expect(fromBytes).toEqual(await model.predict(new Uint8ClampedArray(dataset.inputs) as unknown as Uint8Array));
    expectClose(fromBytes, reference(model, dataset.inputs).logits);
  });

  test('reads arrays that lie in shared memory or begin inside a larger buffer', async () => {
    const model = sequential({ inputShape: [3], layers: [layers.dense(2)] });
    const expected = await model.predict(Float32Array.of(1, 2, 3));
    const shared = new Float32Array(new SharedArrayBuffer(20), 4, 3);
    shared.set([1, 2, 3]);
    expect(await model.predict(shared)).toEqual(expected);
  });

  test('may be asked many things at once', async () => {
    const { inputs } = clouds({ length: 64, features: 10 });
    const model = sequential({ inputShape: [10], layers: [layers.dense(32), layers.relu(), layers.dense(5)] });
    const one = await model.predict(inputs);
    const many = await Promise.all(Array.from({ length: 40 }, () => model.predict(inputs)));
    for (const logits of many) expect(logits).toEqual(one);
  });
});

describe('a model that was disposed of', () => {
  test('refuses everything but being disposed of again', async () => {
    const model = Model.sequential({ inputShape: [2], layers: [layers.dense(2)] });
    model.dispose();
    model.dispose();
    const disposed = expect.objectContaining({ name: 'OneLogitError', code: 'ERR_ONELOGIT_DISPOSED' });
    await expect(model.predict(new Float32Array(2))).rejects.toEqual(disposed);
    await expect(model.save('/tmp/never')).rejects.toEqual(disposed);
    expect(() => model.tensor('0.weight')).toThrow(disposed);
    expect(() => model.classes).toThrow(disposed);
    expect(model.inputShape).toEqual([2]);
  });

  test('lets a prediction that runs come to its end', async () => {
    const model = Model.sequential({ inputShape: [500], layers: [layers.dense(500), layers.relu(), layers.dense(10)] });
    const running = model.predict(new Float32Array(500 * 2000));
    model.dispose();
    expect((await running).length).toBe(20_000);
  });

  test('is one after a using block', () => {
    const model = Model.sequential({ inputShape: [2], layers: [layers.dense(2)] });
    model[Symbol.dispose]();
    expect(() => model.summary()).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_DISPOSED' }));
  });
});

describe('Model.sequential refuses', () => {
  const two = [layers.dense(2)];
  test.each<[string, unknown, string, RegExp]>([
    ['an unknown option', { inputShape: [2], layers: two, sed: 1 }, 'ERR_ONELOGIT_UNKNOWN_OPTION', /unknown option 'sed'/],
    ['no options', undefined, 'ERR_ONELOGIT_ARGUMENT', /array of positive integers for inputShape/],
    ['no inputShape', { layers: two }, 'ERR_ONELOGIT_ARGUMENT', /inputShape/],
    ['an axis of 0', { inputShape: [2, 0], layers: two }, 'ERR_ONELOGIT_RANGE', /inputShape of Model.sequential\[1\] but received 0/],
    ['a fraction of an axis', { inputShape: [2.5], layers: two }, 'ERR_ONELOGIT_RANGE', /received 2.5/],
    ['too many elements', { inputShape: [65536, 65536], layers: two }, 'ERR_ONELOGIT_RANGE', /at most 2147483647 elements/],
    ['a sparse, endless shape', { inputShape: new Array(1e9), layers: two }, 'ERR_ONELOGIT_RANGE', /1 to 8 axes/],
    ['no layers', { inputShape: [2], layers: [] }, 'ERR_ONELOGIT_LAYER', /array of layers/],
    ['a negative seed', { inputShape: [2], layers: two, seed: -1 }, 'ERR_ONELOGIT_RANGE', /seed/],
    ['an unknown device', { inputShape: [2], layers: two, device: 'tpu' }, 'ERR_ONELOGIT_ARGUMENT', /'auto' or 'cpu' or 'cuda'/],
    ['a scale of 0', { inputShape: [2], layers: two, preprocessing: { scale: 0 } }, 'ERR_ONELOGIT_RANGE', /scale/],
    [
      'a deviation of 0',
      { inputShape: [2], layers: two, preprocessing: { standardDeviation: 0 } },
      'ERR_ONELOGIT_RANGE',
      /standardDeviation/,
    ],
    ['too few means', { inputShape: [4, 4, 3], layers: two, preprocessing: { mean: [1, 2] } }, 'ERR_ONELOGIT_LENGTH', /1 or 3 numbers/],
    ['a softmax in the middle of the logits', { inputShape: [2], layers: [...two, layers.relu()] }, 'ERR_ONELOGIT_LAYER', /dense/],
  ])('%s', (_, options, code, message) => {
    expect(() => Model.sequential(anything(options))).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  // AddressSanitizer's allocator ends the process instead of refusing.
  test.skipIf(process.env.ONELOGIT_SANITIZED)('more memory than there is, without dying', () => {
    expect(() => Model.sequential({ inputShape: [2 ** 31 - 1], layers: [layers.dense(2 ** 31 - 1)] })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_ONELOGIT_/) }),
    );
  });
});

describe('zoo.mlp', () => {
  test("is the paper's network for MNIST unless told otherwise", () => {
    const model = zoo.mlp({ classes: 10 });
    models.push(model);
    expect(model.inputShape).toEqual([28, 28, 1]);
    expect(model.layers.map((layer: Layer) => layer.type)).toEqual(['dense', 'batchNorm', 'relu', 'dense', 'batchNorm', 'relu', 'dense']);
    expect(model.parameterCount).toBe(784 * 500 + 500 + 1000 + 500 * 500 + 500 + 1000 + 500 * 10 + 10);
  });

  test.each<[unknown, string]>([
    [{}, 'ERR_ONELOGIT_ARGUMENT'],
    [{ classes: 0 }, 'ERR_ONELOGIT_RANGE'],
    [{ classes: 3, hidden: 500 }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ classes: 3, hidden: [0] }, 'ERR_ONELOGIT_RANGE'],
    [{ classes: 3, width: 5 }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    [undefined, 'ERR_ONELOGIT_ARGUMENT'],
  ])('refuses %j', (options, code) => {
    expect(() => zoo.mlp(anything(options))).toThrow(expect.objectContaining({ code }));
  });
});

describe('precision', () => {
  const two = [layers.dense(3), layers.relu(), layers.dense(2)];
  test('an unknown one is refused', () => {
    expect(() => Model.sequential({ inputShape: [2], layers: two, precision: 'float16' as never })).toThrow(
      expect.objectContaining({ code: 'ERR_ONELOGIT_ARGUMENT', message: expect.stringContaining("'float32' or 'tf32' or 'bfloat16'") }),
    );
  });
  test('the CPU has float32 and says so', () => {
    expect(() => Model.sequential({ inputShape: [2], layers: two, device: 'cpu', precision: 'tf32' })).toThrow(
      expect.objectContaining({ code: 'ERR_ONELOGIT_PRECISION', message: expect.stringContaining("'float32'") }),
    );
    expect(Model.sequential({ inputShape: [2], layers: two, device: 'cpu', precision: 'float32' }).device).toBe('cpu');
  });
  test.skipIf(!backendInfo().cuda.available)('on a GPU it changes the products a little', async () => {
    const input = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));
    const logits = await Promise.all(
      (['float32', 'bfloat16'] as const).map((precision) =>
        Model.sequential({ inputShape: [20], layers: two, seed: 4, device: 'cuda', precision }).predict(input),
      ),
    );
    const [exact, rounded] = logits as [Float32Array, Float32Array];
    expect(rounded).not.toEqual(exact);
    exact.forEach((value, i) => {
      expect(Math.abs(value - (rounded[i] as number))).toBeLessThan(0.05);
    });
  });
});
