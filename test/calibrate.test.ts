import { beforeAll, describe, expect, it } from 'vitest';
import { type ClassStorage, layers, Model, SingleLogitClassifier, zoo } from '../src/index.js';
import { exampleOf, examplesOf, glyphs, trainOnGlyphs } from './helpers/glyph-model.js';

const data = glyphs();
const example = (index: number) => exampleOf(data, index);

let model: Model;
let slc: SingleLogitClassifier;
beforeAll(async () => {
  model = await trainOnGlyphs();
  slc = await SingleLogitClassifier.load(model);
});

describe('calibrate', () => {
  it('sets thresholds that reach the recall, and matches uses them', async () => {
    const classifier = await SingleLogitClassifier.load(model);
    expect(classifier.thresholds).toBeNull();
    expect(() => classifier.matches(example(0), 0)).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_NOT_CALIBRATED' }));
    const held = glyphs('test');
    const result = await classifier.calibrate(held, { recall: 0.9 });
    expect(result).toEqual({ classes: 10, classesMeetingTarget: 10, classesWithFallback: 0, classesWithoutPositives: 0 });
    const thresholds = classifier.thresholds!;
    for (let c = 0; c < 10; c++) {
      let hits = 0;
      let positives = 0;
      for (let i = 0; i < held.length; i++) {
        if (held.labels[i] !== c) continue;
        const input = exampleOf(held, i);
        const matches = classifier.matches(input, c);
        expect(matches).toBe(classifier.score(input, c) >= thresholds[c]!);
        expect(classifier.bind(input).matches(c)).toBe(matches);
        positives++;
        if (matches) hits++;
      }
      // ⌈0.9 · 61⌉ = 55 of 60, and no more unless logits are equal.
      expect([positives, hits]).toEqual([60, 55]);
    }
  });

  // Examples far from 0, and biases that bring the logits back there: rounding is that of the large numbers in between.
  it.for<[string, () => Model, ClassStorage]>([
    ['a bare head', () => Model.sequential({ inputShape: [700], layers: [layers.dense(10)], seed: 3 }), 'float32'],
    ['a bare head in int8', () => Model.sequential({ inputShape: [700], layers: [layers.dense(10)], seed: 3 }), 'int8'],
    ['a perceptron', () => zoo.mlp({ classes: 10, inputShape: [700], hidden: [300], seed: 3 }), 'float32'],
    ['a perceptron in bfloat16', () => zoo.mlp({ classes: 10, inputShape: [700], hidden: [300], seed: 3 }), 'bfloat16'],
    ['a convolutional network', () => zoo.cnn({ classes: 10, inputShape: [12, 12, 3], seed: 3 }), 'float32'],
  ])('counts no match of %s that is none when its example is asked about alone', async ([what, make, storage], context) => {
    context.skip(process.env.ONELOGIT_CUDA_HOST === '1' && what === 'a convolutional network', 'the stand-in for a GPU is too slow');
    const network = make();
    const size = network.inputShape.reduce((product, length) => product * length, 1);
    const [classes, positives] = [10, 20];
    const length = classes * positives;
    const inputs = Float32Array.from({ length: length * size }, (_, i) => 100 + ((i * 7919) % 1009) / 1009);
    const labels = Int32Array.from({ length }, (_, i) => i % classes);
    const example = (i: number) => inputs.subarray(i * size, (i + 1) * size);
    /** The logits of a class of its own examples, as a batch. */
    const trueLogits = (of: SingleLogitClassifier, c: number) => {
      const own = new Float32Array(positives * size);
      for (let i = 0; i < positives; i++) own.set(example(i * classes + c), i * size);
      return of.scoreBatch(own, c);
    };
    const uncentred = await SingleLogitClassifier.load(network, { storage });
    const last = network.tensors.filter(({ name }) => name.endsWith('bias')).at(-1)!.name;
    network.setTensor(
      last,
      network.tensor(last).map((bias, c) => bias - trueLogits(uncentred, c).reduce((sum, logit) => sum + logit / positives, 0)),
    );
    const classifier = await SingleLogitClassifier.load(network, { storage });
    await classifier.calibrate({ inputs, labels, inputShape: [...network.inputShape], classes, length }, { recall: 0.5 });
    for (let c = 0; c < classes; c++) {
      const logits = trueLogits(classifier, c);
      const descending = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
      // ⌈0.5 · 21⌉ = 11 of 20.
      for (const i of descending.slice(0, 11)) expect(classifier.matches(example(i * classes + c), c)).toBe(true);
      // And no threshold is far below them.
      expect(classifier.thresholds![c]).toBeGreaterThan(logits[descending[10]!]! - 0.5);
    }
  });

  it('says what the thresholds do on other examples', { timeout: 400_000 }, async () => {
    const classifier = await SingleLogitClassifier.load(model);
    const [held, chosen] = [glyphs('test'), glyphs()];
    await expect(classifier.evaluateThresholds(held)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_NOT_CALIBRATED' });
    await classifier.calibrate(chosen, { recall: 0.9 });
    const report = await classifier.evaluateThresholds(held, { recall: 0.9 });
    let [right, wrong, meeting] = [0, 0, 0];
    for (let c = 0; c < 10; c++) {
      const matches = Array.from({ length: held.length }, (_, i) => classifier.matches(exampleOf(held, i), c));
      const own = matches.filter((match, i) => match && held.labels[i] === c).length;
      right += own;
      wrong += matches.filter((match, i) => match && held.labels[i] !== c).length;
      if (own >= 54) meeting++;
    }
    expect(report).toMatchObject({ examples: held.length, classes: 10, classesWithPositives: 10, classesMeetingTarget: meeting });
    expect(report.recall).toBe(right / held.length);
    expect(report.precision).toBe(right / (right + wrong));
    expect(report.meanRecall).toBeCloseTo(right / held.length, 12); // as many examples of each class
    expect(await classifier.evaluateThresholds(held)).toEqual({ ...report, classesMeetingTarget: null });
    await expect(classifier.evaluateThresholds(held, { recall: 0.9, precision: 0.9 })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_ARGUMENT',
    });
    const aborted = AbortSignal.abort();
    await expect(classifier.evaluateThresholds(held, { signal: aborted })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('keeps false matches down for a precision', async () => {
    const classifier = await SingleLogitClassifier.load(model);
    const held = glyphs('test');
    const result = await classifier.calibrate(held, { precision: 0.9 });
    expect(result.classesMeetingTarget).toBeGreaterThanOrEqual(8);
    let right = 0;
    let wrong = 0;
    for (let c = 0; c < 10; c++) {
      const scores = classifier.scoreBatch(held.inputs, c);
      const threshold = classifier.thresholds![c]!;
      scores.forEach((score, i) => {
        if (score >= threshold) held.labels[i] === c ? right++ : wrong++;
      });
    }
    expect(right / (right + wrong)).toBeGreaterThan(0.9);
    expect(right).toBeGreaterThan(200);
  });

  it('takes any recall above 0: of each class one logit is enough', async () => {
    const few = { ...data, ...examplesOf(data, [0, 1, 2]) };
    const thresholdsFor = async (recall: number) => {
      const classifier = await SingleLogitClassifier.load(model);
      await classifier.calibrate(few, { recall });
      return classifier.thresholds!;
    };
    const expected = await thresholdsFor(1e-6);
    expect(expected.every(Number.isFinite)).toBe(true);
    for (const recall of [1e-10, Number.MIN_VALUE]) expect(await thresholdsFor(recall)).toEqual(expected);
  });

  it('counts what is also correct neither as right nor as false', { timeout: 400_000 }, async () => {
    const held = glyphs('test');
    // Whatever reaches the highest score without being the label.
    const first = new Int32Array(held.length + 1);
    const classes: number[] = [];
    for (let i = 0; i < held.length; i++) {
      const scores = slc.scoreMany(exampleOf(held, i), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      scores[held.labels[i]!] = -Infinity;
      classes.push(scores.indexOf(Math.max(...scores)));
      first[i + 1] = classes.length;
    }
    const filtered = { ...held, alsoCorrect: { first, classes: Int32Array.from(classes) } };
    const strict = await SingleLogitClassifier.load(model);
    await strict.calibrate(held, { precision: 0.99 });
    const lenient = await SingleLogitClassifier.load(model);
    const { classesMeetingTarget } = await lenient.calibrate(filtered, { precision: 0.99 });
    expect(classesMeetingTarget).toBe(10);
    const reports = [await lenient.evaluateThresholds(held), await lenient.evaluateThresholds(filtered)];
    let [right, wrong] = [0, 0];
    for (let i = 0; i < held.length; i++)
      for (let c = 0; c < 10; c++) {
        if (!lenient.matches(exampleOf(held, i), c)) continue;
        if (held.labels[i] === c) right++;
        else if (classes[i] !== c) wrong++;
      }
    expect(reports[1]).toMatchObject({ precision: right / (right + wrong), recall: right / held.length });
    expect(reports[0]!.precision).toBeLessThan(reports[1]!.precision!);
    // More of them are found, because less is in the way.
    expect(reports[1]!.recall).toBeGreaterThan((await strict.evaluateThresholds(held)).recall);
    first[2] = 0;
    await expect(lenient.calibrate(filtered, { precision: 0.9 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ALSO_CORRECT' });
  });

  it('gives the same from a reader as from memory', async () => {
    const held = glyphs('test');
    const inMemory = await SingleLogitClassifier.load(model);
    await inMemory.calibrate(held, { recall: 0.8 });
    const streamed = await SingleLogitClassifier.load(model);
    await streamed.calibrate(
      {
        inputShape: held.inputShape,
        classes: 10,
        length: held.length,
        read: async (indices) => {
          return examplesOf(held, [...indices]);
        },
      },
      { recall: 0.8 },
    );
    expect(streamed.thresholds).toEqual(inMemory.thresholds);
    await expect(
      streamed.calibrate(
        { inputShape: held.inputShape, classes: 10, length: 5, read: async () => Promise.reject(new Error('disk gone')) },
        { recall: 0.8 },
      ),
    ).rejects.toThrow('disk gone');
  });

  it('uses the pool for classes with few or no examples', async () => {
    const held = glyphs('test');
    const keep = [...held.labels.keys()].filter((i) => held.labels[i] !== 3 && (held.labels[i] !== 4 || i < 50));
    const few = { ...held, ...examplesOf(held, keep) };
    const classifier = await SingleLogitClassifier.load(model);
    const result = await classifier.calibrate(few, { recall: 0.9 });
    expect(result.classesWithFallback).toBe(2);
    expect(result.classesWithoutPositives).toBe(1);
    expect(classifier.thresholds!.every(Number.isFinite)).toBe(true);
    // Class 3 has the pooled threshold: nine tenths of all true logits reach it.
    const pooled = classifier.thresholds![3]!;
    const trueLogits = few.labels.reduce((sum, label, i) => sum + Number(classifier.score(exampleOf(few, i), label) >= pooled), 0);
    expect(trueLogits).toBe(Math.ceil(0.9 * few.length - 1e-9));
  });

  it.each([
    [{}, 'ERR_ONELOGIT_ARGUMENT'],
    [undefined, 'ERR_ONELOGIT_ARGUMENT'],
    [{ recall: 0.9, precision: 0.9 }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ recall: '0.9' }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ recal: 0.9 }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    [{ recall: 0 }, 'ERR_ONELOGIT_RANGE'],
    [{ recall: 1 }, 'ERR_ONELOGIT_RANGE'],
    [{ precision: Number.NaN }, 'ERR_ONELOGIT_RANGE'],
    [{ precision: 0.5, signal: 1 }, 'ERR_ONELOGIT_ARGUMENT'],
    [{ precision: 0.5, signal: AbortSignal.abort() }, 'ERR_ONELOGIT_ABORTED'],
  ])('refuses %j', async (options, code) => {
    await expect(slc.calibrate(data, options as never)).rejects.toMatchObject({ code });
  });

  it('refuses data that does not fit', async () => {
    await expect(slc.calibrate({ ...data, inputShape: [5] }, { recall: 0.9 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_SHAPE' });
    await expect(slc.calibrate({ ...data, classes: 11 }, { recall: 0.9 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_CLASSES' });
    await expect(slc.calibrate({ ...data, labels: data.labels.map(() => 10) }, { recall: 0.9 })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_LABEL_RANGE',
    });
  });

  it('warns once, and says why, when the loss is not aligned', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const classifier = await SingleLogitClassifier.load(await trainOnGlyphs('cross-entropy'));
    await classifier.calibrate(data, { recall: 0.9 });
    await classifier.calibrate(data, { recall: 0.8 });
    classifier.matches(example(0), 1);
    await (await SingleLogitClassifier.load(model)).calibrate(data, { recall: 0.9 });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    const own = warnings.filter((warning) => (warning as { code?: string }).code === 'ONELOGIT_LOSS_NOT_ALIGNED');
    expect(own).toHaveLength(1);
    expect(own[0]!.message).toMatch(/cross-entropy.*not aligned with the Principle of Logit Separation/);
  });
});
