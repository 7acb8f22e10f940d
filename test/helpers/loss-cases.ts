/** The inputs of test/golden/losses.json, made again as test/golden/losses.py says. */
import { readFileSync } from 'node:fs';
import type { Loss, LossName } from '../../src/index.js';
import { losses } from '../../src/index.js';

type Logits =
  | { kind: 'uniform'; seed: number; scale: number }
  | { kind: 'steps'; seed: number; levels: number; scale: number }
  | { kind: 'extremes'; seed: number }
  | { kind: 'values'; values: number[] };

export interface LossCase {
  title: string;
  loss: Loss;
  classes: number;
  logits: Float32Array;
  labels: Int32Array;
  value: number;
  gradient: Float32Array;
}

function stream(seed: number): () => number {
  let state = seed;
  const next = () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let number = 0; number < 4; number++) next();
  return next;
}

function makeLogits(spec: Logits, count: number): Float32Array {
  if (spec.kind === 'values') return Float32Array.from(spec.values);
  const u = stream(spec.seed);
  switch (spec.kind) {
    case 'uniform':
      return Float32Array.from({ length: count }, () => (2 * u() - 1) * spec.scale);
    case 'steps':
      return Float32Array.from({ length: count }, () => (Math.floor(spec.levels * u()) - Math.floor(spec.levels / 2)) * spec.scale);
    case 'extremes':
      return Float32Array.from({ length: count }, () => [-10000, 10000, 9999.75, 0][Math.floor(4 * u())]!);
  }
}

/** All stored cases, with PyTorch's value and gradient. */
export function lossCases(): LossCase[] {
  const read = (name: string) => readFileSync(new URL(`../golden/${name}`, import.meta.url));
  const { cases } = JSON.parse(read('losses.json').toString()) as {
    cases: {
      title: string;
      loss: LossName;
      options: Record<string, unknown>;
      m: number;
      k: number;
      logits: Logits;
      labels: number[] | { seed: number };
      value: number;
      offset: number;
    }[];
  };
  const bytes = read('losses.gradients.bin');
  const gradients = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return cases.map(({ title, loss, options, m, k, logits, labels, value, offset }) => {
    const noise = Array.isArray(options.noise) ? { noise: Float32Array.from(options.noise) } : {};
    let y: Int32Array;
    if (Array.isArray(labels)) {
      y = Int32Array.from(labels);
    } else {
      const u = stream(labels.seed);
      y = Int32Array.from({ length: m }, () => Math.floor(k * u()));
    }
    return {
      title,
      loss: losses.byName(loss, { ...options, ...noise } as Record<never, never>),
      classes: k,
      logits: makeLogits(logits, m * k),
      labels: y,
      value,
      gradient: gradients.subarray(offset, offset + m * k),
    };
  });
}
