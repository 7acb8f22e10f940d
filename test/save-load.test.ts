import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { layers, losses, Model, optimizers, SingleLogitClassifier, schedules, type TrainingRecord } from '../src/index.js';
import { describeModelFile } from '../src/model-file.js';
import { trainingFacts } from '../src/training-text.js';
import { version } from '../src/version.js';
import { byteClouds, clouds } from './helpers/problems.js';
import { type Parts, readParts, writeParts } from './helpers/safetensors.js';
import { temporaryFile } from './helpers/temporary.js';

const classNames = ['zero', '', 'naïve', '日本語', '😀 and "quotes"\n'];
const dataset = { ...byteClouds(), classNames };
const build = () =>
  Model.sequential({
    inputShape: [4, 4],
    layers: [
      layers.flatten(),
      layers.dense(12, { initializer: 'he-uniform' }),
      layers.batchNorm({ momentum: 0.2 }),
      layers.relu(),
      layers.dense(5),
    ],
    seed: 2 ** 53 - 1,
  });

let model: Model;
const saved = temporaryFile('model.safetensors');
beforeAll(async () => {
  model = build();
  await model.fit(dataset, {
    loss: losses.nce({ noise: Float32Array.of(1, 2, 3, 4, 5), numSampled: 4 }),
    optimizer: optimizers.adam(),
    steps: 20,
    batchSize: 16,
    validation: { fraction: 0.1, seed: 5 },
  });
  await model.save(saved.name);
});
afterAll(() => saved[Symbol.dispose]());

const compared: readonly (keyof Model)[] = [
  'inputShape',
  'classes',
  'features',
  'parameterCount',
  'seed',
  'preprocessing',
  'inputType',
  'split',
  'trained',
  'biasInit',
  'loss',
  'tensors',
  'training',
];
const properties = (of: Model) => Object.fromEntries(compared.map((name) => [name, of[name]]));

describe('a model that was saved and loaded', () => {
  test('answers with the same bits and knows the same things', async () => {
    const loaded = await Model.load(saved.name);
    expect(await loaded.predict(dataset.inputs)).toEqual(await model.predict(dataset.inputs));
    expect(await loaded.embed(dataset.inputs)).toEqual(await model.embed(dataset.inputs));
    for (const { name } of model.tensors) expect(loaded.tensor(name)).toEqual(model.tensor(name));
    expect(properties(loaded)).toEqual({ ...properties(model), loss: { ...model.loss, noise: { weights: 5 } } });
    expect(loaded.layers).toEqual(model.layers);
    expect(loaded.classNames).toEqual(classNames);
    expect(await loaded.evaluate(dataset)).toEqual(await model.evaluate(dataset));
  });

  test('learns on as the one that was not', async () => {
    const loaded = await Model.load(saved.name);
    using copy = temporaryFile('copy.safetensors');
    await model.save(copy.name);
    const other = await Model.load(copy.name);
    const options = { loss: losses.batchMaxMargin(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 5, batchSize: 8 };
    await loaded.fit(dataset, options);
    await other.fit(dataset, options);
    for (const { name } of model.tensors) expect(loaded.tensor(name)).toEqual(other.tensor(name));
    expect(loaded).toMatchObject({ split: null, loss: { name: 'batch-max-margin' }, preprocessing: { scale: 1 / 255 } });
    // Names stay when a later dataset has none.
    await loaded.fit(clouds({ features: 16 }), options);
    expect(loaded.classNames).toEqual(classNames);
  });

  test('may never have been fitted', async () => {
    using path = temporaryFile('fresh.safetensors');
    const fresh = build();
    await fresh.save(path.name);
    const loaded = await Model.load(path.name);
    expect(loaded).toMatchObject({ loss: null, split: null, preprocessing: null, inputType: null, classNames: null, trained: true });
    expect(await loaded.predict(dataset.inputs)).toEqual(await fresh.predict(dataset.inputs));
  });

  test('comes from a checkpoint as well', async () => {
    using path = temporaryFile('checkpoint.safetensors');
    const trained = build();
    await trained.fit(dataset, {
      loss: losses.selfNormalization(),
      optimizer: optimizers.adam(),
      steps: 10,
      batchSize: 8,
      checkpoint: { path: path.name },
    });
    const loaded = await Model.load(path.name);
    expect(properties(loaded)).toEqual(properties(trained));
    expect(loaded.classNames).toEqual(classNames);
    expect(await loaded.predict(dataset.inputs)).toEqual(await trained.predict(dataset.inputs));
  });
});

describe('how it was trained', () => {
  const fitting = { loss: losses.batchCrossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), batchSize: 8 };
  const recordIn = (path: string) => JSON.parse(readParts(path).metadata.onelogit!).training;

  test('is of the latest fit, and says how many there were before', async () => {
    using path = temporaryFile('model.safetensors');
    const several = build();
    expect(several.training).toBeNull();
    await several.fit(dataset, { ...fitting, steps: 3 });
    expect(several.training).toMatchObject({ steps: 3, stepsDone: 3, examples: dataset.length, batchSize: 8, earlierFits: 0 });
    const optimizer = optimizers.adamW({ learningRate: 0.01, clipNorm: 2 });
    const schedule = schedules.warmup({ steps: 2 }, schedules.cosine({ minimum: 0.1 }));
    await several.fit(dataset, { ...fitting, optimizer, schedule, epochs: 0.1, seed: 4, validation: { fraction: 0.5 } });
    const { training } = several;
    const { length } = dataset;
    const steps = Math.ceil((0.1 * length) / 2 / 8);
    expect(training).toMatchObject({
      optimizer,
      schedule,
      steps,
      stepsDone: steps,
      examples: length / 2,
      seed: 4,
      earlierFits: 1,
      version,
    });
    await several.save(path.name);
    const loaded = await Model.load(path.name);
    expect(loaded.training).toEqual(training);
    await loaded.fit(dataset, { ...fitting, steps: 1 });
    expect(loaded.training).toMatchObject({ earlierFits: 2, stepsDone: 1 });
  });

  test('has what images went through', async () => {
    const images = Model.sequential({ inputShape: [4, 4, 1], layers: [layers.dense(5)] });
    await images.fit({ ...byteClouds(), inputShape: [4, 4, 1] }, { ...fitting, steps: 1, augment: { padding: 1 } });
    expect(images.training!.augment).toEqual({ padding: 1, flip: false });
  });

  test('is in classifiers, converted and calibrated files too', async () => {
    using path = temporaryFile('classifier.safetensors');
    for (const storage of ['float32', 'bfloat16', 'int8'] as const)
      for (const source of [saved.name, model]) {
        const classifier = await SingleLogitClassifier.load(source, { storage });
        await classifier.calibrate(dataset, { recall: 0.5 });
        await classifier.save(path.name);
        classifier.dispose();
        expect(recordIn(path.name)).toEqual(recordIn(saved.name));
      }
  });

  test('tells how far an interrupted fit came, in a checkpoint as well, and no more than the whole of a resumed one', async () => {
    using path = temporaryFile('checkpoint.safetensors');
    using out = temporaryFile('out.safetensors');
    const checkpoint = { path: path.name, everySteps: 10 };
    const abort = new AbortController();
    const interrupted = build();
    await interrupted.fit(dataset, { ...fitting, steps: 1 });
    const fit = interrupted.fit(dataset, {
      ...fitting,
      steps: 1_000_000,
      checkpoint,
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(fit).rejects.toMatchObject({ name: 'AbortError' });
    const { stepsDone } = interrupted.training!;
    expect(stepsDone).toBeGreaterThan(0);
    expect(stepsDone).toBeLessThan(1_000_000);
    const record = { steps: 1_000_000, stepsDone, earlierFits: 1 };
    expect((await Model.load(path.name)).training).toMatchObject(record);
    expect((await describeModelFile(path.name)).metadata.training).toMatchObject(record);
    // A classifier of a checkpoint, as it is and converted.
    for (const storage of ['float32', 'int8'] as const) {
      const classifier = await SingleLogitClassifier.load(path.name, { storage });
      await classifier.save(out.name);
      expect((await describeModelFile(out.name)).metadata.training).toMatchObject(record);
    }
    const resumed = build();
    const steps = stepsDone! + 5;
    await resumed.fit(dataset, { ...fitting, steps, resumeFrom: path.name });
    expect(resumed.training).toMatchObject({ steps, stepsDone: steps, earlierFits: 1 });
  });

  test('does not claim steps that nobody counted', async () => {
    const broken = build();
    const loss = losses.batchCrossEntropy();
    const huge = optimizers.sgd({ learningRate: 3e38 });
    await expect(broken.fit(dataset, { loss, optimizer: huge, steps: 100, batchSize: 8 })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_LOSS_NOT_FINITE',
    });
    expect(broken.training).toMatchObject({ steps: 100, optimizer: huge });
    expect(broken.training).not.toHaveProperty('stepsDone');
    expect(Object.fromEntries(trainingFacts(broken.training!)).Steps).toBe(
      'fewer than the 100 asked for, of 8 examples each: an error ended it',
    );
  });

  test('is not in files of versions before, which are read all the same, and their fit counts', async () => {
    using path = temporaryFile('older.safetensors');
    const parts = readParts(saved.name);
    const { training: _, ...older } = JSON.parse(parts.metadata.onelogit!);
    writeParts(path.name, { ...parts, metadata: { onelogit: JSON.stringify(older) } });
    const loaded = await Model.load(path.name);
    expect(loaded.training).toBeNull();
    expect(await loaded.predict(dataset.inputs)).toEqual(await model.predict(dataset.inputs));
    await loaded.fit(dataset, { ...fitting, steps: 1 });
    expect(loaded.training!.earlierFits).toBe(1);
  });

  test('may have more in files of later versions', async () => {
    using path = temporaryFile('later.safetensors');
    const parts = readParts(saved.name);
    const later = JSON.parse(parts.metadata.onelogit!.replace('"training":{', '"training":{"__proto__":{"polluted":true},"later":[1],'));
    writeParts(path.name, { ...parts, metadata: { onelogit: JSON.stringify({ ...later, novel: {} }) } });
    const { training } = await Model.load(path.name);
    expect(training).toEqual(model.training);
    expect(Object.hasOwn(training!, 'later')).toBe(false);
    expect((training as unknown as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('is passed over in a file of a newer version that this one cannot read, which is no reason to refuse the model', async () => {
    using path = temporaryFile('newer.safetensors');
    using out = temporaryFile('out.safetensors');
    const parts = readParts(saved.name);
    const metadata = JSON.parse(parts.metadata.onelogit!);
    const [major, minor, patch] = version.split('.').map(Number) as [number, number, number];
    const write = (changes: object) => {
      const training = { ...metadata.training, ...changes };
      writeParts(path.name, { ...parts, metadata: { onelogit: JSON.stringify({ ...metadata, training }) } });
      return training;
    };
    for (const newer of [
      `${major + 1}.0.0`,
      `${major}.${minor + 1}.0`,
      `${major}.${minor}.${patch + 1}`,
      `${major}.${minor + 10}.0-beta.1`,
    ]) {
      const training = write({ optimizer: { name: 'lion', learningRate: 1 }, version: newer });
      const loaded = await Model.load(path.name);
      expect(loaded.training).toBeNull();
      expect(await loaded.predict(dataset.inputs)).toEqual(await model.predict(dataset.inputs));
      const classifier = await SingleLogitClassifier.load(path.name);
      await classifier.calibrate(dataset, { recall: 0.5 });
      await classifier.save(out.name);
      expect(recordIn(out.name)).toEqual(training);
    }
    for (const other of [version, '0.0.0', 'new', undefined]) {
      write({ optimizer: { name: 'lion', learningRate: 1 }, version: other });
      await expect(Model.load(path.name)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    }
  });

  test('reads like this', () => {
    const record: TrainingRecord = {
      optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
      schedule: schedules.warmup({ steps: 500 }, schedules.step({ every: 1000, factor: 0.5 })),
      batchSize: 128,
      steps: 20_000,
      stepsDone: 5000,
      examples: 60_000,
      seed: 7,
      augment: { padding: 4, flip: true },
      device: 'cuda',
      precision: 'tf32',
      earlierFits: 1,
      version: '1.2.3',
    };
    expect(trainingFacts(record)).toEqual([
      ['Optimizer', 'sgd, learningRate 0.1, weightDecay 0, momentum 0.9, nesterov false'],
      ['Schedule', 'warmup over 500 steps, then step, times 0.5 every 1,000 steps'],
      ['Steps', '5,000 of the 20,000 asked for, of 128 examples each: 10.67 epochs of 60,000 examples'],
      ['Augmentation', 'padding 4 and a random window, flip'],
      ['Seed of the fit', '7'],
      ['Computed on', 'cuda, tf32'],
      ['Fits before', '1; loss, optimizer and the rest are those of the latest one'],
      ['Trained by', 'onelogit 1.2.3'],
    ]);
  });
});

describe('the file', () => {
  test('holds tensors under the names of a torch.nn.Sequential, and describes the model in its metadata', () => {
    const { metadata, tensors } = readParts(saved.name);
    expect(Object.fromEntries(Array.from(tensors, ([name, { dtype, shape }]) => [name, `${dtype} ${shape}`]))).toEqual({
      '1.weight': 'F32 12,16',
      '1.bias': 'F32 12',
      '2.weight': 'F32 12',
      '2.bias': 'F32 12',
      '2.running_mean': 'F32 12',
      '2.running_var': 'F32 12',
      '4.weight': 'F32 5,12',
      '4.bias': 'F32 5',
      'class_names.bytes': `U8 ${Buffer.byteLength(classNames.join(''))}`,
      'class_names.offsets': 'I64 6',
    });
    expect(Object.keys(metadata)).toEqual(['onelogit']);
    expect(JSON.parse(metadata.onelogit)).toEqual({
      format: 1,
      version,
      inputShape: [4, 4],
      layers: [
        { type: 'flatten' },
        { type: 'dense', units: 12, bias: true, initializer: 'he-uniform' },
        { type: 'batchNorm', epsilon: 1e-5, momentum: 0.2 },
        { type: 'relu' },
        { type: 'dense', units: 5, bias: true, initializer: 'glorot-uniform' },
      ],
      seed: 2 ** 53 - 1,
      inputType: 'uint8',
      preprocessing: { scale: 1 / 255 },
      loss: {
        name: 'nce',
        aligned: true,
        reduction: 'mean',
        numSampled: 4,
        noise: { weights: 5 },
        samples: 'shared',
        removeAccidentalHits: false,
        seed: 0,
      },
      split: { fraction: 0.1, seed: 5, length: 500 },
      trained: true,
      biasInit: 'prior',
      training: {
        optimizer: { name: 'adam', learningRate: 0.001, weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        schedule: { name: 'constant' },
        batchSize: 16,
        steps: 20,
        examples: 450,
        seed: 2 ** 53 - 1,
        device: model.device,
        precision: 'float32',
        earlierFits: 0,
        version,
        stepsDone: 20,
      },
    });
  });

  test('has metadata that does not grow with the number of classes', async () => {
    const metadataOf = async (classes: number) => {
      using path = temporaryFile('many.safetensors');
      const wide = Model.sequential({ inputShape: [2], layers: [layers.dense(classes)] });
      await wide.fit(
        {
          inputs: new Float32Array(4),
          labels: Int32Array.of(0, 1),
          inputShape: [2],
          classes,
          length: 2,
          classNames: Array.from({ length: classes }, (_, index) => `class number ${index}`),
        },
        { loss: losses.nce({ noise: new Float32Array(classes).fill(1) }), optimizer: optimizers.adam(), steps: 1, batchSize: 2 },
      );
      await wide.save(path.name);
      const loaded = await Model.load(path.name);
      expect(loaded.classNames?.at(-1)).toBe(`class number ${classes - 1}`);
      return readParts(path.name).metadata.onelogit.length;
    };
    // Each number of classes may be written twice.
    expect((await metadataOf(100_000)) - (await metadataOf(10))).toBeLessThanOrEqual(2 * ('100000'.length - '10'.length));
  });

  test('is replaced whole or not at all', async () => {
    using path = temporaryFile('model.safetensors');
    writeFileSync(path.name, 'something else');
    await model.save(path.name);
    expect(readFileSync(path.name)).toEqual(readFileSync(saved.name));
    expect(readdirSync(path.directory)).toEqual(['model.safetensors']);
    const nowhere = `${path.directory}/none/model.safetensors`;
    await expect(model.save(nowhere)).rejects.toMatchObject({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringContaining(nowhere),
    });
    expect(existsSync(nowhere)).toBe(false);
  });

  test('may be saved several times at once', async () => {
    using path = temporaryFile('model.safetensors');
    await Promise.all(Array.from({ length: 8 }, () => model.save(path.name)));
    expect(readFileSync(path.name)).toEqual(readFileSync(saved.name));
    expect(readdirSync(path.directory)).toEqual(['model.safetensors']);
  });
});

describe('Model.load refuses', () => {
  const changed = (change: (parts: Parts) => void) => {
    const path = temporaryFile('changed.safetensors');
    const parts = readParts(saved.name);
    change(parts);
    writeParts(path.name, parts);
    return path;
  };
  const withMetadata = (change: (value: Record<string, unknown>) => void) =>
    changed(({ metadata }) => {
      const value = JSON.parse(metadata.onelogit);
      change(value);
      metadata.onelogit = JSON.stringify(value);
    });

  test('nothing, when only put together again', async () => {
    using path = changed(() => {});
    expect(properties(await Model.load(path.name))).toEqual(properties(await Model.load(saved.name)));
  });

  test('a file that is not there', async () => {
    await expect(Model.load('/nowhere/model.safetensors')).rejects.toMatchObject({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringContaining('/nowhere/model.safetensors'),
    });
  });

  test.each<[string, (value: Record<string, unknown>) => void, RegExp]>([
    ['no format', (m) => delete m.format, /format/],
    ['format 0', (m) => (m.format = 0), /format/],
    ['no inputShape', (m) => delete m.inputShape, /inputShape/],
    ['another inputShape', (m) => (m.inputShape = [5, 4]), /'1.weight' of shape \[12, 20\]/],
    ['no layers', (m) => (m.layers = []), /layers/],
    ['layers of another kind', (m) => (m.layers = [{ type: 'conv9d' }]), /conv9d/],
    ['a layer with unknown options', (m) => ((m.layers as { rate: number }[])[3].rate = 3), /unknown option 'rate'/],
    [
      'more units than weights',
      (m) => ((m.layers as { units: number }[])[1].units = 2 ** 31 - 1),
      /'1.weight' of shape \[2147483647, 16\]/,
    ],
    ['one layer too few', (m) => (m.layers as unknown[]).splice(3, 1), /'3.weight'/],
    ['a seed that is none', (m) => (m.seed = 1.5), /seed/],
    ['an unknown inputType', (m) => (m.inputType = 'complex64'), /inputType/],
    ['a scale that is none', (m) => (m.preprocessing = { scale: '1' }), /scale/],
    ['a deviation of 0', (m) => (m.preprocessing = { scale: 1, standardDeviation: [0] }), /standardDeviation/],
    ['an unknown loss', (m) => (m.loss = { name: 'toString' }), /toString/],
    ['a split of everything', (m) => (m.split = { fraction: 1, seed: 0, length: 10 }), /fraction/],
    ['a split that is none', (m) => (m.split = []), /split/],
    ['trained by half', (m) => (m.trained = 'half'), /trained/],
    ['an unknown biasInit', (m) => (m.biasInit = 'ones'), /biasInit/],
    ['a training that is a list', (m) => (m.training = []), /object for training/],
    ...(
      [
        ['an unknown optimizer', { optimizer: { name: 'constructor' } }, /optimizer of training/],
        ['an optimizer with an unknown option', { optimizer: { name: 'sgd', learningRate: 1, html: '<b>' } }, /unknown option 'html'/],
        ['a schedule within a schedule', { schedule: { name: 'warmup', steps: 1, next: { name: 'warmup', steps: 1 } } }, /warm-up/],
        ['no batch size', { batchSize: undefined }, /batchSize of training/],
        ['steps as text', { steps: '<script>' }, /steps of training/],
        ['steps done below none', { stepsDone: -1 }, /stepsDone of training/],
        ['examples beyond any', { examples: 2 ** 31 }, /examples of training/],
        ['augmentation of another kind', { augment: { padding: 1, flip: 'yes' } }, /flip of augment of training/],
        ['another device', { device: 'tpu' }, /device of training/],
        ['another precision', { precision: 'float4' }, /precision of training/],
        ['half an earlier fit', { earlierFits: 0.5 }, /earlierFits of training/],
        ['a version that is a page', { version: '<img src=x onerror=alert(1)>' }, /version of training/],
        ['a version without end', { version: '1'.repeat(65) }, /version of training/],
      ] as [string, object, RegExp][]
    ).map(([name, change, message]): [string, (value: Record<string, unknown>) => void, RegExp] => [
      `training with ${name}`,
      (m) => Object.assign(m.training as object, change),
      message,
    ]),
  ])('metadata with %s', async (_, change, message) => {
    using path = withMetadata(change);
    const rejection = { name: 'OneLogitError', code: 'ERR_ONELOGIT_FORMAT', message: expect.stringMatching(message) };
    await expect(Model.load(path.name)).rejects.toMatchObject(rejection);
    await expect(Model.load(path.name)).rejects.toThrow(path.name);
  });

  test.each<[string, (parts: Parts) => void, RegExp]>([
    ['without metadata', ({ metadata }) => delete metadata.onelogit, /without metadata 'onelogit'/],
    ['with metadata that is no JSON', ({ metadata }) => (metadata.onelogit = '{'), /JSON/],
    [
      'with a schedule that is 100,000 of them deep',
      ({ metadata }) => {
        const schedules = `${'{"name":"warmup","steps":1,"next":'.repeat(100_000)}{"name":"constant"}${'}'.repeat(100_000)}`;
        metadata.onelogit = metadata.onelogit!.replace('{"name":"constant"}', schedules);
      },
      /Expected a schedule without a warm-up of its own/,
    ],
    ['with metadata that is no object', ({ metadata }) => (metadata.onelogit = 'null'), /object/],
    ['without a tensor', ({ tensors }) => tensors.delete('2.running_var'), /'2.running_var' of shape \[12\]/],
    [
      'with a tensor of no layer',
      ({ tensors }) => tensors.set('9.weight', { dtype: 'U8', shape: [1], bytes: new Uint8Array(1) }),
      /'9.weight'/,
    ],
    [
      'with a tensor of another shape',
      ({ tensors }) => (tensors.get('4.weight')!.shape = [12, 5]),
      /'4.weight' of shape \[5, 12\].*\[12, 5\]/,
    ],
    ['with a tensor of integers', ({ tensors }) => (tensors.get('4.bias')!.dtype = 'I32'), /'4.bias'.*I32/],
    ['with half of its class names', ({ tensors }) => tensors.delete('class_names.offsets'), /class_names/],
    ['with class names of another type', ({ tensors }) => (tensors.get('class_names.bytes')!.dtype = 'I8'), /class_names.bytes/],
    [
      'with names for other classes',
      ({ tensors }) => tensors.set('class_names.offsets', { dtype: 'I64', shape: [2], bytes: new Uint8Array(16) }),
      /6 offsets/,
    ],
    ['with name offsets past the end', ({ tensors }) => tensors.get('class_names.offsets')!.bytes.fill(0x7f, 41, 42), /offsets from 0 to/],
    ['with name offsets that descend', ({ tensors }) => tensors.get('class_names.offsets')!.bytes.fill(0x7f, 8, 9), /ascending/],
  ])('a file %s', async (_, change, message) => {
    using path = changed(change);
    const rejection = { name: 'OneLogitError', code: 'ERR_ONELOGIT_FORMAT', message: expect.stringMatching(message) };
    await expect(Model.load(path.name)).rejects.toMatchObject(rejection);
    await expect(Model.load(path.name)).rejects.toThrow(path.name);
  });

  test('a file of a newer version, saying so', async () => {
    using path = withMetadata((metadata) => Object.assign(metadata, { format: 2, version: '9.0.0' }));
    await expect(Model.load(path.name)).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FORMAT_VERSION',
      message: expect.stringMatching(/format 1 or older .* format 2, written by onelogit the string '9.0.0'/),
    });
  });

  test('not half precision: it is made float32', async () => {
    using path = changed(({ tensors }) => {
      const tensor = tensors.get('4.weight')!;
      const floats = new Uint16Array(new Uint8Array(tensor.bytes).buffer);
      tensor.dtype = 'BF16';
      tensor.bytes = new Uint8Array(floats.filter((_, index) => index % 2 === 1).buffer);
    });
    const loaded = await Model.load(path.name);
    const truncated = new Uint32Array(model.tensor('4.weight').buffer).map((bits) => bits & 0xffff0000);
    expect(loaded.tensor('4.weight')).toEqual(new Float32Array(truncated.buffer));
  });

  test('whatever is cut short or has a byte changed, or loads it: the process goes on', async () => {
    const whole = readFileSync(saved.name);
    using path = temporaryFile('damaged.safetensors');
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), async (at, value, cut) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        writeFileSync(path.name, cut ? bytes.subarray(0, at) : bytes);
        try {
          const loaded = await Model.load(path.name);
          expect(cut).toBe(false);
          expect((await loaded.predict(dataset.inputs)).length).toBe(2500);
          loaded.dispose();
        } catch (error) {
          expect(error).toMatchObject({ name: 'OneLogitError', code: expect.stringMatching(/^ERR_ONELOGIT_(FORMAT|FORMAT_VERSION)$/) });
        }
      }),
      { numRuns: 300 },
    );
    // The header is where most can go wrong.
    const header = 8 + Number(whole.readBigUInt64LE(0));
    await fc.assert(
      fc.asyncProperty(fc.nat(header - 1), fc.nat(255), async (at, value) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        writeFileSync(path.name, bytes);
        await Model.load(path.name).then(
          (loaded) => loaded.dispose(),
          (error) =>
            expect(error).toMatchObject({ name: 'OneLogitError', code: expect.stringMatching(/^ERR_ONELOGIT_(FORMAT|FORMAT_VERSION)$/) }),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('a directory, and a file without permission to read', async () => {
    await expect(Model.load(saved.directory)).rejects.toMatchObject({ name: 'OneLogitError', code: expect.stringMatching(/FILE|FORMAT/) });
  });

  test('a path that is none', async () => {
    for (const path of [undefined, '', 3, {}])
      await expect(Model.load(path as string)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
  });
});

test('a file keeps serving while it is replaced', async () => {
  using path = temporaryFile('model.safetensors');
  copyFileSync(saved.name, path.name);
  const loads = Array.from({ length: 20 }, async () => (await Model.load(path.name)).classes);
  await Promise.all([...loads, model.save(path.name), model.save(path.name)]);
  for (const classes of await Promise.all(loads)) expect(classes).toBe(5);
  expect(statSync(path.name).size).toBe(statSync(saved.name).size);
});
