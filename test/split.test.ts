import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitIndices } from '../src/split.js';

test('the two parts are disjoint, ascending, complete and of the promised size', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 2000 }),
      fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }),
      fc.maxSafeNat(),
      (length, fraction, seed) => {
        const { training, validation } = splitIndices(length, fraction, seed);
        expect(validation.length).toBe(Math.min(length - 1, Math.max(1, Math.round(length * fraction))));
        expect([...training, ...validation].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, index) => index));
        expect(training).toEqual(training.slice().sort());
        expect(validation).toEqual(validation.slice().sort());
      },
    ),
  );
});

test('it is a function of length, fraction and seed that later versions must keep: files refer to it', () => {
  // Written by test/golden/split.py.
  expect(splitIndices(20, 0.25, 0).validation).toEqual(Int32Array.of(1, 8, 9, 13, 14));
  expect(splitIndices(20, 0.25, 1).validation).toEqual(Int32Array.of(4, 6, 11, 14, 18));
  expect(splitIndices(20, 0.25, 2 ** 53 - 1).validation).toEqual(Int32Array.of(4, 12, 15, 18, 19));
});

test('splits of every size are those that the plain shuffle makes, sorted', () => {
  // The sums are of the elements times 1, 2, 3 … modulo 2^31 − 1, by the version that sorted.
  const sum = (indices: Int32Array) =>
    indices.reduce((total, index, at) => Number((BigInt(total) + BigInt(index) * BigInt(at + 1)) % 2147483647n), 0);
  for (const [length, fraction, seed, validation, training] of [
    [2, 0.5, 1, 0, 1],
    [3, 0.9, 2, 5, 0],
    [1000, 0.5, 3, 85565440, 81151696],
    [1001, 0.5, 1099511627785, 83833471, 83442378],
    [60000, 0.1, 0, 898959325, 863052240],
    [60000, 0.93, 12345, 2043431148, 1889351074],
    [100003, 0.0001, 9007199254740991, 3179243, 1836970771],
  ] as const) {
    const split = splitIndices(length, fraction, seed);
    expect([sum(split.validation), sum(split.training)], `${length} ${fraction} ${seed}`).toEqual([validation, training]);
  }
});

test('a split of many takes little more time than a list of them by a callback, at most', () => {
  const length = 3_000_000;
  const fastest = (work: () => unknown) =>
    Math.min(
      ...Array.from({ length: 4 }, () => {
        const start = performance.now();
        work();
        return performance.now() - start;
      }),
    );
  const list = fastest(() => Int32Array.from({ length }, (_, index) => index));
  expect(fastest(() => splitIndices(length, 0.1, 7))).toBeLessThan(1.5 * list); // 0.6; with sorts it was 2.5
});

test('every example is as likely as another to be set aside', () => {
  const counts = new Float64Array(50);
  const draws = 4000;
  for (let seed = 0; seed < draws; seed++) for (const index of splitIndices(50, 0.2, seed).validation) counts[index]++;
  // Binomial(4000, 0.2): standard deviation 25.3; five of them.
  for (const count of counts) expect(Math.abs(count - draws * 0.2)).toBeLessThan(127);
});

test.each([
  [1, 0.5, 0],
  [10, 0, 0],
  [10, 1, 0],
  [10, Number.NaN, 0],
  [10, 0.5, -1],
  [10.5, 0.5, 0],
  [2 ** 31, 0.5, 0],
])('length %d, fraction %d, seed %d is out of range', (length, fraction, seed) => {
  expect(() => splitIndices(length, fraction, seed)).toThrow(expect.objectContaining({ name: 'RangeError', code: 'ERR_ONELOGIT_RANGE' }));
});
