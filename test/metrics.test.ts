import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { averagePrecision, precisionAtRecall, separation } from '../src/metrics.js';

interface Golden {
  cases: { name: string; scores: number[]; positives: number[]; averagePrecision: number; precisionAtRecall: [number, number][] }[];
}
const golden = JSON.parse(readFileSync(new URL('./golden/metrics.json', import.meta.url), 'utf8')) as Golden;

/** The definition, by trying every distinct score as a threshold: O(n²). */
function curve(scores: Float32Array, positives: Uint8Array): { precision: number; recall: number }[] {
  const thresholds = [...new Set(scores)].sort((a, b) => b - a); // a Set takes −0 and 0 for one value
  const all = positives.reduce((sum, positive) => sum + positive, 0);
  return thresholds.map((threshold) => {
    let predicted = 0;
    let right = 0;
    for (let i = 0; i < scores.length; i++)
      if (scores[i] >= threshold) {
        predicted++;
        right += positives[i];
      }
    return { precision: right / predicted, recall: right / all };
  });
}

function plainAveragePrecision(scores: Float32Array, positives: Uint8Array): number {
  let sum = 0;
  let before = 0;
  for (const { precision, recall } of curve(scores, positives)) {
    sum += (recall - before) * precision;
    before = recall;
  }
  return sum;
}

function plainSeparation(logits: Float32Array, labels: Int32Array, classes: number) {
  let pairs = 0;
  let wrong = 0;
  for (let i = 0; i < labels.length; i++)
    for (let other = 0; other < labels.length; other++)
      for (let j = 0; j < classes; j++)
        if (j !== labels[other]) {
          pairs++;
          if (!(logits[i * classes + labels[i]] > logits[other * classes + j])) wrong++;
        }
  return { misordered: pairs === 0 ? 0 : wrong / pairs, holds: wrong === 0 };
}

/** Few distinct values, so that most scores are tied. */
const tiedScore = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(-0, 0, Infinity, -Infinity, 1e-45, 3.4e38));

const withCode = (code: string) => expect.objectContaining({ code });

describe('averagePrecision and precisionAtRecall', () => {
  it.each(golden.cases)('equal scikit-learn: $name', ({ scores, positives, averagePrecision: expected, precisionAtRecall: at }) => {
    const s = Float32Array.from(scores);
    const p = Uint8Array.from(positives);
    expect(averagePrecision(s, p)).toBeCloseTo(expected, 13);
    for (const [recall, precision] of at) expect(precisionAtRecall(s, p, recall), `recall ${recall}`).toBeCloseTo(precision, 13);
  });

  it('equals the definition on random inputs with many ties', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(tiedScore, fc.boolean()), { minLength: 1, maxLength: 60 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (examples, recall) => {
          const scores = Float32Array.from(examples, ([score]) => score);
          const positives = Uint8Array.from(examples, ([, positive], i) => (positive || i === 0 ? 1 : 0));
          expect(averagePrecision(scores, positives)).toBeCloseTo(plainAveragePrecision(scores, positives), 12);
          const reached = curve(scores, positives).find((point) => point.recall >= recall);
          expect(precisionAtRecall(scores, positives, recall)).toBeCloseTo(reached!.precision, 12);
        },
      ),
      { numRuns: 500, seed: 1 },
    );
  });

  it('takes a worked example by hand', () => {
    // Descending: + − + −; precision at the positives is 1 and 2/3.
    const scores = Float32Array.of(0.9, 0.8, 0.7, 0.1);
    expect(averagePrecision(scores, Uint8Array.of(1, 0, 1, 0))).toBeCloseTo(5 / 6, 15);
    expect(averagePrecision(scores, [true, false, true, false])).toBeCloseTo(5 / 6, 15);
    expect(precisionAtRecall(scores, Uint8Array.of(1, 0, 1, 0), 0.5)).toBe(1);
    expect(precisionAtRecall(scores, Uint8Array.of(1, 0, 1, 0), 0.51)).toBe(2 / 3);
  });

  it('reaches a recall that is met exactly', () => {
    // 9 of the 10 positives come first: recall 0.9 needs only those.
    const scores = Float32Array.from({ length: 12 }, (_, i) => 12 - i);
    const positives = Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1);
    expect(precisionAtRecall(scores, positives, 0.9)).toBe(1);
    expect(precisionAtRecall(scores, positives, 0.99)).toBe(10 / 12);
  });

  it('accepts shared memory', () => {
    const scores = new Float32Array(new SharedArrayBuffer(16));
    scores.set([4, 3, 2, 1]);
    expect(averagePrecision(scores, Uint8Array.of(0, 1, 0, 0))).toBe(0.5);
  });

  it('refuses what it cannot answer', () => {
    const scores = Float32Array.of(1, 2);
    expect(() => averagePrecision(scores, Uint8Array.of(0, 0))).toThrow(withCode('ERR_ONELOGIT_NO_POSITIVES'));
    expect(() => precisionAtRecall(scores, [false, false], 0.5)).toThrow(withCode('ERR_ONELOGIT_NO_POSITIVES'));
    expect(() => averagePrecision(new Float32Array(0), new Uint8Array(0))).toThrow(withCode('ERR_ONELOGIT_NO_POSITIVES'));
    for (const nan of [Float32Array.of(Number.NaN, 1), Float32Array.of(1, Number.NaN)])
      expect(() => averagePrecision(nan, Uint8Array.of(1, 0))).toThrow(withCode('ERR_ONELOGIT_NOT_FINITE'));
    expect(() => averagePrecision(scores, Uint8Array.of(1))).toThrow(withCode('ERR_ONELOGIT_LENGTH'));
    expect(() => averagePrecision(scores, new Array(2 ** 32 - 1))).toThrow(withCode('ERR_ONELOGIT_LENGTH'));
    expect(() => averagePrecision(scores, Uint8Array.of(1, 2))).toThrow('Expected 0 or 1 for positives[1] but received 2');
    expect(() => averagePrecision([1, 2] as never, Uint8Array.of(1, 0))).toThrow(withCode('ERR_ONELOGIT_ARGUMENT'));
    expect(() => averagePrecision(scores, [1, 0] as never)).toThrow('Expected true or false for positives[0] but received 1');
    expect(() => averagePrecision(scores, 'x' as never)).toThrow(withCode('ERR_ONELOGIT_ARGUMENT'));
    for (const recall of [0, -1, 1.001, Number.NaN])
      expect(() => precisionAtRecall(scores, [true, false], recall)).toThrow(withCode('ERR_ONELOGIT_RANGE'));
    structuredClone(scores, { transfer: [scores.buffer] });
    expect(() => averagePrecision(scores, Uint8Array.of(1, 0))).toThrow(withCode('ERR_ONELOGIT_LENGTH'));
  });
});

describe('separation', () => {
  it('equals a comparison of all pairs', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(fc.nat(4), fc.array(tiedScore, { minLength: 5, maxLength: 5 })), { minLength: 1, maxLength: 12 }),
        (classes, examples) => {
          const logits = Float32Array.from(examples.flatMap(([, row]) => row.slice(0, classes)));
          const labels = Int32Array.from(examples, ([label]) => label % classes);
          const expected = plainSeparation(logits, labels, classes);
          const result = separation(logits, labels, classes);
          expect(result.misordered).toBeCloseTo(expected.misordered, 12);
          expect(result.holds).toBe(expected.holds);
        },
      ),
      { numRuns: 500, seed: 2 },
    );
  });

  it("finds the paper's counter-example misordered although every arg max is right", () => {
    // z(x₁) = (2a, a) with label 0, z(x₂) = (−2a, −a) with label 1: the true logit −a is below the false logit a.
    const a = 5;
    expect(separation(Float32Array.of(2 * a, a, -2 * a, -a), Int32Array.of(0, 1), 2)).toEqual({ misordered: 0.25, holds: false });
  });

  it('is strict: a tie is wrong', () => {
    expect(separation(Float32Array.of(1, 1), Int32Array.of(0), 2)).toEqual({ misordered: 1, holds: false });
    expect(separation(Float32Array.of(0, -0), Int32Array.of(0), 2)).toEqual({ misordered: 1, holds: false });
    expect(separation(Float32Array.of(1, 0.5), Int32Array.of(0), 2)).toEqual({ misordered: 0, holds: true });
  });

  it('holds where there is no false logit', () => {
    expect(separation(Float32Array.of(1, 2), Int32Array.of(0, 0), 1)).toEqual({ misordered: 0, holds: true });
  });

  it('refuses what it cannot answer', () => {
    const logits = Float32Array.of(1, 2, 3, 4);
    expect(() => separation(logits, Int32Array.of(0, 2), 2)).toThrow(withCode('ERR_ONELOGIT_LABEL_RANGE'));
    expect(() => separation(logits, Int32Array.of(0, -1), 2)).toThrow(withCode('ERR_ONELOGIT_LABEL_RANGE'));
    expect(() => separation(logits, Int32Array.of(0), 2)).toThrow(withCode('ERR_ONELOGIT_LENGTH'));
    expect(() => separation(logits, new Int32Array(0), 2)).toThrow(withCode('ERR_ONELOGIT_LENGTH'));
    expect(() => separation(logits, Int32Array.of(0, 0), 0)).toThrow(withCode('ERR_ONELOGIT_RANGE'));
    expect(() => separation(logits, [0, 0] as never, 2)).toThrow(withCode('ERR_ONELOGIT_ARGUMENT'));
    for (let i = 0; i < 4; i++) {
      const nan = Float32Array.from(logits);
      nan[i] = Number.NaN;
      expect(() => separation(nan, Int32Array.of(0, 1), 2)).toThrow(withCode('ERR_ONELOGIT_NOT_FINITE'));
    }
  });
});
