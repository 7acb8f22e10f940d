/** `onelogit reproduce`: the paper's tables, measured here. */
import { join } from 'node:path';
import { lossNames } from '../reproduce/paper.js';
import { defaultRecipe } from '../reproduce/recipe.js';
import { scaleDatasets, scaleDefaults } from '../reproduce/scale-recipe.js';
import { defineCommand } from './command.js';
import { choices, integer, number, text } from './options.js';
import { count, percent, table } from './output.js';
import { fitState, Progress } from './progress.js';
import { InterruptedError, suggestion, UsageError } from './usage.js';

const tables = ['table1', 'table2'] as const;
const targets = [...tables, 'scale'] as const;
const tableDatasets = ['mnist', 'glyphs'] as const;

const options = {
  datasets: choices(
    `which data; of the tables: ${tableDatasets.join(', ')} (default: mnist); of scale: ${scaleDatasets.join(', ')} (default: all)`,
    [...tableDatasets, ...scaleDatasets],
  ),
  data: text(
    'where the data is; for scale, the directory that knowledge-graphs and classic-books are in (default: $ONELOGIT_DATA, ../shared/data, then what was downloaded)',
    'DIR',
  ),
  losses: choices('which losses (default: all that the table has)', lossNames),
  steps: integer(
    `training steps with the chosen learning rate (default: ${defaultRecipe.steps}; scale: six passes over fb15k-237, three over nell-995, 800 steps of classic-books)`,
    { least: 1 },
  ),
  'search-steps': integer(
    `training steps of each learning rate that is tried (default: ${defaultRecipe.searchSteps}; scale: a tenth of the steps)`,
    { least: 1 },
  ),
  examples: integer('scale: at most so many test examples (default: all of a knowledge graph, 20000 of books)', { least: 1 }),
  'weight-decay': number(
    `of every loss alike: L2 penalty on all parameters (default: ${defaultRecipe.weightDecay}); scale: of adamw (default: ${scaleDefaults.weightDecay})`,
    { least: 0 },
  ),
  seed: integer('of weights, order of the data and the validation part', { otherwise: defaultRecipe.seed }),
  out: text('directory for the results, and for what an interrupted run goes on from', 'DIR', join('bench', 'results')),
};

/** The datasets that were asked for, which the target has to have. */
function datasetsOf<D extends string>(target: string, asked: readonly string[] | undefined, known: readonly D[], otherwise: readonly D[]) {
  const other = asked?.find((name) => !(known as readonly string[]).includes(name));
  if (other !== undefined) throw new UsageError(`Expected ${known.join(', ')} for --datasets of ${target} but received '${other}'`);
  return (asked as readonly D[] | undefined) ?? otherwise;
}

export const command = defineCommand(
  {
    name: 'reproduce',
    summary: 'train what the paper trained, and print its tables beside ours',
    description:
      'Trains a network with each loss (learning rate chosen by classification accuracy on a validation part of the training data, as in ' +
      'the paper), evaluates them on the test data, prints the paper’s rows beside ours and writes JSON and Markdown. ' +
      'Interrupted, it goes on where it stopped when the command is repeated. table1 and table2 share their networks; scale makes both ' +
      'tables for tasks of 14,541 to 87,086 classes, which the paper does not have (less than an hour on two cores).',
    positionals: [
      { name: 'TABLE', help: 'table1 (one logit, seven losses), table2 (one logit against all) or scale (both, very many classes)' },
    ],
    options,
    examples: [
      ['onelogit reproduce table1 --datasets mnist', 'the MNIST rows of Table I'],
      ['onelogit reproduce table2 --datasets mnist', 'those of Table II, from the same networks'],
      [
        'onelogit reproduce table1 --losses cross-entropy,batch-cross-entropy --steps 2000 --search-steps 500 --out /tmp/try',
        'a quick look',
      ],
      ['onelogit reproduce scale', 'very many classes: two knowledge graphs and the next word in books'],
      ['onelogit reproduce scale --datasets fb15k-237 --steps 100 --examples 1000 --out /tmp/try', 'a quick look at one of them'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const name = positionals[0] as (typeof targets)[number];
    if (!targets.includes(name))
      throw new UsageError(`Expected table1, table2 or scale for TABLE but received '${name}'${suggestion(name, targets)}`);
    if (name === 'scale') {
      const { reproduceScale } = await import('./reproduce-scale.js');
      return reproduceScale({
        datasets: datasetsOf(name, values.datasets, scaleDatasets, scaleDatasets),
        data: values.data,
        losses: values.losses ?? lossNames,
        choices: {
          steps: values.steps,
          searchSteps: values['search-steps'],
          weightDecay: values['weight-decay'],
          seed: values.seed,
        },
        examples: values.examples,
        out: values.out,
        output,
        signal,
      });
    }
    if (values.examples !== undefined) throw new UsageError(`Expected --examples only with scale but received it with ${name}`);
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
      steps: values.steps ?? defaultRecipe.steps,
      searchSteps: values['search-steps'] ?? defaultRecipe.searchSteps,
      weightDecay: values['weight-decay'] ?? defaultRecipe.weightDecay,
      seed: values.seed,
    };
    const losses = (values.losses ?? lossesOf(name)).toSorted((a, b) => lossNames.indexOf(a) - lossNames.indexOf(b));
    if (!output.json) for (const line of describeRecipe(recipe)) output.note(line);

    const datasets: Parameters<typeof writeReproduction>[1]['datasets'] = {};
    for (const dataset of datasetsOf(name, values.datasets, tableDatasets, ['mnist'])) {
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
