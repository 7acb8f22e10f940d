/** Names, options and errors of the losses: what is refused, and how it says so. */
import { describe, expect, it } from 'vitest';
import { type Loss, lossAndGradient, losses, lossNames } from '../src/index.js';
import { lossText } from '../src/loss-text.js';
import { checkLoss, lossFromMetadata, lossToMetadata } from '../src/losses.js';

const logits = new Float32Array([1, 2, 3, 4, 5, 6]);
const labels = new Int32Array([0, 2]);

/** The stable code and the message of what `action` throws. */
function thrown(action: () => unknown): { code: string | undefined; message: string; type: string } {
  try {
    action();
  } catch (error) {
    const { code, message, name } = error as Error & { code?: string };
    return { code, message, type: name };
  }
  throw new Error('Expected an error but nothing was thrown');
}

describe('losses', () => {
  it('are frozen descriptions with their name, alignment and options', () => {
    expect(losses.crossEntropy()).toEqual({ name: 'cross-entropy', aligned: false, reduction: 'mean' });
    expect(losses.maxMargin()).toEqual({ name: 'max-margin', aligned: false, reduction: 'mean', margin: 1 });
    expect(losses.selfNormalization({ alpha: 0.5 })).toEqual({
      name: 'self-normalization',
      aligned: true,
      reduction: 'mean',
      alpha: 0.5,
    });
    expect(losses.nce()).toEqual({
      name: 'nce',
      aligned: true,
      reduction: 'mean',
      noise: 'uniform',
      samples: 'shared',
      removeAccidentalHits: false,
      seed: 0,
    });
    expect(losses.binaryCrossEntropy({ reduction: 'sum' })).toEqual({ name: 'binary-cross-entropy', aligned: true, reduction: 'sum' });
    expect(losses.batchCrossEntropy()).toEqual({ name: 'batch-cross-entropy', aligned: true });
    expect(losses.batchMaxMargin({ margin: 2 })).toEqual({ name: 'batch-max-margin', aligned: true, margin: 2 });
    for (const name of lossNames) expect(Object.isFrozen(losses.byName(name))).toBe(true);
  });

  it('are found by name', () => {
    expect(lossNames).toEqual([
      'cross-entropy',
      'max-margin',
      'self-normalization',
      'nce',
      'binary-cross-entropy',
      'batch-cross-entropy',
      'batch-max-margin',
    ]);
    expect(losses.byName('nce', { numSampled: 5 })).toEqual(losses.nce({ numSampled: 5 }));
    for (const name of ['softmax', '', 'toString', '__proto__', 'crossEntropy', 3, null, undefined])
      expect(thrown(() => losses.byName(name as 'nce'))).toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_LOSS', type: 'RangeError' });
  });

  it('copy noise weights', () => {
    const weights = new Float32Array([1, 2, 3]);
    const loss = losses.nce({ noise: weights });
    weights[0] = -1;
    expect(loss.noise).toEqual(new Float32Array([1, 2, 3]));
    expect(Number.isFinite(lossAndGradient(loss, logits, labels, { classes: 3 }).value)).toBe(true);
  });

  it.each([
    ['crossEntropy', { margin: 1 }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['crossEntropy', { reduction: 'none' }, 'ERR_ONELOGIT_ARGUMENT'],
    ['crossEntropy', 'mean', 'ERR_ONELOGIT_ARGUMENT'],
    ['crossEntropy', null, 'ERR_ONELOGIT_ARGUMENT'],
    ['crossEntropy', [], 'ERR_ONELOGIT_ARGUMENT'],
    ['maxMargin', { margin: 0 }, 'ERR_ONELOGIT_RANGE'],
    ['maxMargin', { margin: -1 }, 'ERR_ONELOGIT_RANGE'],
    ['maxMargin', { margin: Number.NaN }, 'ERR_ONELOGIT_RANGE'],
    ['maxMargin', { margin: Infinity }, 'ERR_ONELOGIT_RANGE'],
    ['maxMargin', { margin: '1' }, 'ERR_ONELOGIT_ARGUMENT'],
    ['maxMargin', { margin: null }, 'ERR_ONELOGIT_ARGUMENT'],
    ['maxMargin', { Margin: 1 }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['selfNormalization', { alpha: 0 }, 'ERR_ONELOGIT_RANGE'],
    ['selfNormalization', { alpha: -0.1 }, 'ERR_ONELOGIT_RANGE'],
    ['selfNormalization', { alpha: Number.NaN }, 'ERR_ONELOGIT_RANGE'],
    ['selfNormalization', { alpha: 1n }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { numSampled: 0 }, 'ERR_ONELOGIT_RANGE'],
    ['nce', { numSampled: 1.5 }, 'ERR_ONELOGIT_RANGE'],
    ['nce', { numSampled: 1e9 }, 'ERR_ONELOGIT_RANGE'],
    ['nce', { numSampled: true }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { noiseRatio: 0 }, 'ERR_ONELOGIT_RANGE'],
    ['nce', { noiseRatio: Infinity }, 'ERR_ONELOGIT_RANGE'],
    ['nce', { noiseRatio: 1e31 }, 'ERR_ONELOGIT_RANGE'],
    ['nce', { noise: 'zipf' }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { noise: [1, 2, 3] }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { noise: { weights: 3 } }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { noise: new Float64Array([1, 2, 3]) }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { noise: new DataView(new ArrayBuffer(8)) }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { noise: new Float32Array() }, 'ERR_ONELOGIT_LENGTH'],
    ['nce', { noise: new Float32Array([1, 0, 1]) }, 'ERR_ONELOGIT_NOISE'],
    ['nce', { noise: new Float32Array([1, -1, 1]) }, 'ERR_ONELOGIT_NOISE'],
    ['nce', { noise: new Float32Array([1, Number.NaN, 1]) }, 'ERR_ONELOGIT_NOISE'],
    ['nce', { noise: new Float32Array([1, Infinity, 1]) }, 'ERR_ONELOGIT_NOISE'],
    ['nce', { samples: 'per-batch' }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { removeAccidentalHits: 1 }, 'ERR_ONELOGIT_ARGUMENT'],
    ['nce', { seed: -1 }, 'ERR_ONELOGIT_RANGE'],
    ['nce', { seed: 2 ** 53 }, 'ERR_ONELOGIT_RANGE'],
    ['binaryCrossEntropy', { reduction: null }, 'ERR_ONELOGIT_ARGUMENT'],
    ['batchCrossEntropy', { reduction: 'mean' }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['batchMaxMargin', { reduction: 'sum' }, 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['batchMaxMargin', { margin: Number.NEGATIVE_INFINITY }, 'ERR_ONELOGIT_RANGE'],
  ] as const)('%s(%o) is refused with %s', (maker, options, code) => {
    const error = thrown(() => (losses[maker] as (options: unknown) => unknown)(options));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^Expected .+ for .*\blosses\.\w+.* but received .+/);
  });
});

describe('a loss from elsewhere', () => {
  it('is checked like a new one', () => {
    expect(checkLoss({ name: 'max-margin', margin: 3 }, 'fit')).toEqual(losses.maxMargin({ margin: 3 }));
    expect(checkLoss(structuredClone(losses.nce({ numSampled: 3 })), 'fit')).toEqual(losses.nce({ numSampled: 3 }));
    expect(thrown(() => checkLoss({ name: 'max-margin', alpha: 3 }, 'fit')).code).toBe('ERR_ONELOGIT_UNKNOWN_OPTION');
    expect(thrown(() => checkLoss({ name: 'cross-entropy', aligned: true }, 'fit')).code).toBe('ERR_ONELOGIT_ARGUMENT');
    for (const value of ['nce', null, undefined, 3, {}, [], () => 0])
      expect(thrown(() => checkLoss(value, 'fit'))).toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT', type: 'TypeError' });
  });

  it('comes back from metadata as it was', () => {
    for (const loss of [
      ...lossNames.map((name) => losses.byName(name)),
      losses.maxMargin({ margin: 0.25, reduction: 'sum' }),
      losses.nce({ numSampled: 64, noiseRatio: 8, noise: 'unigram', samples: 'per-example', removeAccidentalHits: true, seed: 9 }),
    ] as Loss[])
      expect(lossFromMetadata(JSON.parse(JSON.stringify(lossToMetadata(loss))), 'the file')).toEqual(loss);
  });

  it('is told in a few words, however many noise weights there are', async () => {
    const noise = new Float32Array(100_000).fill(1);
    const loss = losses.nce({ noise, numSampled: 4 });
    // In memory, and as it comes from a file.
    for (const one of [loss, lossFromMetadata(JSON.parse(JSON.stringify(lossToMetadata(loss))), 'loss')])
      expect(lossText(one).split(', ').sort()).toEqual(
        [
          'nce',
          'reduction mean',
          'numSampled 4',
          'noise of 100,000 weights',
          'samples shared',
          'removeAccidentalHits false',
          'seed 0',
        ].sort(),
      );
    expect(lossText(losses.nce())).toContain('noise uniform');
    expect(lossText(losses.batchMaxMargin({ margin: 2 }))).toBe('batch-max-margin, margin 2');
  });

  it('keeps only the number of noise weights in metadata, and says so when it is used', () => {
    const loss = losses.nce({ noise: new Float32Array(10_000).fill(1), numSampled: 5 });
    const text = JSON.stringify(lossToMetadata(loss));
    expect(text.length).toBeLessThan(300);
    const read = lossFromMetadata(JSON.parse(text), 'the file');
    expect(read).toEqual({ ...losses.nce({ numSampled: 5 }), noise: { weights: 10_000 } });
    expect(thrown(() => lossAndGradient(read, logits, labels, { classes: 3 })).code).toBe('ERR_ONELOGIT_NOISE');
    for (const weights of [0, -1, 1.5, '3', null])
      expect(() => lossFromMetadata({ name: 'nce', noise: { weights } }, 'the file')).toThrow(/^Expected/);
  });
});

describe('lossAndGradient refuses', () => {
  const call = (loss: unknown, z: unknown, y: unknown, options: unknown) => () =>
    lossAndGradient(loss as Loss, z as Float32Array, y as Int32Array, options as { classes: number });
  const ce = losses.crossEntropy();
  const detached = new Float32Array(6);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });

  it.each([
    ['no loss', call(undefined, logits, labels, { classes: 3 }), 'ERR_ONELOGIT_ARGUMENT'],
    ['a name for a loss', call('nce', logits, labels, { classes: 3 }), 'ERR_ONELOGIT_ARGUMENT'],
    ['logits too short', call(ce, logits.subarray(1), labels, { classes: 3 }), 'ERR_ONELOGIT_LENGTH'],
    ['logits too long', call(ce, new Float32Array(7), labels, { classes: 3 }), 'ERR_ONELOGIT_LENGTH'],
    ['detached logits', call(ce, detached, labels, { classes: 3 }), 'ERR_ONELOGIT_LENGTH'],
    ['logits in an array', call(ce, [1, 2, 3, 4, 5, 6], labels, { classes: 3 }), 'ERR_ONELOGIT_ARGUMENT'],
    ['float64 logits', call(ce, new Float64Array(6), labels, { classes: 3 }), 'ERR_ONELOGIT_ARGUMENT'],
    ['no labels', call(ce, new Float32Array(), new Int32Array(), { classes: 3 }), 'ERR_ONELOGIT_LENGTH'],
    ['labels in an array', call(ce, logits, [0, 2], { classes: 3 }), 'ERR_ONELOGIT_ARGUMENT'],
    ['uint8 labels', call(ce, logits, new Uint8Array([0, 2]), { classes: 3 }), 'ERR_ONELOGIT_ARGUMENT'],
    ['a label of k', call(ce, logits, new Int32Array([0, 3]), { classes: 3 }), 'ERR_ONELOGIT_LABEL_RANGE'],
    ['a label of −1', call(ce, logits, new Int32Array([-1, 0]), { classes: 3 }), 'ERR_ONELOGIT_LABEL_RANGE'],
    ['the smallest label', call(ce, logits, new Int32Array([-(2 ** 31), 0]), { classes: 3 }), 'ERR_ONELOGIT_LABEL_RANGE'],
    ['no options', call(ce, logits, labels, undefined), 'ERR_ONELOGIT_ARGUMENT'],
    ['no classes', call(ce, logits, labels, {}), 'ERR_ONELOGIT_ARGUMENT'],
    ['0 classes', call(ce, logits, labels, { classes: 0 }), 'ERR_ONELOGIT_RANGE'],
    ['1.5 classes', call(ce, logits, labels, { classes: 1.5 }), 'ERR_ONELOGIT_RANGE'],
    ['2³¹ classes', call(ce, logits, labels, { classes: 2 ** 31 }), 'ERR_ONELOGIT_RANGE'],
    ['NaN classes', call(ce, logits, labels, { classes: Number.NaN }), 'ERR_ONELOGIT_RANGE'],
    ['an unknown option', call(ce, logits, labels, { classes: 3, clases: 3 }), 'ERR_ONELOGIT_UNKNOWN_OPTION'],
    ['an unknown device', call(ce, logits, labels, { classes: 3, device: 'gpu' }), 'ERR_ONELOGIT_ARGUMENT'],
    ['one class with a margin', call(losses.maxMargin(), logits, new Int32Array(6), { classes: 1 }), 'ERR_ONELOGIT_RANGE'],
    ['one class with a batch margin', call(losses.batchMaxMargin(), logits, new Int32Array(6), { classes: 1 }), 'ERR_ONELOGIT_RANGE'],
    ['unigram noise', call(losses.nce({ noise: 'unigram' }), logits, labels, { classes: 3 }), 'ERR_ONELOGIT_NOISE'],
    [
      'noise weights for other classes',
      call(losses.nce({ noise: new Float32Array([1, 1]) }), logits, labels, { classes: 3 }),
      'ERR_ONELOGIT_LENGTH',
    ],
  ])('%s', (_, action, code) => {
    const error = thrown(action);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^Expected .+ for .+ but received .+/);
  });

  it('nothing of what it documents', () => {
    for (const name of lossNames) {
      const shared = new Float32Array(new SharedArrayBuffer(24));
      shared.set(logits);
      const { value, gradient } = lossAndGradient(losses.byName(name), shared, labels, { classes: 3, device: 'cpu' });
      expect(value).toBe(lossAndGradient(losses.byName(name), logits, labels, { classes: 3 }).value);
      expect(gradient).toHaveLength(6);
    }
  });
});
