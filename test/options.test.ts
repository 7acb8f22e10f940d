import { expect, test } from 'vitest';
import { checkLayers, layers } from '../src/layers/index.js';
import { checkOptimizer, optimizers } from '../src/optimizers.js';
import { checkSchedule, schedules } from '../src/schedules.js';

// What JavaScript callers can do and TypeScript would not let them.
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const anything = (value: unknown): any => value;

test('layers have PyTorch-like defaults and keep what they were given', () => {
  expect(layers.dense(7)).toEqual({ type: 'dense', units: 7, bias: true });
  expect(layers.dense(7, { bias: false, initializer: 'zeros' })).toEqual({ type: 'dense', units: 7, bias: false, initializer: 'zeros' });
  expect(layers.batchNorm()).toEqual({ type: 'batchNorm', epsilon: 1e-5, momentum: 0.1 });
  expect(layers.batchNorm({ momentum: 0.01 })).toEqual({ type: 'batchNorm', epsilon: 1e-5, momentum: 0.01 });
  expect(layers.dropout()).toEqual({ type: 'dropout', rate: 0.5 });
  expect(Object.isFrozen(layers.relu())).toBe(true);
});

test('optimizers have the defaults of their papers and PyTorch', () => {
  expect(optimizers.sgd({ learningRate: 0.1 })).toEqual({ name: 'sgd', learningRate: 0.1, momentum: 0, nesterov: false, weightDecay: 0 });
  const adam = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  expect(optimizers.adam()).toEqual({ name: 'adam', ...adam, weightDecay: 0 });
  expect(optimizers.adamW({ clipNorm: 1 })).toEqual({ name: 'adamW', ...adam, weightDecay: 0.01, clipNorm: 1 });
});

test('schedules describe themselves, a warm-up with what follows it', () => {
  expect(schedules.step({ every: 100 })).toEqual({ name: 'step', every: 100, factor: 0.1 });
  expect(schedules.cosine()).toEqual({ name: 'cosine', minimum: 0 });
  expect(schedules.warmup({ steps: 5 })).toEqual({ name: 'warmup', steps: 5, next: { name: 'constant' } });
  expect(schedules.warmup({ steps: 5 }, schedules.cosine({ steps: 9 }))).toEqual({
    name: 'warmup',
    steps: 5,
    next: { name: 'cosine', steps: 9, minimum: 0 },
  });
});

test('what was made is accepted again, also after a trip through JSON', () => {
  const list = [
    layers.dense(5),
    layers.batchNorm(),
    layers.relu(),
    layers.dropout(0.1),
    layers.flatten(),
    layers.dense(2),
    layers.softmax(),
  ];
  const checked = checkLayers(list, 'layers');
  expect(checkLayers(JSON.parse(JSON.stringify(checked)), 'layers')).toEqual(checked);
  for (const optimizer of [optimizers.sgd({ learningRate: 1, momentum: 0.9, nesterov: true }), optimizers.adam(), optimizers.adamW()])
    expect(checkOptimizer(JSON.parse(JSON.stringify(optimizer)), 'optimizer')).toEqual(optimizer);
  for (const schedule of [schedules.constant(), schedules.step({ every: 2 }), schedules.warmup({ steps: 3 }, schedules.cosine())])
    expect(checkSchedule(JSON.parse(JSON.stringify(schedule)), 'schedule')).toEqual(schedule);
});

test("the last dense layer's default initializer is Glorot's, the others' He's", () => {
  const checked = checkLayers([layers.dense(5), layers.relu(), layers.dense(2), layers.softmax()], 'layers');
  expect(checked.map((layer) => (layer as { initializer?: string }).initializer)).toEqual([
    'he-normal',
    undefined,
    'glorot-uniform',
    undefined,
  ]);
});

test.each<[string, () => unknown, RegExp]>([
  [
    'layer option',
    () => layers.dense(3, anything({ biass: true })),
    /one of bias, initializer, storage, name for layers.dense but received the unknown option 'biass'/,
  ],
  ['layer of JSON', () => checkLayers([{ type: 'relu', rate: 1 }, layers.dense(1)], 'layers'), /unknown option 'rate'/],
  ['optimizer option', () => optimizers.sgd(anything({ learningRate: 1, lr: 1 })), /unknown option 'lr'/],
  ['schedule option', () => schedules.cosine(anything({ stepps: 1 })), /unknown option 'stepps'/],
])('an unknown %s is an error', (_, call, message) => {
  expect(call).toThrow(
    expect.objectContaining({ name: 'TypeError', code: 'ERR_ONELOGIT_UNKNOWN_OPTION', message: expect.stringMatching(message) }),
  );
});

test.each<[string, () => unknown]>([
  ['units 0', () => layers.dense(0)],
  ['units 1.5', () => layers.dense(1.5)],
  ['units 2^31', () => layers.dense(2 ** 31)],
  ['dropout of everything', () => layers.dropout(1)],
  ['negative dropout', () => layers.dropout(-0.1)],
  ['epsilon 0', () => layers.batchNorm({ epsilon: 0 })],
  ['a clipNorm that float32 rounds to 0', () => optimizers.sgd({ learningRate: 1, clipNorm: 1e-50 })],
  ['an epsilon that float32 rounds to 0', () => optimizers.adam({ epsilon: 1e-50 })],
  ['infinite learning rate', () => optimizers.sgd({ learningRate: Infinity })],
  ['NaN learning rate', () => optimizers.adam({ learningRate: NaN })],
  ['learning rate beyond float32', () => optimizers.adam({ learningRate: 1e39 })],
  ['momentum 1', () => optimizers.sgd({ learningRate: 1, momentum: 1 })],
  ['beta2 1', () => optimizers.adam({ beta2: 1 })],
  ['clipNorm 0', () => optimizers.adam({ clipNorm: 0 })],
  ['nesterov without momentum', () => optimizers.sgd({ learningRate: 1, nesterov: true })],
  ['step every 0', () => schedules.step({ every: 0 })],
  ['factor above 1', () => schedules.step({ every: 1, factor: 1.5 })],
  ['minimum above 1', () => schedules.cosine({ minimum: 2 })],
])('out of range: %s', (_, call) => {
  expect(call).toThrow(
    expect.objectContaining({
      name: 'RangeError',
      code: 'ERR_ONELOGIT_RANGE',
      message: expect.stringMatching(/^Expected .* but received/),
    }),
  );
});

test.each<[string, () => unknown, string]>([
  ['units', () => layers.dense(anything('5')), 'ERR_ONELOGIT_ARGUMENT'],
  ['bias', () => layers.dense(5, { bias: anything(1) }), 'ERR_ONELOGIT_ARGUMENT'],
  ['initializer', () => layers.dense(5, { initializer: anything('he') }), 'ERR_ONELOGIT_ARGUMENT'],
  ['learning rate missing', () => optimizers.sgd(anything(undefined)), 'ERR_ONELOGIT_ARGUMENT'],
  ['options', () => optimizers.adam(anything(3)), 'ERR_ONELOGIT_ARGUMENT'],
  ['optimizer', () => checkOptimizer({ name: 'toString' }, 'optimizer'), 'ERR_ONELOGIT_ARGUMENT'],
  ['schedule', () => checkSchedule(null, 'schedule'), 'ERR_ONELOGIT_ARGUMENT'],
  ['warm-up of a warm-up', () => schedules.warmup({ steps: 1 }, anything(schedules.warmup({ steps: 1 }))), 'ERR_ONELOGIT_ARGUMENT'],
  ['layers', () => checkLayers('dense', 'layers'), 'ERR_ONELOGIT_LAYER'],
  ['no layers', () => checkLayers([], 'layers'), 'ERR_ONELOGIT_LAYER'],
  ['no dense layer', () => checkLayers([layers.relu()], 'layers'), 'ERR_ONELOGIT_LAYER'],
  ['a layer that is none', () => checkLayers([{ type: 'constructor' }], 'layers'), 'ERR_ONELOGIT_LAYER'],
])('of the wrong type: %s', (_, call, code) => {
  expect(call).toThrow(expect.objectContaining({ name: 'TypeError', code }));
});
