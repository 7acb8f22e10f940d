/** Graphs of layers: {@link layers.input}, {@link SymbolicTensor}, {@link layers.add}, {@link layers.concat}. */
import { describe } from '../check.js';
import { rangeError, typeError } from '../errors.js';
import { checkShape } from '../shape.js';
import { checkLayer, type Layer } from './check-layer.js';
import { addLayer, concatLayer } from './joining.js';
import { checkLayerObject } from './layer.js';

/** What {@link layers.input} made. */
interface Source {
  readonly layer: null;
  readonly shape: readonly number[];
}

/** The output of a layer. */
interface Output {
  readonly layer: Layer;
  readonly inputs: readonly Node[];
  readonly source: Source;
  /** Later ones are made of earlier ones: sorted by it, a graph is in topological order. */
  readonly serial: number;
}

type Node = Source | Output;

let serials = 0;

const sourceOf = (node: Node): Source => (node.layer === null ? node : node.source);

let createTensor: (node: Node) => SymbolicTensor;
let nodeOf: (tensor: unknown, what: string) => Node;

/**
 * What a layer of a graph will compute: made by {@link layers.input}, `apply`, {@link layers.add} and {@link layers.concat}, for
 * {@link Model.build}. It holds no numbers.
 */
export class SymbolicTensor {
  readonly #node: Node;

  static {
    createTensor = (node) => new SymbolicTensor(node);
    nodeOf = (tensor, what) => {
      if (typeof tensor !== 'object' || tensor === null || !(#node in tensor))
        throw typeError(
          'ERR_ONELOGIT_ARGUMENT',
          `Expected a SymbolicTensor (of layers.input, apply, layers.add or layers.concat) for ${what} but received ${describe(tensor)}`,
        );
      return tensor.#node;
    };
  }

  private constructor(node: Node) {
    this.#node = node;
  }

  /**
   * The output of layers that follow this one and each other. A layer given twice, here or elsewhere, becomes two layers with weights of
   * their own.
   */
  apply(...layers: readonly Layer[]): SymbolicTensor {
    const what = 'apply of a SymbolicTensor';
    const node = layers.reduce<Node>((input, given, index) => {
      const layer = checkLayer(given, `layers[${index}] of ${what}`);
      const placed = checkLayerObject(given, what).inputs !== undefined;
      if (layer.type === 'add' || layer.type === 'concat' || placed)
        throw typeError(
          'ERR_ONELOGIT_LAYER',
          `Expected a layer of one input for layers[${index}] of ${what} but received ${placed ? 'one with inputs' : `${layer.type}: layers.${layer.type} joins tensors`}`,
        );
      return { serial: ++serials, layer, inputs: [input], source: sourceOf(input) };
    }, this.#node);
    return createTensor(node);
  }
}

/**
 * The input of a graph.
 *
 * @param shape - of one example: height × width × channels for images
 */
export function input(shape: readonly number[]): SymbolicTensor {
  return createTensor({ layer: null, shape: checkShape(shape, 'shape of layers.input') });
}

/** The sum of two or more tensors of one shape: a block's output and its shortcut (He et al. 2016). */
export function add(...tensors: readonly SymbolicTensor[]): SymbolicTensor {
  return join(addLayer, tensors);
}

/** Two or more tensors side by side along the last axis, the channels of images (Szegedy et al. 2015). */
export function concat(...tensors: readonly SymbolicTensor[]): SymbolicTensor {
  return join(concatLayer, tensors);
}

function join(layer: Layer, tensors: readonly unknown[]): SymbolicTensor {
  const what = `layers.${layer.type}`;
  const inputs = tensors.map((tensor, index) => nodeOf(tensor, `tensors[${index}] of ${what}`));
  const [first] = inputs;
  if (first === undefined || inputs.length < 2)
    throw rangeError('ERR_ONELOGIT_LENGTH', `Expected two or more tensors for ${what} but received ${inputs.length}`);
  const other = inputs.findIndex((node) => sourceOf(node) !== sourceOf(first));
  if (other >= 0)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected tensors of one layers.input for ${what} (a model has one input) but received tensors[${other}] of another`,
    );
  return createTensor({ serial: ++serials, layer, inputs, source: sourceOf(first) });
}

/**
 * The layers that compute `output` from `input`, in the order in which they were made, each with the indices of its inputs (−1 is the
 * model's input); and the shape of the input.
 */
export function graphOf(inputTensor: unknown, outputTensor: unknown, what: string): { inputShape: readonly number[]; layers: Layer[] } {
  const source = nodeOf(inputTensor, `input of ${what}`);
  const output = nodeOf(outputTensor, `output of ${what}`);
  if (source.layer !== null)
    throw rangeError('ERR_ONELOGIT_LAYER', `Expected what layers.input made for input of ${what} but received the output of a layer`);
  if (sourceOf(output) !== source)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected a tensor made of the input for output of ${what} but received one of another layers.input`,
    );
  const needed = new Set<Output>();
  const pending = [output];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.layer === null || needed.has(node)) continue;
    needed.add(node);
    pending.push(...node.inputs);
  }
  const ordered = [...needed].sort((a, b) => a.serial - b.serial);
  const places = new Map<Node, number>(ordered.map((node, index) => [node, index]));
  places.set(source, -1);
  return {
    inputShape: source.shape,
    layers: ordered.map(({ layer, inputs }) => ({ ...layer, inputs: inputs.map((node) => places.get(node) as number) })),
  };
}
