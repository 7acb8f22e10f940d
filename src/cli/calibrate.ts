/** `onelogit calibrate`: a threshold for every class, chosen on examples that training did not see. */
import type { ThresholdReport } from '../calibration.js';
import type { Dataset } from '../dataset.js';
import { checkSameClasses, comparedFiles } from '../same-classes.js';
import type { Split } from '../split.js';
import { checkWritable } from '../writable.js';
import { defineCommand } from './command.js';
import { loadData } from './load-data.js';
import { checkModelFirst } from './model-argument.js';
import { choice, number, text } from './options.js';
import { count } from './output.js';
import { ofExamples, watched, watchedWriting } from './steady.js';
import { dataOptions, loadOptionsFrom } from './training-options.js';
import { InterruptedError, UsageError, wasStopped } from './usage.js';

const options = {
  recall: number('the share of a class’s examples that its threshold has to let through', { least: 0, above: true, most: 1, below: true }),
  precision: number('the share of right answers among those that the threshold lets through', {
    least: 0,
    above: true,
    most: 1,
    below: true,
  }),
  split: choice(
    'the examples to choose by; validation is what train --validation set aside or, of a model without it, the validation part of DATA (default: what was set aside)',
    ['train', 'validation', 'test'],
  ),
  'held-out': choice('then count, on this part, the classes that reach it on examples they were not chosen by', [
    'train',
    'validation',
    'test',
  ]),
  ...dataOptions,
  out: text('where to save (default: MODEL, replaced)', 'FILE'),
};

export const command = defineCommand(
  {
    name: 'calibrate',
    summary: 'choose a threshold for every class and store it in the model',
    description:
      'Finds, for every class, the threshold on its logit that reaches the wanted recall or precision, and saves the model with them. ' +
      'The examples are those that training set aside; a model trained without --validation needs --split.',
    positionals: [
      { name: 'MODEL', help: 'a model file' },
      { name: 'DATA', help: 'the directory that it was trained on' },
    ],
    options,
    examples: [
      ['onelogit calibrate model.safetensors mnist/ --recall 0.9', 'find nine in ten, with as few false alarms as the model allows'],
      [
        'onelogit calibrate model.safetensors mnist/ --precision 0.99 --out strict.safetensors',
        'be right 99 times in 100; keep the original',
      ],
      ['onelogit calibrate model.safetensors mnist/ --recall 0.9 --held-out test', 'and look how many classes keep it on other examples'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const [path, directory] = positionals as [string, string];
    const { recall, precision, out = path, split = 'validation' } = values;
    if ((recall === undefined) === (precision === undefined))
      throw new UsageError(`Expected exactly one of --recall and --precision but received ${recall === undefined ? 'neither' : 'both'}`);
    const heldOut = values['held-out'];
    if (heldOut === split) throw new UsageError(`Expected another part than --split for --held-out but received ${split} for both`);
    await checkModelFirst(path, directory);
    checkWritable(out, values.out === undefined ? 'MODEL' : '--out');
    const { SingleLogitClassifier } = await import('../index.js');
    const classifier = await SingleLogitClassifier.load(path);
    try {
      const part = async (name: 'train' | 'validation' | 'test') => {
        const asked = values.split === name || heldOut === name;
        const setAside = name === 'validation' && !(asked && classifier.split === null);
        const loaded = await loadData(directory, { split: setAside ? 'train' : name, ...loadOptionsFrom(values), signal });
        checkSameClasses(classifier.classNames, loaded, comparedFiles(path, directory));
        return setAside ? validationPart(classifier.split, loaded, path) : loaded;
      };
      const dataset = await part(split);
      const target = recall === undefined ? { precision: precision! } : { recall };
      const result = await watched('calibrate', (tell) =>
        classifier.calibrate(dataset, { ...target, onProgress: ofExamples(dataset, tell), signal }),
      );
      const others = heldOut && (await part(heldOut));
      const report =
        others &&
        (await watched('held out', (tell) =>
          classifier.evaluateThresholds(others, { ...target, onProgress: ofExamples(others, tell), signal }),
        ));
      await watchedWriting(out, (onProgress) => classifier.save(out, { onProgress }));
      const heldOutResult = report && { heldOut: { split: heldOut, ...report } };
      output.result({ ...result, examples: dataset.length, split, ...target, out, ...heldOutResult }, () => {
        const aim = recall === undefined ? `a precision of ${precision}` : `a recall of ${recall}`;
        const fallback =
          result.classesWithFallback === 0
            ? ''
            : `; ${count(result.classesWithFallback)} have too few examples, so that their threshold leans on all classes together`;
        return [
          `Thresholds of ${count(result.classes)} classes for ${aim}, from ${count(dataset.length)} examples (${split})`,
          `${count(result.classesMeetingTarget)} classes reach it on these examples${fallback}`,
          ...(report ? [heldOutLine(report, heldOut)] : []),
          `Saved ${out}`,
        ].join('\n');
      });
    } catch (error) {
      if (wasStopped(error, signal)) throw new InterruptedError('Interrupted; nothing was changed');
      throw error;
    } finally {
      classifier.dispose();
    }
  },
  { interruptible: true },
);

function heldOutLine(report: ThresholdReport, split: string): string {
  const { examples, classesMeetingTarget, classesWithPositives, recall, precision } = report;
  const rates = `recall ${recall.toFixed(4)}, precision ${precision === null ? 'of no match' : precision.toFixed(4)}`;
  return `On ${count(examples)} others (${split}): ${count(classesMeetingTarget ?? 0)} of ${count(classesWithPositives)} classes reach it; ${rates}`;
}

/** What training set aside, made again from what the model recorded. */
async function validationPart(split: Split | null, dataset: Dataset, path: string): Promise<Dataset> {
  const [{ OneLogitError }, { splitIndices }, { subset }] = await Promise.all([
    import('../errors.js'),
    import('../split.js'),
    import('../data/subset.js'),
  ]);
  if (split === null)
    throw new OneLogitError(
      'ERR_ONELOGIT_SPLIT',
      `Expected a model trained with --validation, or --split train, test or, where the data have such a part, validation, but received ${path}, which records none set aside`,
    );
  if (split.length !== dataset.length)
    throw new OneLogitError(
      'ERR_ONELOGIT_SPLIT',
      `Expected the data that ${path} was trained on (${split.length} examples) but received ${dataset.length} examples`,
    );
  return subset(dataset, splitIndices(split.length, split.fraction, split.seed).validation);
}
