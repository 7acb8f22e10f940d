/** `onelogit reproduce table1` and `table2`. */
import { join } from 'node:path';
import type { Device } from '../index.js';
import { describeMachine, sourceCommit } from '../machine.js';
import { loadData } from '../reproduce/data.js';
import { runLoss } from '../reproduce/experiment.js';
import { type LossName, lossNames } from '../reproduce/paper.js';
import { type RecipeChoices, tableRecipe } from '../reproduce/recipe.js';
import { describeRecipe, type Reproduction, writeReproduction } from '../reproduce/report.js';
import { fingerprintOf, StateDirectory } from '../reproduce/state.js';
import { type TableDataset, tableTasks } from '../reproduce/table-datasets.js';
import { lossesOf, type TableName, table1Verdict, tableCells, tableTitle } from '../reproduce/tables.js';
import { version } from '../version.js';
import { loadData as load } from './load-data.js';
import { count, type Output, percent, table } from './output.js';
import { findDatasets } from './reproduce-data.js';
import { describePlan, recordingTo, TableProgress } from './reproduce-progress.js';
import { InterruptedError } from './usage.js';

export interface TablesRun {
  name: TableName;
  datasets: readonly TableDataset[] | undefined;
  data: string | undefined;
  losses: readonly LossName[] | undefined;
  choices: RecipeChoices;
  device: Device;
  log: string | undefined;
  out: string;
  output: Output;
  signal: AbortSignal;
}

export async function reproduceTables({
  name,
  datasets: asked,
  data: directory,
  losses: some,
  choices,
  device,
  log,
  out,
  output,
  signal,
}: TablesRun) {
  const commit = await sourceCommit(); // now: somebody may commit while this runs
  const { found, notRun } = findDatasets(asked, directory);
  const chosen = found.map(([dataset, path]) => {
    const all = lossesOf(name, dataset);
    const losses = some === undefined ? all : lossNames.filter((loss) => some.includes(loss));
    const left = all.filter((loss) => !losses.includes(loss));
    if (left.length > 0) notRun.push({ what: `${left.join(', ')} on ${dataset}`, why: 'not asked for' });
    return { dataset, path, losses };
  });

  // What there is to do, from what the data is known to be: nothing is loaded yet.
  const progress = new TableProgress(output, signal, device, recordingTo(log, name));
  for (const { dataset, losses } of chosen) {
    const { about } = tableTasks[dataset];
    const recipe = tableRecipe(dataset, about.trainExamples, choices);
    if (!output.json) output.note(describePlan(dataset, losses, recipe));
    for (const loss of losses) progress.add(dataset, loss, recipe, about);
  }
  if (!output.json) for (const { what, why } of notRun) output.note(`not run: ${what} (${why})`);

  const datasets: Reproduction['datasets'] = {};
  for (const { dataset, path, losses } of chosen) {
    if (signal.aborted) throw new InterruptedError('Interrupted; repeat the command to go on from there', { state: join(out, 'state') });
    const data = await loadData(dataset, path, signal, load);
    const { length: trainExamples, classes } = data.train;
    const recipe = tableRecipe(dataset, trainExamples, choices);
    if (!output.json) output.note([`${dataset}:`, ...describeRecipe(recipe, trainExamples)].join('\n  '));
    const state = new StateDirectory(join(out, 'state', dataset), recipe, fingerprintOf([data.train, data.test]));
    const results: NonNullable<(typeof datasets)[TableDataset]>['results'] = {};
    const testExamples = data.test.length;
    datasets[dataset] = { recipe, trainExamples, testExamples, classes, results };
    for (const loss of losses) {
      progress.add(dataset, loss, recipe, { trainExamples, testExamples }); // now that they are counted
      await progress.skipDone(dataset, loss, state);
    }
    for (const [i, loss] of losses.entries()) {
      const label = `${dataset} ${i + 1}/${losses.length}`;
      const result = await progress.show({ label, dataset, loss, state }, (hooks) => runLoss(loss, data, state, hooks));
      results[loss] = result;
      const { learningRate, singleLogit } = result;
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
    datasets,
    notRun,
  };
  const files = await writeReproduction(out, reproduction);
  output.result({ ...reproduction, files }, () =>
    [
      tableTitle(name),
      ...Object.entries(datasets).flatMap(([dataset, { testExamples, results }]) => {
        const { header, rows } = tableCells(name, dataset, results);
        const { note } = tableTasks[dataset as TableDataset];
        const verdict = name === 'table1' ? table1Verdict(results) : undefined;
        return [
          '',
          `${dataset}, ${count(testExamples)} test examples`,
          ...(note === undefined ? [] : [note]),
          table(header, rows),
          ...(verdict === undefined ? [] : [verdict]),
        ];
      }),
      '',
      ...notRun.map(({ what, why }) => `Not run: ${what} (${why})`),
      `Written: ${files.markdown}, ${files.json}`,
    ].join('\n'),
  );
}
