/** Graphs that exportOnnx wrote, run by ONNX Runtime: the logits are those of the model. What is in the files: onnx-file.test.ts. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type ClassStorage,
  datasets,
  type ExportOnnxOptions,
  exportOnnx,
  type Inputs,
  type Layer,
  layers,
  losses,
  Model,
  optimizers,
  SingleLogitClassifier,
  type SymbolicTensor,
  zoo,
} from '../src/index.js';
import { needs } from './helpers/example.js';
import { glyphs, trainOnGlyphs } from './helpers/glyph-model.js';
import { needsOnnxRuntime, type OnnxTensor, openOnnx } from './helpers/onnxruntime.js';
import { normal, uniform } from './helpers/problems.js';
import { randomGraph } from './helpers/random-graph.js';

const directory = await mkdtemp(join(tmpdir(), 'onelogit-onnx-'));
let files = 0;
const newFile = () => join(directory, `${files++}.onnx`);
afterAll(() => rm(directory, { recursive: true }));
beforeEach(needsOnnxRuntime);

const sizeOf = (shape: readonly number[]) => shape.reduce((product, axis) => product * axis, 1);

/** Weights that are neither zeros nor ones, variances that are positive. */
function shake(model: Model, seed = 5): Model {
  const draw = normal(seed);
  for (const { name, shape } of model.tensors) {
    const fan = shape.length > 1 ? sizeOf(shape) / shape[0]! : 4;
    const values = Float32Array.from({ length: sizeOf(shape) }, () => draw() / Math.sqrt(fan));
    model.setTensor(name, name.endsWith('running_var') ? values.map((x) => 0.5 + Math.abs(x)) : values);
  }
  return model;
}

/** The largest difference, as a share of the largest number. */
function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    // NaN anywhere is a difference.
    if (!(Math.abs(actual[i]! - expected[i]!) <= difference)) difference = Math.abs(actual[i]! - expected[i]!);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  expect(largest).toBeGreaterThan(0);
  return difference / largest;
}

const limit = 1e-4;

function inputsOf(model: Model, examples: number, type: 'float32' | 'uint8' | 'int32' = 'float32'): Inputs {
  const length = examples * sizeOf(model.inputShape);
  const draw = uniform(examples);
  const [first] = model.layers;
  if (first?.type === 'embedding') return Int32Array.from({ length }, () => Math.floor(draw() * first.vocabulary));
  if (type === 'uint8') return Uint8Array.from({ length }, () => Math.floor(draw() * 256));
  const gauss = normal(examples);
  return Float32Array.from({ length }, gauss);
}

const tensor = (inputs: Inputs, examples: number, shape: readonly number[]): OnnxTensor => ({ data: inputs, dims: [examples, ...shape] });

/** Exports a model and compares logits for batches of 1 and 3, and the embedding. */
async function compare(model: Model, source: Model | string | SingleLogitClassifier = model, options: ExportOnnxOptions = {}) {
  const path = newFile();
  await exportOnnx(source, path, { embedding: true, ...options });
  const graph = await openOnnx(path);
  try {
    for (const examples of [1, 3]) {
      const inputs = inputsOf(model, examples, model.inputType ?? 'float32');
      const { logits, embedding } = await graph.run({ input: tensor(inputs, examples, model.inputShape) });
      expect(logits!.dims).toEqual([examples, model.classes]);
      expect(distance(logits!.data as Float32Array, await model.predict(inputs)), `logits of ${examples}`).toBeLessThan(limit);
      expect(distance(embedding!.data as Float32Array, await model.embed(inputs)), `embedding of ${examples}`).toBeLessThan(limit);
    }
  } finally {
    await graph.release();
  }
  return path;
}

const image = [7, 6, 4];
/** A model of these layers on images, then its end. */
const onImages = (...list: Layer[]) =>
  Model.sequential({ inputShape: image, layers: [...list, layers.flatten(), layers.dense(5)], device: 'cpu', seed: 3 });
/** Of a vector for each example. */
const onVectors = (...list: Layer[]) => Model.sequential({ inputShape: [9], layers: [...list, layers.dense(5)], device: 'cpu', seed: 3 });
/** On rows of a table: two axes. */
const onRows = (...list: Layer[]) =>
  Model.sequential({
    inputShape: [4],
    layers: [layers.embedding(11, 6), ...list, layers.flatten(), layers.dense(5)],
    device: 'cpu',
    seed: 3,
  });
const joined = (build: (input: SymbolicTensor) => SymbolicTensor, inputShape: readonly number[] = image) => {
  const input = layers.input(inputShape);
  return Model.build({ input, output: build(input).apply(layers.flatten(), layers.dense(5)), device: 'cpu', seed: 3 });
};
const conv = (filters: number, options: object = {}) => layers.conv2d(filters, { kernel: 3, padding: 'same', ...options });

const cases: Record<string, () => Model> = {
  'dense alone': () => onVectors(),
  'dense without bias': () => onVectors(layers.dense(8, { bias: false })),
  'dense on images, taken flattened': () => onImages(layers.dense(6)),
  'dense on what a convolution made': () => onImages(conv(3), layers.dense(6)),
  'batchNorm of vectors': () => onVectors(layers.dense(8), layers.batchNorm({ epsilon: 0.1 })),
  'batchNorm of images': () => onImages(layers.batchNorm(), conv(3), layers.batchNorm({ epsilon: 0.3 })),
  'batchNorm of rows': () => onRows(layers.batchNorm({ epsilon: 0.01 })),
  'batchNorm of a flattened image': () => onImages(conv(3), layers.flatten(), layers.batchNorm()),
  relu: () => onVectors(layers.dense(8), layers.relu()),
  'relu of images': () => onImages(conv(3), layers.relu()),
  dropout: () => onVectors(layers.dense(8), layers.dropout(0.5)),
  'softmax of vectors': () => onVectors(layers.dense(8), layers.softmax()),
  'softmax of images': () => onImages(conv(3), layers.softmax()),
  'softmax of images that nothing turned': () => onImages(layers.softmax()),
  'softmax of rows': () => onRows(layers.softmax()),
  'softmax after the logits, which are exported': () =>
    Model.sequential({ inputShape: [9], layers: [layers.dense(5), layers.softmax()], device: 'cpu' }),
  'flatten of images': () => onImages(),
  'flatten twice': () => onImages(conv(3), layers.flatten(), layers.relu(), layers.flatten()),
  'flatten of one channel': () => onImages(conv(1)),
  'flatten of one pixel': () => onImages(layers.conv2d(6, { kernel: [7, 6] })),
  'conv2d, valid': () => onImages(layers.conv2d(3, { kernel: [3, 2] })),
  'conv2d, same, stride 2': () => onImages(conv(3, { stride: 2 })),
  'conv2d, same, an even kernel': () => onImages(conv(3, { kernel: [4, 2] })),
  'conv2d, same, stride beyond the kernel': () => onImages(conv(3, { kernel: 1, stride: [3, 2] })),
  'conv2d, other padding on each side': () => onImages(layers.conv2d(3, { kernel: [4, 4], stride: [2, 1], padding: [3, 0, 1, 2] })),
  'conv2d, groups': () => onImages(conv(6, { groups: 2 })),
  'conv2d, depthwise, without bias': () => onImages(conv(8, { groups: 4, bias: false })),
  'maxPool, valid': () => onImages(layers.maxPool({ kernel: 2 })),
  'maxPool, same': () => onImages(conv(3), layers.maxPool({ kernel: 3, stride: 2, padding: 'same' })),
  'maxPool, same, an even kernel': () => onImages(conv(3), layers.maxPool({ kernel: [2, 4], stride: 1, padding: 'same' })),
  'maxPool, other padding on each side': () => onImages(layers.maxPool({ kernel: 3, stride: 2, padding: [2, 0, 0, 1] })),
  'avgPool, valid': () => onImages(layers.avgPool({ kernel: [3, 2], stride: 1 })),
  'avgPool, same, padding counts': () => onImages(conv(3), layers.avgPool({ kernel: 3, stride: 2, padding: 'same' })),
  'avgPool, same, padding does not count': () =>
    onImages(conv(3), layers.avgPool({ kernel: 3, stride: 2, padding: 'same', countPadding: false })),
  'avgPool, other padding on each side, counts': () => onImages(layers.avgPool({ kernel: 4, stride: 3, padding: [3, 1, 0, 2] })),
  'avgPool, other padding on each side, does not count': () =>
    onImages(layers.avgPool({ kernel: 4, stride: 3, padding: [3, 1, 0, 2], countPadding: false })),
  globalAvgPool: () =>
    Model.sequential({ inputShape: image, layers: [conv(7), layers.globalAvgPool(), layers.dense(5)], device: 'cpu', seed: 3 }),
  zeroPadding: () => onImages(layers.zeroPadding([1, 0, 2, 3]), conv(3)),
  'zeroPadding with nothing after it': () => onImages(layers.zeroPadding(1)),
  'zeroPadding before a maxPool': () => onImages(layers.zeroPadding(1), layers.maxPool({ kernel: 2, stride: 1 })),
  'zeroPadding before a maxPool that has padding': () =>
    onImages(layers.zeroPadding(2), layers.maxPool({ kernel: [3, 1], stride: 2, padding: [0, 2, 0, 0] })),
  'zeroPadding before an avgPool': () => onImages(layers.zeroPadding(3), layers.avgPool({ kernel: 2, stride: 1, countPadding: false })),
  'zeroPadding before an avgPool that has padding, which counts': () =>
    onImages(layers.zeroPadding(2), layers.avgPool({ kernel: 3, stride: 2, padding: 'same' })),
  'zeroPadding before an avgPool that has padding, which does not count': () =>
    onImages(
      layers.zeroPadding([2, 0, 1, 3]),
      layers.avgPool({ kernel: [4, 3], stride: [2, 1], padding: [3, 1, 0, 2], countPadding: false }),
    ),
  'localResponseNorm, odd': () => onImages(conv(8), layers.localResponseNorm({ size: 5, alpha: 0.7, beta: 0.6, k: 1.5 })),
  'localResponseNorm, even': () => onImages(conv(8), layers.localResponseNorm({ size: 4, alpha: 0.7, beta: 0.75, k: 2 })),
  'localResponseNorm, of 2': () => onImages(conv(8), layers.localResponseNorm({ size: 2, alpha: 0.9 })),
  'localResponseNorm, of 1': () => onImages(conv(8), layers.localResponseNorm({ size: 1, alpha: 0.9 })),
  'localResponseNorm, wider than there are channels': () => onImages(layers.localResponseNorm({ size: 11, alpha: 3 })),
  'localResponseNorm, even, wider than there are channels': () => onImages(layers.localResponseNorm({ size: 12, alpha: 3 })),
  'localResponseNorm of vectors': () => onVectors(layers.dense(8), layers.localResponseNorm({ size: 3, alpha: 0.9 })),
  'localResponseNorm, even, of rows': () => onRows(layers.localResponseNorm({ size: 4, alpha: 0.9 })),
  'embedding, flattened by the dense layer': () =>
    Model.sequential({ inputShape: [4], layers: [layers.embedding(11, 6), layers.dense(5)], device: 'cpu', seed: 3 }),
  embedding: () => onRows(layers.relu()),
  'add of images': () => joined((input) => layers.add(input, input.apply(conv(4)))),
  'add of three': () => joined((input) => layers.add(input, input.apply(conv(4)), input.apply(layers.relu()))),
  'add of vectors': () => joined((input) => layers.add(input, input.apply(layers.dense(9), layers.relu())), [9]),
  'add of what was flattened': () => joined((input) => layers.add(input.apply(layers.flatten()), input.apply(conv(4), layers.flatten()))),
  'concat of images': () => joined((input) => layers.concat(input.apply(conv(3)), input, input.apply(layers.avgPool({ kernel: 1 })))),
  'concat of images that nothing turned': () => joined((input) => layers.concat(input, input.apply(layers.relu()))),
  'concat of vectors': () => joined((input) => layers.concat(input.apply(layers.dense(3)), input), [9]),
  'concat of what was flattened': () =>
    joined((input) => layers.concat(input.apply(conv(3), layers.flatten()), input.apply(layers.globalAvgPool()))),
  'layers named as inputs, outputs and each other’s tensors': () =>
    Model.sequential({
      inputShape: [9],
      layers: [
        layers.dense(8, { name: 'input' }),
        layers.dense(8, { name: 'logits' }),
        layers.dense(8, { name: 'a' }),
        layers.dense(8, { name: 'a.weight' }),
        layers.dense(5, { name: 'embedding' }),
      ],
      device: 'cpu',
    }),
};

describe('every layer', () => {
  it('has a case', () => {
    const types = new Set(Object.values(cases).flatMap((build) => build().layers.map(({ type }) => type)));
    const others = ['freeze', 'input'];
    expect([...types].sort()).toEqual(
      Object.keys(layers)
        .filter((name) => !others.includes(name))
        .sort(),
    );
  });

  it.each(Object.keys(cases))('%s', async (name) => {
    const model = shake(cases[name]!());
    await compare(model);
    model.dispose();
  });

  it('in random graphs', async () => {
    const seeds = 100;
    let compared = 0;
    for (let seed = 0; seed < seeds; seed++) {
      const model = shake(randomGraph(uniform(seed), seed), seed);
      // Some end in zeros, behind relus that let nothing through.
      const embeddings = await Promise.all([1, 3].map((examples) => model.embed(inputsOf(model, examples))));
      if (embeddings.every((embedding) => embedding.some((x) => Math.abs(x) > 1e-3))) {
        await compare(model);
        compared++;
      }
      model.dispose();
    }
    expect(compared).toBeGreaterThan(seeds / 2);
  }, 120_000);
});

describe('preprocessing', () => {
  it.each([
    ['a scale', { scale: 0.25 }],
    ['mean and deviation of each channel', { scale: 1 / 255, mean: [0.1, 0.2, 0.3, 0.4], standardDeviation: [1, 2, 0.5, 3] }],
    ['a mean for all', { mean: 4 }],
    ['a deviation for all', { standardDeviation: 0.1 }],
  ])('of %s is part of the graph', async (_, preprocessing) => {
    const model = shake(
      Model.sequential({ inputShape: image, layers: [conv(3), layers.flatten(), layers.dense(5)], preprocessing, device: 'cpu' }),
    );
    await compare(model);
    model.dispose();
  });

  it('takes bytes where the model was fitted on bytes', async () => {
    const model = await trainOnGlyphs();
    expect(model.inputType).toBe('uint8');
    await compare(model);
    model.dispose();
  });
});

describe('the zoo', () => {
  // As small as each allows.
  const networks = {
    mlp: [28, 28, 1],
    cnn: [32, 32, 3],
    alexnet: [63, 63, 3],
    'alexnet, original': [67, 67, 3],
    vgg16: [32, 32, 3],
    inceptionV3: [75, 75, 3],
    resnet50: [32, 32, 3],
    resnet101: [32, 32, 3],
  };
  it.each(Object.entries(networks))('%s', async (name, inputShape) => {
    const options = { classes: 6, inputShape, seed: 2, device: 'cpu' as const };
    const model = name === 'alexnet, original' ? zoo.alexnet({ ...options, variant: 'original' }) : zoo[name as keyof typeof zoo](options);
    const path = await compare(model);
    await rm(path);
    model.dispose();
  });
});

describe('parts', () => {
  it('trunk and head, one after the other, are the model', async () => {
    const model = await trainOnGlyphs();
    const inputs = inputsOf(model, 3, 'uint8');
    const [trunkPath, headPath] = [newFile(), newFile()];
    await exportOnnx(model, trunkPath, { part: 'trunk' });
    await exportOnnx(model, headPath, { part: 'head' });
    const [trunk, head] = [await openOnnx(trunkPath), await openOnnx(headPath)];
    expect([trunk.inputNames, trunk.outputNames]).toEqual([['input'], ['embedding']]);
    const { embedding } = await trunk.run({ input: tensor(inputs, 3, model.inputShape) });
    expect(distance(embedding!.data as Float32Array, await model.embed(inputs))).toBeLessThan(limit);
    const { logits } = await head.run({ input: embedding! });
    expect(distance(logits!.data as Float32Array, await model.predict(inputs))).toBeLessThan(limit);
    await Promise.all([trunk.release(), head.release()]);
    model.dispose();
  });

  it('a head from elsewhere is a graph of its own', async () => {
    const model = shake(Model.sequential({ inputShape: [16], layers: [layers.dense(30)], device: 'cpu' }));
    const path = join(directory, 'head.safetensors');
    await model.save(path);
    for (const bias of ['0.bias', undefined]) {
      const slc = await SingleLogitClassifier.fromSafetensors(path, { weight: '0.weight', bias });
      const out = newFile();
      await exportOnnx(slc, out);
      const graph = await openOnnx(out);
      const inputs = inputsOf(model, 2) as Float32Array;
      const { logits } = await graph.run({ input: tensor(inputs, 2, [16]) });
      const expected = [0, 1].flatMap((i) => [
        ...slc.scoreMany(
          inputs.subarray(16 * i, 16 * i + 16),
          Array.from({ length: 30 }, (_x, c) => c),
        ),
      ]);
      expect(distance(logits!.data as Float32Array, expected)).toBeLessThan(limit);
      await graph.release();
      slc.dispose();
    }
    model.dispose();
  });
});

describe('a calibrated classifier', () => {
  const storages: ClassStorage[] = ['float32', 'bfloat16', 'int8'];
  const data = glyphs('test');
  const examples = 24;
  const inputs = data.inputs.subarray(0, examples * 784);
  const ids = Array.from({ length: examples }, (_, i) => (i * 7) % data.classes);
  const one = (i: number) => inputs.subarray(i * 784, (i + 1) * 784);

  it.each(storages.flatMap((storage) => [true, false].map((bias) => ({ storage, bias }))))(
    'in $storage, bias $bias: logits and matches, all of them and one for each question, from memory and from its file',
    async ({ storage, bias }) => {
      const model = Model.sequential({
        inputShape: data.inputShape,
        layers: [layers.flatten(), layers.dense(32), layers.relu(), layers.dense(data.classes, { bias })],
        device: 'cpu',
      });
      await model.fit(glyphs(), {
        loss: losses.batchCrossEntropy(),
        optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
        steps: 100,
        batchSize: 64,
      });
      const slc = await SingleLogitClassifier.load(model, { storage });
      await slc.calibrate(data, { recall: 0.9 });
      const path = join(directory, `${storage}-${bias}.safetensors`);
      await slc.save(path);
      const scores = ids.map((id, i) => slc.score(one(i), id));
      const matches = ids.map((id, i) => slc.matches(one(i), id));
      expect(new Set(matches).size).toBe(2);

      for (const source of [slc, path]) {
        const all = newFile();
        await exportOnnx(source, all);
        const graph = await openOnnx(all);
        expect(graph.outputNames).toEqual(['logits', 'matches']);
        const whole = await graph.run({ input: tensor(inputs, examples, data.inputShape) });
        const at = (i: number) => i * data.classes + ids[i]!;
        expect(
          distance(
            ids.map((_, i) => (whole.logits!.data as Float32Array)[at(i)]!),
            scores,
          ),
        ).toBeLessThan(limit);
        expect(ids.map((_, i) => Boolean(whole.matches!.data[at(i)]))).toEqual(matches);
        await graph.release();

        const single = newFile();
        await exportOnnx(source, single, { singleLogit: true });
        const questions = await openOnnx(single);
        expect(questions.inputNames).toEqual(['input', 'class_ids']);
        const ask = (from: Inputs, count: number, classIds: readonly number[]) =>
          questions.run({
            input: tensor(from, count, data.inputShape),
            class_ids: { data: BigInt64Array.from(classIds, BigInt), dims: [classIds.length] },
          });
        const each = await ask(inputs, examples, ids);
        expect(each.logits!.dims).toEqual([examples]);
        expect(distance(each.logits!.data as Float32Array, scores)).toBeLessThan(limit);
        expect(Array.from(each.matches!.data as Uint8Array, Boolean)).toEqual(matches);
        // One example and several classes; several examples and one class.
        const many = await ask(one(3), 1, [0, 9, 4, 0]);
        expect(distance(many.logits!.data as Float32Array, slc.scoreMany(one(3), [0, 9, 4, 0]))).toBeLessThan(limit);
        const batch = await ask(inputs, examples, [5]);
        expect(distance(batch.logits!.data as Float32Array, slc.scoreBatch(inputs, 5))).toBeLessThan(limit);
        await expect(ask(one(0), 1, [data.classes])).rejects.toThrow();
        await questions.release();
      }
      slc.dispose();
      model.dispose();
    },
  );

  it('a head alone answers one question, too', async () => {
    const model = await trainOnGlyphs();
    const path = newFile();
    await exportOnnx(model, path, { part: 'head', singleLogit: true });
    const graph = await openOnnx(path);
    const embedding = await model.embed(inputs);
    const { logits } = await graph.run({
      input: tensor(embedding, examples, [model.features]),
      class_ids: { data: BigInt64Array.from(ids, BigInt), dims: [examples] },
    });
    const all = await model.predict(inputs);
    expect(
      distance(
        logits!.data as Float32Array,
        ids.map((id, i) => all[i * model.classes + id]!),
      ),
    ).toBeLessThan(limit);
    await graph.release();
    model.dispose();
  });
});

describe('tensors in a file of their own', () => {
  it.each([{}, { singleLogit: true }])('are found beside the graph (%j)', async (options) => {
    const model = shake(zoo.cnn({ classes: 40, inputShape: [8, 8, 3], device: 'cpu' }));
    const path = newFile();
    const { files: written } = await exportOnnx(model, path, { ...options, externalData: true });
    expect(written).toEqual([path, `${path}.data`]);
    const graph = await openOnnx(path);
    const inputs = inputsOf(model, 2);
    const { logits } = await graph.run({
      input: tensor(inputs, 2, model.inputShape),
      ...(options.singleLogit ? { class_ids: { data: BigInt64Array.of(3n, 39n), dims: [2] } } : {}),
    });
    const all = await model.predict(inputs);
    expect(distance(logits!.data as Float32Array, options.singleLogit ? [all[3]!, all[40 + 39]!] : all)).toBeLessThan(limit);
    await graph.release();
    model.dispose();
  });

  it('as many bytes of bfloat16 as the file has', async () => {
    const model = Model.sequential({
      inputShape: [64],
      layers: [layers.dense(500, { storage: 'bfloat16' })],
      device: 'cpu',
    });
    const path = newFile();
    const { bytes } = await exportOnnx(model, path, { externalData: true });
    expect(bytes).toBeLessThan(64 * 500 * 2 + 500 * 4 + 4096 + 2000);
    await compare(model, model, { externalData: true });
    model.dispose();
  });
});

describe('the checker of the onnx package', () => {
  it('finds nothing wrong, shapes and types inferred', async (context) => {
    const python = '/usr/bin/python3';
    const run = promisify(execFile);
    const present = await run(python, ['-c', 'import onnx']).then(
      () => true,
      () => false,
    );
    needs('the onnx package of Python', present, 'apt-get install python3-onnx', context);
    const paths: string[] = [];
    for (const build of Object.values(cases)) {
      const model = shake(build());
      for (const options of [{}, { singleLogit: true, embedding: true }, { part: 'trunk' }, { part: 'head' }] as const) {
        const path = newFile();
        await exportOnnx(model, path, options);
        paths.push(path);
      }
      model.dispose();
    }
    const slc = await SingleLogitClassifier.load(zoo.mlp({ classes: 10, device: 'cpu' }), { storage: 'int8' });
    await slc.calibrate(datasets.glyphs({ classes: 10, examplesPerClass: 5, seed: 1 }), { recall: 0.5 });
    for (const options of [{}, { singleLogit: true }, { externalData: true }]) {
      const path = newFile();
      await exportOnnx(slc, path, options);
      paths.push(path);
    }
    slc.dispose();
    const check = [
      'import sys, onnx',
      'for path in sys.argv[1:]:',
      '    onnx.checker.check_model(path, full_check=True)',
      'print(len(sys.argv) - 1)',
    ].join('\n');
    const { stdout } = await run(python, ['-c', check, ...paths]);
    expect(Number(stdout)).toBe(paths.length);
  });
});
