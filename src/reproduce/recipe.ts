/**
 * How the networks of a reproduction are trained: the same for every loss but for its learning rate, which is searched, as in
 * the paper. What the paper does not state (optimizer, schedule, batch size, the losses' own options) is decided here and printed.
 */
import type { LossName } from './paper.js';

export interface Recipe {
  /** Units of the hidden dense layers, each followed by batch normalisation and relu. */
  hidden: readonly number[];
  batchSize: number;
  /** Steps of the final training, and of each candidate in the search. */
  steps: number;
  searchSteps: number;
  /** L2 penalty on all parameters. */
  weightDecay: number;
  learningRates: readonly number[];
  /** Share of the training examples that the search sets aside and chooses by; the final training uses all of them. */
  validationFraction: number;
  seed: number;
}

export const defaultRecipe: Recipe = {
  hidden: [500, 500],
  batchSize: 128,
  steps: 25_000,
  searchSteps: 1_500,
  weightDecay: 0.0001,
  learningRates: [1, 0.1, 0.01, 0.001],
  validationFraction: 1 / 6,
  seed: 1,
};

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
