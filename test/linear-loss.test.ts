import { describe, expect, it } from 'vitest';
import { type Loss, linearLoss, lossAndGradient, losses, lossNames } from '../src/index.js';

/** Park and Miller's generator: reproducible numbers in (−1, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 2 - 1;
  };
}

function problem(m: number, d: number, k: number, seed: number) {
  const next = random(seed);
  const fill = (length: number) => Float32Array.from({ length }, next);
  return {
    hidden: fill(m * d),
    weight: fill(k * d),
    bias: fill(k),
    labels: Int32Array.from({ length: m }, () => Math.floor(((next() + 1) / 2) * k)),
    features: d,
    classes: k,
  };
}

/** The same through the logits in full: lossAndGradient and plain products in float64. */
function unfused(loss: Loss, p: ReturnType<typeof problem>) {
  const { hidden, weight, bias, labels, features: d, classes: k } = p;
  const m = labels.length;
  const logits = new Float32Array(m * k);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < k; j++) {
      let sum = bias[j]!;
      for (let n = 0; n < d; n++) sum += hidden[i * d + n]! * weight[j * d + n]!;
      logits[i * k + j] = sum;
    }
  const { value, gradient } = lossAndGradient(loss, logits, labels, { classes: k });
  const gradHidden = new Float64Array(m * d);
  const gradWeight = new Float64Array(k * d);
  const gradBias = new Float64Array(k);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < k; j++) {
      const g = gradient[i * k + j]!;
      gradBias[j]! += g;
      for (let n = 0; n < d; n++) {
        gradHidden[i * d + n]! += g * weight[j * d + n]!;
        gradWeight[j * d + n]! += g * hidden[i * d + n]!;
      }
    }
  return { value, gradHidden, gradWeight, gradBias };
}

function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let n = 0; n < b.length; n++) {
    difference += (a[n]! - b[n]!) ** 2;
    norm += b[n]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

describe('linearLoss', () => {
  it.each(lossNames)('%s equals lossAndGradient over the logits in full', (name) => {
    for (const [m, d, k] of [
      [1, 3, 2],
      [16, 20, 501],
    ] as const) {
      const loss = losses.byName(name);
      const p = problem(m, d, k, 5 + m);
      const expected = unfused(loss, p);
      for (const workspaceBytes of [1, 5000, undefined]) {
        const computed = linearLoss(loss, { ...p, ...(workspaceBytes && { workspaceBytes }) });
        expect(Math.abs(computed.value - expected.value)).toBeLessThan(1e-5 * Math.abs(expected.value) + 1e-7);
        expect(relativeError(computed.gradHidden, expected.gradHidden)).toBeLessThan(3e-4);
        expect(relativeError(computed.gradWeight, expected.gradWeight)).toBeLessThan(3e-4);
        expect(relativeError(computed.gradBias, expected.gradBias)).toBeLessThan(3e-4);
      }
    }
  });

  it('reads a class matrix of bfloat16 bits as the float32 that they are', () => {
    const p = problem(8, 12, 300, 9);
    const bits = new Uint32Array(p.weight.buffer);
    const rounded = Uint16Array.from(bits, (word) => word >>> 16);
    const weight = new Float32Array(Uint32Array.from(rounded, (half) => half << 16).buffer);
    const loss = losses.batchCrossEntropy();
    const a = linearLoss(loss, { ...p, weight: rounded });
    const b = linearLoss(loss, { ...p, weight });
    expect(a.value).toBe(b.value);
    expect(a.gradWeight).toEqual(b.gradWeight);
  });

  it('writes into the arrays of the caller and returns them', () => {
    const p = problem(4, 6, 50, 3);
    const out = { gradHidden: new Float32Array(24), gradWeight: new Float32Array(300), gradBias: new Float32Array(50) };
    const result = linearLoss(losses.crossEntropy(), { ...p, out });
    expect(result.gradWeight).toBe(out.gradWeight);
    expect(out.gradBias.some((value) => value !== 0)).toBe(true);
  });

  const bad: [string, string, (p: ReturnType<typeof problem>) => unknown][] = [
    ['ERR_ONELOGIT_LENGTH', 'a hidden array of another length', (p) => ({ ...p, hidden: new Float32Array(5) })],
    ['ERR_ONELOGIT_LENGTH', 'a weight array of another length', (p) => ({ ...p, weight: new Uint16Array(5) })],
    ['ERR_ONELOGIT_LENGTH', 'no labels', (p) => ({ ...p, labels: new Int32Array(0) })],
    ['ERR_ONELOGIT_LABEL_RANGE', 'a label that is no class', (p) => ({ ...p, labels: p.labels.fill(50) })],
    ['ERR_ONELOGIT_RANGE', 'half a feature', (p) => ({ ...p, features: 6.5 })],
    ['ERR_ONELOGIT_RANGE', 'no workspace', (p) => ({ ...p, workspaceBytes: 0 })],
    ['ERR_ONELOGIT_UNKNOWN_OPTION', 'a misspelt option', (p) => ({ ...p, feature: 6 })],
    ['ERR_ONELOGIT_ARGUMENT', 'a double-precision bias', (p) => ({ ...p, bias: new Float64Array(50) })],
    ['ERR_ONELOGIT_ARGUMENT', 'an output over an input', (p) => ({ ...p, out: { gradWeight: p.weight } })],
    ['ERR_ONELOGIT_ARGUMENT', 'one output over another', (p) => ({ ...p, out: overlapping() })],
  ];
  function overlapping() {
    const memory = new Float32Array(300);
    return { gradWeight: memory, gradHidden: memory.subarray(10, 34) };
  }
  it.each(bad)('%s: %s', (code, _what, change) => {
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    expect(() => linearLoss(losses.crossEntropy(), change(problem(4, 6, 50, 3)) as any)).toThrow(expect.objectContaining({ code }));
  });
});
