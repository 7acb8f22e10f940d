import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lossNames } from '../src/reproduce/paper.js';
import { Plan } from '../src/reproduce/plan.js';
import { findScaleData, loadScaleData } from '../src/reproduce/scale-data.js';
import { partsLeft, runScaleLoss, type ScaleHooks, scaleState } from '../src/reproduce/scale-experiment.js';
import { partsOf } from '../src/reproduce/scale-plan.js';
import { type ScaleRecipe, scaleRecipe } from '../src/reproduce/scale-recipe.js';
import { relativeImprovement, type ScaleReport, scaleMarkdown } from '../src/reproduce/scale-report.js';
import { dataDirectory } from './helpers/data.js';
import { runCli, startCli } from './helpers/run-cli.js';
import { scaleDirectory } from './helpers/scale-data.js';

const data = scaleDirectory();
afterAll(() => data[Symbol.dispose]());

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), 'onelogit-scale-'));
});
afterEach(() => rm(out, { recursive: true }));

const everything = Number.POSITIVE_INFINITY;
const fb = 'fb15k-237';
const load = (most = everything) => loadScaleData(findScaleData(fb, data.directory)!, most);

function recorded(signal = new AbortController().signal) {
  const parts: string[] = [];
  const hooks: ScaleHooks = { signal, commit: 'abc', onPart: (part) => parts.push(part), onProgress: () => {}, onNote: () => {} };
  return { parts, hooks };
}

const small = (choices: Parameters<typeof scaleRecipe>[2] = {}): ScaleRecipe => ({
  ...scaleRecipe(fb, 500, { steps: 40, ...choices }),
  batchSize: 32,
});

describe('scaleRecipe', () => {
  it('has as many steps as its passes take, and a tenth of them for each candidate', () => {
    expect(scaleRecipe('fb15k-237', 272_115, {})).toMatchObject({ steps: 3_189, searchSteps: 319, batchSize: 512, weightDecay: 0.01 });
    expect(scaleRecipe('nell-995', 149_678, {})).toMatchObject({ steps: 878, searchSteps: 88 });
    expect(scaleRecipe('classic-books', 14_000_000, {})).toMatchObject({ steps: 800, searchSteps: 80 });
    expect(scaleRecipe('nell-995', 149_678, { steps: 3, seed: 5 })).toMatchObject({ steps: 3, searchSteps: 1, seed: 5 });
  });
});

describe('runScaleLoss', () => {
  it('searches, trains, evaluates both ways, filtered, and repeats nothing', async () => {
    const loaded = await load();
    const state = scaleState(out, small());
    const { parts, hooks } = recorded();
    const result = await runScaleLoss('batch-cross-entropy', loaded, state, hooks);
    expect(parts).toEqual(['search 0.001', 'search 0.003', 'search 0.01', 'train', 'single-logit', 'softmax']);
    expect(result).toMatchObject({ steps: 40, biasInit: 'zeros', resumed: 0, commit: 'abc', singleLogit: { scores: 'single-logit' } });
    expect(result.singleLogit.examples).toBe(loaded.test.length);
    expect(
      result.candidates
        .map(({ accuracy }) => accuracy)
        .toSorted()
        .at(-1),
    ).toBe(result.candidates.find(({ learningRate }) => learningRate === result.learningRate)!.accuracy);
    expect(existsSync(state.checkpoint('batch-cross-entropy'))).toBe(false);
    const again = recorded();
    expect(await runScaleLoss('batch-cross-entropy', loaded, state, again.hooks)).toEqual(result);
    expect(again.parts).toEqual([]);
    // Other examples: only evaluated anew, by the network that is there.
    const fewer = await load(20);
    expect(await partsLeft('batch-cross-entropy', state, 20)).toEqual(['single-logit', 'softmax']);
    const other = recorded();
    const evaluated = await runScaleLoss('batch-cross-entropy', fewer, state, other.hooks);
    expect(other.parts).toEqual(['single-logit', 'softmax']);
    expect(evaluated.singleLogit.examples).toBe(20);
    expect(evaluated.finalLoss).toBe(result.finalLoss);
    // Without the network it is trained again, with the learning rate that was found.
    await unlink(state.model('batch-cross-entropy'));
    const lost = recorded();
    const trained = await runScaleLoss('batch-cross-entropy', loaded, state, lost.hooks);
    expect(lost.parts).toEqual(['train', 'single-logit', 'softmax']);
    expect(trained.singleLogit.oneMinusAuprc).toBe(result.singleLogit.oneMinusAuprc);
  });

  it('goes on where it was interrupted, to the same numbers', async () => {
    const loaded = await load();
    const long = small({ steps: 1_500, searchSteps: 10 });
    const whole = await runScaleLoss('cross-entropy', loaded, scaleState(join(out, 'whole'), long), recorded().hooks);
    const state = scaleState(join(out, 'parts'), long);
    for (const stopAt of ['search 0.003', 'train', 'softmax']) {
      const controller = new AbortController();
      const { hooks } = recorded(controller.signal);
      const interrupted = runScaleLoss('cross-entropy', loaded, state, {
        ...hooks,
        onPart: (part) => part === stopAt && stopAt !== 'train' && controller.abort(),
        onProgress: ({ steps }) => steps === long.steps && stopAt === 'train' && controller.abort(),
      });
      await expect(interrupted).rejects.toMatchObject({ name: 'AbortError' });
      if (stopAt === 'search 0.003') expect(await partsLeft('cross-entropy', state, loaded.test.length)).toHaveLength(5);
      if (stopAt === 'train') expect(existsSync(state.checkpoint('cross-entropy'))).toBe(true);
    }
    const { parts, hooks } = recorded();
    const resumed = await runScaleLoss('cross-entropy', loaded, state, hooks);
    expect(parts).toEqual(['softmax']);
    expect(resumed.resumed).toBe(1);
    for (const key of ['learningRate', 'steps'] as const) expect(resumed[key]).toBe(whole[key]);
    // To rounding: rows of the embedding that rest are brought up to date at a checkpoint, and the interrupted one is at a step of its own.
    expect(resumed.finalLoss).toBeCloseTo(whole.finalLoss, 5);
    for (const way of ['singleLogit', 'softmax'] as const) {
      expect(resumed[way].oneMinusAuprc).toBeCloseTo(whole[way].oneMinusAuprc, 3);
      expect(resumed[way].pooled.oneMinusAuprc).toBeCloseTo(whole[way].pooled.oneMinusAuprc, 3);
    }
  });

  it('begins anew with another recipe', async () => {
    const loaded = await load();
    await runScaleLoss('nce', loaded, scaleState(out, small()), recorded().hooks);
    const { parts, hooks } = recorded();
    const result = await runScaleLoss('nce', loaded, scaleState(out, small({ seed: 2 })), hooks);
    expect(parts).toHaveLength(6);
    expect(result.biasInit).toBe('prior');
  });

  it('runs on FB15K-237', async (context) => {
    const loaded = await loadScaleData(dataDirectory('knowledge-graphs/FB15K237', context), 300);
    expect(loaded).toMatchObject({ testOf: 20_466, validationOf: 17_535, vocabulary: 14_541 + 237 });
    expect([loaded.train.classes, loaded.validation.length, loaded.test.length]).toEqual([14_541, 5_000, 300]);
    const recipe = { ...scaleRecipe(fb, loaded.train.length, { steps: 8 }), learningRates: [0.01] };
    for (const loss of ['nce', 'batch-cross-entropy'] as const) {
      const { singleLogit, softmax } = await runScaleLoss(loss, loaded, scaleState(out, recipe), recorded().hooks);
      for (const { pooled, oneMinusAuprc, accuracy } of [singleLogit, softmax])
        for (const value of [pooled.oneMinusAuprc, oneMinusAuprc, accuracy]) expect(value >= 0 && value <= 1).toBe(true);
    }
  });
});

describe('Plan', () => {
  it('says what is left of the whole run at the pace of what has ended', () => {
    let clock = 0;
    const plan = new Plan(() => clock);
    for (const [key, seconds] of [
      ['a', 10],
      ['b', 20],
      ['c', 30],
      ['d', 40],
    ] as const)
      plan.add(key, seconds);
    plan.skip('a');
    plan.begin('b');
    clock = 20; // half of it in twice the time
    expect(plan.state({ share: 0.5, secondsLeft: 20 })).toEqual({ done: 20, total: 100, secondsLeft: 20 + 70 * 2 });
    clock = 40;
    plan.begin('c');
    expect(plan.state({ share: 0, secondsLeft: 60 })).toEqual({ done: 30, total: 100, secondsLeft: 60 + 80 });
    clock = 70; // a part that does not say how far it is
    expect(plan.state()).toEqual({ done: 45, total: 100, secondsLeft: 30 + 80 });
    clock = 200;
    expect(plan.state()).toEqual({ done: 60, total: 100, secondsLeft: 80 });
  });

  it('knows the parts of a loss', () => {
    const parts = partsOf('max-margin', small(), 100);
    expect(parts.map(([part]) => part)).toEqual(['search 0.001', 'search 0.003', 'search 0.01', 'train', 'single-logit', 'softmax']);
    expect(parts.every(([, seconds]) => seconds > 0)).toBe(true);
  });
});

describe('onelogit reproduce scale', () => {
  const args = (...more: string[]) => ['reproduce', 'scale', '--data', data.directory, '--out', out, '--steps', '20', ...more];

  it('runs all that is there, says what is not, writes what is in the state, and repeats nothing', async () => {
    const first = await runCli(args('--json', '--examples', '100'));
    expect(first.stderr).toContain('nell-995 is skipped: there is no knowledge-graphs/NELL-995 in');
    expect(first.code).toBe(0);
    const printed = JSON.parse(first.stdout) as ScaleReport & { files: { json: string; markdown: string } };
    const { files, ...report } = printed;
    expect(JSON.parse(await readFile(files.json, 'utf8'))).toEqual(report);
    expect(Object.keys(report.datasets)).toEqual(['fb15k-237', 'classic-books']);
    expect(report).toMatchObject({ table: 'scale', machine: { blas: expect.any(String) } });
    for (const [name, task] of Object.entries(report.datasets)) {
      expect(Object.keys(task.results)).toEqual([...lossNames]);
      expect(task.filtered).toBe(name === 'fb15k-237');
      for (const [loss, result] of Object.entries(task.results)) {
        const state = JSON.parse(await readFile(join(out, 'state', name, `${loss}.json`), 'utf8'));
        expect({ ...state.result.training, singleLogit: state.result.singleLogit, softmax: state.result.softmax }).toEqual({
          ...result,
          candidates: undefined,
        });
        expect(state.candidates).toEqual(result.candidates);
      }
    }
    const markdown = await readFile(files.markdown, 'utf8');
    const { results, recipe } = report.datasets['fb15k-237']!;
    for (const part of [
      `| nce | ${results.nce!.singleLogit.accuracy.toFixed(4)} | ${results.nce!.singleLogit.oneMinusAuprc.toFixed(4)} |`,
      `${(100 * relativeImprovement(results, 'singleLogit', ({ oneMinusAuprc }) => oneMinusAuprc)!).toFixed(1)} %`,
      'sampled: S=1024, t=1024, q=unigram, draws shared',
      'has no numbers for these tasks',
      '20 steps of 512, so 10,240 examples',
      'budget of the search, for each loss: 3 candidates, 6 steps, 23.1 % of all training steps',
      report.date,
      report.machine.cpu,
    ])
      expect(markdown).toContain(part);
    expect(recipe).toMatchObject({ steps: 20, searchSteps: 2 });

    const written = (await stat(join(out, 'state', 'fb15k-237', 'nce.json'))).mtimeMs;
    const second = await runCli(args('--examples', '100'));
    expect(second.code).toBe(0);
    expect(second.stdout).toContain('classic-books, ');
    expect((await stat(join(out, 'state', 'fb15k-237', 'nce.json'))).mtimeMs).toBe(written);
    expect(JSON.parse(await readFile(files.json, 'utf8')).datasets).toEqual(report.datasets);
  });

  it('stops when interrupted and says how to go on', async () => {
    const { child, finished } = startCli([
      ...args('--json', '--datasets', fb, '--losses', 'nce'),
      ...['--steps', '10000000', '--search-steps', '2'],
    ]);
    const state = join(out, 'state', fb, 'nce.json');
    for (let i = 0; i < 6000 && !existsSync(state); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await finished;
    expect(code).toBe(130);
    expect(JSON.parse(stdout).error.code).toBe('ERR_ONELOGIT_INTERRUPTED');
    expect(stderr).toContain('repeat the command');
  });

  it('fails where there is no data at all, and refuses options of another target', async () => {
    const { code, stderr } = await runCli(['reproduce', 'scale', '--data', out, '--out', out]);
    expect(code).toBe(1);
    expect(stderr).toContain('Expected the data of fb15k-237, nell-995, classic-books in --data');
    for (const [line, message] of [
      ['reproduce scale --datasets mnist', "for --datasets of scale but received 'mnist'"],
      ['reproduce table1 --datasets nell-995', "for --datasets of table1 but received 'nell-995'"],
      ['reproduce table1 --examples 5', 'Expected --examples only with scale but received it with table1'],
    ] as const) {
      const refused = await runCli(line.split(' '));
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(message);
    }
  });
});

describe('scaleMarkdown', () => {
  it('says which best learning rate lies at an end of the grid, which source trained it and what was resumed', async () => {
    const loaded = await load(30);
    const recipe = small({ steps: 2 });
    const result = await runScaleLoss('max-margin', loaded, scaleState(out, recipe), recorded().hooks);
    const task = {
      recipe,
      classes: 200,
      trainExamples: 5,
      validationExamples: 1,
      validationOf: 2,
      testExamples: 30,
      testOf: 75,
      filtered: true,
    };
    const markdown = (learningRate: number, resumed = 0) =>
      scaleMarkdown({
        ...{ table: 'scale', command: 'x', date: 'y', version: 'z', commit: 'def' },
        machine: { cpu: 'c', cores: 2, memoryGiB: 1, system: 's', node: 'n', blas: 'b', simd: 's', threads: 2 },
        datasets: { [fb]: { ...task, results: { 'max-margin': { ...result, learningRate, resumed } } } },
      });
    expect(markdown(0.01)).toContain('at an end of the grid, and a better one may lie beyond it: max-margin: 0.01, the largest tried.');
    expect(markdown(0.003)).toContain('No best learning rate is at an end of the grid.');
    expect(markdown(0.003)).toContain('Trained by other sources: max-margin by abc.');
    expect(markdown(0.003)).not.toContain('continued from a checkpoint');
    expect(markdown(0.003, 1)).toContain('continued from a checkpoint');
    expect(markdown(0.003)).toContain('30 of 75 (at even distances)');
    expect(markdown(0.003)).toContain('| mean relative improvement (0 of 5 over 1 of 2) |  | – |');
  });
});
