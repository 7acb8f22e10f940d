import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { layers, losses, Model, optimizers, SingleLogitClassifier, zoo } from '../src/index.js';
import { type Parts, readParts, writeParts } from './helpers/safetensors.js';

// What JavaScript callers can do and TypeScript would not let them.
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const anything = (value: unknown): any => value;

// Written by PyTorch: test/golden/state_dict.py.
const golden = (name: string) => join(dirname(fileURLToPath(import.meta.url)), 'golden', name);
const { inputShape, classes, inputs, logits } = JSON.parse(await readFile(golden('state_dict.json'), 'utf8')) as {
  inputShape: number[];
  classes: number;
  inputs: number[];
  logits: Record<'sequential' | 'residual', number[]>;
};
const images = Float32Array.from(inputs);
const size = inputShape.reduce((a, b) => a * b);

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-state-dict-'));
});
afterAll(() => rm(directory, { recursive: true }));
const models: Model[] = [];
const kept = (model: Model) => {
  models.push(model);
  return model;
};
afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
});

const sequential = (units = classes) =>
  kept(
    Model.sequential({
      inputShape,
      layers: [
        layers.conv2d(4, { kernel: 3 }),
        layers.relu(),
        layers.flatten(),
        layers.batchNorm(),
        layers.dropout(0.3),
        layers.dense(9),
        layers.relu(),
        layers.dense(units),
      ],
      device: 'cpu',
    }),
  );

function residual(units = classes): Model {
  const input = layers.input(inputShape);
  const x = input.apply(
    layers.conv2d(8, { kernel: 3, padding: 1, bias: false, name: 'conv1' }),
    layers.batchNorm({ name: 'bn1' }),
    layers.relu(),
  );
  const block = x.apply(
    layers.conv2d(8, { kernel: [1, 3], padding: [0, 1], groups: 2, name: 'block.0' }),
    layers.batchNorm({ name: 'block.1' }),
  );
  const sum = layers.add(block, x).apply(layers.relu(), layers.maxPool({ kernel: 2 }));
  return kept(Model.build({ input, output: sum.apply(layers.dense(units, { name: 'fc' })), device: 'cpu' }));
}

const all = (model: Model) => model.tensors.map(({ name }) => model.tensor(name));

async function expectLogits(model: Model, expected: number[], tolerance = 1e-5): Promise<void> {
  const actual = await model.predict(images);
  expect(Math.hypot(...expected.map((x, i) => x - actual[i]!)) / Math.hypot(...expected)).toBeLessThan(tolerance);
}

/** The residual model's file with something changed. */
function changed(name: string, change: (tensors: Parts['tensors']) => void): string {
  const parts = readParts(golden('state_dict.residual.safetensors'));
  change(parts.tensors);
  const path = join(directory, `${name}.safetensors`);
  writeParts(path, parts);
  return path;
}

describe('loadStateDict', () => {
  test.each([
    ['layers by index, with a flattened image', 'sequential', sequential],
    ['names, branches and groups', 'residual', residual],
  ] as const)("answers PyTorch's logits: %s", async (_, name, build) => {
    const model = build();
    await model.loadStateDict(golden(`state_dict.${name}.safetensors`));
    expect(model.trained).toBe(true);
    await expectLogits(model, logits[name]);
    const slc = await SingleLogitClassifier.load(model);
    for (const [at, expected] of logits[name].entries()) {
      const example = images.subarray(Math.floor(at / classes) * size, (Math.floor(at / classes) + 1) * size);
      expect(slc.score(example, at % classes)).toBeCloseTo(expected, 4);
    }
    slc.dispose();
  });

  test('puts channels last in kernels, and each of its own tensors where it belongs', async () => {
    const model = residual();
    await model.loadStateDict(golden('state_dict.residual.safetensors'));
    const { tensors } = readParts(golden('state_dict.residual.safetensors'));
    const floats = (name: string) => {
      const { bytes } = tensors.get(name)!;
      return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    };
    const [mine, theirs] = [model.tensor('conv1.weight'), floats('conv1.weight')];
    for (let filter = 0; filter < 8; filter++)
      for (let channel = 0; channel < 3; channel++)
        for (let row = 0; row < 3; row++)
          for (let column = 0; column < 3; column++)
            expect(mine[((filter * 3 + row) * 3 + column) * 3 + channel]).toBe(theirs[((filter * 3 + channel) * 3 + row) * 3 + column]);
    for (const name of ['bn1.weight', 'bn1.running_mean', 'block.0.bias', 'block.1.running_var', 'fc.bias'])
      expect(model.tensor(name)).toEqual(floats(name));
  });

  test('reads a state dict in several files by its index, and other types', async () => {
    const parts = readParts(golden('state_dict.residual.safetensors'));
    const convert = (bytes: Uint8Array, dtype: string) => {
      const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
      if (dtype === 'F64') return new Uint8Array(Float64Array.from(values).buffer);
      return new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer);
    };
    const shards: Parts['tensors'][] = [new Map(), new Map()];
    const weightMap: Record<string, string> = {};
    for (const [index, [name, { dtype, shape, bytes }]] of [...parts.tensors].entries()) {
      const type = dtype === 'I64' ? dtype : index % 2 === 0 ? 'F64' : 'BF16';
      shards[index % 2]!.set(name, { dtype: type, shape, bytes: type === 'I64' ? bytes : convert(bytes, type) });
      weightMap[name] = `part-${index % 2}.safetensors`;
    }
    for (const [index, tensors] of shards.entries()) writeParts(join(directory, `part-${index}.safetensors`), { metadata: {}, tensors });
    const path = join(directory, 'model.safetensors.index.json');
    await writeFile(path, JSON.stringify({ weight_map: weightMap }));
    const model = residual();
    await model.loadStateDict(path);
    await expectLogits(model, logits.residual, 0.02); // bfloat16 has 8 bits
    await writeFile(path, JSON.stringify({ weight_map: { ...weightMap, 'fc.bias': '../part-0.safetensors' } }));
    await expect(model.loadStateDict(path)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
  });

  test('leaves the head as it is if asked to, also for other classes', async () => {
    const path = golden('state_dict.residual.safetensors');
    const model = residual(3);
    const before = ['fc.weight', 'fc.bias'].map((name) => model.tensor(name));
    await expect(model.loadStateDict(path)).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FORMAT',
      message: expect.stringMatching(/shape \[3, 72\] for 'fc.weight' in .*residual.safetensors but received \[5, 72\]; head: false/),
    });
    await model.loadStateDict(path, { head: false });
    expect(['fc.weight', 'fc.bias'].map((name) => model.tensor(name))).toEqual(before);
    expect(model.trained).toBe(false); // its head has seen nothing: the first fit may still begin with a prior
    const whole = residual();
    await whole.loadStateDict(path);
    expect(await model.embed(images)).toEqual(await whole.embed(images));
    const headless = changed('headless', (tensors) => {
      for (const name of ['fc.weight', 'fc.bias']) tensors.delete(name);
    });
    await residual(4).loadStateDict(headless, { head: false });
  });

  test('passes over what it has no use for', async () => {
    const model = residual();
    await model.loadStateDict(
      changed('more', (tensors) => tensors.set('AuxLogits.fc.weight', { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) })),
    );
    await expectLogits(model, logits.residual);
  });

  test.each<[string, (tensors: Parts['tensors']) => void, RegExp]>([
    [
      'a tensor is missing',
      (tensors) => tensors.delete('bn1.bias'),
      /a tensor 'bn1.bias' of shape \[8\] in .* but received a file without it/,
    ],
    [
      'a kernel has another shape',
      (tensors) => void Object.assign(tensors.get('conv1.weight')!, { shape: [8, 3, 9, 1] }),
      /shape \[8, 3, 3, 3\] \(filters, channels, height, width\) for 'conv1.weight' in .* but received \[8, 3, 9, 1\]/,
    ],
    [
      'a tensor is of integers',
      (tensors) => Object.assign(tensors.get('fc.bias')!, { dtype: 'I32' }),
      /F32, F16, BF16, F64 for 'fc.bias' in .* but received I32/,
    ],
    [
      'there is one too many',
      (tensors) => tensors.set('bn2.weight', { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }),
      /only tensors of the model in .* but received also 'bn2.weight'/,
    ],
  ])('changes nothing when %s', async (name, change, message) => {
    const model = residual();
    const before = all(model);
    await expect(model.loadStateDict(changed(name.replaceAll(' ', '-'), change))).rejects.toMatchObject({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_FORMAT',
      message: expect.stringMatching(message),
    });
    expect(all(model)).toEqual(before);
    expect(model.trained).toBe(false);
  });

  test('changes nothing when the file is damaged or not there', async () => {
    const model = residual();
    const before = all(model);
    const cut = changed('cut', () => {});
    await truncate(cut, 1000);
    await expect(model.loadStateDict(cut)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    await expect(model.loadStateDict(join(directory, 'none'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await expect(model.loadStateDict(join(directory, 'none.json'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    expect(all(model)).toEqual(before);
  });

  test.each<[string, (model: Model) => Promise<void>, string]>([
    ['no path', (model) => model.loadStateDict(anything(undefined)), 'ERR_ONELOGIT_ARGUMENT'],
    ['an unknown option', (model) => model.loadStateDict('x', anything({ strict: true })), 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['head of no boolean', (model) => model.loadStateDict('x', anything({ head: 0 })), 'ERR_ONELOGIT_ARGUMENT'],
  ])('refuses %s', async (_, call, code) => {
    await expect(call(residual())).rejects.toMatchObject({ code });
  });

  test('refuses layers for which the order of a flattened image is not clear', async () => {
    const input = layers.input([2, 2, 3]);
    const flat = input.apply(layers.flatten());
    const path = golden('state_dict.residual.safetensors');
    for (const hidden of [
      layers.concat(flat, flat),
      layers.add(flat, flat.apply(layers.dense(12))),
      flat.apply(layers.localResponseNorm()),
    ]) {
      const model = kept(Model.build({ input, output: hidden.apply(layers.dense(2)), device: 'cpu' }));
      await expect(model.loadStateDict(path)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNSUPPORTED' });
    }
  });

  test('is refused while the model is trained, and fits its weights afterwards', async () => {
    const model = sequential();
    const labels = Int32Array.of(0, 1, 2, 3);
    const data = { inputs: images, labels, inputShape, classes, length: 4 };
    const path = golden('state_dict.sequential.safetensors');
    const fit = model.fit(data, { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 20, batchSize: 4 });
    await expect(model.loadStateDict(path)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_BUSY' });
    await fit;
    await model.loadStateDict(path);
    await expectLogits(model, logits.sequential);
    model.dispose();
    await expect(model.loadStateDict(path)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_DISPOSED' });
  });
});

test('weights of torchvision train only the head, as one would', async () => {
  // The trunk of a small cnn, exported the way PyTorch would: by names of layers, channels first.
  const source = kept(zoo.cnn({ classes: 4, inputShape: [8, 8, 1], seed: 3, device: 'cpu' }));
  const path = join(directory, 'cnn.safetensors');
  const tensors: Parts['tensors'] = new Map();
  for (const { name, shape } of source.tensors) {
    const values = source.tensor(name);
    const [outer, rows, columns, inner] = shape.length === 4 ? (shape as [number, number, number, number]) : [1, 1, 1, 1];
    const isDense = name === '22.weight';
    const [channels, pixels] = shape.length === 4 ? [inner, rows * columns] : isDense ? [512, 1] : [1, 1];
    const block = channels * pixels;
    const turned = Float32Array.from(values, (_, at) => {
      const inside = at % block;
      return values[at - inside + (inside % pixels) * channels + Math.floor(inside / pixels)]!;
    });
    tensors.set(name, {
      dtype: 'F32',
      shape: shape.length === 4 ? [outer, inner, rows, columns] : [...shape],
      bytes: new Uint8Array(turned.buffer),
    });
  }
  writeParts(path, { metadata: {}, tensors });
  const model = kept(zoo.cnn({ classes: 2, inputShape: [8, 8, 1], trainable: 'head', seed: 9, device: 'cpu' }));
  await model.loadStateDict(path, { head: false });
  const inputs = Float32Array.from({ length: 64 * 20 }, (_, at) => Math.sin(at * at));
  expect(await model.embed(inputs)).toEqual(await source.embed(inputs));
  const head = model.tensor('25.weight');
  const labels = Int32Array.from({ length: 20 }, (_, i) => i % 2);
  await model.fit(
    { inputs, labels, inputShape: [8, 8, 1], classes: 2, length: 20 },
    { loss: losses.batchCrossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 5, batchSize: 10 },
  );
  expect(await model.embed(inputs)).toEqual(await source.embed(inputs));
  expect(model.tensor('25.weight')).not.toEqual(head);
});
