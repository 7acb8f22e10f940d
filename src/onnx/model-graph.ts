/** The graph of a model, or of one of its two parts. */
import { decodeNames, type EncodedNames } from '../class-names.js';
import { inputsOf, type Layer, lastDenseLayer, tensorPrefix } from '../layers/index.js';
import type { ModelMetadata } from '../metadata.js';
import type { ClassStorage } from '../native-classifier.js';
import type { Preprocessing } from '../preprocessing.js';
import { GraphBuilder } from './graph.js';
import { exportLayer } from './layers.js';
import { attribute, type OnnxModel, type OnnxValue } from './messages.js';
import { type Value, Values } from './values.js';

/** Which layers: all; all before the last dense one; that one. */
export type OnnxPart = 'model' | 'trunk' | 'head';

/** What a graph is made from. */
export interface ModelParts {
  readonly metadata: ModelMetadata;
  /** How the class matrix is stored. */
  readonly storage: ClassStorage;
  readonly calibrated: boolean;
  readonly names: EncodedNames | null;
  /** Of one example after each layer. */
  readonly outputShapes: readonly (readonly number[])[];
  readonly version: string;
}

export interface GraphOptions {
  readonly part: OnnxPart;
  readonly singleLogit: boolean;
  readonly embedding: boolean;
}

/** What a graph that is asked about one class is named by: examples and questions are as many as each other, or one of the two is one. */
const batch = 'batch';
const questions = 'questions';
const answers = 'answers';

/** Names of classes go into the graph unless they take more than this. */
const mostNameBytes = 1 << 20;

export function modelGraph(parts: ModelParts, options: GraphOptions): OnnxModel {
  const { metadata, storage, calibrated } = parts;
  const { part, singleLogit } = options;
  const { layers, inputShape } = metadata;
  const { index: last, layer: head } = lastDenseLayer(layers);
  const features = featuresOf(parts, last);

  const graph = new GraphBuilder(['input', 'class_ids', 'embedding', 'logits', 'matches']);
  const values = new Values(graph);
  const inputs: OnnxValue[] = [];
  const outputs: OnnxValue[] = [];
  let embedding: Value;
  if (part === 'head') {
    inputs.push({ name: 'input', type: 'float32', shape: [batch, features] });
    embedding = { name: 'input', shape: [features], channelsFirst: false };
  } else {
    const type = layers[0]?.type === 'embedding' ? 'int32' : (metadata.inputType ?? 'float32');
    inputs.push({ name: 'input', type, shape: [batch, ...inputShape] });
    const input = preprocessed(graph, metadata, { name: 'input', shape: inputShape, channelsFirst: false });
    embedding = values.vector(trunk(graph, values, parts, input, last));
  }
  if (part === 'trunk' || options.embedding) {
    graph.node('Identity', 'embedding_output', [embedding.name], [], 'embedding');
    outputs.push({ name: 'embedding', type: 'float32', shape: [batch, features] });
  }
  if (part !== 'trunk') {
    const label = head.name ?? `${last}.dense`;
    const matrix = { label, prefix: tensorPrefix(head, last), classes: head.units, features, bias: head.bias, storage };
    const shape = singleLogit ? [answers] : [batch, head.units];
    if (singleLogit) inputs.push({ name: 'class_ids', type: 'int64', shape: [questions] });
    if (singleLogit) oneLogitEach(graph, matrix, embedding.name);
    else allLogits(graph, matrix, embedding.name);
    outputs.push({ name: 'logits', type: 'float32', shape });
    if (calibrated) {
      const thresholds = graph.stored('thresholds', [head.units]);
      const asked = singleLogit ? graph.node('Gather', 'thresholds.of_classes', [thresholds, 'class_ids']) : thresholds;
      graph.node('GreaterOrEqual', 'matches_output', ['logits', asked], [], 'matches');
      outputs.push({ name: 'matches', type: 'bool', shape });
    }
  }
  const { nodes, initializers } = graph;
  return { nodes, initializers, inputs, outputs, metadata: metadataOf(parts, part, head.units, features), producerVersion: parts.version };
}

/** What the last dense layer reads, from the layers before it. */
function featuresOf({ metadata: { layers, inputShape }, outputShapes }: ModelParts, last: number): number {
  const [read] = inputsOf(layers[last] as Layer, last) as [number];
  const shape = read < 0 ? inputShape : (outputShapes[read] as readonly number[]);
  return shape.reduce((product, length) => product * length, 1);
}

/** x → (x · scale − mean) / standardDeviation over the last axis, as float32. */
function preprocessed(graph: GraphBuilder, { layers, inputType, preprocessing }: ModelMetadata, input: Value): Value {
  let { name } = input;
  // Its inputs are integers, and stay them.
  if (layers[0]?.type === 'embedding') return input;
  if (inputType === 'uint8') name = graph.cast('preprocessing.cast', name, 'float32');
  const { scale, mean, standardDeviation }: Preprocessing = preprocessing ?? { scale: 1 };
  const steps: [string, string, number | readonly number[], boolean][] = [
    ['Mul', 'scale', scale, scale !== 1],
    ['Sub', 'mean', mean ?? 0, mean?.some((number) => number !== 0) ?? false],
    ['Div', 'standard_deviation', standardDeviation ?? 1, standardDeviation?.some((number) => number !== 1) ?? false],
  ];
  for (const [operator, what, numbers, needed] of steps)
    if (needed) name = graph.node(operator, `preprocessing.by_${what}`, [name, graph.floats(`preprocessing.${what}`, numbers)]);
  return { ...input, name };
}

/** The layers before the last dense one; what that one reads. */
function trunk(graph: GraphBuilder, values: Values, { metadata, outputShapes }: ModelParts, input: Value, last: number): Value {
  const made: Value[] = [];
  const read = (layer: Layer, index: number) =>
    inputsOf(layer, index).map((from) => (from < 0 ? input : (made[from] as Value))) as [Value, ...Value[]];
  for (const [index, layer] of metadata.layers.slice(0, last).entries()) {
    const name = 'name' in layer ? layer.name : undefined;
    const placed = {
      layer,
      label: name ?? `${index}.${layer.type}`,
      prefix: tensorPrefix(layer, index),
      inputs: read(layer, index),
      outputShape: outputShapes[index] as readonly number[],
    };
    made.push(exportLayer(graph, values, placed));
  }
  return read(metadata.layers[last] as Layer, last)[0];
}

interface ClassMatrix {
  /** What the names of its nodes begin with, and those of its tensors. */
  readonly label: string;
  readonly prefix: string;
  readonly classes: number;
  readonly features: number;
  readonly bias: boolean;
  readonly storage: ClassStorage;
}

const biasOf = (graph: GraphBuilder, { prefix, classes, bias }: ClassMatrix) => (bias ? graph.stored(`${prefix}bias`, [classes]) : null);

/** The class matrix as it is stored, and its scales if it has any: rows are those of the model file, byte by byte. */
function matrixOf(graph: GraphBuilder, { prefix, classes, features, storage }: ClassMatrix) {
  const weight = graph.stored(`${prefix}weight`, [classes, features], { type: storage });
  return { weight, scale: storage === 'int8' ? graph.stored(`${prefix}weight.scale`, [classes]) : null };
}

/** logits (batch × classes) = x · weightᵀ (· scale) + bias. Runtimes convert a weight that is not float32 once, when they load the graph. */
function allLogits(graph: GraphBuilder, matrix: ClassMatrix, x: string): void {
  const { weight, scale } = matrixOf(graph, matrix);
  const bias = biasOf(graph, matrix);
  const { label } = matrix;
  const wide = matrix.storage === 'float32' ? weight : graph.cast(`${weight}.float32`, weight, 'float32');
  const transposed = [attribute.integer('transB', 1)];
  if (scale === null) {
    graph.node('Gemm', label, bias === null ? [x, wide] : [x, wide, bias], transposed, 'logits');
    return;
  }
  const products = graph.node('Gemm', label, [x, wide], transposed);
  const scaled = graph.node('Mul', `${label}.scaled`, [products, scale], [], bias === null ? 'logits' : undefined);
  if (bias !== null) graph.node('Add', `${label}.with_bias`, [scaled, bias], [], 'logits');
}

/** The logit of one class for each pair of an example and a class id: rows are looked up, and nothing else of the matrix is read. */
function oneLogitEach(graph: GraphBuilder, matrix: ClassMatrix, x: string): void {
  const { weight, scale } = matrixOf(graph, matrix);
  const bias = biasOf(graph, matrix);
  const { label } = matrix;
  const rowsOf = (tensor: string) => graph.node('Gather', `${tensor}.of_classes`, [tensor, 'class_ids']);
  const stored = rowsOf(weight);
  const rows = matrix.storage === 'float32' ? stored : graph.cast(`${weight}.float32`, stored, 'float32');
  const products = graph.node('Mul', `${label}.products`, [x, rows]);
  const sum = (output?: string) =>
    graph.node('ReduceSum', label, [products, graph.integers(`${label}.axes`, [1])], [attribute.integer('keepdims', 0)], output);
  if (scale === null && bias === null) {
    sum('logits');
    return;
  }
  const scaled =
    scale === null ? sum() : graph.node('Mul', `${label}.scaled`, [sum(), rowsOf(scale)], [], bias === null ? 'logits' : undefined);
  if (bias !== null) graph.node('Add', `${label}.with_bias`, [scaled, rowsOf(bias)], [], 'logits');
}

/** What a graph cannot say: keys under which runtimes hand it on. */
function metadataOf(
  { metadata, names, calibrated }: ModelParts,
  part: OnnxPart,
  classes: number,
  features: number,
): Record<string, string> {
  const entries: Record<string, string> = { 'onelogit.part': part, 'onelogit.features': String(features) };
  if (part === 'trunk') return entries;
  entries['onelogit.classes'] = String(classes);
  entries['onelogit.calibrated'] = String(calibrated);
  if (metadata.loss) {
    entries['onelogit.loss'] = metadata.loss.name;
    entries['onelogit.aligned'] = String(metadata.loss.aligned);
  }
  if (names && names.bytes.length + 3 * classes <= mostNameBytes) entries['onelogit.class_names'] = JSON.stringify(decodeNames(names));
  return entries;
}
