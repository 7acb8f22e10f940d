import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SingleLogitClassifier } from '../src/index.js';
import { native } from '../src/native.js';
import { readParts, writeParts } from './helpers/safetensors.js';

// Written by PyTorch: test/golden/torch_head.py.
const golden = (name: string) => join(dirname(fileURLToPath(import.meta.url)), 'golden', name);
const { classes, features, inputs, logits } = JSON.parse(await readFile(golden('torch_head.json'), 'utf8')) as {
  classes: number;
  features: number;
  inputs: number[];
  logits: Record<'fc' | 'half' | 'brain' | 'fcWithoutBias', number[]>;
};
const file = golden('torch_head.safetensors');
const index = golden('torch_head.safetensors.index.json');
const example = (i: number) => Float32Array.from(inputs.slice(i * features, (i + 1) * features));

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-foreign-'));
});
afterAll(() => rm(directory, { recursive: true }));

function expectLogits(classifier: SingleLogitClassifier, expected: number[]): void {
  for (let i = 0; i < inputs.length / features; i++)
    for (let c = 0; c < classes; c++) expect(classifier.score(example(i), c)).toBeCloseTo(expected[i * classes + c]!, 5);
}

describe('SingleLogitClassifier.fromSafetensors', () => {
  it.each([
    ['float32', 'fc', logits.fc],
    ['float16', 'half', logits.half],
    ['bfloat16', 'brain', logits.brain],
  ])("answers PyTorch's logits from its %s head", async (_, prefix, expected) => {
    const classifier = await SingleLogitClassifier.fromSafetensors(file, { weight: `${prefix}.weight`, bias: `${prefix}.bias` });
    expect(classifier.classes).toBe(classes);
    expect(classifier.features).toBe(features);
    expect(classifier.inputShape).toEqual([features]);
    expect(classifier.loss).toBeNull();
    expectLogits(classifier, expected);
  });

  it('takes a head without a bias, and names of classes', async () => {
    const classNames = Array.from({ length: classes }, (_, c) => `class ${c}`);
    const classifier = await SingleLogitClassifier.fromSafetensors(file, { weight: 'fc.weight', classNames });
    expectLogits(classifier, logits.fcWithoutBias);
    expect(classifier.classNames).toEqual(classNames);
  });

  it('reads a sharded model by its index, weight and bias from different files', async () => {
    expectLogits(await SingleLogitClassifier.fromSafetensors(index, { weight: 'fc.weight', bias: 'fc.bias' }), logits.fc);
  });

  it('is calibrated and saved as a model of this package', async () => {
    const classifier = await SingleLogitClassifier.fromSafetensors(index, { weight: 'fc.weight', bias: 'fc.bias' });
    const labels = Int32Array.from({ length: 5 }, (_, i) => i % classes);
    await classifier.calibrate(
      { inputs: Float32Array.from(inputs), labels, inputShape: [features], classes, length: labels.length },
      { recall: 0.5 },
    );
    const path = join(directory, 'head.safetensors');
    await classifier.save(path);
    const loaded = await SingleLogitClassifier.load(path);
    expectLogits(loaded, logits.fc);
    expect(loaded.thresholds).toEqual(classifier.thresholds);
    expect(loaded.matches(example(0), 0)).toBe(classifier.matches(example(0), 0));
  });

  it.each([
    [
      'a name that is not there',
      { weight: 'fc.weigth' },
      /'fc\.weigth' in .*torch_head\.safetensors but received 'fc\.weight', 'half\.weight'/,
    ],
    ['a tensor of four axes', { weight: 'conv.weight' }, /one row for each class for 'conv\.weight'.*shape \[4, 3, 2, 2\]/],
    ['a bias that is a matrix', { weight: 'fc.weight', bias: 'half.weight' }, /23 numbers for 'half\.weight'/],
    ['a bias of no axis', { weight: 'fc.weight', bias: 'bn.num_batches_tracked' }, /23 numbers for 'bn\.num_batches_tracked'/],
  ])('refuses %s', async (_, options, message) => {
    await expect(SingleLogitClassifier.fromSafetensors(file, options)).rejects.toMatchObject({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_FORMAT',
      message: expect.stringMatching(message),
    });
  });

  describe('of a file that changes after its header was read', () => {
    /** Loads a copy of the head, which `change` changes when its header has been checked and nothing else of it read. */
    async function changedBeforeRead(change: (path: string) => Promise<void>) {
      const path = join(directory, 'changing.safetensors');
      await copyFile(file, path);
      const foreignHead = native.foreignHead as (...given: unknown[]) => Promise<never>;
      const spy = vi.spyOn(native, 'foreignHead').mockImplementation(async (...given: unknown[]) => {
        await change(path);
        return foreignHead(...given);
      });
      try {
        return await SingleLogitClassifier.fromSafetensors(path, { weight: 'fc.weight', bias: 'fc.bias' });
      } finally {
        spy.mockRestore();
      }
    }

    it('answers from the one that was checked when another takes its place', async () => {
      const classifier = await changedBeforeRead(async (path) => {
        const { metadata, tensors } = readParts(path);
        tensors.set('fc.weight', { dtype: 'F32', shape: [2, features], bytes: new Uint8Array(8 * features) });
        tensors.set('fc.bias', { dtype: 'F32', shape: [2], bytes: new Uint8Array(8) });
        writeParts(`${path}.new`, { metadata, tensors });
        await rename(`${path}.new`, path);
      });
      expect(classifier.classes).toBe(classes);
      expectLogits(classifier, logits.fc);
      // And then from the other, which is no head of as many classes.
      await expect(classifier.reload()).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RELOAD' });
      expectLogits(classifier, logits.fc);
    });

    it('refuses it when it is written to in place', async () => {
      await expect(changedBeforeRead(async (path) => writeFile(path, await readFile(file)))).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FILE',
        message: expect.stringMatching(/stay as it was when it was opened/),
      });
    });
  });

  it('leaves no file open, loaded or refused', async () => {
    const descriptors = async () => (await readdir('/proc/self/fd')).length;
    const before = await descriptors();
    const kept = await SingleLogitClassifier.fromSafetensors(index, { weight: 'fc.weight', bias: 'fc.bias' });
    for (let i = 0; i < 40; i++) {
      await SingleLogitClassifier.fromSafetensors(index, { weight: 'fc.weight', bias: 'half.weight' }).catch(() => {});
      await kept.reload();
    }
    expect((await descriptors()) - before).toBeLessThan(10);
  });

  it('refuses options that are none', async () => {
    const load = (options: unknown) => SingleLogitClassifier.fromSafetensors(file, options as { weight: string });
    await expect(load({})).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(load({ weight: 'fc.weight', wieght: 1 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    await expect(load({ weight: 'fc.weight', classNames: ['one'] })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_LENGTH' });
    await expect(load(null)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
  });

  it('refuses an index that points elsewhere, or is none', async () => {
    const path = join(directory, 'model.safetensors.index.json');
    const refuse = async (content: string, message: RegExp) => {
      await writeFile(path, content);
      await expect(SingleLogitClassifier.fromSafetensors(path, { weight: 'w' })).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringMatching(message),
      });
    };
    for (const shard of ['../secret.safetensors', '/etc/passwd', '..', '', 'a/b.safetensors', '..\\b.safetensors', 'plain.bin', 7, null])
      await refuse(JSON.stringify({ weight_map: { w: shard } }), /for 'w' in .*index\.json/);
    await refuse('{', /JSON in/);
    await refuse('[]', /'weight_map'/);
    await refuse('null', /'weight_map'/);
    await refuse(JSON.stringify({ weight_map: {} }), /'w' in 'weight_map'/);
    await refuse(JSON.stringify({ weight_map: { __proto__: null, toString: 'x.safetensors' } }), /'w' in 'weight_map'/);
    await mkdir(join(directory, 'directory.json'));
    execFileSync('mkfifo', [join(directory, 'fifo.json')]);
    await symlink('/dev/zero', join(directory, 'endless.json'));
    for (const name of ['none', 'directory', 'fifo', 'endless'])
      await expect(SingleLogitClassifier.fromSafetensors(join(directory, `${name}.json`), { weight: 'w' }), name).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FILE',
      });
  });

  it('refuses a file that was cut off', async () => {
    const path = join(directory, 'cut.safetensors');
    await writeFile(path, await readFile(file));
    await truncate(path, 3000);
    await expect(SingleLogitClassifier.fromSafetensors(path, { weight: 'fc.weight' })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FORMAT',
    });
  });
});
