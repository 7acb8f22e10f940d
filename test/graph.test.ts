import { describe, expect, test } from 'vitest';
import { layers, Model, type SymbolicTensor } from '../src/index.js';
import { graphOf } from '../src/layers/index.js';

// What JavaScript callers can do and TypeScript would not let them.
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const anything = (value: unknown): any => value;

const types = (input: SymbolicTensor, output: SymbolicTensor) => graphOf(input, output, 'test').layers.map(({ type }) => type);
const inputs = (input: SymbolicTensor, output: SymbolicTensor) => graphOf(input, output, 'test').layers.map((layer) => layer.inputs);

describe('the layers of a graph', () => {
  test('come in the order in which they were made, with their inputs', () => {
    const input = layers.input([4]);
    const right = input.apply(layers.dense(3), layers.relu());
    const left = input.apply(layers.dense(3, { bias: false }));
    const output = layers.add(left, right, left).apply(layers.dense(2));
    expect(types(input, output)).toEqual(['dense', 'relu', 'dense', 'add', 'dense']);
    expect(inputs(input, output)).toEqual([[-1], [0], [-1], [2, 1, 2], [3]]);
  });

  test('are those that the output needs, and no others', () => {
    const input = layers.input([4]);
    const unused = input.apply(layers.dense(7));
    const hidden = input.apply(layers.dense(3));
    unused.apply(layers.relu());
    hidden.apply(layers.dropout());
    expect(types(input, hidden.apply(layers.relu(), layers.dense(2)))).toEqual(['dense', 'relu', 'dense']);
  });

  test('keep names and what was frozen; a layer applied twice becomes two', () => {
    const input = layers.input([4]);
    const layer = layers.freeze(layers.dense(4, { name: 'a' }));
    expect(graphOf(input, input.apply(layer), 'test').layers).toEqual([{ ...layer, inputs: [-1] }]);
    const relu = layers.relu();
    expect(types(input, input.apply(relu, relu))).toEqual(['relu', 'relu']);
    expect(() => Model.build({ input, output: input.apply(layer, layer) })).toThrow(
      expect.objectContaining({ code: 'ERR_ONELOGIT_NAME', message: expect.stringContaining('layers of Model.build[1]') }),
    );
  });

  test('are found in deep graphs without recursion', () => {
    const input = layers.input([4]);
    let tensor = input;
    for (let depth = 0; depth < 5000; depth++) tensor = layers.add(tensor, tensor.apply(layers.relu()));
    expect(types(input, tensor)).toHaveLength(10_000);
  });
});

test.each<[string, () => unknown, string, RegExp]>([
  ['an input of no shape', () => layers.input(anything(undefined)), 'ERR_ONELOGIT_ARGUMENT', /shape of layers.input/],
  ['an add of one', () => layers.add(layers.input([2])), 'ERR_ONELOGIT_LENGTH', /two or more tensors for layers.add but received 1/],
  ['a concat of layers', () => layers.concat(layers.input([2]), anything(layers.relu())), 'ERR_ONELOGIT_ARGUMENT', /tensors\[1\]/],
  ['inputs that differ', () => layers.concat(layers.input([2]), layers.input([2])), 'ERR_ONELOGIT_LAYER', /tensors\[1\] of another/],
  ['a string', () => layers.input([2]).apply(anything('relu')), 'ERR_ONELOGIT_LAYER', /layers\[0\] of apply/],
  ['apply of add', () => layers.input([2]).apply({ type: 'add' }), 'ERR_ONELOGIT_LAYER', /layers.add joins tensors/],
  ['apply with inputs', () => layers.input([2]).apply({ type: 'relu', inputs: [-1] }), 'ERR_ONELOGIT_LAYER', /one with inputs/],
  ['no output', () => Model.build(anything({ input: layers.input([2]) })), 'ERR_ONELOGIT_ARGUMENT', /output of Model.build/],
  [
    'an output as the input',
    () => {
      const hidden = layers.input([2]).apply(layers.relu());
      return Model.build({ input: hidden, output: hidden.apply(layers.dense(2)) });
    },
    'ERR_ONELOGIT_LAYER',
    /what layers.input made for input of Model.build/,
  ],
  [
    'an output of another input',
    () => Model.build({ input: layers.input([2]), output: layers.input([2]).apply(layers.dense(2)) }),
    'ERR_ONELOGIT_LAYER',
    /another layers.input/,
  ],
  [
    'nothing between input and output',
    () => {
      const input = layers.input([2]);
      return Model.build({ input, output: input });
    },
    'ERR_ONELOGIT_LAYER',
    /layers of Model.build/,
  ],
  ['an unknown option', () => Model.build(anything({ input: 1, output: 2, inputs: 3 })), 'ERR_ONELOGIT_UNKNOWN_OPTION', /'inputs'/],
  [
    'two readers of integers',
    () => {
      const input = layers.input([2]);
      const table = input.apply(layers.embedding(9, 4), layers.flatten());
      return Model.build({ input, output: layers.concat(table, input).apply(layers.dense(2)) });
    },
    'ERR_ONELOGIT_LAYER',
    /that does too/,
  ],
])('refused: %s', (_, call, code, message) => {
  expect(call).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});
