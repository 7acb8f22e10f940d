/** The operators that compute what each type of layer computes at inference. */
import type { Layer } from '../layers/index.js';
import type { GraphBuilder } from './graph.js';
import { attribute } from './messages.js';
import type { Value, Values } from './values.js';

/** One layer and what it reads. */
export interface Placed<L extends Layer = Layer> {
  readonly layer: L;
  /** What the names of its nodes begin with. */
  readonly label: string;
  /** What the names of its tensors begin with, the dot included. */
  readonly prefix: string;
  readonly inputs: readonly [Value, ...Value[]];
  /** Of one example after it. */
  readonly outputShape: readonly number[];
}

type LayerOf<Type extends Layer['type']> = Extract<Layer, { type: Type }>;
type Exporter<L extends Layer> = (graph: GraphBuilder, values: Values, placed: Placed<L>) => Value;

/** Pixels around an image, top, left, bottom and right: ONNX's order. `same` is worked out, so that every runtime does as we do. */
function padsOf(
  { kernel, stride, padding }: WindowLayer,
  [height, width]: readonly number[],
): readonly [top: number, left: number, bottom: number, right: number] {
  if (padding === 'valid') return [0, 0, 0, 0];
  if (padding !== 'same') return [padding[0], padding[2], padding[1], padding[3]];
  const along = (axis: 0 | 1, length: number) => {
    const outputs = Math.ceil(length / stride[axis]);
    const pixels = Math.max((outputs - 1) * stride[axis] + kernel[axis] - length, 0);
    return [Math.floor(pixels / 2), Math.ceil(pixels / 2)] as const;
  };
  const [top, bottom] = along(0, height as number);
  const [left, right] = along(1, width as number);
  return [top, left, bottom, right];
}

type WindowLayer = LayerOf<'conv2d'> | LayerOf<'maxPool'> | LayerOf<'avgPool'>;

function windowAttributes(layer: WindowLayer, inputShape: readonly number[]) {
  return [
    attribute.integers('kernel_shape', layer.kernel),
    attribute.integers('strides', layer.stride),
    attribute.integers('pads', padsOf(layer, inputShape)),
  ];
}

const image = (name: string, shape: readonly number[]): Value => ({ name, shape, channelsFirst: true });
const plain = (name: string, shape: readonly number[]): Value => ({ name, shape, channelsFirst: false });

/** An operator that works on each number alone. */
const elementwise =
  (operator: string): Exporter<Layer> =>
  (graph, _values, { label, inputs: [input] }) => ({ ...input, name: graph.node(operator, label, [input.name]) });

/**
 * Runs `body` on values whose channels (the last axis of an example) are axis 1, as ONNX's normalisations have it: images turned, other values as
 * rows of `[channels, …ones]`.
 */
function overChannels(
  graph: GraphBuilder,
  values: Values,
  { label, inputs: [input] }: Placed,
  ones: readonly number[],
  body: (name: string, channels: number) => string,
): Value {
  const { shape } = input;
  const channels = shape[shape.length - 1] as number;
  if (shape.length === 3) return image(body(values.image(input).name, channels), shape);
  if (shape.length === 1 && ones.length === 0) return plain(body(input.name, channels), shape);
  const rows = graph.reshape(`${label}.rows`, input.name, [-1, channels, ...ones]);
  return plain(graph.reshape(`${label}.shaped`, body(rows, channels), [-1, ...shape]), shape);
}

/**
 * y = x / (k + alpha/size · Σ x²)^beta for a window of an even number of channels. ONNX's operator has the odd channel of such a window
 * on the other side, and runtimes refuse it: the mean of squares by a pool over the channels, whose padding counts.
 */
function evenLocalResponseNorm(
  graph: GraphBuilder,
  { label, layer: { size, alpha, beta, k } }: Placed<LayerOf<'localResponseNorm'>>,
  x: string,
  [height, width, channels]: readonly [number, number, number],
): string {
  const squares = graph.node('Mul', `${label}.squares`, [x, x]);
  const pooled = graph.node(
    'AveragePool',
    `${label}.mean`,
    [graph.reshape(`${label}.planes`, squares, [0, 1, channels, height * width])],
    [
      attribute.integers('kernel_shape', [size, 1]),
      attribute.integers('strides', [1, 1]),
      attribute.integers('pads', [size / 2, 0, size / 2 - 1, 0]),
      attribute.integer('count_include_pad', 1),
    ],
  );
  const mean = graph.reshape(`${label}.channels`, pooled, [0, channels, height, width]);
  const scaled = graph.node('Mul', `${label}.scaled`, [mean, graph.floats(`${label}.alpha`, alpha)]);
  const base = graph.node('Add', `${label}.base`, [scaled, graph.floats(`${label}.k`, k)]);
  const power = graph.node('Pow', `${label}.power`, [base, graph.floats(`${label}.beta`, beta)]);
  return graph.node('Div', label, [x, power]);
}

/**
 * What a pool reads. ONNX Runtime (PadFusion) adds the zeros of a Pad to the padding of the pool behind it, which is −∞ or counts for nothing. It leaves a Pad of
 * another number alone: the smallest one that is not subnormal is as good as 0.
 */
function poolInput(graph: GraphBuilder, values: Values, input: Value): Value {
  const x = values.image(input);
  graph.extend(x.name, 'Pad', 2, () => graph.floats(`${x.name}.value`, 2 ** -126));
  return x;
}

const exporters: { [Type in Layer['type']]: Exporter<LayerOf<Type>> } = {
  dense(graph, values, { layer, label, prefix, inputs: [input], outputShape }) {
    const x = values.vector(input);
    const reads = [x.name, graph.stored(`${prefix}weight`, [layer.units, x.shape[0] as number])];
    if (layer.bias) reads.push(graph.stored(`${prefix}bias`, [layer.units]));
    return plain(graph.node('Gemm', label, reads, [attribute.integer('transB', 1)]), outputShape);
  },

  conv2d(graph, values, { layer, label, prefix, inputs: [input], outputShape }) {
    const x = values.image(input);
    const { filters, groups } = layer;
    const [height, width] = layer.kernel;
    const channels = (x.shape[2] as number) / groups;
    const turned = { channels, pixels: height * width };
    const reads = [x.name, graph.stored(`${prefix}weight`, [filters, channels, height, width], { turned })];
    if (layer.bias) reads.push(graph.stored(`${prefix}bias`, [filters]));
    return image(graph.node('Conv', label, reads, [...windowAttributes(layer, x.shape), attribute.integer('group', groups)]), outputShape);
  },

  batchNorm(graph, values, placed) {
    const { layer, label, prefix } = placed;
    return overChannels(graph, values, placed, [], (x, channels) => {
      const tensors = ['weight', 'bias', 'running_mean', 'running_var'].map((name) => graph.stored(`${prefix}${name}`, [channels]));
      return graph.node('BatchNormalization', label, [x, ...tensors], [attribute.float('epsilon', layer.epsilon)]);
    });
  },

  localResponseNorm(graph, values, placed) {
    const { layer, label } = placed;
    const { shape } = placed.inputs[0];
    return overChannels(graph, values, placed, [1, 1], (x, channels) => {
      const [height, width] = shape.length === 3 ? (shape as [number, number, number]) : ([1, 1] as const);
      if (layer.size % 2 === 0) return evenLocalResponseNorm(graph, placed, x, [height, width, channels]);
      return graph.node(
        'LRN',
        label,
        [x],
        [
          attribute.integer('size', layer.size),
          attribute.float('alpha', layer.alpha),
          attribute.float('beta', layer.beta),
          attribute.float('bias', layer.k),
        ],
      );
    });
  },

  relu: elementwise('Relu'),
  // Nothing happens at inference.
  dropout: (_graph, _values, { inputs: [input] }) => input,

  softmax(graph, _values, { label, inputs: [input] }) {
    const axis = input.channelsFirst ? 1 : input.shape.length;
    return { ...input, name: graph.node('Softmax', label, [input.name], [attribute.integer('axis', axis)]) };
  },

  flatten: (_graph, values, { inputs: [input] }) => values.vector(input),

  maxPool(graph, values, { layer, label, inputs: [input], outputShape }) {
    const x = poolInput(graph, values, input);
    return image(graph.node('MaxPool', label, [x.name], windowAttributes(layer, x.shape)), outputShape);
  },

  avgPool(graph, values, { layer, label, inputs: [input], outputShape }) {
    const x = poolInput(graph, values, input);
    const counted = attribute.integer('count_include_pad', layer.countPadding ? 1 : 0);
    return image(graph.node('AveragePool', label, [x.name], [...windowAttributes(layer, x.shape), counted]), outputShape);
  },

  globalAvgPool(graph, values, { label, inputs: [input], outputShape }) {
    const pooled = graph.node('GlobalAveragePool', label, [values.image(input).name]);
    return plain(graph.node('Flatten', `${label}.flat`, [pooled], [attribute.integer('axis', 1)]), outputShape);
  },

  zeroPadding(graph, values, { layer, label, inputs: [input], outputShape }) {
    const [top, bottom, left, right] = layer.padding;
    const pads = graph.integers(`${label}.pads`, [0, 0, top, left, 0, 0, bottom, right]);
    return image(graph.node('Pad', label, [values.image(input).name, pads]), outputShape);
  },

  embedding(graph, _values, { layer, label, prefix, inputs: [input], outputShape }) {
    const table = graph.stored(`${prefix}weight`, [layer.vocabulary, layer.features]);
    return plain(graph.node('Gather', label, [table, input.name]), outputShape);
  },

  add(graph, values, { label, inputs, outputShape }) {
    const { names, channelsFirst } = alike(values, inputs);
    const name = graph.node(names.length === 2 ? 'Add' : 'Sum', label, names);
    return { name, shape: outputShape, channelsFirst };
  },

  concat(graph, values, { label, inputs, outputShape }) {
    const { names, channelsFirst } = alike(values, inputs);
    const axis = channelsFirst ? 1 : outputShape.length;
    return { name: graph.node('Concat', label, names, [attribute.integer('axis', axis)]), shape: outputShape, channelsFirst };
  },
};

/** Inputs that are joined, all in one order: channels first if one of them is. */
function alike(values: Values, inputs: readonly Value[]): { names: string[]; channelsFirst: boolean } {
  const channelsFirst = inputs.some((input) => input.channelsFirst);
  return { names: inputs.map((input) => (channelsFirst ? values.image(input) : input).name), channelsFirst };
}

/** Adds the nodes of a layer and returns what it makes. */
export function exportLayer(graph: GraphBuilder, values: Values, placed: Placed): Value {
  return (exporters[placed.layer.type] as Exporter<Layer>)(graph, values, placed);
}
