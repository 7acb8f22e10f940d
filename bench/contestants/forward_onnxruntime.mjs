// ONNX Runtime's side of forward.mjs, driven line by line over standard input: {"batch": m, "forwards": n}. The graph is PyTorch's export.
import { createInterface } from 'node:readline';
import * as ort from 'onnxruntime-node';
import { version } from '../lib/package-version.mjs';

const { model, size, batches, threads } = JSON.parse(process.argv[2]);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads, graphOptimizationLevel: 'all' });
const feeds = Object.fromEntries(
  batches.map((batch) => {
    const values = Float32Array.from({ length: batch * 3 * size * size }, Math.random);
    return [batch, { x: new ort.Tensor('float32', values, [batch, 3, size, size]) }];
  }),
);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
for (const batch of batches) await session.run(feeds[batch]);
say({ ready: true, version: version('onnxruntime-node') });
for await (const line of createInterface({ input: process.stdin })) {
  const { batch, forwards } = JSON.parse(line);
  const begin = performance.now();
  for (let i = 0; i < forwards; i++) await session.run(feeds[batch]);
  say({ milliseconds: (performance.now() - begin) / forwards });
}
