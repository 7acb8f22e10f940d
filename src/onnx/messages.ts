/**
 * The messages of ONNX that a graph is made of. Numbers of fields and types are those of the published schema
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
 */
import type { NativeSegment, NativeStoredTensor } from '../native-model.js';
import { ProtobufMessage } from '../protobuf.js';

/** A message that tensors of a model have their places in: their bytes are never here. */
export type OnnxMessage = ProtobufMessage<NativeStoredTensor>;
const message = (): OnnxMessage => new ProtobufMessage<NativeStoredTensor>();

/** TensorProto.DataType */
export const dataTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, bfloat16: 16 } as const;
export type DataType = keyof typeof dataTypes;

/** AttributeProto */
export const attribute = {
  integer: (name: string, value: number) => message().string(1, name).integer(3, value).integer(20, 2),
  float: (name: string, value: number) => message().string(1, name).float(2, value).integer(20, 1),
  integers(name: string, values: readonly number[]) {
    const written = message().string(1, name);
    for (const value of values) written.integer(8, value);
    return written.integer(20, 7);
  },
};

/** NodeProto */
export interface OnnxNode {
  readonly operator: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly OnnxMessage[];
}

/** TensorProto: a constant of ours, or a tensor of the model. */
export interface OnnxInitializer {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly number[];
  readonly data: NativeSegment;
}

/** A name for a length that is not known before the graph runs, or the length. */
export type Dimension = string | number;
/** An input or an output of a graph. */
export interface OnnxValue {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly Dimension[];
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** ModelProto.metadata_props */
  readonly metadata: Readonly<Record<string, string>>;
  readonly producerVersion: string;
}

/** A place in a file of external data. */
export interface ExternalPlace {
  /** A file in the directory of the graph. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * The version of the default operators: the oldest that has all of the ones that are used here as they are used (Cast and Gather of bfloat16, Softmax
 * along one axis). Runtimes read older versions than their own, never newer ones.
 */
export const operatorSetVersion = 13;
/** The IR version of ONNX 1.8, the first release with that operator set. */
const irVersion = 7;

function nodeMessage({ operator, name, inputs, outputs, attributes }: OnnxNode): OnnxMessage {
  const written = message();
  for (const input of inputs) written.string(1, input);
  for (const output of outputs) written.string(2, output);
  written.string(3, name).string(4, operator);
  for (const one of attributes) written.message(5, one);
  return written;
}

const entryMessage = (key: string, value: string) => message().string(1, key).string(2, value);

function tensorMessage({ name, type, shape, data }: OnnxInitializer, place: ExternalPlace | undefined): OnnxMessage {
  const written = message();
  for (const length of shape) written.integer(1, length);
  written.integer(2, dataTypes[type]).string(8, name);
  if (place)
    return written
      .message(13, entryMessage('location', place.location))
      .message(13, entryMessage('offset', String(place.offset)))
      .message(13, entryMessage('length', String(place.length)))
      .integer(14, 1);
  return data instanceof Uint8Array ? written.bytes(9, data) : written.external(9, data);
}

function valueMessage({ name, type, shape }: OnnxValue): OnnxMessage {
  const dimensions = message();
  for (const dimension of shape)
    dimensions.message(1, typeof dimension === 'number' ? message().integer(1, dimension) : message().string(2, dimension));
  const tensor = message().integer(1, dataTypes[type]).message(2, dimensions);
  return message().string(1, name).message(2, message().message(1, tensor));
}

/** ModelProto; initializers that have a place elsewhere are left to it. */
export function modelMessage(model: OnnxModel, places: ReadonlyMap<string, ExternalPlace>): OnnxMessage {
  const graph = message();
  for (const node of model.nodes) graph.message(1, nodeMessage(node));
  graph.string(2, 'onelogit');
  for (const initializer of model.initializers) graph.message(5, tensorMessage(initializer, places.get(initializer.name)));
  for (const input of model.inputs) graph.message(11, valueMessage(input));
  for (const output of model.outputs) graph.message(12, valueMessage(output));
  const written = message()
    .integer(1, irVersion)
    .string(2, 'onelogit')
    .string(3, model.producerVersion)
    .message(7, graph)
    .message(8, message().string(1, '').integer(2, operatorSetVersion));
  for (const [key, value] of Object.entries(model.metadata)) written.message(14, entryMessage(key, value));
  return written;
}
