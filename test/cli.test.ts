import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands as entries } from '../src/cli/commands.js';
import { parseCommandLine } from '../src/cli/options.js';
import { Output } from '../src/cli/output.js';
import { command as trainCommand } from '../src/cli/train.js';
import { InterruptedError } from '../src/cli/usage.js';
import { layers, Model } from '../src/index.js';
import { mnistDirectory } from './helpers/data.js';
import { program, runCli, startCli } from './helpers/run-cli.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

const commands = ['quickstart', 'train', 'evaluate', 'calibrate', 'score', 'info', 'download', 'reproduce'];
const root = dirname(dirname(dirname(program)));

let directory: string;
let data: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-cli-'));
  data = join(directory, 'data');
  await writeTinyIdx(data);
});
afterAll(() => rm(directory, { recursive: true }));

const cli = (...args: string[]) => runCli(args, { cwd: directory });

/** The one JSON object that standard output has to be. */
// biome-ignore lint/suspicious/noExplicitAny: what a program printed is looked at field by field
function json(stdout: string): Record<string, any> {
  expect(stdout.endsWith('\n')).toBe(true);
  expect(stdout.trim()).not.toContain('\n');
  return JSON.parse(stdout);
}

/** What numpy.save writes of bytes. */
function npy(shape: string, data: Uint8Array): Uint8Array {
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117);
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]), Buffer.from(`${header}\n`), data]);
}

/** Trains the model that the other commands are tried on. */
const trained = (name: string, ...more: string[]) =>
  cli('train', 'data', '--hidden', '16', '--steps', '60', '--batch-size', '32', '--out', name, ...more);

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('waited for a minute');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('help and version', () => {
  it('lists every command', async () => {
    const { code, stdout, stderr } = await cli('--help');
    expect([code, stderr]).toEqual([0, '']);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect((await cli('help')).stdout).toBe(stdout);
  });

  it.each(commands)('explains %s with its options and examples', async (command) => {
    const { code, stdout, stderr } = await cli(command, '--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: onelogit ${command}`);
    expect(stdout).toContain('--json');
    expect(stdout).toMatch(new RegExp(`\\$ onelogit ${command}`));
    expect((await cli('help', command)).stdout).toBe(stdout);
  });

  it('prints the version', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(await cli('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('helps even where the addon cannot be loaded, and says there why a command cannot run', async () => {
    const copy = join(directory, 'without-addon');
    cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    const run = (...args: string[]) => runCli(args, { cwd: directory, program: join(copy, 'dist/cli/main.js') });
    for (const args of [['--help'], ['--version'], ...commands.map((command) => [command, '--help'])])
      expect(await run(...args)).toMatchObject({ code: 0, stderr: '' });
    const failed = await run('info', '--json');
    expect(failed.code).toBe(1);
    expect(json(failed.stdout).error.code).toBe('ERR_ONELOGIT_ADDON');
    expect(failed.stderr).toContain('To build it');
  });
});

describe('wrong usage', () => {
  it.each([
    [[], /Usage: onelogit COMMAND/],
    [['trian'], /unknown|received 'trian' \(did you mean 'train'\?\)/],
    [['train'], /Expected DATA/],
    [['train', 'data', '--stpes', '5'], /unknown option '--stpes' \(did you mean '--steps'\?\)/],
    [['train', 'data', '--steps', '1.5'], /Expected an integer of at least 1 for --steps but received '1.5'/],
    [['train', 'data', '--steps', '5', '--epochs', '1'], /Expected one of --steps and --epochs but received both/],
    [['train', 'data', '--loss', 'crossentropy'], /did you mean 'cross-entropy'/],
    [
      ['train', 'data', '--loss', 'nce', '--margin', '1'],
      /Expected --margin only with --loss max-margin or batch-max-margin but received it with nce/,
    ],
    [['train', 'data', '--optimizer', 'adam', '--momentum', '0.9'], /Expected --momentum only with --optimizer sgd/],
    [['train', 'data', '--schedule', 'step'], /Expected --schedule-every N with --schedule step/],
    [['train', 'data', '--schedule-minimum', '0.1'], /Expected --schedule-minimum only with --schedule cosine/],
    [['train', 'data', '--checkpoint-every', '5'], /Expected --checkpoint FILE/],
    [['evaluate', 'model'], /Expected DATA/],
    [['evaluate', 'model', 'data', '--scores', 'logits'], /Expected single-logit, softmax for --scores/],
    [['calibrate', 'model', 'data'], /Expected exactly one of --recall and --precision but received neither/],
    [['score', 'model', '--input', 'x.npy'], /Expected --class CLASS/],
    [['score', 'model', '--class', '1'], /Expected exactly one of --input and --data but received neither/],
    [['score', 'model', '--class', '1', '--data', 'data'], /Expected --index N with --data/],
    [['info', 'a', 'b'], /Expected 1 arguments? for info but received also 'b'/],
    [
      ['reproduce', 'table9'],
      /Expected one of table1, table2, table3, figure1, figure2, scale for TARGET but received 'table9' \(did you mean 'table1'\?\)/,
    ],
    [['reproduce', 'table1', '--losses', 'nce,mse'], /--losses but received 'mse'/],
    [['download', 'mnits'], /did you mean 'mnist'/],
  ])('%j exits with 2', async (args, message) => {
    const { code, stdout, stderr } = await cli(...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });

  it('says where help is, after what is wrong', async () => {
    for (const args of [['train'], ['evaluate', 'model'], ['train', 'data', '--stpes', '5']]) {
      const { stderr } = await cli(...args);
      expect(stderr.trim().split('\n').at(-1)).toBe(`Help: onelogit ${args[0]} --help`);
    }
  });

  it('says that MODEL and DATA are in the wrong order', async () => {
    await writeFile(join(directory, 'a-file'), 'x');
    for (const args of [
      ['evaluate', 'data', 'a-file'],
      ['calibrate', 'data', 'a-file', '--recall', '0.9'],
    ])
      expect(await cli(...args)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(
          'Expected MODEL, a file, before DATA, a directory, but received data, a directory, before a-file, a file',
        ),
      });
  });

  it('says what a wrong path is, in words', async () => {
    await writeFile(join(directory, 'a-file'), 'x');
    const file = await cli('train', 'a-file');
    expect(file).toMatchObject({ code: 1, stderr: expect.stringContaining('directory of data at a-file but received: a file') });
    const scale = await cli('reproduce', 'scale', '--data', 'nowhere');
    expect(scale).toMatchObject({ code: 1, stderr: expect.stringMatching(/Expected the data of .* in --data nowhere but found none/) });
    for (const { stderr } of [file, scale]) expect(stderr).not.toMatch(/ENO\w+/);
  });

  it('lays help out for the columns that a pipe is told of', async () => {
    const { stdout } = await runCli(['info', '--help'], { cwd: directory, env: { COLUMNS: '50' } });
    for (const line of stdout.split('\n')) expect(line.startsWith('  $') ? 0 : line.length).toBeLessThanOrEqual(50);
  });

  it('refuses an option of another format', async () => {
    const { code, stdout } = await cli('train', 'data', '--context', '3', '--out', 'unused.safetensors', '--json');
    expect(code).toBe(1);
    expect(json(stdout).error).toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION', message: expect.stringContaining("'context'") });
  });

  it('is one JSON object with --json, too', async () => {
    const { code, stdout } = await cli('train', 'data', '--json', '--stpes', '5');
    expect(code).toBe(2);
    expect(json(stdout)).toEqual({ error: { code: 'ERR_ONELOGIT_USAGE', message: expect.stringContaining('--stpes') } });
  });
});

describe('failures', () => {
  beforeAll(() => symlink('nowhere/model.safetensors', join(directory, 'dangling.safetensors')));

  it.each([
    [['train', 'nowhere'], 'ERR_ONELOGIT_FILE', /nowhere/],
    [['train', 'data', '--out', 'no/such/model.safetensors'], 'ERR_ONELOGIT_FILE', /the directory no\/such does not exist/],
    [['train', 'data', '--out', 'data'], 'ERR_ONELOGIT_FILE', /it is a directory/],
    [['train', 'data', '--out', '/dev/null'], 'ERR_ONELOGIT_FILE', /it is not a regular file/],
    [['train', 'data', '--checkpoint', '/dev/null'], 'ERR_ONELOGIT_FILE', /it is not a regular file/],
    [['train', 'data', '--out', 'dangling.safetensors'], 'ERR_ONELOGIT_FILE', /the directory .*nowhere does not exist/],
    [['train', 'data', '--resume', 'nowhere.safetensors'], 'ERR_ONELOGIT_FILE', /nowhere/],
    [['evaluate', 'nowhere.safetensors', 'data'], 'ERR_ONELOGIT_FILE', /nowhere/],
    [['info', 'data/train-labels-idx1-ubyte'], 'ERR_ONELOGIT_FORMAT', /train-labels/],
    // Where there is a GPU, it is the data that is wrong.
    [['train', 'nowhere', '--device', 'cuda'], expect.stringMatching(/^ERR_ONELOGIT_(DEVICE_UNAVAILABLE|DATASET|FILE)/), /CUDA|nowhere/],
  ])('%j exits with 1 and names what is wrong', async (args, code, message) => {
    const { code: exit, stdout, stderr } = await cli(...args, '--json');
    expect(exit).toBe(1);
    expect(json(stdout)).toEqual({ error: { code, message: expect.stringMatching(message) } });
    expect(stderr).toMatch(message);
  });
});

describe('from training to an answer', () => {
  it('trains, evaluates, calibrates, scores and describes', async () => {
    const train = await trained('chain.safetensors', '--validation', '0.2', '--seed', '3', '--json');
    expect(train.code).toBe(0);
    expect(json(train.stdout)).toMatchObject({
      steps: 60,
      device: 'cpu',
      out: 'chain.safetensors',
      loss: 'batch-cross-entropy',
      finalLoss: expect.any(Number),
      seconds: expect.any(Number),
      examplesPerSecond: expect.any(Number),
      validation: { accuracy: expect.any(Number) },
    });

    const evaluate = json((await cli('evaluate', 'chain.safetensors', 'data', '--json')).stdout);
    expect(evaluate).toMatchObject({
      examples: 100,
      classes: 4,
      loss: 'batch-cross-entropy',
      scores: 'single-logit',
      classesWithoutPositives: 0,
    });
    for (const name of ['accuracy', 'oneMinusAuprc', 'oneMinusPrecisionAt90', 'oneMinusPrecisionAt99', 'misorderedPairs']) {
      expect(evaluate[name]).toBeGreaterThanOrEqual(0);
      expect(evaluate[name]).toBeLessThanOrEqual(1);
    }
    expect(evaluate.accuracy).toBeGreaterThan(0.9); // the patterns are far apart
    expect(json((await cli('evaluate', 'chain.safetensors', 'data', '--scores', 'softmax', '--json')).stdout).scores).toBe('softmax');
    const human = await cli('evaluate', 'chain.safetensors', 'data', '--worst', '2');
    expect(human.stdout).toMatch(/accuracy +1-AUPRC +1-P@0.9 +1-P@0.99/);
    expect(human.stdout).toMatch(/all pairs in one ranking +\d\.\d{4} /);
    expect(evaluate).toMatchObject({
      classesWithPositives: 4,
      atLeastFivePositives: { classes: 4, oneMinusAuprc: evaluate.oneMinusAuprc },
      pooled: { negativesPerExample: 'all', negatives: 300, oneMinusAuprc: expect.any(Number) },
    });
    const sampled = json((await cli('evaluate', 'chain.safetensors', 'data', '--negatives', '2', '--json')).stdout);
    expect(sampled.pooled).toMatchObject({ negativesPerExample: 2, negatives: 200 });
    expect(human.stdout).toContain('Hardest 2');

    const before = json((await cli('score', 'chain.safetensors', '--class', '1', '--data', 'data', '--index', '5', '--json')).stdout);
    expect(before).toMatchObject({ class: 1, label: 1, logit: expect.any(Number) });
    expect(before).not.toHaveProperty('threshold');

    const calibrate = await cli('calibrate', 'chain.safetensors', 'data', '--recall', '0.9', '--json');
    expect(calibrate.code).toBe(0);
    expect(json(calibrate.stdout)).toMatchObject({ classes: 4, examples: 80, split: 'validation', recall: 0.9, out: 'chain.safetensors' });

    const held = await cli(
      'calibrate',
      'chain.safetensors',
      'data',
      '--recall',
      '0.9',
      '--held-out',
      'test',
      '--out',
      'held.safetensors',
      '--json',
    );
    expect(json(held.stdout).heldOut).toMatchObject({ split: 'test', classes: 4, classesWithPositives: 4, recall: expect.any(Number) });
    const printed = await cli(
      'calibrate',
      'chain.safetensors',
      'data',
      '--recall',
      '0.9',
      '--held-out',
      'test',
      '--out',
      'held.safetensors',
    );
    expect(printed.stdout).toMatch(/^On \d+ others \(test\): [0-4] of 4 classes reach it; recall [01]\.\d{4}, precision [01]\.\d{4}$/m);
    const same = await cli('calibrate', 'chain.safetensors', 'data', '--recall', '0.9', '--held-out', 'validation');
    expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining('--held-out') });

    const after = json((await cli('score', 'chain.safetensors', '--class', '1', '--data', 'data', '--index', '5', '--json')).stdout);
    expect(after).toMatchObject({
      class: 1,
      label: 1,
      logit: before.logit,
      threshold: expect.any(Number),
      matches: before.logit >= after.threshold,
    });
    const text = await cli('score', 'chain.safetensors', '--class', '1', '--data', 'data', '--index', '5');
    expect(text.stdout).toMatch(/^class 1: (yes|no): logit -?[\d.]+, threshold -?[\d.]+, its label is 1\n$/);

    const info = json((await cli('info', 'chain.safetensors', '--json')).stdout);
    expect(info.model).toMatchObject({
      inputShape: [6, 6, 1],
      classes: 4,
      calibrated: true,
      aligned: true,
      split: { fraction: 0.2, seed: 3, length: 400 },
      training: { optimizer: { name: 'sgd', momentum: 0.9 }, schedule: { name: 'constant' }, seed: 3, examples: 320, earlierFits: 0 },
    });
    const described = (await cli('info', 'chain.safetensors')).stdout;
    expect(described).toContain('batch-cross-entropy; aligned');
    expect(described).toMatch(/^optimizer +sgd, learningRate [\d.]+, weightDecay 0, momentum 0\.9, nesterov false$/m);
    expect(described).toMatch(/^steps +[\d,]+, of \d+ examples each: [\d,.]+ epochs of 320 examples$/m);
  });

  it('scores what numpy saved: one example or several', async () => {
    await trained('npy.safetensors');
    const images = (await readFile(join(data, 't10k-images-idx3-ubyte'))).subarray(16);
    await writeFile(join(directory, 'one.npy'), npy('(6, 6)', images.subarray(36 * 5, 36 * 6)));
    await writeFile(join(directory, 'many.npy'), npy('(3, 36)', images.subarray(36 * 4, 36 * 7)));
    await writeFile(join(directory, 'wrong.npy'), npy('(7,)', images.subarray(0, 7)));
    const [one, many, example] = [
      json((await cli('score', 'npy.safetensors', '--class', '2', '--input', 'one.npy', '--json')).stdout),
      json((await cli('score', 'npy.safetensors', '--class', '2', '--input', 'many.npy', '--json')).stdout),
      json((await cli('score', 'npy.safetensors', '--class', '2', '--data', 'data', '--index', '5', '--json')).stdout),
    ];
    expect(one).toEqual({ class: 2, logit: expect.any(Number) });
    expect(one.logit).toBe(example.logit);
    expect(many.results).toHaveLength(3);
    expect(many.results[1].logit).toBeCloseTo(one.logit, 4);
    const wrong = await cli('score', 'npy.safetensors', '--class', '2', '--input', 'wrong.npy');
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('Expected 36 elements') });
    expect(await cli('score', 'npy.safetensors', '--class', '4', '--input', 'one.npy')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('from 0 to 3'),
    });
    expect(await cli('score', 'npy.safetensors', '--class', 'cat', '--input', 'one.npy')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("received 'cat'"),
    });
  });

  it('refuses to score an example of another size than the model takes', async () => {
    await trained('small.safetensors');
    const larger = await mkdtemp(join(directory, 'larger-'));
    await writeFile(join(larger, 'x_test.npy'), npy('(5, 12, 6)', new Uint8Array(360)));
    await writeFile(join(larger, 'y_test.npy'), npy('(5,)', new Uint8Array(5)));
    const { code, stdout } = await cli('score', 'small.safetensors', '--class', '2', '--data', larger, '--index', '1', '--json');
    expect(code).toBe(1);
    expect(json(stdout).error).toEqual({
      code: 'ERR_ONELOGIT_LENGTH',
      message: `Expected examples of 6 × 6 × 1, as the model takes them, in ${larger} but received 12 × 6`,
    });
  });

  it('asks for a split where none is recorded, and for the data it was trained on', async () => {
    await trained('unsplit.safetensors');
    const refused = await cli('calibrate', 'unsplit.safetensors', 'data', '--recall', '0.9');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--split') });
    expect(
      (await cli('calibrate', 'unsplit.safetensors', 'data', '--recall', '0.9', '--split', 'train', '--out', 'calibrated.safetensors'))
        .code,
    ).toBe(0);
    expect(existsSync(join(directory, 'calibrated.safetensors'))).toBe(true);

    await trained('split.safetensors', '--validation', '0.2');
    await writeTinyIdx(join(directory, 'other'), { train: 200 });
    const other = await cli('calibrate', 'split.safetensors', 'other', '--recall', '0.9', '--json');
    expect(json(other.stdout).error).toMatchObject({ code: 'ERR_ONELOGIT_SPLIT', message: expect.stringContaining('400 examples') });
  });

  it('calibrates on the validation part that the data have, where it is asked for and nothing was set aside', async () => {
    await trained('own.safetensors');
    const own = await mkdtemp(join(directory, 'own-'));
    const images = (await readFile(join(data, 't10k-images-idx3-ubyte'))).subarray(16);
    const labels = (await readFile(join(data, 't10k-labels-idx1-ubyte'))).subarray(8);
    for (const [split, examples] of [
      ['train', 30],
      ['val', 20],
    ] as const) {
      await writeFile(join(own, `x_${split}.npy`), npy(`(${examples}, 6, 6, 1)`, images.subarray(0, 36 * examples)));
      await writeFile(join(own, `y_${split}.npy`), npy(`(${examples},)`, labels.subarray(0, examples)));
    }
    const calibrate = (...more: string[]) =>
      cli('calibrate', 'own.safetensors', ...more, '--recall', '0.9', '--out', 'calibrated.safetensors', '--json');
    expect(json((await calibrate(own)).stdout).error.code).toBe('ERR_ONELOGIT_SPLIT');
    expect(json((await calibrate(own, '--split', 'validation')).stdout)).toMatchObject({ split: 'validation', examples: 20 });
    expect(json((await calibrate(own, '--split', 'train', '--held-out', 'validation')).stdout)).toMatchObject({
      examples: 30,
      heldOut: { split: 'validation', examples: 20 },
    });
    expect(json((await calibrate('data', '--split', 'validation')).stdout).error.message).toContain('no validation part of its own');
  });

  it('draws the noise of nce from the seed, too', async () => {
    expect((await trained('noise.safetensors', '--loss', 'nce', '--num-sampled', '2', '--seed', '7')).code).toBe(0);
    using model = await Model.load(join(directory, 'noise.safetensors'));
    expect(model.loss).toMatchObject({ name: 'nce', numSampled: 2, seed: 7 });
  });

  it('trains the same bits for the same seed', async () => {
    await trained('a.safetensors', '--seed', '9');
    await trained('b.safetensors', '--seed', '9');
    await trained('c.safetensors', '--seed', '10');
    const [a, b, c] = ['a', 'b', 'c'].map((name) => readFileSync(join(directory, `${name}.safetensors`)));
    expect(a!.equals(b!)).toBe(true);
    expect(a!.equals(c!)).toBe(false);
  });
});

describe('quickstart', () => {
  it('compares the two losses, asks one question and says what to try next', async () => {
    const { code, stdout, stderr } = await cli('quickstart', '--data', 'data', '--steps', '30');
    expect(stderr).not.toContain('onelogit:');
    expect(code).toBe(0);
    expect(stdout).toMatch(/loss +1-AUPRC +1-P@0.9 +1-P@0.99 +accuracy\ncross-entropy +0\.\d{4} .*\nbatch-cross-entropy +0\.\d{4} /);
    expect(stdout).toMatch(/Is this a 3\? {2}(Yes, and it is|No, but it is): its logit is -?[\d.]+, the threshold -?[\d.]+/);
    expect(stdout).toMatch(
      /Of [\d,]+ test images of this class [\d,]+ are recognised; of the [\d,]+ others [\d,]+ (is|are) mistaken for one\./,
    );
    expect(stdout).toMatch(/One question takes \d+ µs/);
    expect(stdout).toContain('npx onelogit train data');
  });

  it('says it all in one object with --json', async () => {
    const result = json((await cli('quickstart', '--data', 'data', '--steps', '30', '--json')).stdout);
    expect(Object.keys(result.losses)).toEqual(['cross-entropy', 'batch-cross-entropy']);
    expect(result.question).toMatchObject({ class: 3, label: 3, logit: expect.any(Number), matches: expect.any(Boolean) });
    const { ofClass, ofOthers } = result.question;
    expect(ofClass.matches).toBeLessThanOrEqual(ofClass.examples);
    // As the test data have them; a network of 30 steps is right more often than not.
    expect(ofClass.matches / ofClass.examples).toBeGreaterThan(ofOthers.matches / ofOthers.examples);
  });

  it('says what the data are: files named as MNIST’s are not MNIST for that', async () => {
    const { stdout } = await cli('quickstart', '--data', 'data', '--steps', '5');
    expect(stdout).toContain('Data: 400 training and 100 test images of 4 classes, 6 × 6 × 1, from data (idx)\n');
    expect(stdout).not.toMatch(/MNIST|digits/);
    expect(json((await cli('quickstart', '--data', 'data', '--steps', '5', '--json')).stdout)).toMatchObject({ data: 'idx', classes: 4 });
    await writeTinyIdx(join(directory, 'two'), { classes: 2 });
    const two = await cli('quickstart', '--data', 'two', '--steps', '5');
    expect(two.stderr).not.toContain('onelogit:');
    expect(two.stdout).toContain('Is this a 0?');
    expect(two.stdout).toContain('Of 50 test images of this class');
  });

  it('knows MNIST by its labels', async (context) => {
    const mnist = mnistDirectory(context);
    const { stdout } = await cli('quickstart', '--data', mnist, '--steps', '1');
    expect(stdout).toContain(`Data: MNIST, 60,000 training and 10,000 test images of digits, from ${mnist}\n`);
  });

  it('fails for a directory without data that was asked for, instead of taking other data', async () => {
    expect(await cli('quickstart', '--data', 'nowhere')).toMatchObject({ code: 1, stderr: expect.stringContaining('nowhere') });
  });
});

describe('download', () => {
  it('says what the mirror answered, and leaves nothing under the right name', async () => {
    const server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const { code, stdout } = await cli('download', 'mnist', '--to', 'downloaded', '--mirror', `http://127.0.0.1:${port}/`, '--json');
      expect(code).toBe(1);
      expect(json(stdout).error).toMatchObject({ code: 'ERR_ONELOGIT_DOWNLOAD', message: expect.stringContaining('404') });
      expect(existsSync(join(directory, 'downloaded/train-images-idx3-ubyte.gz'))).toBe(false);
    } finally {
      server.close();
    }
  });

  it('fetches nothing that is there', async (context) => {
    const { code, stdout } = await cli('download', 'mnist', '--to', mnistDirectory(context), '--mirror', 'http://127.0.0.1:9/', '--json');
    expect(code).toBe(0);
    expect(json(stdout)).toMatchObject({ name: 'mnist', files: expect.arrayContaining(['train-images-idx3-ubyte.gz']) });
  });
});

describe('interruption', () => {
  const long = ['train', 'data', '--hidden', '16', '--steps', '100000000', '--batch-size', '32'];

  it.each(['SIGINT', 'SIGTERM'] as const)('%s: exits with 130, and the checkpoint loads and can be continued', async (signal) => {
    const checkpoint = join(directory, `${signal}.checkpoint.safetensors`);
    const out = `${signal}.safetensors`;
    const { child, finished } = startCli([...long, '--out', out, '--checkpoint', checkpoint, '--checkpoint-every', '50', '--json'], {
      cwd: directory,
    });
    await until(() => existsSync(checkpoint));
    child.kill(signal);
    const { code, stdout, stderr } = await finished;
    expect(code).toBe(130);
    const { error } = json(stdout);
    expect(error).toMatchObject({ code: 'ERR_ONELOGIT_INTERRUPTED', checkpoint, step: expect.any(Number) });
    expect(stderr).toContain(`--resume ${checkpoint}`);
    expect(existsSync(join(directory, out))).toBe(false);
    const model = await Model.load(checkpoint);
    expect(model.classes).toBe(4);
    model.dispose();
  });

  it('says that a checkpoint could not be written, instead of where it is', async () => {
    const gone = await mkdtemp(join(directory, 'gone-'));
    const log = join(directory, 'gone.jsonl');
    const files = ['--out', 'never.safetensors', '--checkpoint', join(gone, 'checkpoint.safetensors'), '--log', log];
    const { child, finished } = startCli([...long, ...files, '--checkpoint-every', '100000000', '--json'], { cwd: directory });
    await until(() => existsSync(log) && readFileSync(log, 'utf8').includes('"record":"step"'));
    await rm(gone, { recursive: true });
    child.kill('SIGINT');
    const { code, stdout, stderr } = await finished;
    expect(code).toBe(1);
    expect(json(stdout).error.code).toBe('ERR_ONELOGIT_FILE');
    expect(stderr).not.toContain('--resume');
  });

  it('is one before there is anything to continue, too', async () => {
    const { values, positionals } = parseCommandLine(trainCommand.spec, [data, '--checkpoint', join(directory, 'early.safetensors')]);
    const run = (signal: AbortSignal, note: () => void = () => {}) =>
      trainCommand.run({ values, positionals, output: Object.assign(new Output(false), { note }), signal });
    // While the data is read, and after that.
    await expect(run(AbortSignal.abort())).rejects.toEqual(new InterruptedError('Interrupted'));
    const controller = new AbortController();
    await expect(run(controller.signal, () => controller.abort())).rejects.toEqual(
      new InterruptedError('Interrupted before the first step', { step: 0 }),
    );
    expect(existsSync(join(directory, 'early.safetensors'))).toBe(false);
  });

  it('hides nothing else that fails after it', async () => {
    const [path, out] = ['untrained', 'converted'].map((name) => join(directory, `${name}.safetensors`)) as [string, string];
    using model = Model.sequential({ inputShape: [6, 6, 1], layers: [layers.flatten(), layers.dense(4)] });
    await model.save(path);
    for (const args of [
      ['evaluate', path, data],
      ['calibrate', path, data, '--recall', '0.9', '--split', 'test'],
      ['convert', path, '--storage', 'int8', '--out', out],
    ]) {
      const command = await entries
        .find(({ name }) => name === args[0])!
        .load()
        .then((loaded) => loaded.command);
      const { values, positionals } = parseCommandLine(command.spec, args.slice(1));
      const controller = new AbortController();
      const broken = new Error('broken');
      const result = () => {
        controller.abort(new InterruptedError('Interrupted by SIGINT'));
        throw broken;
      };
      const output = Object.assign(new Output(true), { result });
      await expect(command.run({ values, positionals, output, signal: controller.signal })).rejects.toBe(broken);
    }
  });

  it('of convert says what has been written', async () => {
    const [path, out] = ['original', 'interrupted'].map((name) => join(directory, `${name}.safetensors`)) as [string, string];
    using model = Model.sequential({ inputShape: [6, 6, 1], layers: [layers.flatten(), layers.dense(4)] });
    await model.save(path);
    const { command } = await entries.find(({ name }) => name === 'convert')!.load();
    const { values, positionals } = parseCommandLine(command.spec, [path, '--storage', 'int8', '--out', out, '--data', data]);
    // As soon as the file is there.
    const signal = Object.defineProperty(new AbortController().signal, 'aborted', { get: () => existsSync(out) });
    await expect(command.run({ values, positionals, output: new Output(true), signal })).rejects.toEqual(
      new InterruptedError(`Interrupted; ${out} is written, its average precision is not known`),
    );
  });

  it('continues a checkpoint to the same bits as an uninterrupted run', async () => {
    const common = ['train', 'data', '--hidden', '16', '--batch-size', '32', '--momentum', '0.9'];
    await cli(...common, '--steps', '80', '--out', 'whole.safetensors');
    const first = await cli(...common, '--steps', '50', '--out', 'unused.safetensors', '--checkpoint', 'half.safetensors');
    expect(first.code).toBe(0);
    const resumed = await cli(...common, '--steps', '80', '--out', 'resumed.safetensors', '--resume', 'half.safetensors');
    expect(resumed.code).toBe(0);
    expect(readFileSync(join(directory, 'resumed.safetensors')).equals(readFileSync(join(directory, 'whole.safetensors')))).toBe(true);
    const otherSeed = await cli(
      ...common,
      '--steps',
      '80',
      '--seed',
      '2',
      '--out',
      'unused.safetensors',
      '--resume',
      'half.safetensors',
      '--json',
    );
    expect(json(otherSeed.stdout).error.code).toBe('ERR_ONELOGIT_CHECKPOINT');
  });

  it('a second signal quits at once', async () => {
    const { child, finished } = startCli([...long, '--out', 'never.safetensors'], { cwd: directory });
    let stderr = '';
    let sent = 0;
    child.stderr.on('data', (chunk: string) => {
      stderr += chunk;
      if (sent === 0 && stderr.includes('parameters;')) sent = Number(child.kill('SIGINT'));
      if (sent === 1 && stderr.includes('Stopping')) sent += Number(child.kill('SIGINT'));
    });
    const { code, signal } = await finished;
    // Once the process is past its last statement, the signal itself ends it: 130 to a shell as well. Never a crash.
    expect(signal === 'SIGINT' ? 130 : code).toBe(130);
    expect(sent).toBe(2);
    expect(existsSync(join(directory, 'never.safetensors'))).toBe(false);
  });
});

describe('a reader that goes away', () => {
  it('does not fail the work', async () => {
    const { child, finished } = startCli(['train', 'data', '--hidden', '16', '--steps', '50', '--out', 'piped.safetensors'], {
      cwd: directory,
    });
    child.stdout.destroy();
    child.stderr.destroy();
    expect((await finished).code).toBe(0);
    expect((await stat(join(directory, 'piped.safetensors'))).size).toBeGreaterThan(1000);
  });
});

describe.skipIf(!existsSync('/dev/full'))('a full disk', () => {
  const redirected = (line: string) =>
    promisify(execFile)('sh', ['-c', line, 'sh', process.execPath, program], { cwd: directory }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );

  it('under standard error does not end the work', async () => {
    const line = '"$@" train data --hidden 16 --steps 50 --out full.safetensors 2> /dev/full';
    expect(await redirected(line)).toMatchObject({ code: 0, stdout: expect.stringContaining('Saved full.safetensors') });
    expect(existsSync(join(directory, 'full.safetensors'))).toBe(true);
  });

  it('under standard output is a failure in one line', async () => {
    const { code, stderr } = await redirected('"$@" info > /dev/full');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^onelogit: Expected standard output that can be written but received: ENOSPC.*\n$/);
  });
});
