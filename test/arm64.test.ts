/** The addon for 64-bit ARM in Node for that processor, under qemu; `npm run test:arm64` makes both. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datasets, layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { type Answers, trainAndScore } from './helpers/installation.js';

/** The directory of the build, and the program. */
const { ONELOGIT_ARM64: directory, ONELOGIT_ARM64_NODE: node } = process.env;

describe.skipIf(directory === undefined)('on 64-bit ARM', () => {
  /** Below the package, so that programs in it find it by its name. */
  let work: string;
  beforeAll(() => {
    work = mkdtempSync(join(directory!, 'work-'));
  });
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  /** What a program prints as JSON. */
  function run<T>(source: string): T {
    writeFileSync(join(work, 'program.mjs'), source);
    const { status, stdout, stderr } = spawnSync('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', node!, 'program.mjs'], {
      cwd: work,
      env: { ...process.env, NODE_OPTIONS: '', ONELOGIT_PREBUILD: directory, ONELOGIT_THREADS: '2' },
      encoding: 'utf8',
      timeout: 500_000,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout) as T;
  }
  const data = datasets.glyphs({ classes: 6, examplesPerClass: 50, seed: 1 });
  /** The logit of its own class for each of the first five examples. */
  const score = (slc: SingleLogitClassifier) =>
    Array.from({ length: 5 }, (_, n) => slc.score(data.inputs.slice(n * 784, (n + 1) * 784), data.labels[n]!));
  const expectClose = (scores: number[], expected: number[]) => {
    expect(scores).toHaveLength(5);
    for (const [n, score] of scores.entries()) expect(Math.abs(score - expected[n]!)).toBeLessThan(1e-4);
  };

  it('trains, and what it saved gives the same answers here', { timeout: 600_000 }, async () => {
    const { addon, above, scores, blas } = run<Answers>(trainAndScore);
    expect(addon).toBe(join(directory!, 'build/Release/onelogit.node'));
    expect(above).toBeGreaterThan(0.95);
    expect(blas).toBe('portable');
    using slc = await SingleLogitClassifier.load(join(work, 'model.safetensors'));
    expectClose(scores, score(slc));
  });

  it('answers as this machine does from a file of it, and refuses what is wrong', { timeout: 600_000 }, async () => {
    const model = Model.sequential({
      inputShape: [28, 28, 1],
      layers: [layers.conv2d(4, { kernel: 3 }), layers.batchNorm(), layers.relu(), layers.flatten(), layers.dense(6)],
      seed: 3,
    });
    await model.fit(data, {
      loss: losses.batchCrossEntropy(),
      optimizer: optimizers.adam({ learningRate: 0.001 }),
      steps: 20,
      batchSize: 50,
    });
    using slc = await SingleLogitClassifier.load(model);
    await slc.save(join(work, 'here.safetensors'));
    const there = run<{ architecture: string; simd: string; scores: number[]; errors: string[] }>(`
      import { backendInfo, datasets, SingleLogitClassifier } from 'onelogit';
      const data = datasets.glyphs({ classes: 6, examplesPerClass: 50, seed: 1 });
      const slc = await SingleLogitClassifier.load('here.safetensors', { memoryMap: true });
      const scores = Array.from({ length: 5 }, (_, n) => slc.score(data.inputs.slice(n * 784, (n + 1) * 784), data.labels[n]));
      const errors = [];
      try {
        slc.score(data.inputs.slice(0, 784), 6);
      } catch (error) {
        errors.push(error.code);
      }
      await SingleLogitClassifier.load('program.mjs').catch((error) => errors.push(error.code));
      console.log(JSON.stringify({ architecture: process.arch, simd: backendInfo().cpu.simd, scores, errors }));`);
    expect(there).toMatchObject({ architecture: 'arm64', simd: 'neon', errors: ['ERR_ONELOGIT_RANGE', 'ERR_ONELOGIT_FORMAT'] });
    expectClose(there.scores, score(slc));
  });
});
