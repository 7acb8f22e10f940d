/**
 * What flows through a graph. Images are height × width × channels in this package and channels × height × width to ONNX's operators, so a
 * value may be in either order; it is turned where an operator wants the other one, and what turned it is kept for the next one.
 */
import { rangeError } from '../errors.js';
import type { GraphBuilder } from './graph.js';
import { attribute } from './messages.js';

export interface Value {
  /** In the graph. */
  readonly name: string;
  /** Of one example, height × width × channels for images whatever their order in the graph. */
  readonly shape: readonly number[];
  /** Whether it is an image whose channels come first. */
  readonly channelsFirst: boolean;
}

export class Values {
  readonly #graph: GraphBuilder;
  readonly #turned = new Map<string, Value>();

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  /** With channels first: what convolutions and pools read. */
  image(value: Value): Value {
    if (value.channelsFirst) return value;
    if (value.shape.length !== 3) throw rangeError('ERR_ONELOGIT_LAYER', `Expected an image but received [${value.shape.join(', ')}]`);
    return this.#turn(value, 'channels_first', [0, 3, 1, 2]);
  }

  /** In the order of this package. */
  plain(value: Value): Value {
    return value.channelsFirst ? this.#turn(value, 'channels_last', [0, 2, 3, 1]) : value;
  }

  /** One axis for each example, in the order of this package. */
  vector(value: Value): Value {
    if (value.shape.length === 1) return value;
    const known = this.#turned.get(`${value.name} vector`);
    if (known) return known;
    // With one pixel or one channel both orders are the same.
    const [height = 1, width = 1, channels = 1] = value.shape;
    const sameOrder = value.channelsFirst && (height * width === 1 || channels === 1);
    const { name } = sameOrder ? value : this.plain(value);
    const flat: Value = {
      name: this.#graph.node('Flatten', `${value.name}.flat`, [name], [attribute.integer('axis', 1)]),
      shape: [value.shape.reduce((product, length) => product * length, 1)],
      channelsFirst: false,
    };
    this.#turned.set(`${value.name} vector`, flat);
    return flat;
  }

  #turn(value: Value, order: string, permutation: readonly number[]): Value {
    const known = this.#turned.get(`${value.name} ${order}`);
    if (known) return known;
    const name = this.#graph.node('Transpose', `${value.name}.${order}`, [value.name], [attribute.integers('perm', permutation)]);
    const turned: Value = { name, shape: value.shape, channelsFirst: !value.channelsFirst };
    this.#turned.set(`${value.name} ${order}`, turned);
    // Back again costs nothing.
    this.#turned.set(`${name} ${order === 'channels_first' ? 'channels_last' : 'channels_first'}`, value);
    return turned;
  }
}
