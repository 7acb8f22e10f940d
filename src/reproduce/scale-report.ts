/** The report of `onelogit reproduce scale`: JSON and Markdown, with everything needed to judge and repeat it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine.js';
import { aligned, type LossName, lossNames, measureNames, measureTitles, notAligned } from './paper.js';
import { markdownTable } from './report.js';
import type { ScaleResult, ScaleScored } from './scale-experiment.js';
import { describeScaleLossOptions, type ScaleDataset, type ScaleRecipe, scaleTasks } from './scale-recipe.js';

export type ScaleResults = Partial<Record<LossName, ScaleResult>>;

export interface ScaleTaskReport {
  recipe: ScaleRecipe;
  classes: number;
  trainExamples: number;
  /** Evaluated, out of how many. */
  validationExamples: number;
  validationOf: number;
  testExamples: number;
  testOf: number;
  /** Examples that have other right classes, which are then neither right nor wrong. */
  filtered: boolean;
  results: ScaleResults;
}

export interface ScaleReport {
  table: 'scale';
  command: string;
  /** ISO 8601, UTC, when it was finished. */
  date: string;
  version: string;
  /** Of the sources when this run was started. */
  commit: string | undefined;
  machine: Machine;
  datasets: Partial<Record<ScaleDataset, ScaleTaskReport>>;
}

type Measure = (scored: ScaleScored) => number | null;

/** The columns of lower-is-better measures. */
export const scaleMeasures: readonly (readonly [title: string, measure: Measure])[] = [
  ...measureNames.map((name) => [measureTitles[name], (scored: ScaleScored) => scored[name]] as const),
  ...measureNames.map((name) => [`≥ 5: ${measureTitles[name]}`, (scored: ScaleScored) => scored.atLeastFivePositives[name]] as const),
  ['pooled 1-AUPRC', (scored) => scored.pooled.oneMinusAuprc],
];

type Way = 'singleLogit' | 'softmax';

function mean(values: readonly (number | null)[]): number | undefined {
  return values.length === 0 || values.includes(null) ? undefined : values.reduce<number>((sum, value) => sum + value!, 0) / values.length;
}

function meanOver(names: readonly LossName[], results: ScaleResults, way: Way, measure: Measure): number | undefined {
  return mean(names.flatMap((name) => (results[name] ? [measure(results[name][way])] : [])));
}

/** Table I's bottom row: (mean of the others − mean of the aligned) / mean of the others. */
export function relativeImprovement(results: ScaleResults, way: Way, measure: Measure): number | undefined {
  const [ours, theirs] = [meanOver(aligned, results, way, measure), meanOver(notAligned, results, way, measure)];
  return ours === undefined || theirs === undefined ? undefined : (theirs - ours) / theirs;
}

const decimal = (value: number | null | undefined) =>
  value === null || value === undefined || Number.isNaN(value) ? '–' : value.toFixed(4);
const share = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? '–' : `${(100 * value).toFixed(1)} %`);
const has = (names: readonly LossName[], results: ScaleResults) => names.filter((loss) => results[loss]);

/** Which losses a mean is over, where some are missing. */
function ofWhich(results: ScaleResults): string {
  const [good, other] = [has(aligned, results).length, has(notAligned, results).length];
  return good === aligned.length && other === notAligned.length
    ? ''
    : ` (${good} of ${aligned.length} over ${other} of ${notAligned.length})`;
}

/** Every loss by one way to score, and the mean relative improvement: the paper's Table I for single logits. */
export function scaleCells(results: ScaleResults, way: Way): { header: string[]; rows: string[][] } {
  return {
    header: ['loss', 'accuracy', ...scaleMeasures.map(([title]) => title)],
    rows: [
      ...has(lossNames, results).map((loss) => {
        const scored = results[loss]![way];
        return [loss, decimal(scored.accuracy), ...scaleMeasures.map(([, measure]) => decimal(measure(scored)))];
      }),
      [
        `mean relative improvement${ofWhich(results)}`,
        '',
        ...scaleMeasures.map(([, measure]) => share(relativeImprovement(results, way, measure))),
      ],
    ],
  };
}

/** The paper's Table II: one logit against all of them. */
export function oneAgainstAllCells(results: ScaleResults): { header: string[]; rows: string[][] } {
  const of = (loss: LossName, way: Way) => scaleMeasures.map(([, measure]) => decimal(results[loss] && measure(results[loss][way])));
  const among = has(aligned, results).length;
  return {
    header: ['method', ...scaleMeasures.map(([title]) => title)],
    rows: [
      [
        `mean of the aligned losses, one logit${among === aligned.length ? '' : ` (${among} of ${aligned.length})`}`,
        ...scaleMeasures.map(([, measure]) => decimal(meanOver(aligned, results, 'singleLogit', measure))),
      ],
      ['batch-cross-entropy, one logit', ...of('batch-cross-entropy', 'singleLogit')],
      ['cross-entropy, all logits', ...of('cross-entropy', 'softmax')],
    ],
  };
}

const count = (value: number) => value.toLocaleString('en-US');

/** What is the same for each loss of a task, one item a line. */
export function describeScaleRecipe(recipe: ScaleRecipe, trainExamples: number): string[] {
  const { features, hidden, batchSize, steps, searchSteps, weightDecay, learningRates, validationExamples, seed } = recipe;
  const searched = learningRates.length * searchSteps;
  return [
    `network: an embedding of ${features} features, then dense layers of ${hidden.join(', ')} units, each followed by batch normalisation and relu, then the logits, never normalised; He initialisation`,
    `optimizer: adamw, weight decay ${weightDecay}, learning rate by a cosine schedule to 0, no warm-up; last layer trained fused (\`memory: 'auto'\`), in float32: rows of the embedding without a gradient in a step, and with the margin losses and sampled nce those of classes, keep their moments and only decay`,
    `training: ${count(steps)} steps of ${batchSize}, so ${count(steps * batchSize)} examples (${((steps * batchSize) / trainExamples).toFixed(2)} times the ${count(trainExamples)} there are), the same for every loss; seed ${seed}`,
    `learning rate: ${learningRates.join(', ')} tried for ${count(searchSteps)} steps each, every one with a whole cosine of its own; chosen by accuracy on the validation part (at most ${count(validationExamples)} of its examples, unfiltered), between equals the first; one that ends in NaN is out`,
    `budget of the search, for each loss: ${learningRates.length} candidates, ${count(searched)} steps, ${((100 * searched) / (searched + steps)).toFixed(1)} % of all training steps`,
  ];
}

/** Where the best learning rate is the first or the last that was tried: a better one may lie beyond. */
function endsOfGrid({ recipe: { learningRates }, results }: ScaleTaskReport): string[] {
  const [least, most] = [Math.min(...learningRates), Math.max(...learningRates)];
  return has(lossNames, results).flatMap((loss) => {
    const { learningRate } = results[loss]!;
    if (least === most || (learningRate !== least && learningRate !== most)) return [];
    return [`${loss}: ${learningRate}, the ${learningRate === most ? 'largest' : 'smallest'} tried`];
  });
}

function taskMarkdown(name: ScaleDataset, report: ScaleTaskReport, commit: string | undefined): string[] {
  const { recipe, classes, trainExamples, validationExamples, validationOf, testExamples, testOf, filtered, results } = report;
  const losses = has(lossNames, results);
  const some = results[losses[0]!]!.singleLogit;
  const { header, rows } = scaleCells(results, 'singleLogit');
  const softmax = scaleCells(results, 'softmax');
  const oneAgainstAll = oneAgainstAllCells(results);
  const of = (evaluated: number, all: number) =>
    evaluated === all ? `all ${count(all)}` : `${count(evaluated)} of ${count(all)} (at even distances)`;
  const atEnds = endsOfGrid(report);
  const resumed = losses.filter((loss) => results[loss]!.resumed > 0);
  const others = losses.filter((loss) => results[loss]!.commit !== commit);
  return [
    `## ${name}: ${scaleTasks[name].task}, ${count(classes)} classes`,
    [
      `- test examples: ${of(testExamples, testOf)}; ${count(some.classesWithPositives)} classes occur in them, ${count(some.atLeastFivePositives.classes)} at least five times`,
      `- validation examples: ${of(validationExamples, validationOf)}`,
      `- ${filtered ? 'filtered: other right classes of an example, of any part of the data, are neither right nor wrong' : 'not filtered: an example has one right class'}`,
      ...describeScaleRecipe(recipe, trainExamples).map((item) => `- ${item}`),
    ].join('\n'),
    '### One logit (as Table I)',
    markdownTable(header, rows),
    '### Softmax of all logits, for the same networks',
    markdownTable(softmax.header, softmax.rows),
    '### One logit against all (as Table II)',
    markdownTable(oneAgainstAll.header, oneAgainstAll.rows),
    '### How each was trained',
    markdownTable(
      [
        'loss',
        'options',
        'bias',
        'learning rate',
        'validation accuracy by learning rate',
        'final loss',
        'misordered pairs',
        'training seconds',
        'examples/s',
        'search seconds',
        'evaluation seconds',
      ],
      losses.map((loss) => {
        const result = results[loss]!;
        return [
          loss,
          describeScaleLossOptions(loss, recipe),
          result.biasInit,
          String(result.learningRate),
          result.candidates
            .map(({ learningRate, accuracy }) => `${learningRate}: ${accuracy === undefined ? 'out' : accuracy.toFixed(4)}`)
            .join(', '),
          result.finalLoss.toPrecision(3),
          result.singleLogit.misorderedPairs.toExponential(2),
          `${result.seconds.toFixed(0)}${result.resumed > 0 ? '*' : ''}`,
          count(Math.round(result.examplesPerSecond)),
          result.candidates.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(0),
          (result.singleLogit.seconds + result.softmax.seconds).toFixed(0),
        ];
      }),
    ),
    ...(resumed.length > 0
      ? [
          '\\* Interrupted and continued from a checkpoint; the seconds of a part whose process was killed are not in it, repeated steps are in it twice.',
        ]
      : []),
    atEnds.length > 0
      ? `The best learning rate is at an end of the grid, and a better one may lie beyond it: ${atEnds.join('; ')}.`
      : 'No best learning rate is at an end of the grid.',
    ...(others.length > 0 ? [`Trained by other sources: ${others.map((loss) => `${loss} by ${results[loss]!.commit}`).join(', ')}.`] : []),
  ];
}

export function scaleMarkdown(report: ScaleReport): string {
  const { command, date, version, commit, machine, datasets } = report;
  const parts = [
    '# Tables I and II on tasks of very many classes (lower is better, but for accuracy)',
    'The paper (Keren, Sabato, Schuller, "Fast Single-Class Classification and the Principle of Logit Separation", 2018) has no numbers for these tasks.',
    [
      '- 1-AUPRC, 1-P@0.9, 1-P@0.99: for each class all test examples are ranked by its score; mean over the classes that occur in the test examples.',
      '- ≥ 5: the same mean over the classes that occur at least five times.',
      '- pooled: all (example, class) pairs in one ranking, each example with all of its wrong classes: whether one threshold serves all classes.',
      '- mean relative improvement: of the mean of the five aligned losses over the mean of cross-entropy and max-margin, as in the paper’s Table I.',
    ].join('\n'),
  ];
  for (const [name, task] of Object.entries(datasets)) parts.push(...taskMarkdown(name as ScaleDataset, task, commit));
  parts.push(
    `## Made by\n\n\`\`\`\n${command}\n\`\`\``,
    [
      '- bias of the last layer: initialised from the loss (binary-cross-entropy -ln(k-1), self-normalization -ln k, nce ln q), else zeros',
      '- the test examples chose no learning rate',
      `- ${date}, onelogit ${version}${commit === undefined ? '' : `, commit ${commit}`}`,
      `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.system}; Node ${machine.node}`,
      `- matrix products: ${machine.blas}; ${machine.simd}; ${machine.threads} threads`,
    ].join('\n'),
  );
  return `${parts.join('\n\n')}\n`;
}

/** Writes `scale.json` and `scale.md`; returns their paths. */
export async function writeScaleReport(directory: string, report: ScaleReport): Promise<{ json: string; markdown: string }> {
  await mkdir(directory, { recursive: true });
  const base = join(directory, 'scale');
  await writeFile(`${base}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(`${base}.md`, scaleMarkdown(report));
  return { json: `${base}.json`, markdown: `${base}.md` };
}
