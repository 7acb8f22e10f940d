import { expect, test } from 'vitest';
import { layers, losses, Model, optimizers } from '../src/index.js';
import { checkLayers, checkSequence } from '../src/layers/index.js';

// What JavaScript callers can do and TypeScript would not let them.
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const anything = (value: unknown): any => value;

test('layers of images write their options out', () => {
  expect(layers.conv2d(8, { kernel: 3 })).toEqual({
    type: 'conv2d',
    filters: 8,
    kernel: [3, 3],
    stride: [1, 1],
    padding: 'valid',
    groups: 1,
    bias: true,
  });
  expect(
    layers.conv2d(8, { kernel: [1, 7], stride: [2, 1], padding: [0, 3], groups: 4, bias: false, initializer: 'zeros', name: 'c.1' }),
  ).toEqual({
    type: 'conv2d',
    name: 'c.1',
    filters: 8,
    kernel: [1, 7],
    stride: [2, 1],
    padding: [0, 0, 3, 3],
    groups: 4,
    bias: false,
    initializer: 'zeros',
  });
  expect(layers.maxPool({ kernel: [3, 2] })).toEqual({ type: 'maxPool', kernel: [3, 2], stride: [3, 2], padding: 'valid' });
  expect(layers.maxPool({ kernel: 3, stride: 2, padding: 1 })).toEqual({
    type: 'maxPool',
    kernel: [3, 3],
    stride: [2, 2],
    padding: [1, 1, 1, 1],
  });
  expect(layers.avgPool({ kernel: 2, padding: 'same' })).toEqual({
    type: 'avgPool',
    kernel: [2, 2],
    stride: [2, 2],
    padding: 'same',
    countPadding: true,
  });
  expect(layers.avgPool({ kernel: 2, countPadding: false })).toMatchObject({ countPadding: false });
  expect(layers.globalAvgPool()).toEqual({ type: 'globalAvgPool' });
  expect(layers.localResponseNorm()).toEqual({ type: 'localResponseNorm', size: 5, alpha: 1e-4, beta: 0.75, k: 1 });
  expect(layers.zeroPadding(2)).toEqual({ type: 'zeroPadding', padding: [2, 2, 2, 2] });
  expect(layers.zeroPadding([1, 2])).toEqual({ type: 'zeroPadding', padding: [1, 1, 2, 2] });
  expect(layers.zeroPadding([1, 2, 3, 4])).toEqual({ type: 'zeroPadding', padding: [1, 2, 3, 4] });
});

test('a padding of nothing is valid, however it is written', () => {
  for (const padding of [undefined, 'valid', 0, [0, 0], [0, 0, 0, 0]])
    expect(layers.maxPool({ kernel: 2, padding: anything(padding) }).padding).toBe('valid');
});

test('images go through layers in the sizes that other libraries give them', () => {
  const model = Model.sequential({
    inputShape: [17, 11, 6],
    layers: [
      layers.conv2d(8, { kernel: 3, padding: 'same', groups: 2 }),
      layers.batchNorm(),
      layers.localResponseNorm(),
      layers.maxPool({ kernel: 3, stride: 2, padding: 'same' }), // ⌈17/2⌉, ⌈11/2⌉
      layers.zeroPadding([1, 0, 2, 0]),
      layers.avgPool({ kernel: [4, 3], stride: [3, 2], padding: [1, 0] }), // ⌊(10 + 2 − 4) / 3⌋ + 1, ⌊(8 − 3) / 2⌋ + 1
      layers.conv2d(10, { kernel: [1, 2], stride: 2, bias: false }),
      layers.globalAvgPool(),
      layers.dense(4),
    ],
    device: 'cpu',
  });
  const shapes = model
    .summary()
    .split('\n')
    .slice(1, -1)
    .map((line) => line.match(/(\d+ × )*\d+(?= {2})/g)?.at(-1));
  expect(shapes).toEqual(['17 × 11 × 8', '17 × 11 × 8', '17 × 11 × 8', '9 × 6 × 8', '10 × 8 × 8', '3 × 3 × 8', '2 × 1 × 10', '10', '4']);
  expect(model.parameterCount).toBe(8 * 3 * 3 * 3 + 8 + 2 * 8 + 10 * 2 * 8 + 4 * 10 + 4);
  model.dispose();
});

test('freezing marks the layers that have tensors', () => {
  const conv = layers.conv2d(2, { kernel: 1, name: 'a' });
  expect(layers.freeze(conv)).toEqual({ ...conv, frozen: true });
  expect(layers.freeze(layers.relu())).toEqual({ type: 'relu' });
  expect(layers.freeze([layers.batchNorm(), layers.flatten(), layers.dense(3)])).toEqual([
    { ...layers.batchNorm(), frozen: true },
    { type: 'flatten' },
    { ...layers.dense(3), frozen: true },
  ]);
  expect(layers.freeze(layers.freeze(layers.embedding(3, 2)))).toEqual({ ...layers.embedding(3, 2), frozen: true });
  expect(() => layers.freeze([layers.relu(), anything('dense')])).toThrow(
    expect.objectContaining({ code: 'ERR_ONELOGIT_LAYER', message: expect.stringContaining('layers[1] of layers.freeze') }),
  );
});

test('the last dense layer cannot be frozen: nothing would learn', () => {
  expect(() => Model.sequential({ inputShape: [4], layers: layers.freeze([layers.dense(3), layers.dense(2)]) })).toThrow(
    expect.objectContaining({ code: 'ERR_ONELOGIT_LAYER', message: expect.stringMatching(/last dense layer that learns/) }),
  );
});

test('what was made is accepted again, also after a trip through JSON', () => {
  const list = [
    layers.conv2d(4, { kernel: [3, 1], padding: 1, name: 'features.0' }),
    layers.freeze(layers.batchNorm({ name: 'features.1' })),
    layers.localResponseNorm({ size: 3, k: 2 }),
    layers.maxPool({ kernel: 2 }),
    layers.avgPool({ kernel: 3, stride: 1, padding: 'same', countPadding: false }),
    layers.zeroPadding([1, 2, 3, 4]),
    layers.globalAvgPool(),
    layers.dense(2),
  ];
  const checked = checkLayers(list, 'layers');
  expect(checkLayers(JSON.parse(JSON.stringify(checked)), 'layers')).toEqual(checked);
  expect(checked[0]).toMatchObject({ initializer: 'he-normal' });
});

const dense = layers.dense(2);
const flat = { type: 'flatten' };

test('inputs that are the layer before are left out, others are kept', () => {
  const graph = [
    { ...flat, inputs: [-1] },
    { type: 'relu', inputs: [0] },
    { type: 'add', inputs: [0, 1] },
    { ...dense, inputs: [2] },
  ];
  expect(checkLayers(graph, 'layers').map(({ inputs }) => inputs)).toEqual([undefined, undefined, [0, 1], undefined]);
});

test.each<[string, () => unknown, string, RegExp]>([
  ['no kernel', () => layers.conv2d(3, anything({})), 'ERR_ONELOGIT_ARGUMENT', /kernel of layers.conv2d but received undefined/],
  ['no options', () => layers.maxPool(anything(undefined)), 'ERR_ONELOGIT_ARGUMENT', /kernel of layers.maxPool/],
  ['a kernel of 0', () => layers.conv2d(3, { kernel: 0 }), 'ERR_ONELOGIT_RANGE', /from 1 to 1048576 for kernel/],
  ['a kernel of three', () => layers.conv2d(3, { kernel: anything([1, 2, 3]) }), 'ERR_ONELOGIT_LENGTH', /an array of length 3/],
  ['a huge stride', () => layers.avgPool({ kernel: 2, stride: 2 ** 21 }), 'ERR_ONELOGIT_RANGE', /stride of layers.avgPool/],
  ['a padding by name', () => layers.maxPool({ kernel: 2, padding: anything('full') }), 'ERR_ONELOGIT_ARGUMENT', /'same', 'valid'/],
  ['a negative padding', () => layers.maxPool({ kernel: 2, padding: [-1, 0] }), 'ERR_ONELOGIT_RANGE', /padding of layers.maxPool\[0\]/],
  ['three sides', () => layers.zeroPadding(anything([1, 2, 3])), 'ERR_ONELOGIT_LENGTH', /pixels of layers.zeroPadding/],
  ["zeros for 'same'", () => layers.zeroPadding(anything('same')), 'ERR_ONELOGIT_ARGUMENT', /pixels of layers.zeroPadding/],
  ['groups of 9 filters', () => layers.conv2d(9, { kernel: 1, groups: 2 }), 'ERR_ONELOGIT_RANGE', /divisor of the 9 filters/],
  ['an unknown option', () => layers.conv2d(9, anything({ kernel: 1, strides: 2 })), 'ERR_ONELOGIT_UNKNOWN_OPTION', /'strides'/],
  ['k of 0', () => layers.localResponseNorm({ k: 0 }), 'ERR_ONELOGIT_RANGE', /k of layers.localResponseNorm/],
  ['beta beyond float32', () => layers.localResponseNorm({ beta: 1e39 }), 'ERR_ONELOGIT_RANGE', /beta/],
  ['frozen relu', () => checkLayers([{ type: 'relu', frozen: true }, dense], 'layers'), 'ERR_ONELOGIT_UNKNOWN_OPTION', /no tensors/],
  ['frozen: 1', () => checkLayers([{ ...dense, frozen: 1 }], 'layers'), 'ERR_ONELOGIT_ARGUMENT', /frozen of layers\[0\]/],
  ['a named relu', () => checkLayers([{ type: 'relu', name: 'a' }, dense], 'layers'), 'ERR_ONELOGIT_UNKNOWN_OPTION', /'name'/],
])('refused: %s', (_, call, code, message) => {
  expect(call).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});

test.each<[string, string]>([
  ['', 'ERR_ONELOGIT_ARGUMENT'],
  ['a b', 'ERR_ONELOGIT_NAME'],
  ['.a', 'ERR_ONELOGIT_NAME'],
  ['a.', 'ERR_ONELOGIT_NAME'],
  ['a..b', 'ERR_ONELOGIT_NAME'],
  ['größe', 'ERR_ONELOGIT_NAME'],
  ['optimizer.0', 'ERR_ONELOGIT_NAME'],
  ['training', 'ERR_ONELOGIT_NAME'],
  ['thresholds', 'ERR_ONELOGIT_NAME'],
  ['class_names', 'ERR_ONELOGIT_NAME'],
  ['a'.repeat(201), 'ERR_ONELOGIT_NAME'],
])("the name '%s' is refused", (name, code) => {
  expect(() => layers.dense(1, { name })).toThrow(expect.objectContaining({ code }));
});

test('names are unique, and a number is that of the layer', () => {
  const named = (name: string) => layers.dense(2, { name });
  expect(checkLayers([named('0'), named('a.1'), named('2')], 'layers').map((layer) => (layer as { name?: string }).name)).toEqual([
    '0',
    'a.1',
    '2',
  ]);
  for (const [list, message] of [
    [[named('a'), named('b'), named('a')], /layers\[2\] but received 'a', that of layers\[0\]/],
    [[named('1'), named('b')], /not the index of another layer for layers\[0\] but received '1'/],
    [[named('01'), named('b')], /received '01'/],
  ] as const)
    expect(() => checkLayers(list, 'layers')).toThrow(
      expect.objectContaining({ code: 'ERR_ONELOGIT_NAME', message: expect.stringMatching(message) }),
    );
});

test.each<[string, unknown[], string, RegExp]>([
  ['its own output', [{ ...dense, inputs: [0] }], 'ERR_ONELOGIT_RANGE', /inputs\[0\] of layers\[0\]/],
  ['a later layer', [{ ...flat, inputs: [1] }, dense], 'ERR_ONELOGIT_RANGE', /inputs\[0\] of layers\[0\]/],
  ['before the input', [{ ...dense, inputs: [-2] }], 'ERR_ONELOGIT_RANGE', /inputs/],
  ['a fraction', [flat, { ...dense, inputs: [-0.5] }], 'ERR_ONELOGIT_RANGE', /inputs/],
  ['a string', [{ ...dense, inputs: 'all' }], 'ERR_ONELOGIT_ARGUMENT', /array of integers for inputs of layers\[0\]/],
  [
    'two inputs of one that takes one',
    [flat, flat, { ...dense, inputs: [0, 1] }],
    'ERR_ONELOGIT_LAYER',
    /one input for layers\[2\], dense/,
  ],
  ['no inputs', [{ ...dense, inputs: [] }], 'ERR_ONELOGIT_LAYER', /one input for layers\[0\]/],
  ['an add of one', [flat, { type: 'add', inputs: [0] }, dense], 'ERR_ONELOGIT_LAYER', /2 to 1000 inputs for layers\[1\], add/],
  ['an add in a row', [flat, { type: 'add' }, dense], 'ERR_ONELOGIT_LAYER', /the layer before/],
  ['too many', [flat, { type: 'concat', inputs: Array(1001).fill(0) }, dense], 'ERR_ONELOGIT_LAYER', /received 1001/],
  ['a layer nobody uses', [flat, flat, { ...dense, inputs: [0] }], 'ERR_ONELOGIT_LAYER', /layers\[1\], which is none/],
  [
    'integers for two',
    [layers.embedding(3, 2), { ...flat, inputs: [-1] }, { type: 'add', inputs: [0, 1] }, dense],
    'ERR_ONELOGIT_LAYER',
    /layers\[1\] that does too/,
  ],
])('a graph with %s is refused', (_, graph, code, message) => {
  expect(() => checkLayers(graph, 'layers')).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});

test('a sequence has no inputs, not even those it would have anyway', () => {
  for (const inputs of [[-1], null, 'x'])
    expect(() => checkSequence([{ ...dense, inputs }], 'layers')).toThrow(
      expect.objectContaining({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION', message: expect.stringContaining('layers[0]') }),
    );
  expect(() => Model.sequential({ inputShape: [2], layers: [{ ...dense, inputs: [-1] }] })).toThrow(
    expect.objectContaining({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' }),
  );
});

test('a stride far beyond the image costs no time in training', async () => {
  const sparse = layers.conv2d(2, { kernel: 1, stride: 2 ** 20 });
  using model = Model.sequential({ inputShape: [4, 4, 1], layers: [layers.conv2d(2, { kernel: 1 }), sparse, layers.dense(2)] });
  const dataset = { inputs: new Float32Array(64).fill(1), labels: Int32Array.of(0, 1, 0, 1), inputShape: [4, 4, 1], classes: 2, length: 4 };
  const before = model.tensor('0.weight');
  await model.fit(dataset, { loss: losses.selfNormalization(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 2, batchSize: 4 });
  expect(model.tensor('0.weight')).not.toEqual(before);
});
