/** Values and gradients of the losses: against PyTorch everywhere, against finite differences where the loss has a derivative. */
import { describe, expect, it } from 'vitest';
import { type Loss, lossAndGradient, losses, lossNames } from '../src/index.js';
import { lossCases } from './helpers/loss-cases.js';
import { lossValue } from './helpers/loss-values.js';
import { normal, uniform } from './helpers/problems.js';

/** ‖a − b‖ / ‖b‖. Where b is nothing but float64 rounding, ‖a‖ must be no more than that, 10⁻¹¹. */
function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let n = 0; n < b.length; n++) {
    difference += (a[n]! - b[n]!) ** 2;
    norm += b[n]! ** 2;
  }
  return norm < 1e-22 ? Math.sqrt(difference) * 1e5 : Math.sqrt(difference / norm);
}

const cases = lossCases();

describe('against PyTorch in float64', () => {
  for (const name of lossNames) {
    const own = cases.filter(({ loss }) => loss.name === name);

    it(`${name}: ${own.length} cases`, () => {
      expect(own.length).toBeGreaterThan(30);
      for (const { title, loss, classes, logits, labels, value, gradient } of own) {
        const what = `${title}, ${labels.length}×${classes}, ${JSON.stringify(loss)}`;
        const result = lossAndGradient(loss, logits, labels, { classes });
        expect(Math.abs(result.value - value), what).toBeLessThanOrEqual(2e-6 * Math.abs(value) + 2e-9);
        expect(relativeError(result.gradient, gradient), what).toBeLessThanOrEqual(1e-6);
        if (name.endsWith('max-margin'))
          // Few entries, each the sum of at most three ±1/m: the same ones, wherever there are ties.
          for (let n = 0; n < gradient.length; n++) expect(result.gradient[n], `${what}, entry ${n}`).toBeCloseTo(gradient[n], 6);
      }
    });
  }

  it('covers what the definitions leave no freedom in', () => {
    const titles = new Set(cases.map(({ title }) => title));
    for (const title of ['ties', 'hinge 0', 'batch hinge 0', 'logits of 1e4', 'duplicate labels', 'sampled', 'no accidental hits'])
      expect(titles).toContain(title);
    expect(cases.some(({ labels }) => labels.length === 1)).toBe(true);
    for (const k of [2, 1000]) expect(cases.some(({ classes }) => classes === k)).toBe(true);
  });
});

describe('against finite differences in float64', () => {
  const variants: Loss[] = [
    losses.crossEntropy(),
    losses.crossEntropy({ reduction: 'sum' }),
    losses.maxMargin({ margin: 2.5 }),
    losses.selfNormalization({ alpha: 0.7 }),
    losses.nce(),
    losses.nce({ noise: 'log-uniform', noiseRatio: 3 }),
    losses.binaryCrossEntropy(),
    losses.batchCrossEntropy(),
    losses.batchMaxMargin({ margin: 2.5 }),
  ];
  it.each(variants)('$name', (loss) => {
    for (let seed = 1; seed <= 20; seed++) {
      const next = uniform(seed);
      const z = normal(seed + 100);
      const m = 1 + Math.floor(6 * next());
      const classes = 2 + Math.floor(9 * next());
      const labels = Int32Array.from({ length: m }, () => Math.floor(classes * next()));
      const logits = Float32Array.from({ length: m * classes }, () => 2 * z());
      const { value, gradient } = lossAndGradient(loss, logits, labels, { classes });
      expect(value).toBeCloseTo(lossValue(loss, [...logits], labels, classes), 5);
      const h = 1e-6;
      const differences = Array.from(logits, (_, n) => {
        const moved = (step: number) => lossValue(loss, [...logits].with(n, logits[n]! + step), labels, classes);
        return (moved(h) - moved(-h)) / (2 * h);
      });
      expect(relativeError(gradient, differences), `seed ${seed}`).toBeLessThanOrEqual(1e-5);
    }
  });
});

describe('large problems', () => {
  // 10⁶ logits in one row, in a thousand rows, in a column: each is cut differently.
  it.each([
    [1, 1_000_000],
    [1000, 1000],
    [500_000, 2],
  ])('%d × %d: sums of gradients, and the places of a margin', (m, classes) => {
    const next = uniform(m);
    const logits = Float32Array.from({ length: m * classes }, () => 4 * next() - 2);
    const labels = Int32Array.from({ length: m }, () => Math.floor(classes * next()));
    const total = (name: 'cross-entropy' | 'batch-cross-entropy' | 'max-margin' | 'batch-max-margin') =>
      lossAndGradient(losses.byName(name), logits, labels, { classes }).gradient.reduce((sum, g) => sum + g, 0);
    for (const name of ['cross-entropy', 'batch-cross-entropy', 'max-margin', 'batch-max-margin'] as const)
      expect(Math.abs(total(name)), name).toBeLessThan(1e-4);

    const { gradient } = lossAndGradient(losses.maxMargin(), logits, labels, { classes });
    for (let i = 0; i < m; i += Math.ceil(m / 50)) {
      const row = logits.subarray(i * classes, (i + 1) * classes);
      const best = row.reduce((best, z, j) => (j !== labels[i] && (best < 0 || z > row[best]!) ? j : best), -1);
      const hinge = 1 - row[labels[i]!]! + row[best]!;
      expect(gradient[i * classes + best], `row ${i}`).toBe(hinge > 0 ? Math.fround(1 / m) : 0);
      expect(gradient[i * classes + labels[i]!], `row ${i}`).toBe(hinge > 0 ? -Math.fround(1 / m) : 0);
    }
  });
});

describe('values that are not finite', () => {
  const labels = new Int32Array([0, 2]);
  it.each(lossNames)('%s: NaN in, NaN out', (name) => {
    for (let at = 0; at < 6; at++) {
      const logits = new Float32Array([1, 2, 3, 4, 5, 6]);
      logits[at] = Number.NaN;
      expect(lossAndGradient(losses.byName(name), logits, labels, { classes: 3 }).value, `at ${at}`).toBeNaN();
    }
  });
  it.each(lossNames)('%s: a false logit of −∞ is a class that is out of the question', (name) => {
    const logits = new Float32Array([1, -Infinity, 3, 4, -Infinity, 6]);
    const { value, gradient } = lossAndGradient(losses.byName(name), logits, labels, { classes: 3 });
    expect(value).toBeGreaterThan(0);
    expect(value).toBeLessThan(20);
    expect(gradient[1]).toBe(0);
    expect(gradient[4]).toBe(0);
  });
});
