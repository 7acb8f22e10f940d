import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { readSafetensorsHeader, readSafetensorsTensor } from '../src/safetensors.js';
import { exampleOf, glyphs, trainOnGlyphs } from './helpers/glyph-model.js';

const scratch = mkdtempSync(join(tmpdir(), 'onelogit-classifier-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const file = (name: string) => join(scratch, `${name}.safetensors`);

const data = glyphs();
const example = (index: number) => exampleOf(data, index);

let model: Model;
let slc: SingleLogitClassifier;
beforeAll(async () => {
  model = await trainOnGlyphs();
  slc = await SingleLogitClassifier.load(model);
});

describe('save', () => {
  it('refuses to copy from a file that was overwritten in place', async () => {
    const network = (seed: number) =>
      Model.sequential({ inputShape: [4], layers: [layers.dense(6), layers.relu(), layers.dense(3)], seed });
    await network(1).save(file('served'));
    await network(2).save(file('other'));
    const classifier = await SingleLogitClassifier.load(file('served'));
    await classifier.save(file('copy'));
    const before = readFileSync(file('copy'));
    writeFileSync(file('served'), readFileSync(file('other')));
    utimesSync(file('served'), 1, 1); // clocks of file systems are coarse
    await expect(classifier.save(file('copy'))).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringContaining('written to since'),
    });
    expect(readFileSync(file('copy'))).toEqual(before);
    expect(readdirSync(scratch).filter((name) => name.includes('.tmp'))).toEqual([]);
    // What it is asked for is in memory, and the new file is another one.
    const input = new Float32Array(4).fill(1);
    expect(classifier.score(input, 0)).toBe((await SingleLogitClassifier.load(file('copy'))).score(input, 0));
    await classifier.reload();
    await classifier.save(file('copy'));
    expect(readFileSync(file('copy'))).toEqual(readFileSync(file('other')));
  });

  it('keeps thresholds and everything else', async () => {
    await model.save(file('plain'));
    const before = await readSafetensorsHeader(file('plain'));
    const classifier = await SingleLogitClassifier.load(file('plain'));
    await classifier.calibrate(data, { recall: 0.9 });
    // Onto the file that it came from, which stays whole.
    await classifier.save(file('plain'));
    const after = await readSafetensorsHeader(file('plain'));
    expect(after.metadata).toEqual({ ...before.metadata, onelogit_calibration: '{"recall":0.9}' });
    expect(after.tensors.map(({ name }) => name).sort()).toEqual(
      [...before.tensors.map(({ name }) => name), 'thresholds', 'thresholds.examples'].sort(),
    );
    expect(await readSafetensorsTensor(file('plain'), 'thresholds')).toEqual(classifier.thresholds);
    const again = await SingleLogitClassifier.load(file('plain'));
    expect(again.thresholds).toEqual(classifier.thresholds);
    expect(again.calibration).toEqual(classifier.calibration);
    expect(again.calibration).toEqual({
      recall: 0.9,
      examples: Int32Array.from({ length: data.classes }, (_, c) => data.labels.filter((label) => label === c).length),
    });
    expect(slc.calibration).toBeNull();
    expect(again.matches(example(1), 1)).toBe(classifier.matches(example(1), 1));
    expect(again.loss!.name).toBe('batch-cross-entropy');
    expect(again.split).toEqual(model.split);
    // Calibrated anew, and from the model in memory: the same file.
    await again.calibrate(data, { recall: 0.5 });
    await again.save(file('again'));
    const fromModel = await SingleLogitClassifier.load(model);
    await fromModel.calibrate(data, { recall: 0.5 });
    await fromModel.save(file('memory'));
    expect(readFileSync(file('memory'))).toEqual(readFileSync(file('again')));
    // And still a model that can be trained.
    const loaded = await Model.load(file('again'));
    expect(await loaded.predict(example(3))).toEqual(await model.predict(example(3)));
    expect(readdirSync(scratch).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('keeps a checkpoint a checkpoint', async () => {
    const path = file('checkpoint');
    const make = () => Model.sequential({ inputShape: data.inputShape, layers: [layers.dense(10)], seed: 1 });
    const options = {
      loss: losses.batchCrossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
      steps: 20,
      batchSize: 32,
      checkpoint: { path, everySteps: 20 },
    };
    await make().fit(data, options);
    const classifier = await SingleLogitClassifier.load(path);
    await classifier.calibrate(data, { recall: 0.9 });
    await classifier.save(path);
    const resumed = await make().fit(data, { ...options, steps: 25, resumeFrom: path });
    expect(resumed.steps).toBe(25);
  });

  it('says what stands in the way', async () => {
    await expect(slc.save(join(scratch, 'absent', 'x'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await expect(slc.save(scratch)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    await expect(slc.save(undefined as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
  });
});

describe('a malformed file', () => {
  it('is an error, never a crash', async () => {
    const calibrated = await SingleLogitClassifier.load(model);
    await calibrated.calibrate(data, { recall: 0.9 });
    await calibrated.save(file('good'));
    const good = readFileSync(file('good'));
    const headerLength = Number(good.readBigUInt64LE());
    const header = good.subarray(8, 8 + headerLength).toString();
    const path = file('mutated');
    const load = async (bytes: Uint8Array) => {
      writeFileSync(path, bytes);
      return SingleLogitClassifier.load(path).then(
        (classifier) => {
          expect(typeof classifier.scoreBound(0)).toBe('number');
          classifier.dispose();
        },
        (error) => {
          expect(error.code).toMatch(/^ERR_ONELOGIT_/);
          expect(error.message).toMatch(/^Expected .+ but received /s);
        },
      );
    };
    const words = ['0', '9', '-1', '1e9', '4294967296', 'null', '"', '{', '}', ',', '\\\\', 'dense', 'relu', '[]', 'true'];
    await fc.assert(
      fc.asyncProperty(fc.nat(header.length), fc.nat(12), fc.constantFrom(...words), async (at, removed, word) => {
        const mutated = Buffer.from(header.slice(0, at) + word + header.slice(at + removed));
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(mutated.length));
        await load(Buffer.concat([length, mutated, good.subarray(8 + headerLength)]));
      }),
      { numRuns: 1500 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length), async (length) => load(good.subarray(0, length))),
      { numRuns: 50 },
    );
    for (const name of ['thresholds', '1.weight', '5.bias', 'class_names.offsets']) {
      const changed = good.toString('latin1').replace(new RegExp(`"${name}":{"dtype":"[FI]`), (found) => `${found.slice(0, -1)}U`);
      writeFileSync(path, Buffer.from(changed, 'latin1'));
      await expect(SingleLogitClassifier.load(path)).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringContaining(`'${name}'`),
      });
    }
  });
});
