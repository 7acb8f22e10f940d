// What comes from outside may be anything. Every public function gets every hostile value in place of every argument and option; the
// answer is a result or a documented error, and the process goes on. Under `npm run test:sanitized` a read past a buffer fails too.
import { describe, expect, test } from 'vitest';
import { linearLoss, lossAndGradient, losses, metrics } from '../src/index.js';
import { hostileValues, refusedOrDone } from './helpers/hostile.js';

type Call = (...args: unknown[]) => unknown;
// The types forbid what these tests do.
const untyped = (call: unknown) => call as Call;

/** A function with valid arguments, made afresh for each call; options objects are also attacked name by name. */
interface Target {
  name: string;
  call: Call;
  valid: () => unknown[];
}

const logits = () => Float32Array.of(1, 2, 3, 4, 5, 6);
const labels = () => Int32Array.of(0, 2);

const targets: Target[] = [
  {
    name: 'lossAndGradient',
    call: untyped(lossAndGradient),
    valid: () => [losses.batchCrossEntropy(), logits(), labels(), { classes: 3, device: 'cpu' }],
  },
  {
    name: 'linearLoss',
    call: untyped(linearLoss),
    valid: () => [
      losses.batchCrossEntropy(),
      {
        hidden: Float32Array.of(1, 2, 3, 4, 5, 6),
        weight: new Float32Array(12).fill(0.5),
        bias: new Float32Array(4),
        labels: labels(),
        features: 3,
        classes: 4,
        device: 'cpu',
        workspaceBytes: 1 << 20,
        out: { gradHidden: new Float32Array(6), gradWeight: new Float32Array(12), gradBias: new Float32Array(4) },
      },
    ],
  },
  {
    name: 'linearLoss of a bfloat16 weight',
    call: untyped(linearLoss),
    valid: () => [
      losses.crossEntropy(),
      { hidden: Float32Array.of(1, 2), weight: new Uint16Array(6).fill(0x3f80), labels: Int32Array.of(0, 2), features: 1, classes: 6 },
    ],
  },
  { name: 'metrics.averagePrecision', call: untyped(metrics.averagePrecision), valid: () => [logits(), Uint8Array.of(0, 1, 0, 1, 1, 0)] },
  {
    name: 'metrics.precisionAtRecall',
    call: untyped(metrics.precisionAtRecall),
    valid: () => [logits(), Uint8Array.of(0, 1, 0, 1, 1, 0), 0.9],
  },
  { name: 'metrics.separation', call: untyped(metrics.separation), valid: () => [logits(), labels(), 3] },
  { name: 'losses.crossEntropy', call: untyped(losses.crossEntropy), valid: () => [{ reduction: 'sum' }] },
  { name: 'losses.maxMargin', call: untyped(losses.maxMargin), valid: () => [{ margin: 1 }] },
  { name: 'losses.selfNormalization', call: untyped(losses.selfNormalization), valid: () => [{ alpha: 0.1 }] },
  {
    name: 'losses.nce',
    call: untyped(losses.nce),
    valid: () => [{ numSampled: 2, noiseRatio: 1, noise: 'uniform', samples: 'shared', removeAccidentalHits: true, seed: 1 }],
  },
  { name: 'losses.byName', call: untyped(losses.byName), valid: () => ['batch-max-margin', { margin: 1 }] },
];

const isOptions = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype && !Object.isFrozen(value);

describe.each(targets)('$name', ({ call, valid }) => {
  test('takes what is valid', async () => {
    await expect((async () => call(...valid()))()).resolves.toBeDefined();
  });

  test.each(hostileValues)('survives %s for any argument and any option', async (_, make) => {
    for (let position = 0; position < valid().length; position++) {
      const args = valid();
      const replaced = args[position];
      args[position] = make();
      await refusedOrDone(() => call(...args));
      if (!isOptions(replaced)) continue;
      for (const name of Object.keys(replaced)) {
        args[position] = { ...replaced, [name]: make() };
        await refusedOrDone(() => call(...args));
      }
      args[position] = { ...replaced, surprise: make() };
      await expect((async () => call(...args))()).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    }
  });

  test('survives arguments that are missing', async () => {
    for (let count = 0; count < valid().length; count++) await refusedOrDone(() => call(...valid().slice(0, count)));
  });

  test('survives options that change between reads', async () => {
    for (const [, make] of hostileValues) {
      const args = valid().map((value) => {
        if (!isOptions(value)) return value;
        const changing = {};
        for (const [name, first] of Object.entries(value)) {
          let reads = 0;
          Object.defineProperty(changing, name, { enumerable: true, get: () => (reads++ === 0 ? first : make()) });
        }
        return changing;
      });
      await refusedOrDone(() => call(...args));
    }
  });
});
