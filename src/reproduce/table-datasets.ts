/**
 * The data of Tables I and II: where it is, what it is, and what the recipe of its networks is. Loaded by the command line's help: nothing
 * here needs the addon.
 */
import type { LossName, PaperDataset } from './paper.js';
import type { Recipe } from './recipe.js';

/** The paper's data sets, then others, which are taken only when they are named. */
export const paperDatasets = ['mnist', 'svhn', 'cifar10', 'cifar100', 'imagenet'] as const satisfies readonly PaperDataset[];
export const tableDatasets = [...paperDatasets, 'cifar10-first4000', 'cifar10-jpeg', 'glyphs'] as const;
export type TableDataset = (typeof tableDatasets)[number];

export interface TableTask {
  /** Files that its directory has, each plain or with `.gz`; undefined where it is generated. */
  files: readonly string[] | undefined;
  /** Whose rows of the paper's tables stand beside ours. */
  paper: PaperDataset | undefined;
  /** What has to be known when it is compared with the paper's. */
  note?: string;
  /** The losses that are trained; default: those of the table. */
  losses?: readonly LossName[];
  recipe: Omit<Recipe, 'steps' | 'searchSteps'> & Length;
  /** What it is known to be: from this the length of a run is estimated before anything is loaded. */
  about: { trainExamples: number; testExamples: number };
}

/** Of the final training and of each candidate in the search: steps, or passes over the training examples. */
type Length = { steps: number; searchSteps: number } | { epochs: number; searchEpochs: number };

const common = {
  batchSize: 128,
  momentum: 0,
  weightDecay: 0.0001,
  learningRates: [1, 0.1, 0.01, 0.001],
  validationFraction: 1 / 6,
  seed: 1,
} as const;
const mlp = { network: 'mlp', hidden: [500, 500], ...common, steps: 25_000, searchSteps: 1_500 } as const;
const cnn = { network: 'cnn', ...common, steps: 25_000, searchSteps: 1_500 } as const;

const cifar10Note = 'The paper’s columns are those of CIFAR-10, with its 50,000 training and 10,000 test images.';

export const tableTasks: Record<TableDataset, TableTask> = {
  mnist: {
    files: ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'],
    paper: 'mnist',
    recipe: mlp,
    about: { trainExamples: 60_000, testExamples: 10_000 },
  },
  svhn: {
    files: ['train_32x32.mat', 'test_32x32.mat'],
    paper: 'svhn',
    recipe: cnn,
    about: { trainExamples: 73_257, testExamples: 26_032 },
  },
  cifar10: {
    files: [...[1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`), 'test_batch.bin'],
    paper: 'cifar10',
    recipe: cnn,
    about: { trainExamples: 50_000, testExamples: 10_000 },
  },
  cifar100: {
    files: ['train.bin', 'test.bin'],
    paper: 'cifar100',
    recipe: cnn,
    about: { trainExamples: 50_000, testExamples: 10_000 },
  },
  imagenet: {
    files: ['train', 'val'],
    paper: 'imagenet',
    note: 'The paper trained its networks for 6 million steps, with the hyperparameters of an implementation in TensorFlow that it does not list.',
    losses: ['cross-entropy', 'batch-cross-entropy'],
    // No search, as in the paper: one learning rate for both losses, in proportion to the batch from 0.1 at 256.
    recipe: {
      network: 'inceptionV3',
      ...common,
      batchSize: 32,
      momentum: 0.9,
      weightDecay: 0.00004,
      learningRates: [0.0125],
      decay: { everyEpochs: 30, factor: 0.16 },
      augment: { padding: 32, flip: true },
      steps: 6_000_000,
      searchSteps: 0,
    },
    about: { trainExamples: 1_281_167, testExamples: 50_000 },
  },
  'cifar10-first4000': {
    files: ['data_batch_1_first4000.bin'],
    paper: 'cifar10',
    note: `Not CIFAR-10 but its first 4,000 training images: 3,000 to train with, and the last 1,000, which are no test images of CIFAR-10, to test with. ${cifar10Note}`,
    recipe: { network: 'cnn', ...common, batchSize: 64, epochs: 12, searchEpochs: 1 },
    about: { trainExamples: 3_000, testExamples: 1_000 },
  },
  'cifar10-jpeg': {
    files: ['train.tar', 'test.tar'],
    paper: 'cifar10',
    note: `All images of CIFAR-10, but compressed again as JPEG: not its pixels. ${cifar10Note}`,
    recipe: cnn,
    about: { trainExamples: 50_000, testExamples: 10_000 },
  },
  glyphs: {
    files: undefined,
    paper: undefined,
    recipe: mlp,
    about: { trainExamples: 13_000, testExamples: 2_600 },
  },
};
