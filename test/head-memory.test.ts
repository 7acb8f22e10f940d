import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type HeadMemory,
  type InMemoryDataset,
  layers,
  losses,
  lossNames,
  Model,
  optimizers,
  SingleLogitClassifier,
} from '../src/index.js';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-head-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Clusters: an example of class c is a vector of its own plus noise. */
function clusters(classes: number, features: number, length: number, seed = 1): InMemoryDataset {
  let state = seed;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 2 - 1;
  };
  const centres = Float32Array.from({ length: classes * features }, next);
  const labels = Int32Array.from({ length }, (_, i) => (i * 7) % classes);
  const inputs = Float32Array.from(
    { length: length * features },
    (_, at) => centres[labels[Math.floor(at / features)]! * features + (at % features)]! + 0.1 * next(),
  );
  return { inputs, labels, inputShape: [features], classes, length };
}

function head(classes: number, features: number, storage: 'float32' | 'bfloat16' = 'float32') {
  return Model.sequential({ inputShape: [features], layers: [layers.dense(classes, { storage })], seed: 3 });
}

describe('fit with memory', () => {
  it.each(lossNames)('%s: every choice trains the same model', async (name) => {
    const dataset = clusters(300, 24, 900);
    const trained: Float32Array[] = [];
    for (const memory of ['logits', 'store', 'recompute', 'auto'] as HeadMemory[]) {
      const model = head(300, 24);
      const result = await model.fit(dataset, {
        loss: losses.byName(name),
        optimizer: optimizers.sgd({ learningRate: 0.5, momentum: 0.9 }),
        steps: 20,
        batchSize: 32,
        memory,
        workspaceBytes: 50_000,
      });
      expect(result.finalLoss).toBeGreaterThan(0);
      trained.push(await model.predict(dataset.inputs.subarray(0, 24 * 10) as Float32Array));
    }
    const scale = Math.max(...trained[0]!.map(Math.abs));
    for (const logits of trained.slice(1))
      for (let i = 0; i < logits.length; i++) expect(Math.abs(logits[i]! - trained[0]![i]!)).toBeLessThan(2e-4 * scale);
  });

  it('refuses what cannot be', async () => {
    const dataset = clusters(10, 4, 40);
    const options = { loss: losses.batchCrossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.1 }), steps: 1, batchSize: 8 };
    const model = head(10, 4);
    await expect(model.fit(dataset, { ...options, memory: 'all' as HeadMemory })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(model.fit(dataset, { ...options, workspaceBytes: 0 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RANGE' });
    await expect(
      model.fit(dataset, { ...options, optimizer: optimizers.sgd({ learningRate: 0.1, clipNorm: 1 }), memory: 'recompute' }),
    ).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RANGE' });
    await expect(head(10, 4, 'bfloat16').fit(dataset, { ...options, memory: 'logits' })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_RANGE',
    });
    expect(() =>
      Model.sequential({ inputShape: [4], layers: [layers.dense(3, { storage: 'bfloat16' }), layers.relu(), layers.dense(2)] }),
    ).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_LAYER' }));
    expect(() => layers.dense(3, { storage: 'int4' as 'bfloat16' })).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_ARGUMENT' }));
  });

  it('reports no training accuracy where not all logits are computed, and always one of the validation part', async () => {
    const dataset = clusters(50, 8, 400);
    const seen: number[] = [];
    const result = await head(50, 8).fit(dataset, {
      loss: losses.nce({ numSampled: 10 }),
      optimizer: optimizers.sgd({ learningRate: 0.3 }),
      steps: 30,
      batchSize: 16,
      memory: 'store',
      validation: { fraction: 0.2 },
      onProgress: ({ accuracy }) => seen.push(accuracy),
    });
    expect(seen.every(Number.isNaN)).toBe(true);
    expect(result.finalAccuracy).toBeNaN();
    expect(result.validation?.accuracy).toBeGreaterThanOrEqual(0);
  });
});

describe('a class matrix stored as bfloat16', () => {
  it('is learnt, saved, loaded and scored, in half the bytes', async () => {
    const dataset = clusters(200, 16, 2000);
    const model = head(200, 16, 'bfloat16');
    const fitted = await model.fit(dataset, {
      loss: losses.batchCrossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 2, clipNorm: 1 }),
      steps: 400,
      batchSize: 64,
    });
    expect(fitted.finalAccuracy).toBeGreaterThan(0.9);
    const path = join(directory, 'head.safetensors');
    await model.save(path);
    const loaded = await Model.load(path);
    const inputs = dataset.inputs.subarray(0, 16 * 20) as Float32Array;
    const logits = await model.predict(inputs);
    expect(await loaded.predict(inputs)).toEqual(logits);
    expect(loaded.layers[0]).toMatchObject({ storage: 'bfloat16' });
    // Every weight is a bfloat16: its lower half is zero.
    const weight = model.tensor('0.weight');
    expect(new Uint32Array(weight.buffer, weight.byteOffset, weight.length).every((bits) => (bits & 0xffff) === 0)).toBe(true);
    const classifier = await SingleLogitClassifier.load(path);
    for (const c of [0, 7, 199]) expect(classifier.score(inputs.subarray(0, 16), c)).toBeCloseTo(logits[c]!, 4);
    const evaluation = await loaded.evaluate(dataset, { scores: 'single-logit' });
    expect(evaluation.accuracy).toBeGreaterThan(0.9);
    expect((await stat(path)).size).toBeLessThan(200 * 16 * 2 + 200 * 4 + 2000);
  });

  it.each(['sgd', 'adam'] as const)('resumes from a checkpoint bit for bit: %s', async (name) => {
    const dataset = clusters(60, 8, 300);
    const path = join(directory, `checkpoint-${name}.safetensors`);
    const options = {
      loss: losses.crossEntropy(),
      optimizer: name === 'sgd' ? optimizers.sgd({ learningRate: 0.3, momentum: 0.9 }) : optimizers.adam({ learningRate: 0.01 }),
      batchSize: 16,
    };
    const whole = head(60, 8, 'bfloat16');
    await whole.fit(dataset, { ...options, steps: 20 });
    await head(60, 8, 'bfloat16').fit(dataset, { ...options, steps: 8, checkpoint: { path } });
    const resumed = head(60, 8, 'bfloat16');
    await resumed.fit(dataset, { ...options, steps: 20, resumeFrom: path });
    expect(resumed.tensor('0.weight')).toEqual(whole.tensor('0.weight'));
    await expect(head(60, 8).fit(dataset, { ...options, steps: 20, resumeFrom: path })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_CHECKPOINT',
    });
  });
});
