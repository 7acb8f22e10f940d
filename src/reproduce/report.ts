/**
 * A reproduction's results as JSON and as Markdown, with everything needed to repeat them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine.js';
import { describeNetwork } from './networks.js';
import { lossNames } from './paper.js';
import { describeLossOptions, type Recipe } from './recipe.js';
import { type TableDataset, tableTasks } from './table-datasets.js';
import { type LossResults, type TableName, table1Verdict, tableCells, tableTitle } from './tables.js';

/** One data set of a table. */
export interface TableReport {
  recipe: Recipe;
  trainExamples: number;
  testExamples: number;
  classes: number;
  results: LossResults;
}

/** A data set, or losses of one, that a run was not for. */
export interface NotRun {
  what: string;
  why: string;
}

export interface Reproduction {
  table: TableName;
  command: string;
  /** ISO 8601, UTC, when it was finished. */
  date: string;
  version: string;
  /** Of the sources when it was started. */
  commit: string | undefined;
  machine: Machine;
  datasets: Partial<Record<TableDataset, TableReport>>;
  notRun: readonly NotRun[];
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

const number = (value: number) => value.toLocaleString('en-US');

/** The recipe in words, one item a line. */
export function describeRecipe(recipe: Recipe, trainExamples: number): string[] {
  const { batchSize, steps, searchSteps, momentum, weightDecay, learningRates, decay, augment, validationFraction, seed } = recipe;
  const passes = (count: number) => ((count * batchSize) / trainExamples).toFixed(2);
  const changes = augment && [
    ...(augment.padding > 0 ? [`padded by ${augment.padding} pixels and cropped at random`] : []),
    ...(augment.flip ? ['mirrored at random'] : []),
  ];
  return [
    `network: ${describeNetwork(recipe)}`,
    `optimizer: sgd ${momentum === 0 ? 'without momentum' : `with momentum ${momentum}`}, weight decay ${weightDecay}, ${
      decay ? `learning rate times ${decay.factor} every ${decay.everyEpochs} passes over the training examples` : 'constant learning rate'
    }`,
    `batch size ${batchSize}, ${number(steps)} steps (${passes(steps)} passes over the training examples), seed ${seed}`,
    changes ? `training images ${changes.join(' and ')}` : 'training examples as they are: no augmentation',
    learningRates.length === 1
      ? `learning rate: ${learningRates[0]}, without a search`
      : `learning rate: the one of ${learningRates.join(', ')} with the best classification accuracy on ${(100 * validationFraction).toFixed(1)} % of the training data ` +
        `after ${number(searchSteps)} steps on the rest; then trained anew on all training data. The test data chose no learning rate`,
    ...(recipe.network === 'inceptionV3'
      ? []
      : ['optimizer, weight decay and schedule were settled on MNIST, with its test scores in sight']),
    'bias of the last layer: initialised from the loss (binary-cross-entropy -ln(k-1), self-normalization -ln k, nce ln q), else zeros',
  ];
}

/** The end of a report: how to make it again, what with, and where it was measured. */
export function madeBy(
  { command, date, version, commit, machine }: Pick<Reproduction, 'command' | 'date' | 'version' | 'commit' | 'machine'>,
  items: readonly string[] = [],
): string[] {
  return [
    `## Made by\n\n\`\`\`\n${command}\n\`\`\``,
    [
      ...items.map((item) => `- ${item}`),
      `- ${date}, onelogit ${version}${commit === undefined ? '' : `, commit ${commit}`}`,
      `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.system}; Node ${machine.node}`,
      `- matrix products: ${machine.blas}; ${machine.simd}; ${machine.threads} threads`,
    ].join('\n'),
  ];
}

export function toMarkdown(reproduction: Reproduction): string {
  const { table, datasets, notRun } = reproduction;
  const parts = [`# ${tableTitle(table)}`];
  for (const [name, { recipe, trainExamples, testExamples, classes, results }] of Object.entries(datasets)) {
    const { header, rows } = tableCells(table, name, results);
    const { note } = tableTasks[name as TableDataset];
    const verdict = table === 'table1' ? table1Verdict(results) : undefined;
    parts.push(
      `## ${name}\n\n${trainExamples} training examples, ${testExamples} test examples, ${classes} classes.${note === undefined ? '' : ` ${note}`}`,
      markdownTable(header, rows),
      ...(verdict === undefined ? [] : [verdict]),
      'How each was trained:',
      markdownTable(
        [
          'loss',
          'options',
          'bias',
          'learning rate',
          'validation accuracy by learning rate',
          'test accuracy',
          'misordered pairs',
          'final loss',
          'seconds',
          'examples/s',
          'device',
        ],
        lossNames
          .filter((loss) => results[loss])
          .map((loss) => {
            const result = results[loss]!;
            return [
              loss,
              describeLossOptions(loss, classes),
              result.biasInit,
              String(result.learningRate),
              result.candidates
                .map(
                  ({ learningRate, accuracy, out }) =>
                    `${learningRate}: ${out === undefined ? (accuracy?.toFixed(4) ?? 'not searched') : 'out'}`,
                )
                .join(', '),
              result.singleLogit.accuracy.toFixed(4),
              result.singleLogit.misorderedPairs.toExponential(2),
              result.finalLoss.toPrecision(3),
              `${result.seconds.toFixed(0)}${result.resumed ? '*' : ''}`,
              Math.round(result.examplesPerSecond).toString(),
              result.device,
            ];
          }),
      ),
      ...(Object.values(results).some(({ resumed }) => resumed)
        ? ['\\* Went on from the checkpoint of an interrupted run: the seconds are those of its last part.']
        : []),
      `${describeRecipe(recipe, trainExamples)
        .map((item) => `- ${item}`)
        .join('\n')}`,
    );
  }
  if (notRun.length > 0) parts.push(`Not run: ${notRun.map(({ what, why }) => `${what} (${why})`).join('; ')}.`);
  parts.push(
    ...madeBy(reproduction),
    'The paper: Keren, Sabato, Schuller, "Fast Single-Class Classification and the Principle of Logit Separation", 2018; its networks were trained for 100,000 steps, and it does not state optimizer, schedule, batch size or augmentation.',
  );
  return `${parts.join('\n\n')}\n`;
}

/** Writes `<table>-<datasets>.json` and `.md`; returns their paths. */
export async function writeReproduction(directory: string, reproduction: Reproduction): Promise<{ json: string; markdown: string }> {
  await mkdir(directory, { recursive: true });
  const base = join(directory, `${reproduction.table}-${Object.keys(reproduction.datasets).join('-')}`);
  await writeFile(`${base}.json`, `${JSON.stringify(reproduction, undefined, 2)}\n`);
  await writeFile(`${base}.md`, toMarkdown(reproduction));
  return { json: `${base}.json`, markdown: `${base}.md` };
}
