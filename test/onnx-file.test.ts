/** What exportOnnx writes and refuses, looked at without a runtime. What the graphs compute: onnx.test.ts. */
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exportOnnx, layers, losses, Model, optimizers, SingleLogitClassifier, zoo } from '../src/index.js';
import { filesOf } from '../src/onnx/write-onnx.js';
import { glyphs, trainOnGlyphs } from './helpers/glyph-model.js';
import { readOnnx } from './helpers/onnx-graph.js';
import { clouds } from './helpers/problems.js';
import { runCli } from './helpers/run-cli.js';
import { readParts, writeParts } from './helpers/safetensors.js';

let directory = '';
let path = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-onnx-file-'));
  path = join(directory, 'x.onnx');
});
afterEach(() => rm(directory, { recursive: true }));

const [float, uint8, int8, int32, int64, bool, bfloat16] = [1, 2, 3, 6, 7, 9, 16];
const small = () =>
  Model.sequential({ inputShape: [4, 4, 2], layers: [layers.conv2d(3, { kernel: 2 }), layers.flatten(), layers.dense(5)], device: 'cpu' });

describe('a graph', () => {
  it('says what reads and what makes it', async () => {
    const model = await trainOnGlyphs();
    const result = await exportOnnx(model, path);
    const graph = readOnnx(path);
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    expect(graph).toMatchObject({
      irVersion: 7,
      producer: ['onelogit', version],
      operatorSets: [['', 13]],
      inputs: [{ name: 'input', type: uint8, shape: ['batch', 28, 28, 1] }],
      outputs: [{ name: 'logits', type: float, shape: ['batch', 10] }],
      metadata: {
        'onelogit.part': 'model',
        'onelogit.classes': '10',
        'onelogit.features': '48',
        'onelogit.loss': 'batch-cross-entropy',
        'onelogit.aligned': 'true',
        'onelogit.calibrated': 'false',
      },
    });
    expect(graph.nodes.map(({ operator }) => operator)).toEqual(['Cast', 'Mul', 'Flatten', 'Gemm', 'BatchNormalization', 'Relu', 'Gemm']);
    expect(graph.nodes.map(({ name }) => name).slice(3)).toEqual(['1.dense', '2.batchNorm', '3.relu', '5.dense']);
    expect(result).toEqual({
      files: [path],
      bytes: (await stat(path)).size,
      opset: 13,
      inputs: [{ name: 'input', type: 'uint8', shape: ['batch', 28, 28, 1] }],
      outputs: [{ name: 'logits', type: 'float32', shape: ['batch', 10] }],
    });
    model.dispose();
  });

  it('has weights under the names of the model, filters in ONNX’s order', async () => {
    const model = small();
    await exportOnnx(model, path);
    const { initializers, nodes } = readOnnx(path);
    expect(initializers.map(({ name, type, shape }) => [name, type, shape])).toEqual([
      ['0.weight', float, [3, 2, 2, 2]],
      ['0.bias', float, [3]],
      ['2.weight', float, [5, 27]],
      ['2.bias', float, [5]],
    ]);
    expect(nodes.map(({ operator, inputs }) => [operator, inputs.slice(1)])).toEqual([
      ['Transpose', []],
      ['Conv', ['0.weight', '0.bias']],
      ['Transpose', []],
      ['Flatten', []],
      ['Gemm', ['2.weight', '2.bias']],
    ]);
    const numbers = (raw: Uint8Array) => new Float32Array(Uint8Array.from(raw).buffer);
    expect(numbers(initializers[2]!.raw!)).toEqual(model.tensor('2.weight'));
    const ours = model.tensor('0.weight');
    const theirs = numbers(initializers[0]!.raw!);
    for (let filter = 0; filter < 3; filter++)
      for (let channel = 0; channel < 2; channel++)
        for (let pixel = 0; pixel < 4; pixel++)
          expect(theirs[(filter * 2 + channel) * 4 + pixel]).toBe(ours[(filter * 4 + pixel) * 2 + channel]);
    model.dispose();
  });

  it('turns images once at the input and once at the end, however deep it is', async () => {
    const model = zoo.resnet50({ classes: 3, inputShape: [32, 32, 3], device: 'cpu' });
    await exportOnnx(model, path);
    const operators = readOnnx(path).nodes.map(({ operator }) => operator);
    // Behind globalAvgPool there is one pixel: nothing is turned back.
    expect(operators.filter((operator) => operator === 'Transpose')).toHaveLength(1);
    expect(operators.filter((operator) => operator === 'Conv')).toHaveLength(53);
    model.dispose();
  });

  it.each([
    ['float32', float, ['Gather', 'Mul', 'ReduceSum', 'Gather', 'Add', 'Gather', 'GreaterOrEqual']],
    ['bfloat16', bfloat16, ['Gather', 'Cast', 'Mul', 'ReduceSum', 'Gather', 'Add', 'Gather', 'GreaterOrEqual']],
    ['int8', int8, ['Gather', 'Cast', 'Mul', 'ReduceSum', 'Gather', 'Mul', 'Gather', 'Add', 'Gather', 'GreaterOrEqual']],
  ] as const)('of one logit in %s looks rows up and keeps the storage', async (storage, type, operators) => {
    const model = await trainOnGlyphs();
    const slc = await SingleLogitClassifier.load(model, { storage });
    await slc.calibrate(glyphs('test'), { recall: 0.9 });
    await exportOnnx(slc, path, { part: 'head', singleLogit: true });
    const saved = join(directory, 'x.safetensors');
    await slc.save(saved);
    const graph = readOnnx(path);
    expect(graph.nodes.map(({ operator }) => operator)).toEqual(operators);
    expect(graph.inputs).toEqual([
      { name: 'input', type: float, shape: ['batch', 48] },
      { name: 'class_ids', type: int64, shape: ['questions'] },
    ]);
    expect(graph.outputs).toEqual([
      { name: 'logits', type: float, shape: ['answers'] },
      { name: 'matches', type: bool, shape: ['answers'] },
    ]);
    // Byte by byte what the model file has.
    const { tensors } = readParts(saved);
    for (const { name, raw } of graph.initializers.filter(({ name: own }) => tensors.has(own))) {
      expect(Buffer.compare(raw!, tensors.get(name)!.bytes), name).toBe(0);
      tensors.delete(name);
    }
    expect([...tensors.keys()].filter((name) => name.startsWith('5.') || name === 'thresholds')).toEqual([]);
    expect(graph.initializers.find(({ name }) => name === '5.weight')!.type).toBe(type);
    slc.dispose();
    model.dispose();
  });

  it('of integers takes integers', async () => {
    const model = Model.sequential({ inputShape: [2], layers: [layers.embedding(9, 3), layers.dense(4)], device: 'cpu' });
    await exportOnnx(model, path);
    expect(readOnnx(path).inputs).toEqual([{ name: 'input', type: int32, shape: ['batch', 2] }]);
    model.dispose();
  });

  it('names its classes, if that takes less than a mebibyte', async () => {
    const fitted = async (classNames: string[]) => {
      const model = Model.sequential({ inputShape: [16], layers: [layers.dense(5)], device: 'cpu' });
      const data = { ...clouds({ length: 40 }), classNames };
      await model.fit(data, {
        loss: losses.crossEntropy(),
        optimizer: optimizers.sgd({ learningRate: 0.1 }),
        steps: 1,
        batchSize: 8,
      });
      await exportOnnx(model, path);
      model.dispose();
      return readOnnx(path).metadata;
    };
    const names = ['cat', 'Hund', '貓', '"quoted"', ''];
    const { 'onelogit.class_names': json, ...others } = await fitted(names);
    expect(JSON.parse(json!)).toEqual(names);
    expect(others['onelogit.aligned']).toBe('false');
    expect(await fitted([...names.slice(1), 'x'.repeat(2 ** 20)])).not.toHaveProperty('onelogit.class_names');
  });

  it('says nothing of a loss where none is known', async () => {
    const model = small();
    await exportOnnx(model, path);
    expect(readOnnx(path).metadata).toEqual({
      'onelogit.part': 'model',
      'onelogit.features': '27',
      'onelogit.classes': '5',
      'onelogit.calibrated': 'false',
    });
    await exportOnnx(model, path, { part: 'trunk' });
    expect(readOnnx(path).metadata).toEqual({ 'onelogit.part': 'trunk', 'onelogit.features': '27' });
    expect(readOnnx(path).initializers.map(({ name }) => name)).toEqual(['0.weight', '0.bias']);
    model.dispose();
  });
});

describe('sources', () => {
  it('a model, its classifier and its file give the same graph', async () => {
    const model = await trainOnGlyphs();
    const saved = join(directory, 'x.safetensors');
    await model.save(saved);
    const slc = await SingleLogitClassifier.load(saved);
    const bytes: Buffer[] = [];
    for (const source of [model, slc, saved]) {
      await exportOnnx(source, path);
      bytes.push(readFileSync(path));
    }
    expect(bytes[1]!.equals(bytes[0]!)).toBe(true);
    expect(bytes[2]!.equals(bytes[0]!)).toBe(true);
    slc.dispose();
    model.dispose();
  });

  it('a checkpoint, and a file whose tensors others have written, in any floating-point type', async () => {
    const model = small();
    const data = { ...clouds({ features: 32, length: 40 }), inputShape: [4, 4, 2] };
    const checkpoint = join(directory, 'checkpoint.safetensors');
    await model.fit(data, {
      loss: losses.batchCrossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 0.1 }),
      steps: 2,
      batchSize: 8,
      checkpoint: { path: checkpoint, everySteps: 1 },
    });
    await exportOnnx(model, path);
    const expected = readFileSync(path);
    await exportOnnx(checkpoint, path);
    expect(readFileSync(path).equals(expected)).toBe(true);

    const saved = join(directory, 'x.safetensors');
    await model.save(saved);
    const parts = readParts(saved);
    for (const [name, entry] of parts.tensors)
      parts.tensors.set(name, {
        ...entry,
        dtype: 'F64',
        bytes: new Uint8Array(Float64Array.from(new Float32Array(Uint8Array.from(entry.bytes).buffer)).buffer),
      });
    writeParts(saved, parts);
    await exportOnnx(saved, path);
    expect(readFileSync(path).equals(expected)).toBe(true);
    model.dispose();
  });

  it('a classifier that was reloaded gives what it answers with now', async () => {
    const [first, second] = [small(), small()];
    second.setTensor('2.bias', Float32Array.of(1, 2, 3, 4, 5));
    const [old, next] = [join(directory, 'old.safetensors'), join(directory, 'new.safetensors')];
    await first.save(old);
    await second.save(next);
    const slc = await SingleLogitClassifier.load(old);
    await rename(next, old);
    await slc.reload();
    await exportOnnx(slc, path);
    const bias = readOnnx(path).initializers.find(({ name }) => name === '2.bias')!;
    expect([...new Float32Array(Uint8Array.from(bias.raw!).buffer)]).toEqual([1, 2, 3, 4, 5]);
    slc.dispose();
    first.dispose();
    second.dispose();
  });
});

describe('tensors in a file of their own', () => {
  it('begin at pages; small ones and constants stay', async () => {
    const model = zoo.mlp({ classes: 300, hidden: [20], device: 'cpu' });
    const result = await exportOnnx(model, path, { externalData: true });
    expect(result.files).toEqual([path, `${path}.data`]);
    const sizes = await Promise.all(result.files.map(async (file) => (await stat(file)).size));
    expect(result.bytes).toBe(sizes[0]! + sizes[1]!);
    const { initializers } = readOnnx(path);
    const external = initializers.filter((tensor) => tensor.external.location !== undefined);
    expect(external.map(({ name }) => name)).toEqual(['0.weight', '3.weight', '3.bias']);
    const data = readFileSync(`${path}.data`);
    for (const { name, external: place, raw } of external) {
      expect([place.location, raw, Number(place.offset) % 4096]).toEqual(['x.onnx.data', undefined, 0]);
      const bytes = Uint8Array.from(data.subarray(Number(place.offset), Number(place.offset) + Number(place.length)));
      expect(new Float32Array(bytes.buffer)).toEqual(model.tensor(name));
    }
    expect(initializers.filter(({ raw }) => raw).every(({ raw }) => raw!.length < 1024)).toBe(true);
    model.dispose();
  });

  it('are written where a message would have more than 2 GiB, and only there', () => {
    const model = (classes: number) => ({
      nodes: [],
      inputs: [],
      outputs: [],
      metadata: {},
      producerVersion: '',
      initializers: [
        {
          name: 'weight',
          type: 'float32' as const,
          shape: [classes, 512],
          data: { tensor: 'weight', type: 'float32' as const, channels: 1, pixels: 1, byteLength: classes * 2048 },
        },
      ],
    });
    expect(filesOf(model(1_048_575), 'a/x.onnx', false).map((file) => file.path)).toEqual(['a/x.onnx']);
    const [data, graph] = filesOf(model(1_048_576), 'a/x.onnx', false);
    expect([data!.path, data!.segments.length, graph!.path]).toEqual(['a/x.onnx.data', 1, 'a/x.onnx']);
    expect(graph!.segments.every((segment) => segment instanceof Uint8Array)).toBe(true);
    expect(Buffer.concat(graph!.segments as Uint8Array[]).includes('x.onnx.data')).toBe(true);
  });

  it('need no file where there is none', async () => {
    const model = Model.sequential({ inputShape: [3], layers: [layers.dense(2)], device: 'cpu' });
    expect((await exportOnnx(model, path, { externalData: true })).files).toEqual([path]);
    expect(existsSync(`${path}.data`)).toBe(false);
    model.dispose();
  });
});

describe('files', () => {
  it('are replaced as a whole or not at all', async () => {
    const model = small();
    await writeFile(path, 'old');
    await chmod(path, 0o600);
    await exportOnnx(model, path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFile(path, 'old');
    // The tensors cannot take their place: neither does the graph.
    await mkdir(`${path}.data`);
    await expect(exportOnnx(zoo.mlp({ classes: 3, device: 'cpu' }), path, { externalData: true })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
    });
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect((await readdir(directory)).sort()).toEqual(['x.onnx', 'x.onnx.data']);
    model.dispose();
  });

  it('never take the place of the model', async () => {
    const model = small();
    const saved = join(directory, 'x.safetensors');
    await model.save(saved);
    const slc = await SingleLogitClassifier.load(saved);
    const link = join(directory, 'link.onnx');
    await symlink(saved, link);
    for (const source of [saved, slc])
      for (const out of [saved, link])
        await expect(exportOnnx(source, out)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE', message: /^Expected another file/ });
    const data = join(directory, 'y.onnx.data');
    await rename(saved, data);
    await expect(exportOnnx(data, join(directory, 'y.onnx'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await Model.load(data).then((loaded) => loaded.dispose());
    slc.dispose();
    model.dispose();
  });
});

describe('refuses', () => {
  // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
  const anything = (value: unknown): any => value;
  it.each([
    ['no source', [undefined, 'x'], 'ERR_ONELOGIT_ARGUMENT', /source of exportOnnx but received undefined/],
    ['an object', [{}, 'x'], 'ERR_ONELOGIT_ARGUMENT', /a path, a Model or a SingleLogitClassifier for source of exportOnnx/],
    ['no path', [small, undefined], 'ERR_ONELOGIT_ARGUMENT', /path of exportOnnx/],
    ['an empty path', [small, ''], 'ERR_ONELOGIT_ARGUMENT', /path of exportOnnx/],
    ['an unknown option', [small, 'x', { parts: 'head' }], 'ERR_ONELOGIT_UNKNOWN_OPTION', /'parts'/],
    ['an unknown part', [small, 'x', { part: 'tail' }], 'ERR_ONELOGIT_ARGUMENT', /'model' or 'trunk' or 'head' for part/],
    ['one logit of a trunk', [small, 'x', { part: 'trunk', singleLogit: true }], 'ERR_ONELOGIT_OPTION', /which has no logits/],
    ['an embedding of a head', [small, 'x', { part: 'head', embedding: true }], 'ERR_ONELOGIT_OPTION', /with part 'model'/],
    ['no boolean', [small, 'x', { externalData: 1 }], 'ERR_ONELOGIT_ARGUMENT', /externalData/],
    ['a file that is not there', ['/nowhere/model.safetensors', 'x'], 'ERR_ONELOGIT_FILE', /nowhere/],
    ['a directory that is not there', [small, '/nowhere/x.onnx'], 'ERR_ONELOGIT_FILE', /\/nowhere\/x\.onnx/],
    ['a file of something else', [new URL('../package.json', import.meta.url).pathname, 'x'], 'ERR_ONELOGIT_FORMAT', /package\.json/],
  ] as const)('%s', async (_, [source, out, options]: readonly unknown[], code, message) => {
    const model = typeof source === 'function' ? (source() as Model) : source;
    await expect(exportOnnx(anything(model), anything(out === 'x' ? path : out), anything(options))).rejects.toMatchObject({
      code,
      message,
    });
    expect(await readdir(directory)).toEqual([]);
    if (model instanceof Model) model.dispose();
  });

  it('a model being trained or disposed of, and a classifier disposed of', async () => {
    const model = Model.sequential({ inputShape: [16], layers: [layers.dense(5)], device: 'cpu' });
    const fit = model.fit(clouds({ length: 40 }), {
      loss: losses.batchCrossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 0.1 }),
      steps: 2000,
      batchSize: 8,
    });
    await expect(exportOnnx(model, path)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_BUSY' });
    await fit;
    const slc = await SingleLogitClassifier.load(model);
    slc.dispose();
    model.dispose();
    await expect(exportOnnx(model, path)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_DISPOSED' });
    await expect(exportOnnx(slc, path)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_DISPOSED' });
    expect(existsSync(path)).toBe(false);
  });
});

describe('onelogit export', () => {
  it('writes a graph and says what goes in and what comes out', async () => {
    const model = await trainOnGlyphs();
    const saved = join(directory, 'x.safetensors');
    await model.save(saved);
    model.dispose();
    const { stdout, code } = await runCli(['export', saved, '--out', path, '--single-logit', '--external-data']);
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(/^\S+x\.onnx and \S+x\.onnx\.data: 0\.\d\d MB, ONNX operators of version 13$/);
    expect(lines.slice(2)).toEqual([
      '        name       type     shape',
      'input   input      uint8    batch × 28 × 28 × 1',
      'input   class_ids  int64    questions',
      'output  logits     float32  answers',
    ]);
    const json = await runCli(['export', saved, '--format', 'onnx', '--part', 'head', '--out', path, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      format: 'onnx',
      part: 'head',
      singleLogit: false,
      files: [path],
      opset: 13,
      inputs: [{ name: 'input', type: 'float32', shape: ['batch', 48] }],
      outputs: [{ name: 'logits', type: 'float32', shape: ['batch', 10] }],
    });
  });

  it.each([
    [['export', 'x'], 2, /--out FILE/],
    [['export', 'x', '--out', 'y', '--format', 'tflite'], 2, /Expected onnx for --format/],
    [['export', 'x', '--out', 'y', '--part', 'trunk', '--single-logit'], 2, /which has no logits/],
    [['export', 'x', '--out', 'y', '--part', 'head', '--embedding'], 2, /--embedding with --part model/],
    [['export', 'x', '--out', './x'], 2, /Expected another file than MODEL for --out but received \.\/x for both/],
    [['export', '/nowhere/x', '--out', 'y.onnx'], 1, /\/nowhere\/x/],
    [['export', 'x', '--out', '/nowhere/y'], 1, /\/nowhere does not exist/],
  ])('refuses %j', async (args, code, message) => {
    const result = await runCli(args, { cwd: directory });
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
    expect(await readdir(directory)).toEqual([]);
  });
});
