/**
 * The paper's tables on tasks of 14,541 to 87,086 classes, which it could not reach: what is trained and how. As in the tables, everything
 * is the same for each loss but the learning rate, and all of it is printed. Loaded by the command line's help: nothing here needs the addon.
 */
import type { LossName } from './paper.js';

export const scaleDatasets = ['fb15k-237', 'nell-995', 'classic-books'] as const;
export type ScaleDataset = (typeof scaleDatasets)[number];

interface ScaleTask {
  /** Where it lies in a directory of data sets. */
  directory: string;
  task: string;
  /** Passes over the training examples, or steps where there are too many of them for one. */
  epochs?: number;
  steps?: number;
  /** Test examples, spread evenly over the test part; all where this is not given. */
  testExamples?: number;
  /** What it is known to be: from this the length of a run is estimated before anything is loaded. */
  about: { classes: number; trainExamples: number; testExamples: number };
}

export const scaleTasks: Record<ScaleDataset, ScaleTask> = {
  'fb15k-237': {
    directory: 'knowledge-graphs/FB15K237',
    task: 'the tail of a head and a relation',
    epochs: 6,
    about: { classes: 14_541, trainExamples: 272_115, testExamples: 20_466 },
  },
  'nell-995': {
    directory: 'knowledge-graphs/NELL-995',
    task: 'the tail of a head and a relation',
    // The most expensive task, and the whole run should take less than an hour on two cores.
    epochs: 3,
    about: { classes: 75_492, trainExamples: 149_678, testExamples: 3_992 },
  },
  'classic-books': {
    directory: 'classic-books',
    task: 'the next word after four, of all words that occur',
    steps: 800,
    testExamples: 20_000,
    about: { classes: 87_086, trainExamples: 13_245_438, testExamples: 20_000 },
  },
};

export interface ScaleRecipe {
  dataset: ScaleDataset;
  /** Of the embedding, for each integer of an example. */
  features: number;
  /** Units of the hidden dense layers, each followed by batch normalisation and relu. */
  hidden: readonly number[];
  batchSize: number;
  /** Steps of the final training, and of each candidate in the search. */
  steps: number;
  searchSteps: number;
  /** Of adamW. */
  weightDecay: number;
  learningRates: readonly number[];
  /** At most so many of the validation part choose the learning rate. */
  validationExamples: number;
  /** Noise classes that a batch draws for nce. */
  numSampled: number;
  seed: number;
}

export const scaleDefaults = {
  features: 64,
  hidden: [64],
  batchSize: 512,
  weightDecay: 0.01,
  learningRates: [0.001, 0.003, 0.01],
  validationExamples: 5_000,
  numSampled: 1024,
  seed: 1,
} as const;

export interface ScaleChoices {
  steps?: number | undefined;
  searchSteps?: number | undefined;
  weightDecay?: number | undefined;
  seed?: number | undefined;
}

/** The recipe of a task with so many training examples; a search takes a tenth of the steps unless told otherwise. */
export function scaleRecipe(dataset: ScaleDataset, trainExamples: number, choices: ScaleChoices): ScaleRecipe {
  const task = scaleTasks[dataset];
  const { batchSize } = scaleDefaults;
  const steps = choices.steps ?? task.steps ?? Math.ceil((task.epochs! * trainExamples) / batchSize);
  return {
    dataset,
    ...scaleDefaults,
    steps,
    searchSteps: choices.searchSteps ?? Math.max(1, Math.round(steps / 10)),
    weightDecay: choices.weightDecay ?? scaleDefaults.weightDecay,
    seed: choices.seed ?? scaleDefaults.seed,
  };
}

/** Each loss's options, spelt out. */
export function scaleLossOptions(loss: LossName, { numSampled, seed }: ScaleRecipe): Record<string, string | number> {
  switch (loss) {
    case 'max-margin':
    case 'batch-max-margin':
      return { margin: 1 };
    case 'self-normalization':
      return { alpha: 0.1 };
    case 'nce':
      return { numSampled, noiseRatio: numSampled, noise: 'unigram', samples: 'shared', seed };
    default:
      return {};
  }
}

export function describeScaleLossOptions(loss: LossName, recipe: ScaleRecipe): string {
  const { margin, alpha, numSampled, noiseRatio, noise, samples } = scaleLossOptions(loss, recipe);
  if (loss === 'nce') return `sampled: S=${numSampled}, t=${noiseRatio}, q=${noise}, draws ${samples}`;
  return margin !== undefined ? `γ=${margin}` : alpha !== undefined ? `α=${alpha}` : '';
}
