// This package's sides of head.mjs, driven line by line over standard input: {"steps": n} answers with milliseconds per step,
// {"memory": true} with the most memory this process ever held.
//   fused    linearLoss
//   unfused  logits, their loss and gradient, and the products with it, in memory that is kept from step to step
//   sgemm    no loss: the rate of a matrix product of the shapes that a head has, in GFLOP/s
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { backendInfo, linearLoss, losses } from '../../dist/index.js';
import { native } from '../../dist/internals.js';
import { peakBytes, residentBytes } from '../lib/memory.mjs';
import { median } from '../lib/statistics.mjs';

const config = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

function randomNumbers() {
  const bytes = readFileSync(config.random);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
const random = config.random && randomNumbers();

function sgemm() {
  const [m, d, k] = [128, 512, 8192];
  const shapes = {
    forward: { m, n: k, k: d, transposeB: true },
    gradWeight: { m: k, n: d, k: m, transposeA: true },
    gradHidden: { m, n: d, k },
  };
  return () => {
    const rates = Object.entries(shapes).map(([name, shape]) => [
      name,
      (2e-6 * m * d * k) / median([...native.benchmarkProducts([shape], config.repetitions)]),
    ]);
    return { gflops: Math.max(...rates.map(([, rate]) => rate)), rates: Object.fromEntries(rates) };
  };
}

/** Random numbers of the coordinator's, over and over: filling gigabytes must not take longer than measuring. In place: no memory. */
function fill(array, convert) {
  const length = Math.min(array.length, random.length);
  for (let i = 0; i < length; i++) array[i] = convert(random[i]);
  for (let i = length; i < array.length; i += length) array.copyWithin(i, 0, Math.min(length, array.length - i));
  return array;
}

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);
function bfloat16(value) {
  word[0] = value;
  return bits[0] >>> 16;
}

function problem({ m, d, k, weightType, labels, contestant }) {
  const scale = 1 / Math.sqrt(d);
  const half = weightType === 'bfloat16';
  return {
    hidden: fill(new Float32Array(m * d), Math.abs),
    weight: fill(half ? new Uint16Array(k * d) : new Float32Array(k * d), (value) => (half ? bfloat16(value * scale) : value * scale)),
    bias: fill(new Float32Array(k), (value) => value / 10),
    labels: Int32Array.from(labels),
    features: d,
    classes: k,
    // Written once: what is measured does not include the pages' first touch.
    out: {
      gradHidden: new Float32Array(m * d).fill(1),
      gradWeight: new Float32Array(k * d).fill(1),
      gradBias: new Float32Array(k).fill(1),
    },
    ...(contestant === 'unfused' && { logits: new Float32Array(m * k).fill(1), gradLogits: new Float32Array(m * k).fill(1) }),
  };
}

function stepOf(task) {
  const loss = losses.byName(task.loss, task.options);
  const { logits, gradLogits, ...given } = problem(task);
  if (task.contestant === 'fused') return () => linearLoss(loss, given).value;
  const arrays = { ...given, ...given.out, logits, gradLogits };
  return () => native.unfusedLinearLoss(loss, arrays);
}

if (config.contestant === 'sgemm') {
  const measure = sgemm();
  measure();
  say({ ready: true, version: process.versions.node, backend: backendInfo() });
  for await (const _line of createInterface({ input: process.stdin })) say(measure());
} else {
  // Threads, kernels and the library of matrix products have their memory before the case's is counted.
  stepOf({ ...config, m: 32, d: 64, k: 2000, labels: config.labels.slice(0, 32).map((label) => label % 2000) })();
  globalThis.gc?.();
  const baseline = residentBytes();
  const step = stepOf(config);
  let value;
  for (let i = 0; i < config.warmUp; i++) value = step();
  say({ ready: true, baseline });
  for await (const line of createInterface({ input: process.stdin })) {
    const { steps, memory } = JSON.parse(line);
    if (memory) {
      say({ peak: peakBytes(), value });
      continue;
    }
    const begin = performance.now();
    for (let i = 0; i < steps; i++) value = step();
    say({ milliseconds: (performance.now() - begin) / steps });
  }
}
