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

  it('keeps them: a fit of data that call them otherwise is refused before its first step', async () => {
    const fitted = await Model.load(file.name);
    const { training } = fitted;
    const weights = fitted.tensor('0.weight');
    for (const other of [named(swapped), named(swapped, streamed(data))])
      await expect(fitted.fit(other, options)).rejects.toMatchObject(refused('classNames of dataset'));
    expect(fitted).toMatchObject({ classNames: names, training, busy: false });
    expect(fitted.tensor('0.weight')).toEqual(weights);
    await fitted.fit(named(names), options);
    await fitted.fit(data, options);
    expect(fitted.classNames).toEqual(names);
  });

  it('is not validated on such data, whether its own names are new or not', async () => {
    const fresh = build();
    const validation = named(swapped);
    await expect(fresh.fit(named(names), { ...options, validation })).rejects.toMatchObject(refused('classNames of validation'));
    expect(fresh.trained).toBe(false);
    const fitted = await Model.load(file.name);
    await expect(fitted.fit(data, { ...options, validation })).rejects.toMatchObject(refused('classNames of validation'));
    expect((await fresh.fit(named(names), { ...options, validation: named(names) })).validation).toBeDefined();
  });

  it('goes on from a checkpoint under the names of the checkpoint', async () => {
    const resuming = { ...options, steps: 8, resumeFrom: file.name };
    const fresh = build();
    await expect(fresh.fit(named(swapped), resuming)).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_CLASSES',
      message: expect.stringContaining(`Expected the classes of ${file.name}, 'ape' for class 0`),
    });
    await expect(fresh.fit(data, { ...resuming, validation: named(swapped) })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_CLASSES',
      message: expect.stringContaining(`Expected the classes of ${file.name}, 'ape' for class 0, in classNames of validation`),
    });
    expect(fresh).toMatchObject({ trained: false, classNames: null, busy: false });
    // Data without names do not take those of the checkpoint away.
    await fresh.fit(data, resuming);
    expect(fresh.classNames).toEqual(names);
  });
});

describe('names', () => {
  it('may come with a later fit, where the first one had none', async () => {
    const later = build();
    await later.fit(data, options);
    await later.fit(named(swapped), options);
    expect(later.classNames).toEqual(swapped);
  });

  it('are the same as in a file, in which a lone surrogate is none any more', async () => {
    using path = temporaryFile('surrogate.safetensors');
    const odd = ['\ud800', ...names.slice(1)];
    const first = build();
    await first.fit(named(odd), options);
    await first.save(path.name);
    const loaded = await Model.load(path.name);
    await loaded.fit(named(odd), options);
    expect((await loaded.evaluate(named(odd))).perClass[0]!.name).toBe('\ufffd');
  });

  it('are the same where only their accents are written in another way, as directories copied from a Mac have them', async () => {
    const [composed, apart] = ['ä', 'a\u0308'].map((letter) => [`K${letter}fer`, ...names.slice(1)]);
    const beetles = build();
    await beetles.fit(named(composed!), { ...options, validation: named(apart!) });
    expect((await beetles.evaluate(named(apart!))).perClass[0]!.name).toBe(composed![0]);
    await expect(beetles.evaluate(named(['Kafer', ...names.slice(1)]))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_CLASSES' });
  });

  it('that are other words for the same classes are told how to be let through', async () => {
    const words = { ...named(['monkey', ...names.slice(1)]) };
    await expect(model.evaluate(words)).rejects.toThrow('leave classNames out if the same classes only have other names');
    delete words.classNames;
    expect((await model.evaluate(words)).perClass[0]!.name).toBe('ape');
  });

  it('are told shortly where they are long', async () => {
    const long = ['x'.repeat(10_000), ...names.slice(1)];
    const error = await model.evaluate(named(long)).catch((reason: Error) => reason);
    expect((error as Error).message).toContain(`'${'x'.repeat(99)}…'`);
    expect((error as Error).message.length).toBeLessThan(600);
  });
});
