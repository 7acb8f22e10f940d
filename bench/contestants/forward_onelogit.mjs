// This package's side of forward.mjs, driven line by line over standard input: {"batch": m, "forwards": n} times `model.predict` as a user sees it
// (the copies of inputs and logits included); {"products": n} times a matrix product of 1024 × 1024 × 1024.
import { createInterface } from 'node:readline';
import { backendInfo, zoo } from '../../dist/index.js';
import { native } from '../../dist/internals.js';

const { architecture, batches } = JSON.parse(process.argv[2]);
const model = zoo[architecture]({ classes: 1000, seed: 1, device: 'cpu' });
const size = model.inputShape.reduce((product, axis) => product * axis, 1);
let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator: the values do not matter
  return state / 2 ** 32;
};
const inputs = Object.fromEntries(batches.map((batch) => [batch, Float32Array.from({ length: batch * size }, random)]));
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
for (const batch of batches) await model.predict(inputs[batch]);
say({ ready: true, version: process.versions.node, backend: backendInfo(), parameters: model.parameterCount });
for await (const line of createInterface({ input: process.stdin })) {
  const { batch, forwards, products } = JSON.parse(line);
  if (products) {
    const times = native.benchmarkProducts([{ m: 1024, n: 1024, k: 1024, transposeB: true }], products);
    say({ milliseconds: Math.min(...times) });
    continue;
  }
  const begin = performance.now();
  for (let i = 0; i < forwards; i++) await model.predict(inputs[batch]);
  say({ milliseconds: (performance.now() - begin) / forwards });
}
