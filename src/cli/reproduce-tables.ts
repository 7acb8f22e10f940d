/** `onelogit reproduce table1` and `table2`. */
import { join } from 'node:path';
import { describeMachine, sourceCommit } from '../machine.js';
import { loadData, type TableDataset } from '../reproduce/data.js';
import { runLoss } from '../reproduce/experiment.js';
import { type LossName, lossNames } from '../reproduce/paper.js';
import type { Recipe } from '../reproduce/recipe.js';
import { describeRecipe, type Reproduction, writeReproduction } from '../reproduce/report.js';
import { StateDirectory } from '../reproduce/state.js';
import { lossesOf, type TableName, tableCells, tableTitle } from '../reproduce/tables.js';
import { version } from '../version.js';
import { count, type Output, percent, table } from './output.js';
import { withProgress } from './reproduce-progress.js';

export interface TablesRun {
  name: TableName;
  datasets: readonly TableDataset[];
  data: string | undefined;
  losses: readonly LossName[] | undefined;
  recipe: Recipe;
  out: string;
  output: Output;
  signal: AbortSignal;
}

export async function reproduceTables({ name, datasets: asked, data: directory, losses: some, recipe, out, output, signal }: TablesRun) {
  const commit = await sourceCommit(); // now: somebody may commit while this runs
  const losses = (some ?? lossesOf(name)).toSorted((a, b) => lossNames.indexOf(a) - lossNames.indexOf(b));
  if (!output.json) for (const line of describeRecipe(recipe)) output.note(line);

  const datasets: Reproduction['datasets'] = {};
  for (const dataset of asked) {
    const data = await loadData(dataset, directory);
    const state = new StateDirectory(join(out, 'state', dataset), recipe);
    const results: (typeof datasets)[string]['results'] = {};
    datasets[dataset] = { trainExamples: data.train.length, testExamples: data.test.length, classes: data.train.classes, results };
    for (const [i, loss] of losses.entries()) {
      const label = `${dataset} ${i + 1}/${losses.length}`;
      results[loss] = await withProgress({ label, what: `${loss} on ${dataset}`, state: state.path, signal }, (hooks) =>
        runLoss(loss, data, state, hooks),
      );
      const { learningRate, singleLogit } = results[loss];
      output.note(
        `${dataset}, ${loss}: learning rate ${learningRate}, accuracy ${percent(singleLogit.accuracy)}, 1-AUPRC ${singleLogit.oneMinusAuprc.toFixed(4)}`,
      );
    }
  }
  const reproduction: Reproduction = {
    table: name,
    command: `onelogit reproduce ${process.argv.slice(3).join(' ')}`,
    date: new Date().toISOString(),
    version,
    commit,
    machine: describeMachine(),
    recipe,
    datasets,
  };
  const files = await writeReproduction(out, reproduction);
  output.result({ ...reproduction, files }, () =>
    [
      tableTitle(name),
      ...Object.entries(datasets).flatMap(([dataset, { testExamples, results }]) => {
        const { header, rows } = tableCells(name, dataset, results);
        return ['', `${dataset}, ${count(testExamples)} test examples`, table(header, rows)];
      }),
      '',
      `Written: ${files.markdown}, ${files.json}`,
    ].join('\n'),
  );
}
