/**
 * A reproduction's results as JSON and as Markdown, with everything needed to repeat them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine.js';
import { lossNames } from './paper.js';
import { describeLossOptions, type Recipe } from './recipe.js';
import { type LossResults, type TableName, tableCells, tableTitle } from './tables.js';

export interface Reproduction {
  table: TableName;
  command: string;
  /** ISO 8601, UTC, when it was finished. */
  date: string;
  version: string;
  /** Of the sources when it was started. */
  commit: string | undefined;
  machine: Machine;
  recipe: Recipe;
  datasets: Record<string, { trainExamples: number; testExamples: number; classes: number; results: LossResults }>;
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** The recipe in words, one item a line. */
export function describeRecipe(recipe: Recipe): string[] {
  const { hidden, batchSize, steps, searchSteps, weightDecay, learningRates, validationFraction, seed } = recipe;
  return [
    `network: dense layers of ${hidden.join(', ')} units, each followed by batch normalisation and relu; He initialisation`,
    `optimizer: sgd without momentum, weight decay ${weightDecay}, constant learning rate`,
    `batch size ${batchSize}, ${steps} steps, seed ${seed}`,
    `learning rate: the one of ${learningRates.join(', ')} with the best classification accuracy on ${(100 * validationFraction).toFixed(1)} % of the training data ` +
      `after ${searchSteps} steps on the rest; then trained anew on all training data. The test data chose no learning rate; the rest of this recipe was settled with test scores in sight.`,
    'bias of the last layer: initialised from the loss (binary-cross-entropy -ln(k-1), self-normalization -ln k, nce ln q), else zeros',
  ];
}

/** The end of a report: how to make it again, what with, and where it was measured. */
export function madeBy(
  { command, date, version, commit, machine }: Pick<Reproduction, 'command' | 'date' | 'version' | 'commit' | 'machine'>,
  items: readonly string[],
): string[] {
  return [
    `## Made by\n\n\`\`\`\n${command}\n\`\`\``,
    items.map((item) => `- ${item}`).join('\n'),
    [
      `- ${date}, onelogit ${version}${commit === undefined ? '' : `, commit ${commit}`}`,
      `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.system}; Node ${machine.node}`,
      `- matrix products: ${machine.blas}; ${machine.simd}; ${machine.threads} threads`,
    ].join('\n'),
  ];
}

export function toMarkdown(reproduction: Reproduction): string {
  const { table, recipe, datasets } = reproduction;
  const parts = [`# ${tableTitle(table)}`];
  for (const [name, { trainExamples, testExamples, classes, results }] of Object.entries(datasets)) {
    const { header, rows } = tableCells(table, name, results);
    parts.push(
      `## ${name}\n\n${trainExamples} training examples, ${testExamples} test examples, ${classes} classes.`,
      markdownTable(header, rows),
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
                .map(({ learningRate, accuracy }) => `${learningRate}: ${accuracy === undefined ? 'out' : accuracy.toFixed(4)}`)
                .join(', '),
              result.singleLogit.accuracy.toFixed(4),
              result.singleLogit.misorderedPairs.toExponential(2),
              result.finalLoss.toPrecision(3),
              result.seconds.toFixed(0),
              Math.round(result.examplesPerSecond).toString(),
            ];
          }),
      ),
    );
  }
  parts.push(
    ...madeBy(reproduction, describeRecipe(recipe)),
    'The paper: Keren, Sabato, Schuller, "Fast Single-Class Classification and the Principle of Logit Separation", 2018; its networks were trained for 100,000 steps, and it does not state optimizer, schedule or batch size.',
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
