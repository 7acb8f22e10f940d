/** `onelogit reproduce`: the paper's tables, measured here. */
import { join } from 'node:path';
import { lossNames } from '../reproduce/paper.js';
import { scaleDatasets, scaleDefaults } from '../reproduce/scale-recipe.js';
import { paperDatasets, tableDatasets, tableTasks } from '../reproduce/table-datasets.js';
import { type Architecture, architectures, paperClasses, timingDefaults } from '../reproduce/timing-recipe.js';
import { checkLogFile } from '../training-log/log-file.js';
import { checkWritable } from '../writable.js';
import { defineCommand } from './command.js';
import { choice, choices, integer, integers, largestFloat32, largestInt32, number, text } from './options.js';
import { suggestion, UsageError } from './usage.js';

const targets = ['table1', 'table2', 'table3', 'figure1', 'figure2', 'scale'] as const;
type Target = (typeof targets)[number];
/** Those whose logits fit in memory. */
const figure2Datasets = tableDatasets.filter((name) => name !== 'imagenet');
const { recipe: mnist } = tableTasks.mnist;

const options = {
  datasets: choices(
    `which data; of the tables and figure2: ${tableDatasets.join(', ')} (default: of the tables, those of ${paperDatasets.join(', ')} that are there; of figure2, mnist); ` +
      `of scale: ${scaleDatasets.join(', ')} (default: all)`,
    [...tableDatasets, ...scaleDatasets],
  ),
  data: text(
    'where the data is: its directory, or one that has it under its name; for scale, the directory that knowledge-graphs and classic-books are in (default: $ONELOGIT_DATA, ../shared/data, then what was downloaded)',
    'DIR',
  ),
  losses: choices('which losses (default: all that the table has; figure2: cross-entropy, batch-cross-entropy)', lossNames),
  steps: integer(
    'training steps with the chosen learning rate (default: 25000, of cifar10-first4000 twelve passes, of imagenet 6000000; scale: six passes over fb15k-237, three over nell-995, 800 steps of classic-books)',
    { least: 1 },
  ),
  epochs: number('the same as passes over the training examples', { least: 0, above: true }),
  'search-steps': integer(
    'training steps of each learning rate that is tried (default: 1500, of cifar10-first4000 one pass; scale: a tenth of the steps)',
    { least: 1 },
  ),
  'batch-size': integer('examples in a step (default: 128, of cifar10-first4000 64, of imagenet 32)', { least: 1, most: largestInt32 }),
  examples: integer('scale: at most so many test examples (default: all of a knowledge graph, 20000 of books)', { least: 1 }),
  'weight-decay': number(
    `of every loss alike: L2 penalty on all parameters (default: ${mnist.weightDecay}, of imagenet ${tableTasks.imagenet.recipe.weightDecay}); scale: of adamw (default: ${scaleDefaults.weightDecay})`,
    { least: 0, most: largestFloat32 },
  ),
  architectures: choices('table3, figure1: which networks (default: all; figure1: inceptionV3)', architectures),
  classes: integers(`table3, figure1: numbers of classes, besides one (default: ${paperClasses.slice(1).join(',')}, as in the paper)`, {
    least: 1,
    most: 2 ** 24,
  }),
  'batch-sizes': integers(`table3, figure1: examples in a forward pass (default: ${timingDefaults.batchSizes.join(',')})`, {
    least: 1,
    most: 2 ** 16,
  }),
  repetitions: integer('table3, figure1: of every forward pass (default: as many as fit into --minutes)', { least: 1 }),
  minutes: number(`table3, figure1: how long all repetitions may take, about (default: ${timingDefaults.minutes})`, {
    least: 0,
    above: true,
  }),
  seed: integer('of weights, order of the data and the validation part', { least: 0, otherwise: mnist.seed }),
  device: choice('where the networks run (default: auto, a GPU if there is one)', ['auto', 'cpu', 'cuda']),
  log: text('append a record of every training as JSON Lines (see docs/training.md)', 'FILE'),
  out: text('directory for the results, and for what an interrupted run goes on from', 'DIR', join('bench', 'results')),
};

const trained: readonly Target[] = ['table1', 'table2', 'figure2', 'scale'];
const timed: readonly Target[] = ['table3', 'figure1'];

/** Options that only some targets have. */
const optionTargets: Partial<Record<keyof typeof options, readonly Target[]>> = {
  datasets: trained,
  data: trained,
  losses: trained,
  steps: trained,
  epochs: ['table1', 'table2', 'figure2'],
  'search-steps': trained,
  'batch-size': ['table1', 'table2', 'figure2'],
  'weight-decay': trained,
  log: trained,
  device: ['table1', 'table2', 'table3', 'figure1', 'figure2'],
  architectures: timed,
  classes: timed,
  'batch-sizes': timed,
  repetitions: timed,
  minutes: timed,
  examples: ['scale'],
};

/** Refuses an option that would have no effect. */
function checkOptionsOf(target: Target, values: Record<string, unknown>): void {
  for (const [option, having] of Object.entries(optionTargets))
    if (values[option] !== undefined && !having.includes(target))
      throw new UsageError(`Expected --${option} only with ${having.join(', ')} but received it with ${target}`);
}

/** The datasets that were asked for, which the target has to have. */
function datasetsOf<D extends string, Otherwise extends readonly D[] | undefined>(
  target: string,
  asked: readonly string[] | undefined,
  known: readonly D[],
  otherwise: Otherwise,
): readonly D[] | Otherwise {
  const other = asked?.find((name) => !(known as readonly string[]).includes(name));
  if (other !== undefined) throw new UsageError(`Expected ${known.join(', ')} for --datasets of ${target} but received '${other}'`);
  return asked === undefined ? otherwise : (asked as readonly D[]);
}

export const command = defineCommand(
  {
    name: 'reproduce',
    summary: 'train what the paper trained, and print its tables beside ours',
    description:
      'Trains a network with each loss (learning rate chosen by classification accuracy on a validation part of the training data, as in ' +
      'the paper), evaluates them on the test data, prints the paper’s rows beside ours and writes JSON and Markdown; figures as SVG (which takes the packages vega and vega-lite). ' +
      'Interrupted, it goes on where it stopped when the command is repeated. table1, table2 and figure2 share their networks; table3 and figure1 ' +
      'time forward passes of networks that are not trained, and share their times; scale makes both ' +
      'tables for tasks of 14,541 to 87,086 classes, which the paper does not have (less than an hour on two cores).',
    positionals: [
      {
        name: 'TARGET',
        help: 'table1 (one logit, seven losses), table2 (one logit against all), table3 and figure1 (time by the number of classes), figure2 (distributions of right and wrong logits) or scale (both tables, very many classes)',
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
      ['onelogit reproduce table3', 'what one logit saves of a forward pass: half an hour on two cores, and 15 GiB of memory'],
      ['onelogit reproduce figure1 --repetitions 10', 'the same for Inception-v3 alone, drawn'],
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
    if (values.log !== undefined) {
      checkWritable(values.log, '--log', { grows: true });
      checkLogFile(values.log, '--log');
    }
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
        log: values.log,
        out: values.out,
        output,
        signal,
      });
    }
    const { data, losses, steps, epochs, out, device = 'auto' } = values;
    if (name === 'table3' || name === 'figure1') {
      if (values.repetitions !== undefined && values.minutes !== undefined)
        throw new UsageError('Expected at most one of --repetitions and --minutes but received both');
      const { reproduceTiming } = await import('./reproduce-timing.js');
      const everyArchitecture: readonly Architecture[] = name === 'table3' ? architectures : ['inceptionV3'];
      return reproduceTiming({
        target: name,
        architectures: values.architectures ?? everyArchitecture,
        classes: values.classes ?? paperClasses,
        batchSizes: [...new Set(values['batch-sizes'] ?? timingDefaults.batchSizes)],
        repetitions: values.repetitions,
        minutes: values.minutes ?? timingDefaults.minutes,
        seed: values.seed,
        device,
        out,
        output,
        signal,
      });
    }
    if (steps !== undefined && epochs !== undefined) throw new UsageError('Expected at most one of --steps and --epochs but received both');
    const recipeChoices = {
      steps,
      epochs,
      searchSteps: values['search-steps'],
      batchSize: values['batch-size'],
      weightDecay: values['weight-decay'],
      seed: values.seed,
    };
    const common = { data, losses, choices: recipeChoices, device, log: values.log, out, output, signal };
    if (name === 'figure2') {
      const { reproduceFigure2 } = await import('./reproduce-figure2.js');
      return reproduceFigure2({ ...common, datasets: datasetsOf(name, values.datasets, figure2Datasets, ['mnist']) });
    }
    const { reproduceTables } = await import('./reproduce-tables.js');
    return reproduceTables({ ...common, name, datasets: datasetsOf(name, values.datasets, tableDatasets, undefined) });
  },
  { interruptible: true },
);
