/** examples/embeddings, as a user runs it: a backbone that `onelogit export` made, embeddings in all forms, a head, a service. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { datasets, layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { GraphBuilder } from '../src/onnx/graph.js';
import { attribute, modelMessage } from '../src/onnx/messages.js';
import { ExampleProcess, needsExample } from './helpers/example.js';
import { exampleOf } from './helpers/glyph-model.js';
import { runCli } from './helpers/run-cli.js';
import { writeParts } from './helpers/safetensors.js';

const name = 'embeddings';
const classes = 30;
const data = datasets.glyphs({ classes, examplesPerClass: 40, seed: 3 });
const directory = await mkdtemp(join(tmpdir(), 'onelogit-embeddings-'));
const path = (file: string) => join(directory, file);
const running: ExampleProcess[] = [];
let model: Model;

async function run(program: string, ...args: string[]) {
  const child = new ExampleProcess(name, program, args);
  running.push(child);
  return { ...(await child.exited), stdout: child.stdout, stderr: child.stderr };
}

/** A NumPy file, by the format's description. */
async function writeNpy(file: string, descr: string, shape: readonly number[], array: ArrayBufferView): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  await writeFile(file, Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), bytes]));
}

beforeEach((context) => needsExample(name, context));
beforeAll(async () => {
  await writeNpy(path('images/x_train.npy'), '|u1', [data.length, 28, 28, 1], data.inputs);
  await writeNpy(path('images/y_train.npy'), '<i4', [data.length], data.labels);
  model = Model.sequential({
    inputShape: [28, 28, 1],
    layers: [
      layers.conv2d(8, { kernel: 5, stride: 2, padding: 'same' }),
      layers.relu(),
      layers.flatten(),
      layers.dense(32),
      layers.relu(),
      layers.dense(classes),
    ],
    seed: 1,
    device: 'cpu',
  });
  await model.fit(data, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.adam({ learningRate: 0.003 }),
    steps: 200,
    batchSize: 64,
  });
  await model.save(path('model.safetensors'));
});
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  model?.dispose();
  await rm(directory, { recursive: true, force: true });
});

/** From images to a head, with a backbone of ours. */
let made: Promise<void> | undefined;
const make = () => {
  made ??= (async () => {
    const exported = await runCli(['export', path('model.safetensors'), '--part', 'trunk', '--out', path('backbone.onnx')]);
    expect([exported.code, exported.stderr]).toEqual([0, '']);
    const embedded = await run('embed.mjs', '--images', path('images'), '--backbone', path('backbone.onnx'), '--out', path('embeddings'));
    expect(embedded, embedded.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${data.length} embeddings of 32 numbers`),
    });
    const trained = await run('train.mjs', '--embeddings', path('embeddings'), '--out', path('head.safetensors'), '--steps', '600');
    expect(trained, trained.stderr).toMatchObject({ code: 0 });
    const [, error] = /average precision of one logit (\d\.\d+)/.exec(trained.stdout)!;
    expect(Number(error)).toBeLessThan(0.2);
  })();
  return made;
};

describe('a backbone of this package', () => {
  it('makes the embeddings of the model, and a head learns the classes from them', async () => {
    await make();
    const bytes = await readFile(path('embeddings/embeddings.npy'));
    const expected = await model.embed(data.inputs);
    const actual = new Float32Array(Uint8Array.from(bytes.subarray(bytes.length - expected.byteLength)).buffer);
    expect(Math.max(...actual.map((x, i) => Math.abs(x - expected[i]!)))).toBeLessThan(1e-4 * Math.max(...expected));
    const head = await SingleLogitClassifier.load(path('head.safetensors'));
    expect([head.classes, head.features, head.loss!.name]).toEqual([classes, 32, 'batch-cross-entropy']);
    head.dispose();
  });

  it('is served with its head', async () => {
    await make();
    const server = new ExampleProcess(name, 'serve.mjs', [
      ...['--backbone', path('backbone.onnx'), '--head', path('head.safetensors'), '--port', '0'],
    ]);
    running.push(server);
    const url = await server.find(/Listening at (\S+)/);
    const ask = async (asked: string, body: Uint8Array, method = 'POST') => {
      const response = await fetch(`${url}${asked}`, { method, ...(method === 'POST' ? { body: Buffer.from(body) } : {}) });
      return { status: response.status, ...((await response.json()) as { score: number; matches: boolean; code: string }) };
    };
    const head = await SingleLogitClassifier.load(path('head.safetensors'));
    let right = 0;
    for (let i = 0; i < 60; i++) {
      const embedding = await model.embed(exampleOf(data, i));
      const label = data.labels[i]!;
      const answer = await ask(`/score/${label}`, exampleOf(data, i));
      expect(answer).toMatchObject({ status: 200, matches: head.matches(embedding, label) });
      expect(answer.score).toBeCloseTo(head.score(embedding, label), 3);
      if (answer.matches) right++;
    }
    expect(right).toBeGreaterThan(40);
    head.dispose();
    expect(await ask(`/score/${classes}`, exampleOf(data, 0))).toMatchObject({ status: 404, code: 'ERR_UNKNOWN_CLASS' });
    expect(await ask('/score/%ff', exampleOf(data, 0))).toMatchObject({ status: 404, code: 'ERR_UNKNOWN_CLASS' });
    expect(await ask('/score/1', new Uint8Array(783))).toMatchObject({ status: 400, code: 'ERR_INPUT' });
    expect(await ask('/score/1', new Uint8Array(100_000))).toMatchObject({ status: 400, code: 'ERR_INPUT' });
    expect(await ask('/score/1', exampleOf(data, 0), 'GET')).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });
});

describe('embeddings in files', () => {
  it('in memory, row by row and as safetensors make the same head', async () => {
    await make();
    const embeddings = await model.embed(data.inputs);
    const bytesOf = (array: Float32Array | BigInt64Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    writeParts(path('one.safetensors'), {
      metadata: {},
      tensors: new Map([
        ['labels', { dtype: 'I64', shape: [data.length], bytes: bytesOf(BigInt64Array.from(data.labels, BigInt)) }],
        ['embeddings', { dtype: 'F32', shape: [data.length, 32], bytes: bytesOf(embeddings) }],
      ]),
    });
    await writeNpy(path('npy/embeddings.npy'), '<f4', [data.length, 32], embeddings);
    await writeNpy(path('npy/labels.npy'), '<i8', [data.length], BigInt64Array.from(data.labels, BigInt));
    const heads: Buffer[] = [];
    for (const args of [[path('npy')], [path('npy'), '--memory-bytes', '0'], [path('one.safetensors')]]) {
      const trained = await run('train.mjs', '--embeddings', ...args, '--steps', '50', '--out', path('x.safetensors'));
      expect(trained, trained.stderr).toMatchObject({ code: 0 });
      heads.push(await readFile(path('x.safetensors')));
    }
    expect(heads[1]!.equals(heads[0]!)).toBe(true);
    expect(heads[2]!.equals(heads[0]!)).toBe(true);
  });

  it('with names', async () => {
    await writeNpy(
      path('named/embeddings.npy'),
      '<f4',
      [40, 2],
      Float32Array.from({ length: 80 }, (_, i) => Math.sin(i)),
    );
    await writeNpy(
      path('named/labels.npy'),
      '|u1',
      [40],
      Uint8Array.from({ length: 40 }, (_, i) => i % 2),
    );
    await writeFile(path('named/names.txt'), 'cat\n貓\nnobody\n');
    const trained = await run(
      'train.mjs',
      '--embeddings',
      path('named'),
      '--steps',
      '5',
      '--batch-size',
      '8',
      '--out',
      path('x.safetensors'),
    );
    expect(trained, trained.stderr).toMatchObject({ code: 0 });
    const head = await SingleLogitClassifier.load(path('x.safetensors'));
    expect(head.classNames).toEqual(['cat', '貓', 'nobody']);
    head.dispose();
    await writeFile(path('named/names.txt'), 'cat');
    expect(await run('train.mjs', '--embeddings', path('named'), '--out', path('x.safetensors'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('a name for each of 2 classes'),
    });
  });

  const good = { embeddings: ['<f4', [4, 2], new Float32Array(8)], labels: ['<i4', [4], new Int32Array(4)] } as const;
  it.each([
    ['labels of another number', { labels: ['<i4', [3], new Int32Array(3)] }, '4 integers, one for each embedding'],
    ['labels that are no integers', { labels: ['<f4', [4], new Float32Array(4)] }, '4 integers, one for each embedding'],
    ['negative labels', { labels: ['<i4', [4], Int32Array.of(0, 1, -1, 0)] }, 'labels from 0 on'],
    ['embeddings in float64', { embeddings: ['<f8', [4, 2], new Float64Array(8)] }, "array.astype('float32')"],
    ['embeddings of one axis', { embeddings: ['<f4', [8], new Float32Array(8)] }, 'two axes'],
    ['a file that ends early', { embeddings: ['<f4', [4, 3], new Float32Array(8)] }, '48 bytes for the shape'],
  ] as const)('refuses %s', async (_, change, message) => {
    const files = { ...good, ...change };
    for (const [file, [descr, shape, array]] of Object.entries(files)) await writeNpy(path(`bad/${file}.npy`), descr, shape, array);
    const result = await run('train.mjs', '--embeddings', path('bad'), '--out', path('x.safetensors'));
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining(message) });
    expect(result.stderr).not.toContain('    at ');
  });
});

describe('a backbone from elsewhere', () => {
  /** Channels first, names of its own: what other exporters write. It only flattens. */
  async function writeForeign(file: string, shape: readonly (string | number)[]): Promise<void> {
    const graph = new GraphBuilder(['pixel_values', 'features', 'other']);
    graph.node('Flatten', 'a', ['pixel_values'], [attribute.integer('axis', 1)], 'other');
    graph.node('Neg', 'b', ['other'], [], 'features');
    const model = {
      nodes: graph.nodes,
      initializers: [],
      inputs: [{ name: 'pixel_values', type: 'float32' as const, shape }],
      outputs: ['other', 'features'].map((output) => ({ name: output, type: 'float32' as const, shape: ['n', 'd'] })),
      metadata: {},
      producerVersion: '1',
    };
    await writeFile(file, modelMessage(model, new Map()).toBytes());
  }

  it('sees images with channels first and normalised, and is asked for the output that is named', async () => {
    const images = Uint8Array.from({ length: 2 * 2 * 2 * 3 }, (_, i) => i * 10);
    await writeNpy(path('colour/x_train.npy'), '|u1', [2, 2, 2, 3], images);
    await writeNpy(path('colour/y_train.npy'), '<i4', [2], Int32Array.of(0, 1));
    await writeForeign(path('foreign.onnx'), ['n', 3, 'height', 'width']);
    const args = ['--images', path('colour'), '--backbone', path('foreign.onnx'), '--out', path('foreign')];
    const embedded = await run('embed.mjs', ...args, '--preprocessing', 'imagenet', '--output', 'features');
    expect(embedded, embedded.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('2 embeddings of 12 numbers') });
    const bytes = await readFile(path('foreign/embeddings.npy'));
    const actual = new Float32Array(Uint8Array.from(bytes.subarray(bytes.length - 96)).buffer);
    const [mean, deviation] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    const expected = [0, 1].flatMap((image) =>
      [0, 1, 2].flatMap((c) => [0, 1, 2, 3].map((pixel) => -(images[(image * 4 + pixel) * 3 + c]! / 255 - mean[c]!) / deviation[c]!)),
    );
    expected.forEach((x, i) => {
      expect(actual[i]).toBeCloseTo(x, 5);
    });
  });

  it('sees photos of any kind, all at once or batch by batch', async () => {
    await mkdir(path('photos/train/a'), { recursive: true });
    const photo = (channels: 1 | 3 | 4, value: number) =>
      sharp(
        Uint8Array.from({ length: 16 * channels }, (_, i) => (i % channels === 3 ? 255 : value)),
        { raw: { width: 4, height: 4, channels } },
      ).png();
    await photo(3, 10).toFile(path('photos/train/a/0.png'));
    await photo(4, 20).toFile(path('photos/train/a/1.png'));
    await photo(1, 30).toFile(path('photos/train/a/2.png'));
    await writeForeign(path('foreign.onnx'), ['n', 3, 'height', 'width']);
    const embed = async (...more: string[]) => {
      const args = ['--images', path('photos'), '--backbone', path('foreign.onnx'), '--out', path('photos-out'), '--output', 'other'];
      const result = await run('embed.mjs', ...args, '--image-size', '2', '--batch-size', '2', ...more);
      return { ...result, bytes: result.code === 0 ? await readFile(path('photos-out/embeddings.npy')) : undefined };
    };
    expect(await embed()).toMatchObject({ code: 1, stderr: expect.stringContaining('(channels: 3 converts)') });
    const [whole, streamed] = [await embed('--channels', '3'), await embed('--channels', '3', '--memory-bytes', '0')];
    expect(whole, whole.stderr).toMatchObject({ code: 0 });
    expect(streamed.bytes).toEqual(whole.bytes);
    const numbers = new Float32Array(Uint8Array.from(whole.bytes!.subarray(-3 * 12 * 4)).buffer);
    expect([numbers[0], numbers[12], numbers[24], numbers[35]]).toEqual([10, 20, 30, 30]);
  });

  it.each([
    ['other images', ['n', 3, 5, 5], [], 'as'],
    ['an output that it has not', ['n', 3, 2, 2], ['--output', 'nothing'], "an output 'nothing'"],
    ['an input of two axes', ['n', 12], [], 'one input of four axes'],
    ['a preprocessing that there is not', ['n', 3, 2, 2], ['--preprocessing', 'some'], 'none, unit, imagenet'],
  ])('refuses %s', async (_, shape, args, message) => {
    await writeNpy(path('colour/x_train.npy'), '|u1', [2, 2, 2, 3], new Uint8Array(24));
    await writeNpy(path('colour/y_train.npy'), '<i4', [2], Int32Array.of(0, 1));
    await writeForeign(path('foreign.onnx'), shape as (string | number)[]);
    const result = await run(
      'embed.mjs',
      '--images',
      path('colour'),
      '--backbone',
      path('foreign.onnx'),
      '--out',
      path('foreign'),
      ...args,
    );
    expect(result.stderr).toContain(message);
    expect([1, 2]).toContain(result.code);
    expect(result.stderr).not.toContain('    at ');
  });

  it('refuses a head for other embeddings before it serves', async () => {
    await make();
    await writeForeign(path('foreign.onnx'), ['n', 3, 2, 2]);
    const result = await run('serve.mjs', '--backbone', path('foreign.onnx'), '--head', path('head.safetensors'), '--port', '0');
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('a head for embeddings of 12 numbers') });
  });
});

it.each(['embed.mjs', 'train.mjs', 'serve.mjs'])('%s explains itself', async (program) => {
  const help = await run(program, '--help');
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toMatch(/^Usage: node /);
  expect(await run(program, '--nothing')).toMatchObject({ code: 2, stderr: expect.stringContaining("'--nothing'") });
});
