/**
 * How the networks of a reproduction are trained: the same for every loss but for its learning rate, which is searched, as in
 * the paper. What the paper does not state (optimizer, schedule, batch size, augmentation, the losses' own options) is decided here and in
 * table-datasets.ts, and printed.
 */
import type { LossName } from './paper.js';
import { type TableDataset, tableTasks } from './table-datasets.js';

export interface Recipe {
  network: 'mlp' | 'cnn' | 'inceptionV3';
  /** Of the mlp: units of the hidden dense layers, each followed by batch normalisation and relu. */
  hidden?: readonly number[];
  batchSize: number;
  /** Steps of the final training, and of each candidate in the search. */
  steps: number;
  searchSteps: number;
  momentum: number;
  /** L2 penalty on all parameters. */
  weightDecay: number;
  /** A single one is not searched. */
  learningRates: readonly number[];
  /** The learning rate is multiplied by `factor` every so many passes over the training examples; else it is constant. */
  decay?: { everyEpochs: number; factor: number };
  /** Random changes of the training images. */
  augment?: { padding: number; flip: boolean };
  /** Share of the training examples that the search sets aside and chooses by; the final training uses all of them. */
  validationFraction: number;
  seed: number;
}

/** What the command line may say otherwise. */
export interface RecipeChoices {
  steps?: number | undefined;
  epochs?: number | undefined;
  searchSteps?: number | undefined;
  batchSize?: number | undefined;
  weightDecay?: number | undefined;
  seed?: number | undefined;
}

/** The recipe of a data set with so many training examples. */
export function tableRecipe(dataset: TableDataset, trainExamples: number, choices: RecipeChoices = {}): Recipe {
  const { steps, searchSteps, epochs, searchEpochs, ...rest } = {
    epochs: 0,
    searchEpochs: 0,
    steps: 0,
    searchSteps: 0,
    ...tableTasks[dataset].recipe,
  };
  const batchSize = choices.batchSize ?? rest.batchSize;
  const stepsOf = (passes: number, examples: number) => Math.max(1, Math.ceil((passes * examples) / batchSize));
  const chosen =
    choices.steps ?? (choices.epochs === undefined ? steps || stepsOf(epochs, trainExamples) : stepsOf(choices.epochs, trainExamples));
  const searched = searchSteps || (searchEpochs && stepsOf(searchEpochs, trainExamples * (1 - rest.validationFraction)));
  return {
    ...rest,
    batchSize,
    steps: chosen,
    // Never longer than what it chooses for, unless somebody says so.
    searchSteps: choices.searchSteps ?? Math.min(searched, chosen),
    weightDecay: choices.weightDecay ?? rest.weightDecay,
    seed: choices.seed ?? rest.seed,
  };
}

/** Each loss's options, spelt out: they are the defaults, but a table has to say what they were. */
export const lossOptions: Record<LossName, Record<string, string | number>> = {
  'cross-entropy': {},
  'max-margin': { margin: 1 },
  'self-normalization': { alpha: 0.1 },
  // The expectation over all classes, exact; t·q(j) = 1.
  nce: { noise: 'uniform' },
  'binary-cross-entropy': {},
  'batch-cross-entropy': {},
  'batch-max-margin': { margin: 1 },
};

/** The options as the paper writes them; `classes` is nce's default t. */
export function describeLossOptions(loss: LossName, classes: number): string {
  const options = lossOptions[loss];
  if (loss === 'nce') return `t=${classes}, q=${options.noise}, expectation exact`;
  if (options.margin !== undefined) return `γ=${options.margin}`;
  return options.alpha !== undefined ? `α=${options.alpha}` : '';
}
