import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Output } from '../src/cli/output.js';
import { recordingTo, TableProgress } from '../src/cli/reproduce-progress.js';
import { InterruptedError } from '../src/cli/usage.js';
import type { InMemoryDataset } from '../src/dataset.js';
import { AbortError, OneLogitError } from '../src/errors.js';
import { datasets, type FitResult, Model } from '../src/index.js';
import { findTableData, loadData } from '../src/reproduce/data.js';
import { type ExperimentData, type ExperimentHooks, runLoss } from '../src/reproduce/experiment.js';
import { lossNames, table1, table2 } from '../src/reproduce/paper.js';
import { type Recipe, tableRecipe } from '../src/reproduce/recipe.js';
import { describeRecipe } from '../src/reproduce/report.js';
import { validationOf } from '../src/reproduce/search.js';
import { fingerprintOf, type LossResult, StateDirectory } from '../src/reproduce/state.js';
import { tablePartsOf } from '../src/reproduce/table-plan.js';
import { lossesOf, table1Rows, table1Verdict, table2Rows, tableCells } from '../src/reproduce/tables.js';
import { dataDirectory, mnistDirectory } from './helpers/data.js';
import { readLog, startsOf } from './helpers/log.js';
import { runCli, startCli } from './helpers/run-cli.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-reproduce-'));
});
afterEach(() => rm(directory, { recursive: true }));

const recipe: Recipe = {
  ...tableRecipe('mnist', 60_000),
  hidden: [24],
  batchSize: 32,
  steps: 60,
  searchSteps: 20,
  learningRates: [0.1, 0.01],
};

function glyphs(): ExperimentData {
  return {
    train: datasets.glyphs({ classes: 5, examplesPerClass: 60 }),
    test: datasets.glyphs({ classes: 5, examplesPerClass: 20, split: 'test' }),
  };
}

/** Hooks that write down what was done. */
function recorded(signal = new AbortController().signal) {
  const parts: string[] = [];
  const hooks: ExperimentHooks = { signal, device: 'cpu', onPart: (part) => parts.push(part), onProgress: () => {}, onNote: () => {} };
  return { parts, hooks };
}

describe('runLoss', () => {
  it('chooses by validation accuracy, trains that one and evaluates it both ways', async () => {
    const data = glyphs();
    const state = new StateDirectory(directory, { ...recipe, learningRates: [0.1, 1e-9] });
    const { parts, hooks } = recorded();
    const result = await runLoss('batch-cross-entropy', data, state, hooks);
    expect(parts).toEqual(['search 0.1', 'search 1e-9', 'train', 'evaluate']);
    expect(result).toMatchObject({ learningRate: 0.1, steps: 60, biasInit: 'zeros', device: 'cpu' });
    expect(result.candidates.map(({ learningRate }) => learningRate)).toEqual([0.1, 1e-9]);
    expect(result.candidates[0]!.accuracy!).toBeGreaterThan(result.candidates[1]!.accuracy!);
    expect(result.singleLogit.accuracy).toBeGreaterThan(0.6); // chance is 0.2
    expect(result.singleLogit.accuracy).toBeCloseTo(result.softmax.accuracy, 10); // the order within an example is the same
    // The saved network is the one that was evaluated.
    const model = await Model.load(state.model('batch-cross-entropy'));
    const { oneMinusAuprc } = await model.evaluate(data.test);
    expect(oneMinusAuprc).toBe(result.singleLogit.oneMinusAuprc);
    expect(model.split).toBeNull(); // trained on everything
    model.dispose();
    expect(existsSync(state.checkpoint('batch-cross-entropy'))).toBe(false);
  });

  it('keeps a log of every training, which says what it is of', async () => {
    const log = join(directory, 'run.jsonl');
    const recording = recordingTo(log, 'table1');
    const { hooks } = recorded();
    const state = new StateDirectory(directory, recipe);
    const logged = { ...hooks, recording: (part: 'search' | 'train') => recording('glyphs', 'nce', part)! };
    const result = await runLoss('nce', glyphs(), state, logged);
    const records = readLog(log);
    expect(startsOf(records).map(({ notes }) => notes)).toEqual(
      ['search', 'search', 'train'].map((part) => ({ command: 'onelogit reproduce table1', dataset: 'glyphs', loss: 'nce', part })),
    );
    expect(startsOf(records).map(({ options }) => (options.optimizer as { learningRate: number }).learningRate)).toEqual([
      ...recipe.learningRates,
      result.learningRate,
    ]);
    expect(records.filter(({ record }) => record === 'end')).toMatchObject([
      { outcome: 'done', step: recipe.searchSteps },
      { outcome: 'done', step: recipe.searchSteps },
      { outcome: 'done', step: recipe.steps },
    ]);
  });

  it('drops a learning rate that ends in a loss that is not finite', async () => {
    const state = new StateDirectory(directory, { ...recipe, learningRates: [1e30, 0.1] });
    const result = await runLoss('self-normalization', glyphs(), state, recorded().hooks);
    expect(result.learningRate).toBe(0.1);
    expect(result.candidates[0]).toMatchObject({ learningRate: 1e30, out: expect.stringContaining('finite') });
    expect(result.candidates[0]).not.toHaveProperty('accuracy');
  });

  it('says so when every learning rate does', async () => {
    const state = new StateDirectory(directory, { ...recipe, learningRates: [1e30] });
    await expect(runLoss('self-normalization', glyphs(), state, recorded().hooks)).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_LOSS_NOT_FINITE',
    });
  });

  it('goes on where it was interrupted, to the same result as in one go', async () => {
    const data = glyphs();
    const long: Recipe = { ...recipe, steps: 4000, searchSteps: 2000 };
    const whole = await runLoss('nce', data, new StateDirectory(join(directory, 'whole'), long), recorded().hooks);

    const state = new StateDirectory(join(directory, 'parts'), long);
    for (const stopAt of ['search 0.01', 'train']) {
      const controller = new AbortController();
      const { hooks } = recorded(controller.signal);
      // A moment after the part began: well within it on any machine, since a progress report may come too late on a fast one.
      const interrupted = runLoss('nce', data, state, {
        ...hooks,
        onPart: (part) => {
          if (part === stopAt) setTimeout(() => controller.abort(), 20);
        },
      });
      await expect(interrupted).rejects.toMatchObject({ name: 'AbortError' });
    }
    expect(existsSync(state.checkpoint('nce'))).toBe(true);
    const { parts, hooks } = recorded();
    const resumed = await runLoss('nce', data, state, hooks);
    expect(parts).toEqual(['train', 'evaluate']);
    expect([whole.resumed, resumed.resumed]).toEqual([false, true]);
    for (const key of ['learningRate', 'candidates', 'steps', 'finalLoss', 'singleLogit', 'softmax'] as const)
      expect(resumed[key]).toEqual(whole[key]);
    const again = recorded();
    expect(await runLoss('nce', data, state, again.hooks)).toEqual(resumed);
    expect(again.parts).toEqual([]);
  });

  it('begins anew with another recipe, or from a damaged state', async () => {
    const data = glyphs();
    await runLoss('max-margin', data, new StateDirectory(directory, recipe), recorded().hooks);
    const other = recorded();
    await runLoss('max-margin', data, new StateDirectory(directory, { ...recipe, seed: 2 }), other.hooks);
    expect(other.parts).toHaveLength(4);
    await writeFile(join(directory, 'max-margin.json'), '{"recipe":');
    const damaged = recorded();
    await runLoss('max-margin', data, new StateDirectory(directory, { ...recipe, seed: 2 }), damaged.hooks);
    expect(damaged.parts).toHaveLength(4);
  });

  it('begins anew with other data, and goes on with what was done before data were told apart', async () => {
    const data = glyphs();
    const train = data.train as InMemoryDataset;
    const relabelled = { ...train, labels: train.labels.map((label) => (label + 1) % 5) };
    const stateOf = (dataset: InMemoryDataset) => new StateDirectory(directory, recipe, fingerprintOf([dataset, data.test]));
    await runLoss('max-margin', data, new StateDirectory(directory, recipe), recorded().hooks);
    const same = recorded();
    await runLoss('max-margin', data, stateOf(train), same.hooks);
    expect(same.parts).toEqual([]);
    const other = recorded();
    await runLoss('max-margin', { ...data, train: relabelled }, stateOf(relabelled), other.hooks);
    expect(other.parts).toEqual([]); // nothing had said what data it was of
    const anew = recorded();
    await runLoss('nce', data, stateOf(train), recorded().hooks);
    await runLoss('nce', { ...data, train: relabelled }, stateOf(relabelled), anew.hooks);
    expect(anew.parts).toHaveLength(4);
  });

  it('takes a single learning rate without a search, and goes by its decay', async () => {
    const state = new StateDirectory(directory, {
      ...recipe,
      learningRates: [0.1],
      decay: { everyEpochs: 1, factor: 0.5 },
      searchSteps: 0,
    });
    const { parts, hooks } = recorded();
    let learningRate = 0;
    const result = await runLoss('cross-entropy', glyphs(), state, { ...hooks, onProgress: (progress) => ({ learningRate } = progress) });
    expect(parts).toEqual(['train', 'evaluate']);
    expect(result.candidates).toEqual([{ learningRate: 0.1 }]);
    // Sixty steps of 32 examples are more than six passes over 300.
    expect(learningRate).toBeCloseTo(0.1 * 0.5 ** 6, 12);
  });

  it('learns MNIST digits', async (context) => {
    const data = await loadData('mnist', mnistDirectory(context));
    const result = await runLoss(
      'batch-cross-entropy',
      data,
      new StateDirectory(directory, { ...recipe, hidden: [64], steps: 300, learningRates: [0.1] }),
      recorded().hooks,
    );
    expect(result.singleLogit.accuracy).toBeGreaterThan(0.9);
  });
});

describe('tables', () => {
  const measured = (value: number) => ({
    oneMinusAuprc: value,
    oneMinusPrecisionAt90: value,
    oneMinusPrecisionAt99: value,
    accuracy: 0.98,
    misorderedPairs: 0,
  });
  const result = (singleLogit: number, softmax: number): LossResult => ({
    learningRate: 0.1,
    candidates: [],
    steps: 1,
    seconds: 1,
    resumed: false,
    examplesPerSecond: 1,
    finalLoss: 1,
    biasInit: 'zeros',
    parameters: 1,
    device: 'cpu',
    singleLogit: measured(singleLogit),
    softmax: measured(softmax),
  });
  const results = Object.fromEntries(lossNames.map((loss, i) => [loss, result(i < 2 ? 0.4 : 0.1, 0.05)]));

  it('Table I: every loss beside the paper’s, and the mean relative improvement', () => {
    const rows = table1Rows('mnist', results);
    expect(rows.map(({ label }) => label)).toEqual([...lossNames, 'mean relative improvement']);
    expect(rows[0]).toMatchObject({ ours: { oneMinusAuprc: 0.4 }, paper: table1.mnist.losses['cross-entropy'] });
    expect(rows.at(-1)!.ours!.oneMinusAuprc).toBeCloseTo(0.75, 12);
    expect(rows.at(-1)!.paper).toEqual(table1.mnist.printedImprovement);
    expect(tableCells('table1', 'mnist', results).rows.at(-1)).toEqual([
      'mean relative improvement',
      '75.0 %',
      '75.0 %',
      '75.0 %',
      '82.0 %',
      '91.3 %',
      '88.4 %',
    ]);
  });

  it('Table I: whether the aligned losses beat the others, said plainly', () => {
    expect(table1Verdict(results)).toBe(
      'The aligned losses beat the others on average in every measure: 1-AUPRC 75.0 % lower, 1-P@0.9 75.0 % lower, 1-P@0.99 75.0 % lower. ' +
        'One seed; less than 1 % apart is called level.',
    );
    const mixed = { 'cross-entropy': result(0.1, 0), nce: result(0.1, 0) };
    mixed.nce.singleLogit.oneMinusAuprc = 0.05;
    mixed.nce.singleLogit.oneMinusPrecisionAt99 = 0.15;
    expect(table1Verdict(mixed)).toBe(
      'The aligned losses beat the others on average in 1-AUPRC only: 1-AUPRC 50.0 % lower, 1-P@0.9 level, 1-P@0.99 50.0 % higher (2 of 7 losses). ' +
        'One seed; less than 1 % apart is called level.',
    );
    mixed.nce.singleLogit.oneMinusAuprc = 0.0995;
    expect(table1Verdict(mixed)).toMatch(/in any measure: 1-AUPRC level, /);
    expect(table1Verdict({ 'cross-entropy': result(0, 0), nce: result(0.1, 0) })).toMatch(
      /^The aligned losses do not beat the others on average in any measure: 1-AUPRC higher,/,
    );
    expect(table1Verdict({ 'cross-entropy': result(0, 0), nce: result(0, 0) })).toContain('1-AUPRC level');
    expect(table1Verdict({ nce: result(0, 0) })).toBeUndefined();
  });

  it('Table II: one logit of the aligned losses against all of cross-entropy', () => {
    const rows = table2Rows('mnist', results);
    expect(rows.map(({ ours }) => ours!.oneMinusAuprc)).toEqual([expect.closeTo(0.1, 12), 0.1, 0.05]);
    expect(rows.map(({ paper }) => paper)).toEqual([
      table2.mnist.meanAligned,
      table2.mnist.batchCrossEntropy,
      table2.mnist.crossEntropyAllLogits,
    ]);
    expect(lossesOf('table2', 'mnist')).toEqual(lossNames.filter((loss) => loss !== 'max-margin'));
    expect(lossesOf('table1', 'imagenet')).toEqual(['cross-entropy', 'batch-cross-entropy']);
  });

  it('put the paper’s CIFAR-10 beside its parts and copies', () => {
    expect(table1Rows('cifar10-first4000', results)[0]!.paper).toEqual(table1.cifar10.losses['cross-entropy']);
    expect(table2Rows('cifar10-jpeg', results)[1]!.paper).toEqual(table2.cifar10.batchCrossEntropy);
  });

  it('leave open what was not measured, and what the paper does not have', () => {
    expect(tableCells('table1', 'glyphs', { nce: results.nce! }).rows).toEqual([
      ['nce', '0.1000', '0.1000', '0.1000', '–', '–', '–'],
      ['mean relative improvement', '–', '–', '–', '–', '–', '–'],
    ]);
    expect(tableCells('table2', 'glyphs', { nce: results.nce! }).rows[0]![0]).toBe('mean of the aligned losses (1 of 5)');
  });
});

describe('tableRecipe', () => {
  it('counts in steps or in passes over the training examples', () => {
    expect(tableRecipe('mnist', 60_000)).toMatchObject({
      network: 'mlp',
      hidden: [500, 500],
      batchSize: 128,
      steps: 25_000,
      searchSteps: 1_500,
    });
    // Twelve passes over 3,000 examples, and one over 2,500.
    expect(tableRecipe('cifar10-first4000', 3_000)).toMatchObject({ network: 'cnn', batchSize: 64, steps: 563, searchSteps: 40 });
    expect(tableRecipe('cifar10-first4000', 3_000, { epochs: 0.1, batchSize: 10 })).toMatchObject({ steps: 30, searchSteps: 30 });
    expect(tableRecipe('svhn', 73_257, { epochs: 2, searchSteps: 7, seed: 3 })).toMatchObject({ steps: 1_145, searchSteps: 7, seed: 3 });
    expect(tableRecipe('cifar100', 50_000, { steps: 20 })).toMatchObject({ steps: 20, searchSteps: 20 });
    expect(tableRecipe('imagenet', 1_281_167)).toMatchObject({
      network: 'inceptionV3',
      learningRates: [0.0125],
      searchSteps: 0,
      momentum: 0.9,
    });
  });

  it('is said in words', () => {
    const words = (name: Parameters<typeof tableRecipe>[0], examples: number) =>
      describeRecipe(tableRecipe(name, examples), examples).join('\n');
    for (const part of ['12.01 passes', 'no augmentation', 'without momentum', 'constant', '0.1, 0.01, 0.001'])
      expect(words('cifar10-first4000', 3_000)).toContain(part);
    for (const part of [
      'inception',
      'cropped at random and mirrored',
      'momentum 0.9',
      'times 0.16 every 30 passes',
      '0.0125, without a search',
    ])
      expect(words('imagenet', 1_281_167)).toContain(part);
  });
});

describe('data of the tables', () => {
  it('is found in its directory or under its name', async () => {
    await mkdir(join(directory, 'svhn'));
    expect(findTableData('svhn', directory)).toBeUndefined();
    for (const name of ['train', 'test']) await writeFile(join(directory, 'svhn', `${name}_32x32.mat`), '');
    expect(findTableData('svhn', directory)).toBe(join(directory, 'svhn'));
    expect(findTableData('svhn', join(directory, 'svhn'))).toBe(join(directory, 'svhn'));
    expect(findTableData('cifar100', directory)).toBeUndefined();
    expect(findTableData('glyphs', undefined)).toBe('');
  });

  it('imagenet is a directory of images, with its validation part to test with', async () => {
    const { default: sharp } = await import('sharp');
    for (const path of ['train/cat', 'train/dog', 'val/cat', 'val/dog']) {
      await mkdir(join(directory, 'imagenet', path), { recursive: true });
      const picture = sharp({ create: { width: 60, height: 40, channels: 3, background: path.endsWith('cat') ? '#ff0000' : '#0000ff' } });
      await picture.png().toFile(join(directory, 'imagenet', path, '1.png'));
    }
    const { train, test } = await loadData('imagenet', findTableData('imagenet', directory)!);
    for (const part of [train, test]) {
      expect(part).toMatchObject({ inputShape: [299, 299, 3], classes: 2, length: 2, classNames: ['cat', 'dog'] });
      expect((part as InMemoryDataset).inputs.slice(0, 3)).toEqual(Uint8Array.of(255, 0, 0));
    }
  });

  it('cifar10-first4000 is 3,000 examples and 1,000 others', async (context) => {
    const { train, test } = await loadData('cifar10-first4000', dataDirectory('cifar10-first4000', context));
    const counts = ({ labels }: { labels: Int32Array }) =>
      Array.from({ length: 10 }, (_, c) => labels.filter((label) => label === c).length);
    // As ../shared/data/README.md has them.
    expect(counts(train as InMemoryDataset)).toEqual([299, 287, 322, 285, 311, 279, 312, 297, 308, 300]);
    expect(counts(test as InMemoryDataset)).toEqual([97, 79, 98, 99, 111, 114, 102, 88, 99, 113]);
    expect((train as InMemoryDataset).inputs.slice(0, 7).filter((_, i) => i % 3 === 0)).toEqual(Uint8Array.of(59, 43, 50));
    expect(train.inputShape).toEqual([32, 32, 3]);
  });
});

describe('reading data of the tables', () => {
  it.each(['mnist', 'cifar10-first4000', 'imagenet'] as const)('%s can be interrupted', async (name) => {
    const { signal } = new AbortController();
    const asked: unknown[] = [];
    const load = (async (_: string, options: { signal?: AbortSignal }) => {
      asked.push(options.signal);
      return { length: 60_000, inputs: new Uint8Array(60_000), labels: new Int32Array(60_000), inputShape: [1], classes: 1 };
    }) as unknown as typeof datasets.load;
    await loadData(name, 'somewhere', signal, load);
    expect(asked.length).toBeGreaterThan(0);
    for (const one of asked) expect(one).toBe(signal);
  });
});

describe('tablePartsOf', () => {
  it('is a search for each learning rate, the training and the evaluation, by their operations', () => {
    const recipe = { ...tableRecipe('cifar10-first4000', 3_000), learningRates: [0.1, 0.01] };
    const parts = tablePartsOf(recipe, { trainExamples: 3_000, testExamples: 1_000 });
    expect(parts.map(([part]) => part)).toEqual(['search 0.1', 'search 0.01', 'train', 'evaluate']);
    const [search, , train, evaluate] = parts.map(([, seconds]) => seconds);
    // 563 steps of 64 examples forward and backward, against one pass over 2,500 and a look at 500; and twice 1,000 forward.
    expect(train! / search!).toBeCloseTo((563 * 64 * 3) / (40 * 64 * 3 + 500), 1);
    expect(train! / evaluate!).toBeCloseTo((563 * 64 * 3) / 2_000, 0);
    expect(tablePartsOf({ ...recipe, learningRates: [0.1] }, { trainExamples: 1, testExamples: 1 }).map(([part]) => part)).toEqual([
      'train',
      'evaluate',
    ]);
  });
});

describe('onelogit reproduce', () => {
  const args = (out: string, steps = 30) => [
    'reproduce',
    'table1',
    '--datasets',
    'glyphs',
    '--losses',
    'batch-cross-entropy,cross-entropy',
    '--steps',
    String(steps),
    '--search-steps',
    '3',
    '--out',
    out,
  ];

  it('prints the table, writes JSON and Markdown, and repeats nothing the second time', async () => {
    const log = join(directory, 'run.jsonl');
    const first = await runCli([...args(directory), '--log', log, '--json']);
    expect(first.code).toBe(0);
    expect(startsOf(readLog(log)).map(({ notes }) => `${notes!.loss} ${notes!.part}`)).toEqual(
      ['cross-entropy', 'batch-cross-entropy'].flatMap((loss) => [...Array(4).fill(`${loss} search`), `${loss} train`]),
    );
    const printed = JSON.parse(first.stdout);
    expect(Object.keys(printed.datasets.glyphs.results)).toEqual(['cross-entropy', 'batch-cross-entropy']);
    const written = JSON.parse(await readFile(printed.files.json, 'utf8'));
    expect(written).toMatchObject({ table: 'table1', machine: { blas: expect.any(String) } });
    expect(written.datasets.glyphs.recipe).toMatchObject({ steps: 30, searchSteps: 3 });
    expect(written.notRun).toEqual([
      { what: 'max-margin, self-normalization, nce, binary-cross-entropy, batch-max-margin on glyphs', why: 'not asked for' },
    ]);
    expect(written.command).toContain('onelogit reproduce table1 --datasets glyphs');
    const markdown = await readFile(printed.files.markdown, 'utf8');
    for (const part of [
      '| batch-cross-entropy |',
      'mean relative improvement',
      'on average',
      'without momentum',
      'Not run: max-margin',
      written.machine.cpu,
      written.date,
    ])
      expect(markdown).toContain(part);

    // What was done is not trained again, and so not logged.
    const second = await runCli([...args(directory), '--log', join(directory, 'unused.jsonl')]);
    expect(existsSync(join(directory, 'unused.jsonl'))).toBe(false);
    expect(second.code).toBe(0);
    expect(second.stdout).toMatch(/^Table I/);
    expect(second.stdout).toMatch(/The aligned losses .* \(2 of 7 losses\)\./);
    expect(second.stdout).toContain('Not run: max-margin, self-normalization');
    expect(second.stderr).toContain(
      'glyphs: 2 losses (cross-entropy, batch-cross-entropy), of each 4 learning rates tried for 3 steps each, then 30 steps: 10 runs, 84 steps',
    );
    expect(second.stderr).not.toContain('trying');
    expect(JSON.parse(await readFile(printed.files.json, 'utf8')).datasets).toEqual(written.datasets);
  });

  it('stops when interrupted and says how to go on', async () => {
    const { child, finished } = startCli([...args(directory, 10_000_000), '--json']);
    const state = join(directory, 'state', 'glyphs', 'cross-entropy.json');
    for (let i = 0; i < 6000 && !existsSync(state); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await finished;
    expect(code).toBe(130);
    expect(JSON.parse(stdout).error.code).toBe('ERR_ONELOGIT_INTERRUPTED');
    expect(stderr).toContain('repeat the command');
  });
});

describe('what is said after Ctrl-C', () => {
  it('is that, also where it came after the last step, so that nothing was validated', () => {
    const { signal } = new AbortController();
    const result = { steps: 1 } as FitResult;
    const validation = { accuracy: 0.5, loss: 1 };
    const stopped = new InterruptedError('Interrupted by SIGINT');
    expect(validationOf({ ...result, validation }, AbortSignal.abort(stopped))).toBe(validation);
    expect(validationOf({ ...result, validation }, signal)).toBe(validation);
    expect(() => validationOf(result, AbortSignal.abort(stopped))).toThrow(stopped);
  });

  it('is another failure, if there was one', async () => {
    const controller = new AbortController();
    const state = new StateDirectory(directory, recipe);
    const progress = new TableProgress(new Output(true), controller.signal, 'cpu');
    const show = (error: Error) =>
      progress.show({ label: 'glyphs', dataset: 'glyphs', loss: 'nce', state }, async () => {
        controller.abort();
        throw error;
      });
    const full = new OneLogitError('ERR_ONELOGIT_FILE', 'Expected a writable file but received No space left on device');
    await expect(show(full)).rejects.toBe(full);
    await expect(show(new AbortError('Expected to finish', controller.signal))).rejects.toThrow('Interrupted during nce');
    await expect(show(controller.signal.reason)).rejects.toThrow('Interrupted during nce');
  });
});
