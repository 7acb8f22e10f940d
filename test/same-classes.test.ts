import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, type FitOptions, layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { clouds, streamed } from './helpers/problems.js';
import { temporaryFile } from './helpers/temporary.js';

const data = clouds();
const names = ['ape', 'bee', 'cat', 'dog', 'eel'].slice(0, data.classes);
const named = (classNames: string[], dataset: Dataset = data): Dataset => ({ ...dataset, classNames });
const swapped = [names[1]!, names[0]!, ...names.slice(2)];
const build = () => Model.sequential({ inputShape: data.inputShape, layers: [layers.dense(data.classes)], seed: 1 });
const options: FitOptions = {
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.1 }),
  steps: 4,
  batchSize: 8,
};
const refused = (where: string, given = swapped) => ({
  name: 'RangeError',
  code: 'ERR_ONELOGIT_CLASSES',
  message: expect.stringContaining(`'ape' for class 0, in ${where} but received '${given[0]}'`),
});

let model: Model;
const file = temporaryFile('model.safetensors');
beforeAll(async () => {
  model = build();
  await model.fit(named(names), { ...options, checkpoint: { path: file.name } });
});
afterAll(() => file[Symbol.dispose]());

describe('a model with names of its classes', () => {
  it('is not evaluated on data that call them otherwise', async () => {
    for (const other of [named(swapped), named(swapped, streamed(data))])
      await expect(model.evaluate(other)).rejects.toMatchObject(refused('classNames of dataset'));
    await expect(model.evaluate(named(['Ape', ...names.slice(1)]))).rejects.toMatchObject(refused('classNames of dataset', ['Ape']));
    for (const same of [named(names), data, { ...named(names.slice(0, 2)), classes: 2, labels: data.labels.map((label) => label % 2) }])
      expect((await model.evaluate(same)).perClass[0]!.name).toBe('ape');
  });

  it('is neither calibrated nor judged by such data', async () => {
    for (const source of [model, file.name]) {
      const classifier = await SingleLogitClassifier.load(source);
      await expect(classifier.calibrate(named(swapped), { recall: 0.9 })).rejects.toMatchObject(refused('classNames of dataset'));
      expect(classifier.thresholds).toBeNull();
      await classifier.calibrate(named(names), { recall: 0.9 });
      await expect(classifier.evaluateThresholds(named(swapped))).rejects.toMatchObject(refused('classNames of dataset'));
      expect(await classifier.evaluateThresholds(named(names))).toMatchObject({ classes: data.classes });
      classifier.dispose();
    }
  });
});

describe('names', () => {

  it('are told shortly where they are long', async () => {
    const long = ['x'.repeat(10_000), ...names.slice(1)];
    const error = await model.evaluate(named(long)).catch((reason: Error) => reason);
    expect((error as Error).message).toContain(`'${'x'.repeat(77)}…'`);
    expect((error as Error).message.length).toBeLessThan(400);
  });
});
