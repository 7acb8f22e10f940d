/** Files of models, as somebody without this package reads them: test/python/read_safetensors.py knows the format's description and nothing else. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { needs } from './helpers/example.js';
import { clouds } from './helpers/problems.js';

const python = '/usr/bin/python3';
const reader = fileURLToPath(new URL('python/read_safetensors.py', import.meta.url));

interface PythonTensor {
  dtype: string;
  shape: number[];
  begin: number;
  aligned: boolean;
  values: number[];
}
interface PythonFile {
  metadata: Record<string, string>;
  dataStart: number;
  tensors: Record<string, PythonTensor>;
  classRows: number[][];
  classNames: string[] | null;
}
async function readWithPython(path: string): Promise<PythonFile> {
  const { stdout } = await promisify(execFile)(python, [reader, path], { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout);
}

const classNames = ['cat', 'Hund', '貓', '', 'a longer name, with "quotes" and a 🦩'];
const data = { ...clouds({ length: 100 }), classNames };
let directory = '';
let path = '';
let model: Model;

beforeEach((context) => needs('Python 3', existsSync(python), 'apt-get install python3', context));
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-python-'));
  path = join(directory, 'x.safetensors');
  model = Model.sequential({
    inputShape: [16],
    layers: [layers.dense(7), layers.batchNorm({ name: 'norm' }), layers.relu(), layers.dense(5, { name: 'head' })],
    device: 'cpu',
  });
  await model.fit(data, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.sgd({ learningRate: 0.1 }),
    steps: 50,
    batchSize: 16,
    checkpoint: { path: join(directory, 'checkpoint.safetensors'), everySteps: 50 },
  });
});
afterAll(async () => {
  model.dispose();
  await rm(directory, { recursive: true });
});

const float32 = (values: readonly number[]) => Float32Array.from(values);

function checkLayout({ dataStart, tensors }: PythonFile): void {
  // What this package promises beyond the format: everything can be used in place.
  expect(dataStart % 64).toBe(0);
  for (const [name, { aligned }] of Object.entries(tensors)) expect([name, aligned]).toEqual([name, true]);
}

it('a model: every tensor, and the description as JSON', async () => {
  await model.save(path);
  const file = await readWithPython(path);
  checkLayout(file);
  const description = JSON.parse(file.metadata.onelogit!);
  expect(description).toMatchObject({ format: 1, inputShape: [16], loss: { name: 'batch-cross-entropy' }, trained: true });
  expect(Object.keys(file.tensors).sort()).toEqual(
    [...model.tensors.map(({ name }) => name), 'class_names.bytes', 'class_names.offsets'].sort(),
  );
  for (const { name, shape } of model.tensors) {
    const { values, ...entry } = file.tensors[name]!;
    expect(entry).toMatchObject({ dtype: 'F32', shape });
    expect(float32(values)).toEqual(model.tensor(name));
  }
  expect(file.tensors['class_names.bytes']!.dtype).toBe('U8');
  expect(file.tensors['class_names.offsets']).toMatchObject({ dtype: 'I64', shape: [6] });
  expect(file.classNames).toEqual(classNames);
});

it.each([
  ['float32', 'F32', 0],
  ['bfloat16', 'BF16', 2 ** -8],
  ['int8', 'I8', 1 / 254],
] as const)('a classifier in %s: thresholds, and rows that give its scores', async (storage, dtype, rounding) => {
  const slc = await SingleLogitClassifier.load(model, { storage });
  await slc.calibrate(data, { recall: 0.9 });
  await slc.save(path);
  const file = await readWithPython(path);
  checkLayout(file);
  expect(float32(file.tensors.thresholds!.values)).toEqual(slc.thresholds);
  expect(file.tensors['head.weight']).toMatchObject({ dtype, shape: [5, 7] });
  expect(file.tensors['head.weight.scale']?.shape).toEqual(storage === 'int8' ? [5] : undefined);
  expect(file.classNames).toEqual(classNames);
  const exact = model.tensor('head.weight');
  for (const [c, row] of file.classRows.entries()) {
    const largest = Math.max(...row.map(Math.abs));
    for (const [n, number] of row.entries()) expect(Math.abs(number - exact[c * 7 + n]!)).toBeLessThanOrEqual(rounding * largest);
  }
  // The dot product of a row with the embedding is the score.
  const example = data.inputs.subarray(0, 16);
  const embedding = await model.embed(example);
  for (const [c, row] of file.classRows.entries()) {
    const logit = row.reduce((sum, number, n) => sum + number * embedding[n]!, file.tensors['head.bias']!.values[c]!);
    expect(slc.score(example, c)).toBeCloseTo(logit, 4);
  }
  slc.dispose();
});

it('a class matrix trained in bfloat16', async () => {
  const half = Model.sequential({ inputShape: [16], layers: [layers.dense(5, { storage: 'bfloat16' })], device: 'cpu', seed: 4 });
  await half.save(path);
  const { tensors } = await readWithPython(path);
  expect(tensors['0.weight']!.dtype).toBe('BF16');
  expect(float32(tensors['0.weight']!.values)).toEqual(half.tensor('0.weight'));
  half.dispose();
});

it('a checkpoint', async () => {
  const file = await readWithPython(join(directory, 'checkpoint.safetensors'));
  for (const { name } of model.tensors) expect(float32(file.tensors[name]!.values)).toEqual(model.tensor(name));
  expect(Object.keys(file.tensors).some((name) => name.startsWith('training.'))).toBe(true);
});

it('the reader itself refuses what the format forbids', async () => {
  await model.save(path);
  const bytes = await readFile(path);
  const broken: [change: (copy: Buffer) => Buffer, message: RegExp][] = [
    [(copy) => copy.subarray(0, copy.length - 1), /bytes of tensors|bytes as its shape/],
    [(copy) => Buffer.concat([copy, Buffer.alloc(1)]), /bytes of tensors/],
    [(copy) => Buffer.from(copy.toString('latin1').replace('"BF16"', '"F32"').replace('"F32"', '"I8" '), 'latin1'), /as its shape says/],
    [(copy) => copy.fill(0xff, 0, 7), /a header within the file/],
  ];
  for (const [change, message] of broken) {
    await writeFile(path, change(Buffer.from(bytes)));
    await expect(readWithPython(path)).rejects.toMatchObject({ stderr: expect.stringMatching(message) });
  }
});
