// Steps of model.fit of a model that is nothing but its last layer, driven line by line over standard input: {"steps": n} trains n steps and
// answers with the seconds they took, start and end of the fit included, and the most memory this process ever held.
import { createInterface } from 'node:readline';
import { layers, losses, Model, optimizers } from '../../dist/index.js';
import { peakBytes, residentBytes } from '../lib/memory.mjs';

const { k, d, m, loss, lossOptions, storage, memory, examples = 4096 } = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

// A linear congruential generator: the same numbers in every run.
let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
};
const dataset = {
  inputs: Float32Array.from({ length: examples * d }, () => random() - 0.5),
  labels: Int32Array.from({ length: examples }, () => Math.floor(random() * k)),
  inputShape: [d],
  classes: k,
  length: examples,
};
const baseline = residentBytes();
const begin = performance.now();
const model = Model.sequential({ inputShape: [d], layers: [layers.dense(k, { storage })], seed: 1 });
say({ ready: true, baseline, secondsToBuild: (performance.now() - begin) / 1000 });
for await (const line of createInterface({ input: process.stdin })) {
  const { seconds, finalLoss } = await model.fit(dataset, {
    loss: losses.byName(loss, lossOptions),
    optimizer: optimizers.sgd({ learningRate: 0.1 }),
    batchSize: m,
    steps: JSON.parse(line).steps,
    memory,
    biasInit: 'zeros',
  });
  say({ seconds, finalLoss, resident: residentBytes(), peak: peakBytes() });
}
