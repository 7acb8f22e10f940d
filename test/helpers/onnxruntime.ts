/** Graphs in ONNX Runtime, which examples/embeddings depends on. */
import type { TestContext } from 'vitest';
import { needsExample, requireFromExample } from './example.js';

export const needsOnnxRuntime = (context: TestContext) => needsExample('embeddings', context);

export interface OnnxTensor {
  data: Float32Array | Uint8Array | Int32Array | BigInt64Array;
  dims: readonly number[];
}

const typeOf = (data: OnnxTensor['data']) =>
  data instanceof Float32Array ? 'float32' : data instanceof Uint8Array ? 'uint8' : data instanceof Int32Array ? 'int32' : 'int64';

/** A graph that answers as often as it is asked. */
export async function openOnnx(path: string): Promise<{
  inputNames: readonly string[];
  outputNames: readonly string[];
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}> {
  const { InferenceSession, Tensor } = requireFromExample('embeddings', 'onnxruntime-node');
  // Errors come as rejections; it need not print them as well.
  const session = await InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, { data, dims }]) => [name, new Tensor(typeOf(data), data, dims)]);
      return session.run(Object.fromEntries(tensors));
    },
    release: () => session.release(),
  };
}
