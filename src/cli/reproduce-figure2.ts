/** `onelogit reproduce figure2`: distributions of right and wrong logits. */
import { join } from 'node:path';
import type { Device } from '../index.js';
import { describeMachine, sourceCommit } from '../machine.js';
import { loadData } from '../reproduce/data.js';
import { figureDrawer } from '../reproduce/figure.js';
import { type Figure2, figure2Losses, runFigure2Loss, writeFigure2 } from '../reproduce/figure2.js';
import { type LossName, lossNames } from '../reproduce/paper.js';
import { type RecipeChoices, tableRecipe } from '../reproduce/recipe.js';
import { describeRecipe } from '../reproduce/report.js';
import { fingerprintOf, StateDirectory } from '../reproduce/state.js';
import { type TableDataset, tableTasks } from '../reproduce/table-datasets.js';
import { version } from '../version.js';
import { loadData as load } from './load-data.js';
import { type Output, percent, table } from './output.js';
import { findDatasets } from './reproduce-data.js';
import { describePlan, recordingTo, TableProgress } from './reproduce-progress.js';

export interface Figure2Run {
  datasets: readonly TableDataset[];
  data: string | undefined;
  losses: readonly LossName[] | undefined;
  choices: RecipeChoices;
  device: Device;
  log: string | undefined;
  out: string;
  output: Output;
  signal: AbortSignal;
}

export async function reproduceFigure2({ datasets, data: directory, losses: some, choices, device, log, out, output, signal }: Figure2Run) {
  const draw = await figureDrawer(); // now: what is missing should not be learnt after training
  const commit = await sourceCommit();
  const losses = lossNames.filter((loss) => (some ?? figure2Losses).includes(loss));
  const { found } = findDatasets(datasets, directory);
  const progress = new TableProgress(output, signal, device, recordingTo(log, 'figure2'));
  for (const [dataset] of found) {
    const { about } = tableTasks[dataset];
    const recipe = tableRecipe(dataset, about.trainExamples, choices);
    if (!output.json) output.note(describePlan(dataset, losses, recipe));
    for (const loss of losses) progress.add(dataset, loss, recipe, about);
  }
  const figures: (Figure2 & { files: Awaited<ReturnType<typeof writeFigure2>> })[] = [];
  for (const [dataset, path] of found) {
    const data = await loadData(dataset, path, signal, load);
    const recipe = tableRecipe(dataset, data.train.length, choices);
    if (!output.json) output.note([`${dataset}:`, ...describeRecipe(recipe, data.train.length)].join('\n  '));
    const state = new StateDirectory(join(out, 'state', dataset), recipe, fingerprintOf([data.train, data.test]));
    const results: Figure2['results'] = {};
    for (const loss of losses) await progress.skipDone(dataset, loss, state);
    for (const [i, loss] of losses.entries()) {
      const label = `${dataset} ${i + 1}/${losses.length}`;
      results[loss] = await progress.show({ label, dataset, loss, state }, (hooks) => runFigure2Loss(loss, data, state, hooks));
    }
    const figure: Figure2 = {
      figure: 'figure2',
      command: `onelogit reproduce ${process.argv.slice(3).join(' ')}`,
      date: new Date().toISOString(),
      version,
      commit,
      machine: describeMachine(),
      recipe,
      dataset,
      trainExamples: data.train.length,
      testExamples: data.test.length,
      classes: data.train.classes,
      results,
    };
    figures.push({ ...figure, files: await writeFigure2(out, figure, draw) });
  }
  output.result({ figure: 'figure2', figures }, () =>
    figures
      .flatMap(({ dataset, results, files }) => [
        `Figure 2: logits of right and of wrong classes, ${dataset}`,
        table(
          ['loss', 'accuracy', 'least right', 'greatest wrong', 'misordered pairs'],
          losses.map((loss) => {
            const { accuracy, leastTrue, greatestFalse, misorderedPairs } = results[loss]!;
            return [loss, percent(accuracy), leastTrue.toFixed(2), greatestFalse.toFixed(2), `${(100 * misorderedPairs).toFixed(4)} %`];
          }),
        ),
        '',
        `Written: ${Object.values(files).join(', ')}`,
      ])
      .join('\n'),
  );
}
