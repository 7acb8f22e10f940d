/** A graph while it is being built: nodes in the order in which they run, and the constants that they read. */
import type { NativeStoredTensor } from '../native-model.js';
import { attribute, type DataType, dataTypes, type OnnxInitializer, type OnnxMessage, type OnnxNode } from './messages.js';

const bytesOf = { float32: 4, bfloat16: 2, int8: 1 } as const;

export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly #taken: Set<string>;

  /** @param reserved - names of inputs and outputs */
  constructor(reserved: readonly string[]) {
    this.#taken = new Set(reserved);
  }

  /**
   * Adds a node and returns the name of its output.
   *
   * @param name - of the node, and of its output unless that has another one; made unique
   */
  node(operator: string, name: string, inputs: readonly string[], attributes: readonly OnnxMessage[] = [], output?: string): string {
    const unique = this.#unique(name);
    this.nodes.push({ operator, name: unique, inputs, outputs: [output ?? unique], attributes });
    return output ?? unique;
  }

  /** A node that makes another type of what it reads. */
  cast(name: string, input: string, type: DataType): string {
    return this.node('Cast', name, [input], [attribute.integer('to', dataTypes[type])]);
  }

  /** A tensor of the model under its own name; rows of `turned.pixels` × `turned.channels` come the other way round. */
  stored(
    tensor: string,
    shape: readonly number[],
    {
      type = 'float32',
      turned = { channels: 1, pixels: 1 },
    }: { type?: NativeStoredTensor['type']; turned?: { channels: number; pixels: number } } = {},
  ): string {
    const byteLength = shape.reduce((product, length) => product * length, bytesOf[type] as number);
    const name = this.#unique(tensor);
    this.initializers.push({ name, type, shape, data: { byteLength, tensor, type, ...turned } });
    return name;
  }

  /** Gives another input to the node that makes a value, if that is of an operator and has no more than `count` yet. */
  extend(value: string, operator: string, count: number, input: () => string): void {
    const at = this.nodes.findLastIndex(({ outputs }) => outputs.includes(value));
    const node = this.nodes[at];
    if (node?.operator === operator && node.inputs.length === count) this.nodes[at] = { ...node, inputs: [...node.inputs, input()] };
  }

  /** Numbers of ours, of one axis, or one number without axes. */
  floats(name: string, values: number | readonly number[]): string {
    const shape = typeof values === 'number' ? [] : [values.length];
    const numbers = Float32Array.from(typeof values === 'number' ? [values] : values);
    return this.#constant(name, 'float32', shape, numbers);
  }

  integers(name: string, values: readonly number[]): string {
    return this.#constant(name, 'int64', [values.length], BigInt64Array.from(values, BigInt));
  }

  /** Another shape of the same numbers; −1 stands for what is left, 0 for the input's own length of that axis. */
  reshape(name: string, input: string, shape: readonly number[]): string {
    return this.node('Reshape', name, [input, this.integers(`${name}.shape`, shape)]);
  }

  #constant(wanted: string, type: DataType, shape: readonly number[], values: Float32Array | BigInt64Array): string {
    const name = this.#unique(wanted);
    this.initializers.push({ name, type, shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) });
    return name;
  }

  #unique(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#taken.has(name); count++) name = `${wanted}_${count}`;
    this.#taken.add(name);
    return name;
  }
}
