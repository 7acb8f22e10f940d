/**
 * Figure 2: true and false logits of networks trained with cross-entropy and with a loss that is aligned with the Principle of Logit
 * Separation. The paper's is a drawing; this one is measured.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { Model } from '../index.js';
import type { Machine } from '../machine.js';
import { type ExperimentData, type ExperimentHooks, runLoss } from './experiment.js';
import { type DrawFigure, figureColours } from './figure.js';
import { type LogitDistribution, logitDistribution } from './logit-distribution.js';
import { type LossName, lossNames } from './paper.js';
import type { Recipe } from './recipe.js';
import { describeRecipe, madeBy, markdownTable } from './report.js';
import type { LossResult, StateDirectory } from './state.js';

/** What the paper's figure compares. */
export const figure2Losses: readonly LossName[] = ['cross-entropy', 'batch-cross-entropy'];

const bins = 60;

export type Figure2Result = Pick<LossResult, 'learningRate' | 'steps' | 'finalLoss'> & LogitDistribution & { accuracy: number };

export interface Figure2 {
  figure: 'figure2';
  command: string;
  /** ISO 8601, UTC, when it was finished. */
  date: string;
  version: string;
  /** Of the sources when it was started. */
  commit: string | undefined;
  machine: Machine;
  recipe: Recipe;
  dataset: string;
  trainExamples: number;
  testExamples: number;
  classes: number;
  results: Partial<Record<LossName, Figure2Result>>;
}

/** Trains the network of one loss as for the tables, or takes the one that they left, and looks at its logits of the test examples. */
export async function runFigure2Loss(
  loss: LossName,
  data: ExperimentData,
  state: StateDirectory,
  hooks: ExperimentHooks,
): Promise<Figure2Result> {
  const progress = await state.read(loss);
  if (progress.result && !existsSync(state.model(loss))) {
    delete progress.result; // what was measured is known, but the network is gone
    await state.write(loss, progress);
  }
  const { learningRate, steps, finalLoss, singleLogit } = await runLoss(loss, data, state, hooks);
  if (!('inputs' in data.test)) throw new TypeError('Expected test examples in memory');
  const model = await Model.load(state.model(loss), { device: hooks.device });
  try {
    const logits = await model.predict(data.test.inputs);
    const distribution = logitDistribution(logits, data.test.labels, model.classes, bins);
    return { learningRate, steps, finalLoss, accuracy: singleLogit.accuracy, ...distribution };
  } finally {
    model.dispose();
  }
}

const share = (value: number) => `${(100 * value).toPrecision(2)} %`;

const kinds = ['right class', 'wrong classes'];

/** A panel for each loss, with a scale of logits of its own. Shares on a logarithmic scale: what matters is in the tails. */
export function figure2Specification({ dataset, testExamples, results }: Figure2): TopLevelSpec {
  const shown = lossNames.flatMap((loss) => (results[loss] ? [{ loss, ...results[loss] }] : []));
  // Powers of ten: one logit is above the lowest, all of them in one bin are at the highest.
  const logits = Math.max(...shown.flatMap(({ trueLogits, falseLogits }) => [trueLogits, falseLogits]));
  const powers = Array.from({ length: Math.floor(Math.log10(logits)) + 2 }, (_, i) => 10 ** -i).reverse();
  const floor = powers[0]!;
  const panels = shown.map((distribution) => {
    const { loss, edges, misorderedPairs } = distribution;
    const steps = kinds.flatMap((kind, i) => {
      const [counts, all] =
        i === 0 ? [distribution.trueCounts, distribution.trueLogits] : [distribution.falseCounts, distribution.falseLogits];
      return edges.map((logit, bin) => ({ kind, logit, share: Math.max(floor, (counts[bin] ?? 0) / all) }));
    });
    return {
      title: { text: loss, subtitle: `misordered pairs: ${share(misorderedPairs)}` },
      width: 380,
      height: 220,
      data: { values: steps },
      mark: { type: 'area' as const, interpolate: 'step-after' as const, opacity: 0.65, line: false },
      encoding: {
        x: { field: 'logit', type: 'quantitative' as const, title: 'logit', axis: { grid: false } },
        y: {
          field: 'share',
          type: 'quantitative' as const,
          stack: null,
          scale: { type: 'log' as const, domain: [floor, 1] },
          axis: { title: 'share of the logits of its kind', format: '~%', values: powers },
        },
        y2: { datum: floor },
        color: {
          field: 'kind',
          type: 'nominal' as const,
          scale: { domain: kinds, range: [figureColours.blue, figureColours.orange] },
          legend: { orient: 'top' as const, title: null },
        },
      },
    };
  });
  return { title: `${dataset}: logits of ${testExamples.toLocaleString('en-US')} test examples`, spacing: 28, hconcat: panels };
}

export function figure2Markdown(figure: Figure2, image: string): string {
  const { dataset, trainExamples, testExamples, classes, recipe, results } = figure;
  return `${[
    `# Figure 2: logits of right and of wrong classes, ${dataset}`,
    `${trainExamples} training examples, ${testExamples} test examples (whose logits these are), ${classes} classes.`,
    `![distributions of the logits](${image})`,
    markdownTable(
      ['loss', 'learning rate', 'test accuracy', 'least right logit', 'greatest wrong logit', 'misordered pairs'],
      lossNames
        .filter((loss) => results[loss])
        .map((loss) => {
          const { learningRate, accuracy, leastTrue, greatestFalse, misorderedPairs } = results[loss]!;
          return [
            loss,
            String(learningRate),
            accuracy.toFixed(4),
            leastTrue.toFixed(2),
            greatestFalse.toFixed(2),
            misorderedPairs.toExponential(2),
          ];
        }),
    ),
    'Misordered pairs: the share of all pairs of a right and a wrong logit, of whatever examples, whose right one is not the greater. The Principle of Logit Separation asks for none.',
    ...madeBy(figure, describeRecipe(recipe, trainExamples)),
  ].join('\n\n')}\n`;
}

/** Writes `figure2-<dataset>.json`, `.md` and `.svg`; returns their paths. */
export async function writeFigure2(
  directory: string,
  figure: Figure2,
  draw: DrawFigure,
): Promise<{ json: string; markdown: string; svg: string }> {
  await mkdir(directory, { recursive: true });
  const name = `figure2-${figure.dataset}`;
  const base = join(directory, name);
  await writeFile(`${base}.svg`, await draw(figure2Specification(figure)));
  await writeFile(`${base}.md`, figure2Markdown(figure, `${name}.svg`));
  await writeFile(`${base}.json`, `${JSON.stringify(figure, undefined, 2)}\n`);
  return { json: `${base}.json`, markdown: `${base}.md`, svg: `${base}.svg` };
}
