/** `onelogit reproduce`: the paper's tables, measured here. */
import { join } from 'node:path';
import { lossNames } from '../reproduce/paper.js';
import { defaultRecipe } from '../reproduce/recipe.js';
import { scaleDatasets, scaleDefaults } from '../reproduce/scale-recipe.js';
import { defineCommand } from './command.js';
import { choices, integer, number, text } from './options.js';
import { suggestion, UsageError } from './usage.js';

const targets = ['table1', 'table2', 'figure2', 'scale'] as const;
type Target = (typeof targets)[number];
const tableDatasets = ['mnist', 'glyphs'] as const;

const options = {
  datasets: choices(
    `which data; of the tables and figure2: ${tableDatasets.join(', ')} (default: mnist); of scale: ${scaleDatasets.join(', ')} (default: all)`,
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

/** Options that only some targets have. */
const optionTargets: Partial<Record<keyof typeof options, readonly Target[]>> = { examples: ['scale'] };

/** Refuses an option that would have no effect. */
function checkOptionsOf(target: Target, values: Record<string, unknown>): void {
  for (const [option, having] of Object.entries(optionTargets))
    if (values[option] !== undefined && !having.includes(target))
      throw new UsageError(`Expected --${option} only with ${having.join(', ')} but received it with ${target}`);
}

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
      'the paper), evaluates them on the test data, prints the paper’s rows beside ours and writes JSON and Markdown; figures as SVG (which takes the packages vega and vega-lite). ' +
      'Interrupted, it goes on where it stopped when the command is repeated. table1, table2 and figure2 share their networks; scale makes both ' +
      'tables for tasks of 14,541 to 87,086 classes, which the paper does not have (less than an hour on two cores).',
    positionals: [
      {
        name: 'TARGET',
        help: 'table1 (one logit, seven losses), table2 (one logit against all), figure2 (distributions of right and wrong logits) or scale (both tables, very many classes)',
      },
    ],
    options,
    examples: [
      ['onelogit reproduce table1 --datasets mnist', 'the MNIST rows of Table I'],
      ['onelogit reproduce table2 --datasets mnist', 'those of Table II, from the same networks'],
      [
        'onelogit reproduce table1 --losses cross-entropy,batch-cross-entropy --steps 2000 --search-steps 500 --out /tmp/try',
        'a quick look',
      ],
      ['onelogit reproduce figure2', 'right and wrong logits of two losses on MNIST, drawn'],
      ['onelogit reproduce scale', 'very many classes: two knowledge graphs and the next word in books'],
      ['onelogit reproduce scale --datasets fb15k-237 --steps 100 --examples 1000 --out /tmp/try', 'a quick look at one of them'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const name = positionals[0] as Target;
    if (!targets.includes(name))
      throw new UsageError(`Expected one of ${targets.join(', ')} for TARGET but received '${name}'${suggestion(name, targets)}`);
    checkOptionsOf(name, values);
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
    const recipe = {
      ...defaultRecipe,
      steps: values.steps ?? defaultRecipe.steps,
      searchSteps: values['search-steps'] ?? defaultRecipe.searchSteps,
      weightDecay: values['weight-decay'] ?? defaultRecipe.weightDecay,
      seed: values.seed,
    };
    const { data, losses, out } = values;
    const common = { datasets: datasetsOf(name, values.datasets, tableDatasets, ['mnist']), data, losses, recipe, out, output, signal };
    if (name === 'figure2') {
      const { reproduceFigure2 } = await import('./reproduce-figure2.js');
      return reproduceFigure2(common);
    }
    const { reproduceTables } = await import('./reproduce-tables.js');
    return reproduceTables({ name, ...common });
  },
  { interruptible: true },
);
