/** `onelogit evaluate`: how well single logits tell the classes of a data set. */
import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import type { RankingErrors } from '../evaluate.js';
import { shellWord } from '../report/facts.js';
import { checkSameClasses, comparedFiles } from '../same-classes.js';
import { shortName } from '../short-name.js';
import { checkWritable } from '../writable.js';
import { defineCommand } from './command.js';
import { loadData } from './load-data.js';
import { checkModelFirst } from './model-argument.js';
import { choice, integer, text } from './options.js';
import { count, percent, table } from './output.js';
import { ofExamples, watched } from './steady.js';
import { dataOptions, deviceOption, loadOptionsFrom } from './training-options.js';
import { InterruptedError, UsageError, wasStopped } from './usage.js';

const options = {
  scores: choice('rank by the class’s logit alone, or by its softmax probability', ['single-logit', 'softmax'], 'single-logit'),
  split: choice('which part of DATA', ['train', 'validation', 'test'], 'test'),
  negatives: integer('wrong classes drawn per example for the pooled measures (default: none are drawn, all count)', {
    least: 1,
    most: 65_536,
  }),
  worst: integer('how many of the hardest classes to list', { least: 0, otherwise: 5 }),
  report: text('also write an interactive report, one HTML file (needs the package uplot)', 'FILE'),
  ...dataOptions,
  ...deviceOption,
};

export const command = defineCommand(
  {
    name: 'evaluate',
    summary: 'measure how well single logits tell the classes',
    description:
      'Ranks the test examples by the score of every class and averages over the classes that occur: area under the precision-recall ' +
      'curve (AUPRC), precision at recall 0.9 and 0.99, each subtracted from 1 as in the paper, so that lower is better; the same with all (example, class) pairs ' +
      'in one ranking; accuracy; and the share of (true, false) score pairs in the wrong order.',
    positionals: [
      { name: 'MODEL', help: 'a model file' },
      { name: 'DATA', help: 'a directory; its format is found by file names' },
    ],
    options,
    examples: [
      ['onelogit evaluate model.safetensors mnist/', 'one logit at a time (the paper’s Table I)'],
      ['onelogit evaluate model.safetensors mnist/ --scores softmax', 'with all logits (Table II)'],
      ['onelogit evaluate model.safetensors mnist/ --report report.html', 'with figures, to look at and to send'],
      ['onelogit evaluate model.safetensors mnist/ --json', 'for a program'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const [path, directory] = positionals as [string, string];
    await checkModelFirst(path, directory);
    if (values.report !== undefined) await checkReport(values.report, path);
    const [{ Model }, { readThresholds }] = await Promise.all([import('../index.js'), import('../report/file-thresholds.js')]);
    const model = await Model.load(path, { device: values.device });
    try {
      const dataset = await loadData(directory, {
        split: values.split,
        ...loadOptionsFrom(values),
        signal,
      });
      checkSameClasses(model.classNames, dataset, comparedFiles(path, directory));
      const report =
        values.report === undefined
          ? undefined
          : {
              path: values.report,
              model: basename(path),
              data: `${directory} (${values.split})`,
              ...(await readThresholds(path)),
              command: ['onelogit', ...process.argv.slice(2)].map(shellWord).join(' '),
            };
      const { scores, negatives } = values;
      const evaluation = await watched('evaluate', (tell) =>
        model.evaluate(dataset, { scores, negatives, report, onProgress: ofExamples(dataset, tell), signal }),
      );
      const { perClass } = evaluation;
      output.result({ ...evaluation, split: values.split, ...(report ? { report: report.path } : {}) }, () => {
        const measure = (value: number | null) => (value ?? Number.NaN).toFixed(4);
        const measures = (errors: RankingErrors<number | null>) =>
          [errors.oneMinusAuprc, errors.oneMinusPrecisionAt90, errors.oneMinusPrecisionAt99].map(measure);
        const { atLeastFivePositives: fivePositives, pooled } = evaluation;
        const loss =
          evaluation.loss === null
            ? 'not trained here'
            : `${evaluation.loss}${model.loss?.aligned ? '' : ' (not aligned with logit separation)'}`;
        const parts = [
          `${basename(path)} on ${directory} (${values.split}): ${count(evaluation.examples)} examples, ${count(evaluation.classes)} classes`,
          `loss ${loss}; scores ${evaluation.scores}`,
          '',
          table(
            ['accuracy', '1-AUPRC', '1-P@0.9', '1-P@0.99', 'misordered pairs'],
            [[percent(evaluation.accuracy), ...measures(evaluation), evaluation.misorderedPairs.toExponential(2)]],
          ),
          '',
          table(
            ['also', '1-AUPRC', '1-P@0.9', '1-P@0.99'],
            [
              ...(fivePositives.classes > 0 && fivePositives.classes < evaluation.classesWithPositives
                ? [[`classes with 5 examples or more (${count(fivePositives.classes)})`, ...measures(fivePositives)]]
                : []),
              [
                pooled.negativesPerExample === 'all' ? 'all pairs in one ranking' : `all pairs, from ${count(pooled.negatives)} wrong ones`,
                ...measures(pooled),
              ],
            ],
          ),
        ];
        if (evaluation.classesWithoutPositives > 0)
          parts.push(
            '',
            `${count(evaluation.classesWithoutPositives)} classes do not occur in this part of the data and are left out of the averages.`,
          );
        const worst = perClass
          .filter((one) => one.positives > 0)
          .sort((a, b) => a.averagePrecision! - b.averagePrecision!)
          .slice(0, values.worst);
        if (worst.length > 0)
          parts.push(
            '',
            `Hardest ${worst.length === perClass.length ? 'first' : worst.length} (by 1-AUPRC):`,
            table(
              ['class', 'examples', '1-AUPRC', '1-P@0.9', '1-P@0.99'],
              worst.map((one) => [
                one.name === undefined || one.name === String(one.class) ? String(one.class) : `${one.class} ${shortName(one.name)}`,
                count(one.positives),
                measure(1 - one.averagePrecision!),
                measure(1 - one.precisionAt90!),
                measure(1 - one.precisionAt99!),
              ]),
            ),
          );
        if (report) parts.push('', `Report: ${report.path}`);
        return parts.join('\n');
      });
    } catch (error) {
      if (wasStopped(error, signal)) throw new InterruptedError('Interrupted before the evaluation was finished');
      throw error;
    } finally {
      model.dispose();
    }
  },
  { interruptible: true },
);

/** What a report needs, before a model is loaded for it. */
async function checkReport(report: string, model: string): Promise<void> {
  const [target, source] = await Promise.all([report, model].map((path) => realpath(path).catch(() => undefined)));
  if (target !== undefined && target === source)
    throw new UsageError(`Expected another file than MODEL for --report, which it would replace, but received ${report} for both`);
  const { readAssets } = await import('../report/assets.js');
  checkWritable(report, '--report');
  await readAssets();
}
