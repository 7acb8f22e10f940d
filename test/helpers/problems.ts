import type { InMemoryDataset } from '../../src/dataset.js';

/** Numbers in [0, 1) that are the same on every run (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers (Box and Muller). */
export function normal(seed: number): () => number {
  const next = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/**
 * Gaussian clouds around random centres, one per class: `spread` against centres of norm √features says how much they overlap. Another
 * `sample` has the same centres and other examples.
 */
export function clouds({
  classes = 5,
  features = 16,
  length = 500,
  spread = 0.5,
  seed = 1,
  sample = 0,
} = {}): InMemoryDataset & { inputs: Float32Array } {
  const draw = normal(seed);
  const centres = Float32Array.from({ length: classes * features }, draw);
  const inputs = new Float32Array(length * features);
  const labels = new Int32Array(length);
  const noise = normal(seed + 1000 * (sample + 1));
  for (let i = 0; i < length; i++) {
    labels[i] = i % classes;
    for (let j = 0; j < features; j++) inputs[i * features + j] = centres[labels[i] * features + j] + spread * noise();
  }
  return { inputs, labels, inputShape: [features], classes, length };
}

/** The same as bytes, as images have them. */
export function byteClouds(options: Parameters<typeof clouds>[0] = {}): InMemoryDataset & { inputs: Uint8Array } {
  const dataset = clouds(options);
  return { ...dataset, inputs: Uint8Array.from(dataset.inputs, (x) => Math.max(0, Math.min(255, Math.round(128 + 32 * x)))) };
}

/** An in-memory dataset behind a reader. */
export function streamed({ inputs, labels, inputShape, classes, length }: InMemoryDataset) {
  const size = inputShape.reduce((product, axis) => product * axis, 1);
  const calls: number[] = [];
  return {
    inputShape,
    classes,
    length,
    calls,
    async read(indices: Int32Array) {
      calls.push(indices.length);
      const rows = new (inputs.constructor as Float32ArrayConstructor)(indices.length * size);
      indices.forEach((index, row) => {
        rows.set(inputs.subarray(index * size, (index + 1) * size), row * size);
      });
      return { inputs: rows, labels: Int32Array.from(indices, (index) => labels[index]) };
    },
  };
}
