/** What the losses promise beyond their formulas: when a small value proves separation, and that randomness and threads are tame. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Loss, lossAndGradient, losses, lossNames, type NceOptions } from '../src/index.js';
import { separation } from '../src/metrics.js';
import { noiseDistribution } from './helpers/loss-values.js';
import { uniform } from './helpers/problems.js';
import { packageUrl, runModule } from './helpers/process.js';

interface Batch {
  logits: Float32Array;
  labels: Int32Array;
  classes: number;
}

/** fc.double would mostly give numbers next to 0. */
const tenths = (min: number, max: number) => fc.integer({ min, max }).map((n) => n / 10);

/** Batches between well separated and mixed up: true logits near `high`, false ones near `low`, each moved by up to `noise`. */
const batches = fc
  .record({
    m: fc.integer({ min: 1, max: 5 }),
    classes: fc.integer({ min: 2, max: 6 }),
    high: tenths(-10, 60),
    gap: tenths(0, 160),
    noise: tenths(0, 40),
    seed: fc.nat(),
  })
  .map(({ m, classes, high, gap, noise, seed }): Batch => {
    const next = uniform(seed);
    const labels = Int32Array.from({ length: m }, () => Math.floor(classes * next()));
    const logits = Float32Array.from(
      { length: m * classes },
      (_, n) => (n % classes === labels[Math.floor(n / classes)] ? high : high - gap) + noise * (next() - 0.5),
    );
    return { logits, labels, classes };
  });

const value = (loss: Loss, { logits, labels, classes }: Batch) => lossAndGradient(loss, logits, labels, { classes }).value;

/** The batch's examples, each as a batch of one. */
const examples = ({ logits, labels, classes }: Batch): Batch[] =>
  Array.from(labels, (label, i) => ({
    logits: logits.slice(i * classes, (i + 1) * classes),
    labels: Int32Array.of(label),
    classes,
  }));

const nceLoss = losses.nce({ noise: 'log-uniform', noiseRatio: 3 });

/** Whether the loss is so small that every true logit must be above every false one. */
const certificates: [Loss, (loss: Loss, batch: Batch) => boolean][] = [
  [losses.batchCrossEntropy(), (loss, batch) => value(loss, batch) < 1 / (2 * batch.labels.length ** 2)],
  [losses.batchMaxMargin(), (loss, batch) => value(loss, batch) < 1 / batch.labels.length],
  [losses.batchMaxMargin({ margin: 3 }), (loss, batch) => value(loss, batch) < 3 / batch.labels.length],
  [losses.binaryCrossEntropy(), (loss, batch) => examples(batch).every((one) => value(loss, one) < Math.LN2)],
  [
    losses.selfNormalization({ alpha: 0.5 }),
    (loss, batch) => examples(batch).every((one) => value(loss, one) < Math.min(Math.log1p(Math.exp(-2)), 0.5 * (1 - Math.LN2) ** 2)),
  ],
  [
    nceLoss,
    (loss, batch) => {
      const t = 3;
      const q = noiseDistribution('log-uniform', batch.classes);
      return examples(batch).every((one) => {
        const y = one.labels[0];
        const a = t * q[y];
        const f = (z: number) => Math.log1p(a * Math.exp(-z)) + a * Math.log1p(Math.exp(z) / a);
        const others = q.filter((_, j) => j !== y).map((qj) => t * qj * Math.log1p(1 / (Math.E * t * qj)));
        return value(loss, one) - f(0) < Math.min(f(-1) - f(0), ...others);
      });
    },
  ],
];

describe('a small enough value proves separation', () => {
  it.each(certificates)('$name', (loss, certified) => {
    let proven = 0;
    let runs = 0;
    fc.assert(
      fc.property(batches, (batch) => {
        runs++;
        if (!certified(loss, batch)) return;
        proven++;
        expect(separation(batch.logits, batch.labels, batch.classes).holds).toBe(true);
      }),
      { numRuns: 3000, seed: 7 },
    );
    // The property would also hold of a certificate that is never given.
    expect(proven / runs).toBeGreaterThan(0.01);
  });
});

describe("the paper's counter-example", () => {
  // z(x₁) = (2a, a) with label 0, z(x₂) = (−2a, −a) with label 1: for a > 0 the true logit −a is below the false logit a.
  const at = (a: number): Batch => ({
    logits: new Float32Array([2 * a, a, -2 * a, -a]),
    labels: new Int32Array([0, 1]),
    classes: 2,
  });

  it('is not separated', () => {
    expect(separation(at(3).logits, at(3).labels, 2).holds).toBe(false);
  });
  it.each([losses.crossEntropy(), losses.maxMargin()])('$name goes to 0 on it all the same', (loss) => {
    expect(value(loss, at(1))).toBeLessThan(0.5);
    expect(value(loss, at(20))).toBeLessThan(1e-8);
    expect(loss.aligned).toBe(false);
  });
  it.each(certificates)('$name does not', (loss, certified) => {
    for (const a of [1e-3, 0.1, 0.5, 1, 2, 5, 20, 1000]) {
      expect(certified(loss, at(a)), `a = ${a}`).toBe(false);
      // 2α(1−ln 2)²/2 is the smallest of the bounds; nce's optimum is above 0 anyway.
      expect(value(loss, at(a)), `a = ${a}`).toBeGreaterThan(0.04);
    }
    expect(loss.aligned).toBe(true);
  });
});

describe('batch-cross-entropy', () => {
  it('of one example is cross-entropy', () => {
    fc.assert(
      fc.property(batches, (batch) => {
        for (const one of examples(batch)) {
          const single = lossAndGradient(losses.crossEntropy(), one.logits, one.labels, { classes: one.classes });
          const whole = lossAndGradient(losses.batchCrossEntropy(), one.logits, one.labels, { classes: one.classes });
          expect(whole.value).toBeCloseTo(single.value, 12);
          whole.gradient.forEach((g, j) => {
            expect(g).toBeCloseTo(single.gradient[j], 6);
          });
        }
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});

/** Chi-square of counts against probabilities, as a number of standard deviations of its normal approximation (Wilson and Hilferty). */
function chiSquareDeviations(counts: number[], probabilities: number[]): number {
  const draws = counts.reduce((sum, count) => sum + count, 0);
  const statistic = counts.reduce((sum, count, j) => sum + (count - draws * probabilities[j]) ** 2 / (draws * probabilities[j]), 0);
  const degrees = counts.length - 1;
  return ((statistic / degrees) ** (1 / 3) - (1 - 2 / (9 * degrees))) / Math.sqrt(2 / (9 * degrees));
}

/** How often each class was drawn, read off the gradient at logits 0: ((t/S) c_j g_j − [j = y](1 − g_j)), g_j = 1/(1 + t q_j). */
function drawCounts(options: NceOptions, q: number[], draws: number): number[] {
  const t = 2;
  const loss = losses.nce({ ...options, numSampled: draws, noiseRatio: t });
  const { gradient } = lossAndGradient(loss, new Float32Array(q.length), Int32Array.of(0), { classes: q.length });
  return q.map((qj, j) => {
    const g = 1 / (1 + t * qj);
    const count = ((gradient[j] + (j === 0 ? 1 - g : 0)) * draws) / (t * g);
    expect(Math.abs(count - Math.round(count))).toBeLessThan(0.1);
    return Math.round(count);
  });
}

describe('noise draws', () => {
  const k = 40;
  const weights = Float32Array.from({ length: k }, (_, j) => 1 + ((j * 17) % 23) ** 2);
  const total = weights.reduce((sum, w) => sum + w, 0);
  const distributions: [string, NceOptions, number[]][] = [
    ['uniform', {}, noiseDistribution('uniform', k)],
    ['log-uniform', { noise: 'log-uniform' }, noiseDistribution('log-uniform', k)],
    ['weights', { noise: weights }, [...weights].map((w) => w / total)],
  ];

  it.each(distributions)('%s: frequencies', (_, options, q) => {
    const draws = 20_000;
    const seen = new Set<string>();
    for (const samples of ['shared', 'per-example'] as const)
      for (let seed = 0; seed < 10; seed++) {
        const counts = drawCounts({ ...options, samples, seed }, q, draws);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(draws);
        const deviations = chiSquareDeviations(counts, q);
        expect(Math.abs(deviations), `seed ${seed}`).toBeLessThan(4.5);
        seen.add(counts.join());
      }
    // One example alone draws what the batch would share: ten seeds, ten different samples.
    expect(seen.size).toBe(10);
  });

  it('are those of another distribution when they should be', () => {
    // The test above can fail: draws of log-uniform are not uniform.
    const counts = drawCounts({ noise: 'log-uniform' }, noiseDistribution('log-uniform', k), 20_000);
    expect(chiSquareDeviations(counts, noiseDistribution('uniform', k))).toBeGreaterThan(50);
  });

  it('are of one class where there is only one', () => {
    for (const noise of ['uniform', 'log-uniform', Float32Array.of(3)] as const) {
      const exact = lossAndGradient(losses.nce({ noise, noiseRatio: 2 }), Float32Array.of(0.5), Int32Array.of(0), { classes: 1 });
      const sampled = lossAndGradient(losses.nce({ noise, noiseRatio: 2, numSampled: 9 }), Float32Array.of(0.5), Int32Array.of(0), {
        classes: 1,
      });
      expect(sampled.value).toBeCloseTo(exact.value, 6);
      expect(sampled.gradient[0]).toBeCloseTo(exact.gradient[0], 6);
    }
  });

  it('depend on the seed alone', () => {
    const logits = Float32Array.from({ length: 60 }, uniform(3));
    const labels = Int32Array.of(1, 5, 5);
    const run = (seed: number) => lossAndGradient(losses.nce({ numSampled: 6, seed }), logits, labels, { classes: 20 });
    expect(run(1)).toEqual(run(1));
    expect(run(1).value).not.toBe(run(2).value);
    expect(run(2 ** 53 - 1).value).not.toBe(run(2 ** 32 - 1).value);
  });

  it('are shared by a batch or made for each example', () => {
    const logits = new Float32Array(8 * 50);
    const labels = new Int32Array(8);
    const rows = (samples: 'shared' | 'per-example') => {
      const { gradient } = lossAndGradient(losses.nce({ numSampled: 5, samples }), logits, labels, { classes: 50 });
      return new Set(Array.from({ length: 8 }, (_, i) => gradient.slice(i * 50, (i + 1) * 50).join()));
    };
    expect(rows('shared').size).toBe(1);
    expect(rows('per-example').size).toBe(8);
  });
});

describe('sampled nce', () => {
  const m = 3;
  const classes = 6;
  const next = uniform(5);
  const logits = Float32Array.from({ length: m * classes }, () => 4 * next() - 2);
  const labels = Int32Array.of(0, 4, 4);
  const t = 3;

  it.each([
    ['uniform', 'shared', false],
    ['log-uniform', 'shared', false],
    ['log-uniform', 'per-example', false],
    ['uniform', 'per-example', true],
    ['log-uniform', 'shared', true],
  ] as const)('%s, %s, removeAccidentalHits %s: its mean is the exact expectation', (noise, samples, removeAccidentalHits) => {
    const exact = lossAndGradient(losses.nce({ noise, noiseRatio: t }), logits, labels, { classes });
    const expected = [exact.value, ...exact.gradient];
    if (removeAccidentalHits) {
      const q = noiseDistribution(noise, classes);
      labels.forEach((y, i) => {
        const x = logits[i * classes + y] - Math.log(t * q[y]);
        expected[0] -= (t * q[y] * Math.log1p(Math.exp(x))) / m;
        expected[1 + i * classes + y] -= (t * q[y]) / (1 + Math.exp(-x)) / m;
      });
    }
    const runs = 4000;
    const sum = new Float64Array(expected.length);
    const squares = new Float64Array(expected.length);
    for (let seed = 0; seed < runs; seed++) {
      const loss = losses.nce({ noise, noiseRatio: t, numSampled: 4, samples, removeAccidentalHits, seed });
      const sampled = lossAndGradient(loss, logits, labels, { classes });
      [sampled.value, ...sampled.gradient].forEach((x, n) => {
        sum[n] += x;
        squares[n] += x * x;
      });
    }
    expected.forEach((x, n) => {
      const mean = sum[n] / runs;
      const error = Math.sqrt(Math.max(squares[n] / runs - mean * mean, 0) / runs);
      expect(Math.abs(mean - x), `number ${n}`).toBeLessThanOrEqual(4.5 * error + 1e-6);
    });
  });

  it('looks at nothing but labels and draws', () => {
    // NaN everywhere else leaves value and gradient alone.
    const loss = losses.nce({ numSampled: 3, seed: 4 });
    const wide = new Float32Array(1000);
    const { value: clean, gradient } = lossAndGradient(loss, wide, Int32Array.of(7), { classes: 1000 });
    const dirty = wide.map((_, j) => (gradient[j] === 0 ? Number.NaN : 0));
    expect(dirty.filter(Number.isNaN).length).toBeGreaterThanOrEqual(996);
    expect(lossAndGradient(loss, dirty, Int32Array.of(7), { classes: 1000 }).value).toBe(clean);
  });
});

/** Runs every loss on a few shapes in a process of its own and prints values and gradients. */
const everyLoss = (shapes: [number, number][], print: 'digest' | 'numbers') => `
import { createHash } from 'node:crypto';
import { lossAndGradient, losses, lossNames } from ${JSON.stringify(packageUrl)};
let state = 1;
const next = () => (state = (Math.imul(1664525, state) + 1013904223) >>> 0) / 2 ** 32;
const all = [...lossNames.map((name) => losses.byName(name)),
  ...['shared', 'per-example'].map((samples) => losses.nce({ numSampled: 33, noise: 'log-uniform', samples }))];
const results = [];
for (const [m, classes] of ${JSON.stringify(shapes)}) for (const levels of [3, 2 ** 24]) {
  // Three levels: every maximum is tied many times over.
  const logits = Float32Array.from({ length: m * classes }, () => Math.floor(levels * next()) * 4 / levels);
  const labels = Int32Array.from({ length: m }, () => Math.floor(classes * next()));
  for (const loss of all) {
    const { value, gradient } = lossAndGradient(loss, logits, labels, { classes });
    results.push([loss.name, value, ${print === 'digest' ? "createHash('sha256').update(gradient).digest('hex')" : '[...gradient]'}]);
  }
}
console.log(JSON.stringify(results));
`;

async function resultsWith(source: string, environment: Record<string, string>): Promise<[string, number, string | number[]][]> {
  const { status, stdout, stderr } = await runModule(source, { environment });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as [string, number, string | number[]][];
}

describe('results', () => {
  it('do not depend on the number of threads, to the last bit', async () => {
    const source = everyLoss(
      [
        [1, 100_000],
        [7, 20_000],
        [128, 1000],
        [50_000, 3],
      ],
      'digest',
    );
    const one = await resultsWith(source, { ONELOGIT_THREADS: '1' });
    expect(one).toHaveLength(4 * 2 * (lossNames.length + 2));
    for (const threads of ['2', '3', '16']) expect(await resultsWith(source, { ONELOGIT_THREADS: threads }), threads).toEqual(one);
  });

  it('do not depend on the instruction set beyond rounding, and ties not at all', async () => {
    const source = everyLoss(
      [
        [3, 37],
        [16, 10],
        [2, 17_000],
      ],
      'numbers',
    );
    const best = await resultsWith(source, {});
    for (const level of ['portable', 'avx2']) {
      const other = await resultsWith(source, { ONELOGIT_SIMD: level });
      best.forEach(([name, expected, gradient], n) => {
        const [, got, otherGradient] = other[n] as [string, number, number[]];
        expect(Math.abs(got - expected), `${level} ${name}`).toBeLessThanOrEqual(1e-6 * Math.abs(expected));
        if (name.endsWith('max-margin')) {
          expect(otherGradient, `${level} ${name}`).toEqual(gradient);
        } else {
          const difference = Math.hypot(...otherGradient.map((g, i) => g - (gradient as number[])[i]));
          expect(difference, `${level} ${name}`).toBeLessThanOrEqual(1e-6 * Math.hypot(...(gradient as number[])));
        }
      });
    }
  });
});
