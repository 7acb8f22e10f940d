/** The graph in an ONNX file, read by the numbers of the published schema alone (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */
import { readFileSync } from 'node:fs';
import { all, type Fields, last, readFields } from './protobuf.js';

export interface GraphTensor {
  name: string;
  type: number;
  shape: number[];
  raw: Uint8Array | undefined;
  external: Record<string, string>;
}

export function readOnnx(path: string) {
  const model = readFields(readFileSync(path));
  const graph = last.message(model, 7)!;
  const entries = (messages: Fields[]) => Object.fromEntries(messages.map((entry) => [last.string(entry, 1), last.string(entry, 2)]));
  const value = (message: Fields) => {
    const tensor = last.message(last.message(message, 2)!, 1)!;
    const dimensions = all
      .messages(last.message(tensor, 2)!, 1)
      .map((dimension) => last.string(dimension, 2) ?? last.integer(dimension, 1));
    return { name: last.string(message, 1), type: last.integer(tensor, 1), shape: dimensions };
  };
  return {
    irVersion: last.integer(model, 1),
    producer: [last.string(model, 2), last.string(model, 3)],
    operatorSets: all.messages(model, 8).map((set) => [last.string(set, 1), last.integer(set, 2)]),
    metadata: entries(all.messages(model, 14)),
    nodes: all.messages(graph, 1).map((node) => ({
      operator: last.string(node, 4)!,
      name: last.string(node, 3)!,
      inputs: all.strings(node, 1),
      outputs: all.strings(node, 2),
    })),
    initializers: all.messages(graph, 5).map(
      (tensor): GraphTensor => ({
        name: last.string(tensor, 8)!,
        type: last.integer(tensor, 2)!,
        shape: all.integers(tensor, 1),
        raw: tensor.get(9)?.[0] as Uint8Array | undefined,
        external: entries(all.messages(tensor, 13)) as Record<string, string>,
      }),
    ),
    inputs: all.messages(graph, 11).map(value),
    outputs: all.messages(graph, 12).map(value),
  };
}
