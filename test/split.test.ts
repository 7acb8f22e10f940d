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
