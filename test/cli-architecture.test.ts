import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { architectureOptions, checkArchitecture, expectedPreprocessing } from '../src/cli/architecture-options.js';
import { type OptionValues, parseCommandLine } from '../src/cli/options.js';
import { Model, torchvisionPreprocessing } from '../src/index.js';
import { runCli } from './helpers/run-cli.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-architecture-'));
  await writeTinyIdx(join(directory, 'data')); // 6 × 6 × 1, 4 classes
});
afterAll(() => rm(directory, { recursive: true }));

const train = (...args: string[]) => runCli(['train', 'data', '--batch-size', '16', ...args], { cwd: directory });
const load = (name: string) => Model.load(join(directory, name), { device: 'cpu' });

function parsed(...args: string[]): OptionValues<typeof architectureOptions> {
  return parseCommandLine({ name: 'train', summary: '', positionals: [], options: architectureOptions, examples: [] }, args).values;
}

describe('train --arch', () => {
  it('trains a network for images, which info shows layer by layer', async () => {
    const { code, stdout } = await train('--arch', 'cnn', '--steps', '3', '--out', 'cnn.safetensors', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ steps: 3, out: 'cnn.safetensors' });
    const model = await load('cnn.safetensors');
    expect(model.layers.filter(({ type }) => type === 'conv2d')).toHaveLength(6);
    const info = await runCli(['info', 'cnn.safetensors'], { cwd: directory });
    expect(info.stdout).toMatch(/^answers +4 classes, from 6 × 6 × 1 inputs$/m);
    expect(info.stdout).toContain(' 0  conv2d 5×5     6 × 6 × 128       3,328');
    model.dispose();
  });

  it('starts from weights and trains the head alone if asked to', async () => {
    expect(await train('--hidden', '8', '--steps', '5', '--out', 'first.safetensors')).toMatchObject({ code: 0 });
    // The head is new, the rest is the first model's and stays.
    const same = ['--trainable', 'head', '--hidden', '8', '--weights', 'first.safetensors', '--seed', '2', '--steps', '3'];
    expect(await train(...same, '--out', 'second.safetensors')).toMatchObject({ code: 0 });
    const [first, second] = [await load('first.safetensors'), await load('second.safetensors')];
    for (const name of ['0.weight', '1.bias', '1.running_mean']) expect(second.tensor(name)).toEqual(first.tensor(name));
    expect(second.tensor('3.weight')).not.toEqual(first.tensor('3.weight'));
    const head = await train('--arch', 'cnn', '--trainable', 'head', '--steps', '1', '--out', 'head.safetensors', '--json');
    expect(JSON.parse(head.stdout).parameters).toBe(1024 * 4 + 4);
    const other = await train('--hidden', '9', '--weights', 'first.safetensors', '--steps', '1', '--json');
    expect(other.code).toBe(1);
    expect(JSON.parse(other.stdout).error).toMatchObject({
      code: 'ERR_ONELOGIT_FORMAT',
      message: expect.stringContaining("shape [9, 36] for '0.weight' in first.safetensors"),
    });
    first.dispose();
    second.dispose();
  });

  it('says which images a network is for', async () => {
    const { code, stderr } = await train('--arch', 'alexnet', '--steps', '1');
    expect(code).toBe(1);
    expect(stderr).toMatch(/Expected an image of at least \d+ pixels .* of (conv2d|maxPool) but received/);
  });

  it('says which data an embedding is for', async () => {
    expect(await train('--embedding', '5', '--steps', '1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Expected --embedding only with data whose examples are ids but received it with numbers'),
    });
  });

  it.each([
    [['--arch', 'cnn', '--hidden', '5'], /--hidden only with --arch mlp but received it with cnn/],
    [['--arch', 'resnet50', '--embedding', '5'], /--embedding only with --arch mlp/],
    [['--arch', 'vgg16', '--variant', 'original'], /--variant only with --arch alexnet/],
  ])('refuses options of another network: %j', (args, message) => {
    expect(() => checkArchitecture({ ...parsed(...args), resume: undefined })).toThrow(message);
  });

  it('refuses weights for a run that is continued', () => {
    expect(() => checkArchitecture({ ...parsed('--weights', 'a'), resume: 'b' })).toThrow(/one of --weights and --resume/);
  });

  it("scales images as torchvision's weights expect, where such weights are given", async () => {
    const { imagenet, inceptionV3 } = torchvisionPreprocessing;
    for (const arch of ['alexnet', 'vgg16', 'resnet50', 'resnet101'])
      expect(await expectedPreprocessing(parsed('--arch', arch, '--weights', 'x'))).toBe(imagenet);
    expect(await expectedPreprocessing(parsed('--arch', 'inceptionV3', '--weights', 'x'))).toBe(inceptionV3);
    for (const args of [
      ['--arch', 'resnet50'],
      ['--arch', 'cnn', '--weights', 'x'],
      ['--weights', 'x'],
      ['--arch', 'alexnet', '--variant', 'original', '--weights', 'x'],
    ])
      expect(await expectedPreprocessing(parsed(...args))).toBeUndefined();
    // torchvision subtracts ImageNet's mean first, and undoes it: (x − mean) / sd · sd / 0.5 + (mean − 0.5) / 0.5.
    for (const [c, mean] of imagenet.mean.entries()) {
      const deviation = imagenet.standardDeviation[c]!;
      const normalized = (200 / 255 - mean) / deviation;
      const transformed = normalized * (deviation / 0.5) + (mean - 0.5) / 0.5;
      expect((200 * inceptionV3.scale - inceptionV3.mean) / inceptionV3.standardDeviation).toBeCloseTo(transformed, 12);
    }
  });
});
