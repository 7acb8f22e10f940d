import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type InMemoryDataset, layers, losses, Model, optimizers, SingleLogitClassifier, zoo } from '../src/index.js';
import { normal } from './helpers/problems.js';
import { referenceOutputs } from './helpers/reference-network.js';
import { readParts, writeParts } from './helpers/safetensors.js';

const inputShape = [9, 7, 3];
const size = 9 * 7 * 3;
const classes = 5;

/** Residual and parallel branches, some frozen, with every layer that images go through. */
function branching(seed = 1): Model {
  const input = layers.input(inputShape);
  const stem = input.apply(
    layers.zeroPadding([1, 0, 0, 1]),
    ...layers.freeze([layers.conv2d(8, { kernel: 3, name: 'stem.conv' }), layers.batchNorm({ name: 'stem.bn' })]),
    layers.relu(),
    layers.localResponseNorm({ size: 3, alpha: 0.5 }),
  );
  const residual = stem.apply(
    layers.conv2d(8, { kernel: [1, 3], padding: 'same', groups: 2, bias: false, name: 'residual.conv' }),
    layers.batchNorm({ name: 'residual.bn' }),
  );
  const sum = layers.add(residual, stem).apply(layers.relu());
  const joined = layers.concat(
    sum.apply(layers.maxPool({ kernel: 3, stride: 2, padding: 1 })),
    sum.apply(layers.conv2d(6, { kernel: 3, stride: 2, padding: 1 })),
    sum.apply(layers.avgPool({ kernel: 3, stride: 2, padding: 1, countPadding: false }), layers.conv2d(4, { kernel: 1 }), layers.relu()),
  );
  const output = layers
    .concat(joined.apply(layers.globalAvgPool()), joined.apply(layers.flatten(), layers.dropout(0.2), layers.dense(7)))
    .apply(layers.dense(classes, { name: 'head' }));
  return Model.build({ input, output, seed, device: 'cpu' });
}

const data = (length = 64): InMemoryDataset => {
  const draw = normal(3);
  const labels = Int32Array.from({ length }, (_, i) => i % classes);
  const inputs = Float32Array.from(
    { length: length * size },
    (_, at) => draw() + (at % classes === Math.floor(at / size) % classes ? 1 : 0),
  );
  return { inputs, labels, inputShape, classes, length };
};

const models: Model[] = [];
const kept = (model: Model) => {
  models.push(model);
  return model;
};
afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
});

function shake(model: Model): Model {
  const draw = normal(5);
  for (const { name, shape } of model.tensors) {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0.3 * draw());
    model.setTensor(name, name.endsWith('running_var') ? values.map((x) => 0.5 + Math.abs(x)) : values);
  }
  return model;
}

describe('a model of a graph', () => {
  test('predicts and embeds what the formulas say', async () => {
    const model = kept(shake(branching()));
    const { inputs } = data(9);
    const [logits, embeddings] = [await model.predict(inputs), await model.embed(inputs)];
    for (let example = 0; example < 9; example++) {
      const outputs = referenceOutputs(model, inputs.subarray(example * size, (example + 1) * size));
      const close = (actual: Float32Array, expected: readonly number[]) =>
        expect(Math.hypot(...expected.map((x, i) => x - actual[i]!)) / Math.hypot(...expected)).toBeLessThan(1e-5);
      close(logits.subarray(example * classes, (example + 1) * classes), outputs.at(-1)!.data);
      close(embeddings.subarray(example * model.features, (example + 1) * model.features), outputs.at(-2)!.data);
    }
  });

  test('says in its summary where inputs come from, what is frozen and what learns', () => {
    const text = kept(branching()).summary();
    const lines = text.split('\n');
    expect(lines[0]).toBe('    layer              name           inputs     output      parameters');
    expect(lines[1]).toBe(' 0  zeroPadding                                  10 × 8 × 3           0');
    expect(lines[2]).toBe(' 1  conv2d 3×3         stem.conv                 8 × 6 × 8          224  frozen');
    expect(lines[8]).toBe(' 7  add                               6, 4       8 × 6 × 8            0');
    expect(lines[11]).toBe('10  conv2d 3×3/2                      8          4 × 3 × 6          438');
    expect(lines[15]).toBe('14  concat                            9, 10, 13  4 × 3 × 18           0');
    expect(lines.at(-1)).toBe('2,235 trainable parameters of 2,475 on cpu');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('learns, and leaves alone what is frozen', async () => {
    const model = kept(branching());
    const before = new Map(model.tensors.map(({ name }) => [name, model.tensor(name)]));
    const set = data();
    const options = { loss: losses.batchCrossEntropy(), optimizer: optimizers.adam({ learningRate: 0.01 }), batchSize: 16, seed: 1 };
    const { finalLoss } = await model.fit(set, { ...options, steps: 200 });
    expect(finalLoss).toBeLessThan(0.5); // from above ln 5 of equal logits
    for (const { name, trainable } of model.tensors) {
      expect(trainable).toBe(!name.startsWith('stem.') && !name.includes('running'));
      if (name.startsWith('stem.')) expect(model.tensor(name)).toEqual(before.get(name));
      else expect(model.tensor(name)).not.toEqual(before.get(name));
    }
  });

  test('comes back from a file, and answers from one logit', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-graph-'));
    try {
      const path = join(directory, 'model.safetensors');
      const model = kept(shake(branching()));
      const { inputs } = data(4);
      await model.save(path);
      const loaded = kept(await Model.load(path, { device: 'cpu' }));
      expect(loaded.layers).toEqual(model.layers);
      expect(loaded.summary()).toBe(model.summary());
      const logits = await model.predict(inputs);
      expect(await loaded.predict(inputs)).toEqual(logits);
      for (const from of [path, model]) {
        const slc = await SingleLogitClassifier.load(from, { device: 'cpu' });
        for (let example = 0; example < 4; example++)
          for (let c = 0; c < classes; c++)
            expect(slc.score(inputs.subarray(example * size, (example + 1) * size), c)).toBeCloseTo(logits[example * classes + c]!, 4);
        slc.dispose();
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('is kept in fewer bytes, mapped and reloaded as other models are', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-graph-'));
    try {
      const [first, second] = [join(directory, 'first.safetensors'), join(directory, 'second.safetensors')];
      const [one, two] = [kept(shake(branching())), kept(branching(7))];
      await one.save(first);
      await two.save(second);
      const { inputs } = data(1);
      const [before, after] = [await one.predict(inputs), await two.predict(inputs)];
      for (const storage of ['bfloat16', 'int8'] as const) {
        const stored = join(directory, `${storage}.safetensors`);
        const slc = await SingleLogitClassifier.load(first, { storage, device: 'cpu' });
        await slc.save(stored);
        const mapped = await SingleLogitClassifier.load(stored, { memoryMap: true, device: 'cpu' });
        const scale = Math.hypot(...before);
        for (let c = 0; c < classes; c++) {
          expect(Math.abs(mapped.score(inputs, c) - before[c]!) / scale).toBeLessThan(0.02);
          expect(mapped.score(inputs, c)).toBe(slc.score(inputs, c));
        }
        mapped.dispose();
        slc.dispose();
      }
      const slc = await SingleLogitClassifier.load(first, { device: 'cpu' });
      await slc.reload(second);
      for (let c = 0; c < classes; c++) expect(slc.score(inputs, c)).toBeCloseTo(after[c]!, 4);
      slc.dispose();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('is refused from a file that lies about its graph', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-graph-'));
    try {
      const path = join(directory, 'model.safetensors');
      await kept(branching()).save(path);
      const parts = readParts(path);
      type Lie = [index: number, property: string, value: unknown];
      const lies: Lie[] = [
        [7, 'inputs', [6, 99]],
        [7, 'inputs', [6, -2]],
        [7, 'inputs', [6]],
        [8, 'inputs', [3]],
        [14, 'inputs', [9, 10, 12]],
        [20, 'name', 'optimizer.0'],
        [20, 'name', 'other'],
        [5, 'name', 'stem.conv'],
        [5, 'groups', 3],
        [9, 'kernel', [2 ** 21, 1]],
        [9, 'padding', [3, 0, 0, 0]],
        [20, 'frozen', true],
      ];
      for (const [index, property, value] of lies) {
        const metadata = JSON.parse(parts.metadata.onelogit!);
        metadata.layers[index][property] = value;
        writeParts(path, { ...parts, metadata: { onelogit: JSON.stringify(metadata) } });
        for (const read of [Model.load, SingleLogitClassifier.load])
          await expect(read(path), `${index} ${property}`).rejects.toMatchObject({
            code: expect.stringMatching(/^ERR_ONELOGIT_(FORMAT|LAYER)$/),
          });
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('resumes from a checkpoint as if it had never stopped, and from none of another graph', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-graph-'));
    try {
      const path = join(directory, 'checkpoint.safetensors');
      const set = data();
      const options = { loss: losses.batchCrossEntropy(), optimizer: optimizers.adam(), batchSize: 16, seed: 1 };
      const [whole, half, rest, other] = [branching(), branching(), branching(2), kept(zoo.cnn({ classes, inputShape }))].map(kept) as [
        Model,
        Model,
        Model,
        Model,
      ];
      await whole.fit(set, { ...options, steps: 6 });
      await half.fit(set, { ...options, steps: 3, checkpoint: { path, everySteps: 3 } });
      await rest.fit(set, { ...options, steps: 6, resumeFrom: path });
      for (const { name } of whole.tensors) expect(rest.tensor(name)).toEqual(whole.tensor(name));
      await expect(other.fit(set, { ...options, steps: 6, resumeFrom: path })).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_CHECKPOINT',
        message: expect.stringContaining('layers'),
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('of shapes that do not join is refused, with the shapes', () => {
    const input = layers.input([8]);
    const [three, four] = [input.apply(layers.dense(3)), input.apply(layers.dense(4))];
    expect(() => Model.build({ input, output: layers.add(three, four).apply(layers.dense(2)) })).toThrow(
      expect.objectContaining({
        code: 'ERR_ONELOGIT_LAYER',
        message: expect.stringMatching(/one shape for add but received \[3\] and \[4\]/),
      }),
    );
  });
});
