// TensorFlow.js's side of train-mlp.mjs: the same network and step on its WebAssembly backend, driven line by line over standard
// input. Batches are cut beforehand: what is timed is forward, loss, backward and update alone. The backend has no threads in
// Node (its flag WASM_HAS_MULTITHREAD_SUPPORT is false there).
import { createInterface } from 'node:readline';
import * as tf from '@tensorflow/tfjs';
import * as wasm from '@tensorflow/tfjs-backend-wasm';

const config = JSON.parse(process.argv[2]);
const { batchSize: m, layers } = config;
await tf.setBackend('wasm');
await tf.ready();

const model = tf.sequential();
for (let i = 1; i < layers.length; i++) {
  const last = i === layers.length - 1;
  model.add(tf.layers.dense({ units: layers[i], kernelInitializer: 'heNormal', ...(i === 1 && { inputShape: [layers[0]] }) }));
  if (last) break;
  model.add(tf.layers.batchNormalization({ momentum: 0.9, epsilon: 1e-5 }));
  model.add(tf.layers.reLU());
}
const optimizer = tf.train.momentum(config.learningRate, config.momentum);
const batches = Array.from({ length: config.batches }, (_, i) => ({
  x: tf.randomUniform([m, layers[0]], 0, 1, 'float32', i),
  oneHot: tf.oneHot(tf.randomUniform([m], 0, layers.at(-1), 'int32', i), layers.at(-1)).toFloat(),
}));
let position = 0;

function step() {
  const { x, oneHot } = batches[position++ % batches.length];
  return optimizer.minimize(() => {
    const logits = model.apply(x, { training: true });
    // Batch cross-entropy: the log-sum-exp over all m·k logits, less the mean true logit, less ln m.
    return tf
      .logSumExp(logits)
      .sub(tf.sum(tf.mul(logits, oneHot)).div(m))
      .sub(Math.log(m));
  }, true);
}

let loss;
for (let i = 0; i < config.warmUp; i++) {
  loss?.dispose();
  loss = step();
}
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
say({
  ready: true,
  version: `${tf.version.tfjs} (${tf.getBackend()} ${wasm.version_wasm}, SIMD ${await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')}, threads ${await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT')})`,
  loss: loss.dataSync()[0],
});
for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line);
  const begin = performance.now();
  for (let i = 0; i < steps; i++) step().dispose();
  say({ milliseconds: (performance.now() - begin) / steps });
}
