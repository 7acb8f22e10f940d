// This package's side of train-mlp.mjs, driven line by line over standard input. A step is timed as a user sees it: the wall
// time of a whole `model.fit` (drawing and converting examples, progress reports, set-up of buffers and threads included)
// divided by its steps. {"products": n} times the matrix products of the step alone.
import { createInterface } from 'node:readline';
import { backendInfo, layers, losses, Model, optimizers } from '../../dist/index.js';
import { native } from '../../dist/internals.js';

const config = JSON.parse(process.argv[2]);
const { batchSize: m, layers: sizes } = config;
const classes = sizes.at(-1);

const hidden = sizes.slice(1, -1).flatMap((units) => [layers.dense(units), layers.batchNorm(), layers.relu()]);
const model = Model.sequential({
  inputShape: [sizes[0]],
  layers: [...hidden, layers.dense(classes)],
  seed: 1,
  device: config.device ?? 'cpu',
});

const length = config.batches * m;
let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator: the values do not matter
  return state / 2 ** 32;
};
const dataset = {
  inputs: Uint8Array.from({ length: length * sizes[0] }, () => random() * 256),
  labels: Int32Array.from({ length }, () => random() * classes),
  inputShape: [sizes[0]],
  classes,
  length,
};
const fit = (steps) =>
  model.fit(dataset, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.sgd({ learningRate: config.learningRate, momentum: config.momentum }),
    steps,
    batchSize: m,
    seed: 1,
  });

// Forward, gradient of the weights, and gradient of the inputs of every layer but the first, whose inputs need none.
const products = [];
for (let i = 1; i < sizes.length; i++) products.push({ m, n: sizes[i], k: sizes[i - 1], transposeB: true });
for (let i = sizes.length - 1; i >= 1; i--) {
  products.push({ m: sizes[i], n: sizes[i - 1], k: m, transposeA: true });
  if (i > 1) products.push({ m, n: sizes[i - 1], k: sizes[i] });
}

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const { finalLoss } = await fit(config.warmUp);
native.benchmarkProducts(products, config.warmUp);
say({ ready: true, version: process.versions.node, backend: backendInfo(), loss: finalLoss });
for await (const line of createInterface({ input: process.stdin })) {
  const { steps, products: repetitions } = JSON.parse(line);
  if (repetitions) {
    const times = native.benchmarkProducts(products, repetitions);
    say({ milliseconds: times.reduce((sum, time) => sum + time, 0) / repetitions });
  } else {
    const begin = performance.now();
    await fit(steps);
    say({ milliseconds: (performance.now() - begin) / steps });
  }
}
