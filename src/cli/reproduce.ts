/** `onelogit reproduce`: the paper's tables, measured here. */
import { join } from 'node:path';
import { lossNames } from '../reproduce/paper.js';
import { defaultRecipe } from '../reproduce/recipe.js';
import { defineCommand } from './command.js';
import { choices, integer, number, text } from './options.js';
import { count, percent, table } from './output.js';
import { fitState, Progress } from './progress.js';
import { InterruptedError, suggestion, UsageError } from './usage.js';

const tables = ['table1', 'table2'] as const;
const datasetNames = ['mnist', 'glyphs'] as const;

const options = {
  datasets: choices(`which data: ${datasetNames.join(', ')} (default: mnist)`, datasetNames),
  data: text('where the data is (default: $ONELOGIT_DATA, ../shared/data, then what was downloaded)', 'DIR'),
  losses: choices('which losses (default: all that the table has)', lossNames),
  steps: integer('training steps with the chosen learning rate', { least: 1, otherwise: defaultRecipe.steps }),
  'search-steps': integer('training steps of each learning rate that is tried', { least: 1, otherwise: defaultRecipe.searchSteps }),
  'weight-decay': number('L2 penalty on all parameters, the same for every loss', { least: 0, otherwise: defaultRecipe.weightDecay }),
  seed: integer('of weights, order of the data and the validation part', { otherwise: defaultRecipe.seed }),
  out: text('directory for the results, and for what an interrupted run goes on from', 'DIR', join('bench', 'results')),
};

export const command = defineCommand(
  {
    name: 'reproduce',
    summary: 'train what the paper trained, and print its tables beside ours',
    description:
      'Trains a network with each loss (learning rate chosen by classification accuracy on a validation part of the training data, as in ' +
      'the paper), evaluates them on the test data, prints the paper’s rows beside ours and writes JSON and Markdown. ' +
      'Interrupted, it goes on where it stopped when the command is repeated. table1 and table2 share their networks.',
    positionals: [{ name: 'TABLE', help: 'table1 (one logit, seven losses) or table2 (one logit against all)' }],
    options,
    examples: [
      ['onelogit reproduce table1 --datasets mnist', 'the MNIST rows of Table I'],
      ['onelogit reproduce table2 --datasets mnist', 'those of Table II, from the same networks'],
      [
        'onelogit reproduce table1 --losses cross-entropy,batch-cross-entropy --steps 2000 --search-steps 500 --out /tmp/try',
        'a quick look',
      ],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const name = positionals[0] as (typeof tables)[number];
    if (!tables.includes(name))
      throw new UsageError(`Expected ${tables.join(' or ')} for TABLE but received '${name}'${suggestion(name, tables)}`);
    const [{ runLoss }, { loadData }, { StateDirectory }, { lossesOf, tableCells, tableTitle }, { describeRecipe, writeReproduction }] =
      await Promise.all([
        import('../reproduce/experiment.js'),
        import('../reproduce/data.js'),
        import('../reproduce/state.js'),
        import('../reproduce/tables.js'),
        import('../reproduce/report.js'),
      ]);
    const [{ describeMachine, sourceCommit }, { version }] = await Promise.all([import('../machine.js'), import('../version.js')]);
    const commit = await sourceCommit(); // now: somebody may commit while this runs
    const recipe = {
      ...defaultRecipe,
      steps: values.steps,
      searchSteps: values['search-steps'],
      weightDecay: values['weight-decay'],
      seed: values.seed,
    };
    const losses = (values.losses ?? lossesOf(name)).toSorted((a, b) => lossNames.indexOf(a) - lossNames.indexOf(b));
    if (!output.json) for (const line of describeRecipe(recipe)) output.note(line);

    const datasets: Parameters<typeof writeReproduction>[1]['datasets'] = {};
    for (const dataset of values.datasets ?? ['mnist' as const]) {
      const data = await loadData(dataset, values.data);
      const state = new StateDirectory(join(values.out, 'state', dataset), recipe);
      const results: (typeof datasets)[string]['results'] = {};
      datasets[dataset] = { trainExamples: data.train.length, testExamples: data.test.length, classes: data.train.classes, results };
      for (const [i, loss] of losses.entries()) {
        let progress: Progress | undefined;
        try {
          results[loss] = await runLoss(loss, data, state, {
            signal,
            onPhase(phase) {
              progress?.finish({ keep: false });
              progress = new Progress(`${dataset} ${i + 1}/${losses.length} ${phase}`);
            },
            onProgress: (fit) => progress?.update(fitState(fit)),
            onNote: (note) => progress?.note(note),
          });
        } catch (error) {
          if (signal.aborted)
            throw new InterruptedError(`Interrupted during ${loss} on ${dataset}; repeat the command to go on from there`, {
              state: state.path,
            });
          throw error;
        } finally {
          progress?.finish({ keep: false });
        }
        const { learningRate, singleLogit } = results[loss];
        output.note(
          `${dataset}, ${loss}: learning rate ${learningRate}, accuracy ${percent(singleLogit.accuracy)}, 1-AUPRC ${singleLogit.oneMinusAuprc.toFixed(4)}`,
        );
      }
    }
    const reproduction = {
      table: name,
      command: `onelogit reproduce ${process.argv.slice(3).join(' ')}`,
      date: new Date().toISOString(),
      version,
      commit,
      machine: describeMachine(),
      recipe,
      datasets,
    };
    const files = await writeReproduction(values.out, reproduction);
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
  },
  { interruptible: true },
);
