import { describe, expect, it } from 'vitest';
import { subset } from '../src/data/subset.js';
import type { AlsoCorrect } from '../src/dataset.js';
import { layers } from '../src/layers/index.js';
import { losses } from '../src/losses.js';
import { Model } from '../src/model.js';
import { optimizers } from '../src/optimizers.js';
import { packageUrl, runModule } from './helpers/process.js';

/** Deterministic numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function problem(length: number, classes: number, { share = 0, seed = 1 } = {}) {
  const random = generator(seed);
  const inputs = Float32Array.from({ length: length * 6 }, () => random() * 2 - 1);
  const labels = Int32Array.from({ length }, () => Math.floor(random() * random() * classes));
  const others = Array.from(labels, (label) => Array.from({ length: classes }, (_, j) => j).filter((j) => j !== label && random() < share));
  const first = new Int32Array(length + 1);
  for (const [i, row] of others.entries()) first[i + 1] = first[i]! + row.length;
  const alsoCorrect: AlsoCorrect = { first, classes: Int32Array.from(others.flat()) };
  return { inputs, labels, inputShape: [6], classes, length, alsoCorrect, excluded: others.map((row) => new Set(row)) };
}

const network = (classes: number, storage: 'float32' | 'bfloat16' = 'float32') =>
  Model.sequential({ inputShape: [6], layers: [layers.dense(9), layers.relu(), layers.dense(classes, { storage })], seed: 3 });

/** 1 − average precision, and 1 − precision at recall 0.9: every score tried as a threshold. */
function plain(pairs: { score: number; positive: boolean }[]) {
  const sorted = [...pairs].sort((a, b) => b.score - a.score);
  const all = sorted.filter(({ positive }) => positive).length;
  let [right, before, averagePrecision] = [0, 0, 0];
  let at90: number | undefined;
  sorted.forEach(({ score, positive }, i) => {
    right += Number(positive);
    if (sorted[i + 1]?.score === score) return;
    averagePrecision += ((right - before) * right) / (i + 1) / all;
    before = right;
    if (right / all >= 0.9) at90 ??= right / (i + 1);
  });
  return { oneMinusAuprc: 1 - averagePrecision, oneMinusPrecisionAt90: 1 - at90! };
}

function reference(scores: Float32Array, { length, classes, labels, excluded }: ReturnType<typeof problem>) {
  const score = (i: number, j: number) => scores[i * classes + j]!;
  const column = (j: number) =>
    Array.from({ length }, (_, i) => i)
      .filter((i) => !excluded[i]!.has(j))
      .map((i) => ({ score: score(i, j), positive: labels[i] === j }));
  const all = Array.from({ length: classes }, (_, j) => column(j));
  const positives = all.map((pairs) => pairs.filter(({ positive }) => positive).length);
  const macro = (least: number) => {
    const errors = all.filter((_, j) => positives[j]! >= least).map(plain);
    const mean = (name: 'oneMinusAuprc' | 'oneMinusPrecisionAt90') => errors.reduce((sum, one) => sum + one[name], 0) / errors.length;
    return { classes: errors.length, oneMinusAuprc: mean('oneMinusAuprc'), oneMinusPrecisionAt90: mean('oneMinusPrecisionAt90') };
  };
  const correct = Array.from(labels).filter((label, i) =>
    Array.from({ length: classes }, (_, j) => j).every(
      (j) => j === label || excluded[i]!.has(j) || (j < label ? score(i, j) < score(i, label) : score(i, j) <= score(i, label)),
    ),
  ).length;
  return { occurring: macro(1), five: macro(5), pooled: plain(all.flat()), accuracy: correct / length };
}

describe('model.evaluate', () => {
  for (const [length, classes, share, storage] of [
    [1, 1, 0],
    [40, 3, 0],
    [300, 70, 0],
    [70, 5000, 0],
    [300, 70, 0.1],
    [20, 9, 1],
    [60, 5000, 0.01, 'bfloat16'],
  ] as const)
    it(`equals the definitions over all ${length} × ${classes} scores, ${share} of the pairs also correct${storage ? `, ${storage}` : ''}`, async () => {
      using model = network(classes, storage);
      const dataset = problem(length, classes, { share });
      const { excluded: _, ...given } = dataset;
      for (const scores of ['single-logit', 'softmax'] as const) {
        const matrix = await model.predict(dataset.inputs);
        if (scores === 'softmax')
          for (let i = 0; i < length; i++) {
            const row = matrix.subarray(i * classes, (i + 1) * classes);
            const largest = Math.max(...row);
            const sum = row.reduce((total, z) => total + Math.exp(z - largest), 0);
            row.forEach((z, j) => {
              row[j] = Math.exp(z - largest) / sum;
            });
          }
        const expected = reference(matrix, dataset);
        const result = await model.evaluate(given, { scores });
        expect(result.oneMinusAuprc).toBeCloseTo(expected.occurring.oneMinusAuprc, 4);
        expect(result.oneMinusPrecisionAt90).toBeCloseTo(expected.occurring.oneMinusPrecisionAt90, 4);
        expect(result.classesWithPositives).toBe(expected.occurring.classes);
        expect(result.classesWithPositives + result.classesWithoutPositives).toBe(classes);
        expect(result.atLeastFivePositives.classes).toBe(expected.five.classes);
        if (expected.five.classes === 0) expect(result.atLeastFivePositives.oneMinusAuprc).toBeNull();
        else expect(result.atLeastFivePositives.oneMinusAuprc).toBeCloseTo(expected.five.oneMinusAuprc, 4);
        expect(result.pooled.oneMinusAuprc).toBeCloseTo(expected.pooled.oneMinusAuprc, 4);
        expect(result.pooled.oneMinusPrecisionAt90).toBeCloseTo(expected.pooled.oneMinusPrecisionAt90, 3);
        expect(result.pooled).toMatchObject({
          negativesPerExample: 'all',
          negatives: length * (classes - 1) - dataset.alsoCorrect.classes.length,
        });
        expect(result.accuracy).toBeCloseTo(expected.accuracy, 9);
      }
    });

  it('gives the same for a reader as for memory, filtered and sampled', async () => {
    using model = network(50);
    const { excluded: _, ...dataset } = problem(1500, 50, { share: 0.1 });
    const { inputs, labels, ...description } = dataset;
    const streamed = {
      ...description,
      read: async (indices: Int32Array) => ({
        inputs: Float32Array.from([...indices].flatMap((i) => [...inputs.subarray(i * 6, (i + 1) * 6)])),
        labels: indices.map((i) => labels[i]!),
      }),
    };
    for (const options of [{}, { negatives: 7, seed: 2 }, { scores: 'softmax' }] as const)
      expect(await model.evaluate(streamed, options)).toEqual(await model.evaluate(dataset, options));
  });

  it('calls classes by the names of the dataset where the model has none', async () => {
    const unnamed = problem(20, 3);
    const data = { ...unnamed, classNames: ['a', 'b', 'c'] };
    const namesIn = async (model: Model, dataset: typeof unnamed) => (await model.evaluate(dataset)).perClass.map(({ name }) => name);
    expect(await namesIn(network(3), data)).toEqual(['a', 'b', 'c']);
    // Names of some classes would leave the others without.
    expect(await namesIn(network(4), data)).toEqual([undefined, undefined, undefined, undefined]);
    const changing = { ...data, classNames: [...data.classNames] };
    const evaluating = namesIn(network(3), changing);
    changing.classNames.splice(0, 3, 'later');
    expect(await evaluating).toEqual(['a', 'b', 'c']);
    const named = network(3);
    await named.fit(data, { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 1, batchSize: 4 });
    expect(await namesIn(named, unnamed)).toEqual(['a', 'b', 'c']);
  });

  it('keeps what is also correct with the examples of a subset', async () => {
    using model = network(20);
    const { excluded: _, ...dataset } = problem(60, 20, { share: 0.2 });
    const { first, classes } = dataset.alsoCorrect;
    const part = subset(dataset, Int32Array.of(7, 3, 3, 59));
    const rows = part.alsoCorrect!;
    for (const [to, from] of [7, 3, 3, 59].entries())
      expect(rows.classes.subarray(rows.first[to], rows.first[to + 1])).toEqual(classes.subarray(first[from], first[from + 1]));
    expect(rows.classes.length).toBe(rows.first[4]);
    await model.evaluate(part);
  });

  it('estimates pooled measures from sampled negatives', async () => {
    using model = network(400);
    const { excluded: _, ...dataset } = problem(500, 400, { share: 0.05 });
    const exact = await model.evaluate(dataset);
    const { pooled, ...others } = await model.evaluate(dataset, { negatives: 100 });
    expect(pooled).toMatchObject({ negativesPerExample: 100, negatives: 50_000 });
    expect(pooled.oneMinusAuprc).not.toBe(exact.pooled.oneMinusAuprc);
    expect((1 - pooled.oneMinusAuprc) / (1 - exact.pooled.oneMinusAuprc)).toBeCloseTo(1, 0);
    expect((1 - pooled.oneMinusPrecisionAt90) / (1 - exact.pooled.oneMinusPrecisionAt90)).toBeCloseTo(1, 1);
    expect({ ...others, pooled: exact.pooled }).toEqual(exact);
    expect((await model.evaluate(dataset, { negatives: 100, seed: 1 })).pooled).toEqual(pooled);
    expect((await model.evaluate(dataset, { negatives: 100, seed: 2 })).pooled).not.toEqual(pooled);
  });

  it('counts identical examples and classes as tied, whatever block they are in', async () => {
    const classes = 9000;
    using model = Model.sequential({ inputShape: [6], layers: [layers.dense(classes, { bias: false })], seed: 1 });
    model.setTensor(
      '0.weight',
      Float32Array.from({ length: classes * 6 }, (_, i) => Math.sin(1 + (i % 6))),
    );
    const inputs = Float32Array.from({ length: 300 * 6 }, (_, i) => (i % 6) / 7 + 0.1);
    const labels = Int32Array.from({ length: 300 }, (_, i) => (i * 37) % classes);
    const dataset = { inputs, labels, inputShape: [6], classes, length: 300 };
    const { accuracy, misorderedPairs, pooled } = await model.evaluate(dataset);
    expect(accuracy).toBeCloseTo(1 / 300, 9); // the one example of class 0: the lowest index wins
    expect(misorderedPairs).toBe(1);
    expect(1 - pooled.oneMinusAuprc).toBeCloseTo(1 / classes, 9);
  });

  it.each([
    ['no object', 5, 'ERR_ONELOGIT_ARGUMENT'],
    ['null', null, 'ERR_ONELOGIT_ARGUMENT'],
    ['an unknown name', { first: Int32Array.of(0, 0, 0), classes: new Int32Array(0), tails: 1 }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['arrays of another kind', { first: [0, 0, 0], classes: new Int32Array(0) }, 'ERR_ONELOGIT_ARGUMENT'],
    ['no classes', { first: Int32Array.of(0, 0, 0) }, 'ERR_ONELOGIT_ARGUMENT'],
    ['too few offsets', { first: Int32Array.of(0, 0), classes: new Int32Array(0) }, 'ERR_ONELOGIT_LENGTH'],
    ['offsets beyond the classes', { first: Int32Array.of(0, 1, 2), classes: Int32Array.of(1) }, 'ERR_ONELOGIT_ALSO_CORRECT'],
    ['offsets that go back', { first: Int32Array.of(0, 2, 1), classes: Int32Array.of(1) }, 'ERR_ONELOGIT_ALSO_CORRECT'],
    ['a class out of range', { first: Int32Array.of(0, 1, 1), classes: Int32Array.of(3) }, 'ERR_ONELOGIT_ALSO_CORRECT'],
    ['the label', { first: Int32Array.of(0, 1, 1), classes: Int32Array.of(0) }, 'ERR_ONELOGIT_ALSO_CORRECT'],
    ['a class twice', { first: Int32Array.of(0, 2, 2), classes: Int32Array.of(1, 1) }, 'ERR_ONELOGIT_ALSO_CORRECT'],
  ])('refuses alsoCorrect that is or has %s', async (_, alsoCorrect, code) => {
    using model = network(3);
    const dataset = { inputs: new Float32Array(12), labels: Int32Array.of(0, 1), inputShape: [6], classes: 3, length: 2 };
    await expect(model.evaluate({ ...dataset, alsoCorrect } as never)).rejects.toMatchObject({ code });
  });

  it.each([0, -1, 1.5, Number.NaN, 65_537])('refuses %d negatives', async (negatives) => {
    using model = network(3);
    await expect(model.evaluate(problem(4, 3), { negatives })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RANGE' });
    await expect(model.evaluate(problem(4, 3), { negatives: 'some' as never })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(model.evaluate(problem(4, 3), { seed: -1 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RANGE' });
  });

  it.skipIf(process.env.ONELOGIT_SANITIZED)(
    'needs no memory for all scores: 20,000 × 100,000 would be 8 GB',
    async () => {
      const { status, stdout, stderr } = await runModule(
        `import { Model, layers } from ${JSON.stringify(packageUrl)};
       const [length, classes, size] = [20_000, 100_000, 8];
       // Every class is a direction; an example is its class's, so that its own logit is the largest.
       const directions = Float32Array.from({ length: classes * size }, (_, i) => Math.sin(i * i + 0.3));
       for (let j = 0; j < classes; j++) {
         const row = directions.subarray(j * size, (j + 1) * size);
         const norm = Math.hypot(...row);
         row.forEach((x, i) => { row[i] = x / norm; });
       }
       const model = Model.sequential({ inputShape: [size], layers: [layers.dense(classes)] });
       model.setTensor('0.weight', directions);
       const labels = Int32Array.from({ length }, (_, i) => (i * 7919) % classes);
       const inputs = Float32Array.from({ length: length * size }, (_, i) => directions[labels[Math.floor(i / size)] * size + (i % size)]);
       const dataset = { inputs, labels, inputShape: [size], classes, length };
       const before = process.resourceUsage().maxRSS;
       const start = performance.now();
       const { accuracy, classesWithPositives } = await model.evaluate(dataset);
       const seconds = (performance.now() - start) / 1000;
       console.log(JSON.stringify({ accuracy, classesWithPositives, seconds, grown: process.resourceUsage().maxRSS - before }));`,
      );
      expect(stderr).toBe('');
      expect(status).toBe(0);
      const { grown, classesWithPositives, seconds } = JSON.parse(stdout);
      expect(classesWithPositives).toBe(20_000);
      expect(grown).toBeLessThan(100_000); // KiB
      expect(seconds).toBeLessThan(60);
    },
    90_000,
  );
});
