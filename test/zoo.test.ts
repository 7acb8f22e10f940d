import { afterEach, describe, expect, test } from 'vitest';
import { type Layer, type Model, zoo } from '../src/index.js';

// What JavaScript callers can do and TypeScript would not let them.
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const anything = (value: unknown): any => value;

// One at a time: the largest takes 553 MB.
let model: Model;
afterEach(() => model?.dispose());

/** Each layer's type and the shape of one example after it. */
function shapes(built: Model): [string, string][] {
  return built
    .summary()
    .split('\n')
    .slice(1, -1)
    .map((line) => {
      const [, type = '', shape = ''] = line.match(/^ *\d+ +(\w+).*?((?:\d+ × )*\d+) +[\d,]+(?: +frozen)?$/) ?? [];
      return [type, shape];
    });
}

const shapesAfter = (built: Model, type: string) => shapes(built).flatMap(([name, shape]) => (name === type ? [shape] : []));
const names = (built: Model) => built.tensors.map(({ name }) => name);

describe('cnn', () => {
  /** Weights and biases of a layer, and the scale and shift of the batch normalisation after it. */
  const conv = (kernel: number, channels: number, filters: number) => kernel * kernel * channels * filters + filters + 2 * filters;
  const dense = (inputs: number, units: number) => inputs * units + units + 2 * units;

  test('is the network of section VI of the paper', () => {
    model = zoo.cnn({ classes: 100, device: 'cpu' });
    expect(shapesAfter(model, 'maxPool')).toEqual(['16 × 16 × 128', '8 × 8 × 256', '4 × 4 × 512']);
    const kernels = model.layers.flatMap((layer) => (layer.type === 'conv2d' ? [`${layer.kernel.join('×')}×${layer.filters}`] : []));
    expect(kernels).toEqual(['5×5×128', '1×1×128', '5×5×256', '1×1×256', '5×5×512', '1×1×512']);
    expect(model.features).toBe(1024);
    expect(model.parameterCount).toBe(
      conv(5, 3, 128) +
        conv(1, 128, 128) +
        conv(5, 128, 256) +
        conv(1, 256, 256) +
        conv(5, 256, 512) +
        conv(1, 512, 512) +
        dense(4 * 4 * 512, 1024) +
        (1024 * 100 + 100),
    );
  });

  test('normalises every layer but the logits', () => {
    model = zoo.cnn({ classes: 10, inputShape: [9, 7, 1] });
    const types = model.layers.map(({ type }) => type);
    for (const [index, type] of types.slice(0, -1).entries())
      if (type === 'conv2d' || type === 'dense') expect(types.slice(index + 1, index + 3)).toEqual(['batchNorm', 'relu']);
    expect(types.at(-1)).toBe('dense');
    expect(shapesAfter(model, 'maxPool')).toEqual(['5 × 4 × 128', '3 × 2 × 256', '2 × 1 × 512']);
  });
});

describe('alexnet', () => {
  test("has torchvision's layers, parameters and names", () => {
    model = zoo.alexnet({ classes: 1000, device: 'cpu' });
    expect(model.parameterCount).toBe(61_100_840);
    expect(shapesAfter(model, 'conv2d')).toEqual(['55 × 55 × 64', '27 × 27 × 192', '13 × 13 × 384', '13 × 13 × 256', '13 × 13 × 256']);
    expect(shapesAfter(model, 'maxPool')).toEqual(['27 × 27 × 64', '13 × 13 × 192', '6 × 6 × 256']);
    expect(names(model)).toEqual(
      ['features.0', 'features.3', 'features.6', 'features.8', 'features.10', 'classifier.1', 'classifier.4', 'classifier.6'].flatMap(
        (name) => [`${name}.weight`, `${name}.bias`],
      ),
    );
  });

  // Counted from section 3.5 of the paper (48 of 96 channels for each tower in conv2 and so on); also what the Caffe Model Zoo's
  // bvlc_alexnet has.
  test('has the 60,965,224 parameters of 2012 in two towers', () => {
    model = zoo.alexnet({ classes: 1000, variant: 'original', device: 'cpu' });
    expect(model.parameterCount).toBe(60_965_224);
    expect(shapesAfter(model, 'conv2d')).toEqual(['55 × 55 × 96', '27 × 27 × 256', '13 × 13 × 384', '13 × 13 × 384', '13 × 13 × 256']);
    expect(model.layers.flatMap((layer) => (layer.type === 'conv2d' ? [layer.groups] : []))).toEqual([1, 2, 1, 2, 2]);
    // α multiplies the plain sum of squares in the paper, a fifth of it here.
    expect(model.layers.filter(({ type }) => type === 'localResponseNorm')).toEqual(
      Array(2).fill({ type: 'localResponseNorm', size: 5, alpha: 5e-4, beta: 0.75, k: 2 }),
    );
    const types = model.layers.map(({ type }) => type);
    expect(types.slice(0, 8)).toEqual(['conv2d', 'relu', 'localResponseNorm', 'maxPool', 'conv2d', 'relu', 'localResponseNorm', 'maxPool']);
    expect(names(model).at(-1)).toBe('fc8.bias');
  });
});

test("vgg16 has torchvision's layers, parameters and names", () => {
  model = zoo.vgg16({ classes: 1000, device: 'cpu' });
  expect(model.parameterCount).toBe(138_357_544);
  expect(shapesAfter(model, 'maxPool')).toEqual(['112 × 112 × 64', '56 × 56 × 128', '28 × 28 × 256', '14 × 14 × 512', '7 × 7 × 512']);
  const places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28].map((place) => `features.${place}`);
  expect(names(model)).toEqual([...places, 'classifier.0', 'classifier.3', 'classifier.6'].flatMap((name) => linear(name)));
});

/** Of a state dict: the names of a convolution's or dense layer's tensors, and of a batch normalisation's. */
const linear = (name: string, bias = true) => (bias ? [`${name}.weight`, `${name}.bias`] : [`${name}.weight`]);
const norm = (name: string) => ['weight', 'bias', 'running_mean', 'running_var'].map((tensor) => `${name}.${tensor}`);

describe('resnet', () => {
  const block = (name: string, projects: boolean) => [
    ...[1, 2, 3].flatMap((number) => [...linear(`${name}.conv${number}`, false), ...norm(`${name}.bn${number}`)]),
    ...(projects ? [...linear(`${name}.downsample.0`, false), ...norm(`${name}.downsample.1`)] : []),
  ];

  test.each([
    ['resnet50', [3, 4, 6, 3], 25_557_032, zoo.resnet50],
    ['resnet101', [3, 4, 23, 3], 44_549_160, zoo.resnet101],
  ] as const)("%s has torchvision's layers, parameters and names", (_, stages, parameters, build) => {
    model = build({ classes: 1000, device: 'cpu' });
    expect(model.parameterCount).toBe(parameters);
    expect(names(model)).toEqual([
      ...linear('conv1', false),
      ...norm('bn1'),
      ...stages.flatMap((blocks, stage) =>
        Array.from({ length: blocks }, (_, index) => block(`layer${stage + 1}.${index}`, index === 0)).flat(),
      ),
      ...linear('fc'),
    ]);
    const sums = shapesAfter(model, 'add');
    expect(sums.filter((shape, index) => shape !== sums[index - 1])).toEqual([
      '56 × 56 × 256',
      '28 × 28 × 512',
      '14 × 14 × 1024',
      '7 × 7 × 2048',
    ]);
    expect(sums).toHaveLength(stages.reduce<number>((sum, blocks) => sum + blocks, 0));
  });

  test('halves images in 3×3 convolutions, as version 1.5 does', () => {
    model = zoo.resnet50({ classes: 2, inputShape: [64, 64, 3], device: 'cpu' });
    const strided = model.layers.flatMap((layer) => (layer.type === 'conv2d' && layer.stride[0] === 2 ? [layer.name] : []));
    expect(strided).toEqual(['conv1', ...[2, 3, 4].flatMap((stage) => [`layer${stage}.0.conv2`, `layer${stage}.0.downsample.0`])]);
  });
});

test("inceptionV3 has torchvision's layers, parameters and names, but for the auxiliary classifier", () => {
  model = zoo.inceptionV3({ classes: 1000, device: 'cpu' });
  expect(model.parameterCount).toBe(23_834_568);
  const joined = shapesAfter(model, 'concat');
  const inner = 2 * 2; // of the last two blocks
  expect(joined).toHaveLength(11 + inner);
  expect([...new Set(joined)]).toEqual(['35 × 35 × 256', '35 × 35 × 288', '17 × 17 × 768', '8 × 8 × 1280', '8 × 8 × 768', '8 × 8 × 2048']);
  const prefixes = [...new Set(names(model).map((name) => name.slice(0, name.lastIndexOf('.'))))];
  const branches = (block: string, ...list: string[]) => list.map((branch) => `${block}.branch${branch}`);
  const blockA = ['1x1', '5x5_1', '5x5_2', '3x3dbl_1', '3x3dbl_2', '3x3dbl_3', '_pool'];
  const blockC = ['1x1', ...[1, 2, 3].map((n) => `7x7_${n}`), ...[1, 2, 3, 4, 5].map((n) => `7x7dbl_${n}`), '_pool'];
  const blockE = ['1x1', '3x3_1', '3x3_2a', '3x3_2b', '3x3dbl_1', '3x3dbl_2', '3x3dbl_3a', '3x3dbl_3b', '_pool'];
  const convolutions = [
    ...['Conv2d_1a_3x3', 'Conv2d_2a_3x3', 'Conv2d_2b_3x3', 'Conv2d_3b_1x1', 'Conv2d_4a_3x3'],
    ...['5b', '5c', '5d'].flatMap((name) => branches(`Mixed_${name}`, ...blockA)),
    ...branches('Mixed_6a', '3x3', '3x3dbl_1', '3x3dbl_2', '3x3dbl_3'),
    ...['6b', '6c', '6d', '6e'].flatMap((name) => branches(`Mixed_${name}`, ...blockC)),
    ...branches('Mixed_7a', '3x3_1', '3x3_2', '7x7x3_1', '7x7x3_2', '7x7x3_3', '7x7x3_4'),
    ...['7b', '7c'].flatMap((name) => branches(`Mixed_${name}`, ...blockE)),
  ];
  expect(prefixes.toSorted()).toEqual([...convolutions.flatMap((name) => [`${name}.conv`, `${name}.bn`]), 'fc'].toSorted());
  expect(model.layers.flatMap((layer) => (layer.type === 'batchNorm' ? [layer.epsilon] : []))).toEqual(Array(94).fill(0.001));
});

test('the head alone is trainable if asked for', () => {
  model = zoo.cnn({ classes: 3, inputShape: [8, 8, 3], trainable: 'head' });
  const withTensors = model.layers.filter(({ type }) => ['conv2d', 'dense', 'batchNorm'].includes(type)) as (Layer & { frozen?: true })[];
  expect(withTensors.map(({ frozen }) => frozen)).toEqual([...Array(withTensors.length - 1).fill(true), undefined]);
  expect(model.summary()).toMatch(/\n3,075 trainable parameters of [\d,]+ on cpu$/);
});

test.each<[string, () => unknown, string, RegExp]>([
  ['no options', () => zoo.cnn(anything(undefined)), 'ERR_ONELOGIT_ARGUMENT', /classes of zoo.cnn/],
  ['no classes', () => zoo.vgg16(anything({})), 'ERR_ONELOGIT_ARGUMENT', /classes of zoo.vgg16/],
  ['0 classes', () => zoo.resnet50({ classes: 0 }), 'ERR_ONELOGIT_RANGE', /classes of zoo.resnet50/],
  ['an unknown option', () => zoo.resnet101(anything({ classes: 2, dropout: 1 })), 'ERR_ONELOGIT_UNKNOWN_OPTION', /'dropout'/],
  ['a variant of another', () => zoo.vgg16(anything({ classes: 2, variant: 'original' })), 'ERR_ONELOGIT_UNKNOWN_OPTION', /'variant'/],
  [
    'an unknown variant',
    () => zoo.alexnet(anything({ classes: 2, variant: '2012' })),
    'ERR_ONELOGIT_ARGUMENT',
    /'torchvision' or 'original'/,
  ],
  ['another part', () => zoo.inceptionV3(anything({ classes: 2, trainable: 'body' })), 'ERR_ONELOGIT_ARGUMENT', /'all' or 'head'/],
  ['a vector', () => zoo.cnn({ classes: 2, inputShape: [784] }), 'ERR_ONELOGIT_LAYER', /images, height × width × channels/],
  ['images too small', () => zoo.alexnet({ classes: 2, inputShape: [32, 32, 3] }), 'ERR_ONELOGIT_LAYER', /maxPool/],
])('refused: %s', (_, call, code, message) => {
  expect(call).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});
