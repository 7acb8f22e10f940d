// `kill -9` while a model trains: whatever the moment, the checkpoint that is there loads and continues.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Model, SingleLogitClassifier } from '../src/index.js';
import { clouds, uniform } from './helpers/problems.js';
import { packageRoot, packageUrl } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

// Checkpoints of half a megabyte after every step: nearly all of the time goes into writing them. Prints the steps done before.
const trainer = (path: string) => `
  import { existsSync } from 'node:fs';
  import { layers, losses, Model, optimizers } from '${packageUrl}';
  const path = ${JSON.stringify(path)};
  const { inputs, labels } = JSON.parse(process.env.EXAMPLES);
  const data = { inputs: Float32Array.from(inputs), labels: Int32Array.from(labels), inputShape: [16], classes: 5, length: labels.length };
  const model = Model.sequential({ inputShape: [16], layers: [layers.dense(2000), layers.batchNorm(), layers.relu(), layers.dense(5)], seed: 1 });
  let first = true;
  await model.fit(data, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.sgd({ learningRate: 0.01, momentum: 0.9 }),
    steps: 1_000_000,
    batchSize: 32,
    checkpoint: { path, everySteps: 1 },
    ...(existsSync(path) ? { resumeFrom: path } : {}),
    onProgress: ({ step }) => {
      if (first) console.log(step);
      first = false;
    },
  });`;

/** Runs the trainer until it has reported, and `delay` milliseconds more; kills it. Resolves to the first step that it reported. */
async function trainAndKill(path: string, delay: number): Promise<number> {
  const { inputs, labels } = clouds({ length: 100 });
  const child = spawn(process.execPath, ['--input-type=module', '-e', trainer(path)], {
    cwd: packageRoot,
    env: { ...process.env, EXAMPLES: JSON.stringify({ inputs: Array.from(inputs as Float32Array), labels: Array.from(labels) }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)));
  const step = await Promise.race([
    new Promise<number>((resolve) => child.stdout.once('data', (chunk) => resolve(Number(chunk)))),
    ended.then(() => {
      throw new Error(`the trainer ended by itself: ${stderr}`);
    }),
  ]);
  await new Promise((resolve) => setTimeout(resolve, delay));
  child.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');
  return step;
}

// A busy machine takes seconds to start each of the processes.
test('kill -9 during training leaves a checkpoint that loads and continues, 15 times', { timeout: 600_000 }, async () => {
  using file = temporaryFile('checkpoint.safetensors');
  const random = uniform(Date.now());
  const { inputs } = clouds({ length: 3 });
  let done = 0;
  for (let round = 0; round < 15; round++) {
    const step = await trainAndKill(file.name, 60 * random());
    // It went on from a checkpoint of the round before.
    expect(step).toBeGreaterThan(done);
    done = step;
    expect(existsSync(file.name)).toBe(true);
    // One temporary file at most: the next round removes it.
    expect(readdirSync(file.directory).length).toBeLessThanOrEqual(2);
    using model = await Model.load(file.name);
    expect((await model.predict(inputs)).every(Number.isFinite)).toBe(true);
    using classifier = await SingleLogitClassifier.load(file.name);
    expect(Number.isFinite(classifier.scoreBound(1))).toBe(true);
  }
});
