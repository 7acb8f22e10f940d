/**
 * The numbers of the paper: Keren, Sabato, Schuller, "Fast Single-Class Classification and the Principle of Logit
 * Separation" (2018), Tables I and II. Lower is better everywhere.
 */
import type { LossName } from '../losses.js';

/** One minus the area under the precision-recall curve, one minus the precision at recall 0.9 and at recall 0.99. */
export interface Measures {
  oneMinusAuprc: number;
  oneMinusPrecisionAt90: number;
  oneMinusPrecisionAt99: number;
}

export const measureNames = [
  'oneMinusAuprc',
  'oneMinusPrecisionAt90',
  'oneMinusPrecisionAt99',
] as const satisfies readonly (keyof Measures)[];

/** As the paper heads its columns. */
export const measureTitles: Record<keyof Measures, string> = {
  oneMinusAuprc: '1-AUPRC',
  oneMinusPrecisionAt90: '1-P@0.9',
  oneMinusPrecisionAt99: '1-P@0.99',
};

/**
 * The seven losses in the order of Table I: the two that are not aligned with the principle first. Like {@link LossName}, but known without
 * loading the addon, which help must not need.
 */
export const lossNames = [
  'cross-entropy',
  'max-margin',
  'self-normalization',
  'nce',
  'binary-cross-entropy',
  'batch-cross-entropy',
  'batch-max-margin',
] as const satisfies readonly LossName[];

export const notAligned: readonly LossName[] = ['cross-entropy', 'max-margin'];
export const aligned: readonly LossName[] = lossNames.filter((name) => !notAligned.includes(name));

export type PaperDataset = 'mnist' | 'svhn' | 'cifar10' | 'cifar100' | 'imagenet';

function measures([oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99]: readonly [number, number, number]): Measures {
  return { oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99 };
}

function rows(values: Partial<Record<LossName, readonly [number, number, number]>>): Partial<Record<LossName, Measures>> {
  return Object.fromEntries(Object.entries(values).map(([name, row]) => [name, measures(row)]));
}

/** Table I: single-logit scores. `printedImprovement` is its bottom row, as shares. */
export const table1: Record<PaperDataset, { losses: Partial<Record<LossName, Measures>>; printedImprovement: Measures }> = {
  mnist: {
    losses: rows({
      'cross-entropy': [0.008, 0.005, 0.203],
      'max-margin': [0.012, 0.018, 0.262],
      'self-normalization': [0.002, 0.001, 0.021],
      nce: [0.002, 0.002, 0.021],
      'binary-cross-entropy': [0.002, 0.0, 0.037],
      'batch-cross-entropy': [0.001, 0.001, 0.022],
      'batch-max-margin': [0.002, 0.001, 0.034],
    }),
    printedImprovement: measures([0.82, 0.913, 0.884]),
  },
  svhn: {
    losses: rows({
      'cross-entropy': [0.023, 0.028, 0.545],
      'max-margin': [0.021, 0.025, 0.532],
      'self-normalization': [0.015, 0.014, 0.298],
      nce: [0.021, 0.017, 0.32],
      'binary-cross-entropy': [0.015, 0.016, 0.312],
      'batch-cross-entropy': [0.015, 0.013, 0.28],
      'batch-max-margin': [0.018, 0.02, 0.384],
    }),
    printedImprovement: measures([0.234, 0.396, 0.408]),
  },
  cifar10: {
    losses: rows({
      'cross-entropy': [0.109, 0.326, 0.703],
      'max-margin': [0.094, 0.285, 0.705],
      'self-normalization': [0.073, 0.204, 0.599],
      nce: [0.081, 0.214, 0.594],
      'binary-cross-entropy': [0.07, 0.21, 0.607],
      'batch-cross-entropy': [0.072, 0.202, 0.602],
      'batch-max-margin': [0.075, 0.226, 0.636],
    }),
    printedImprovement: measures([0.269, 0.309, 0.136]),
  },
  cifar100: {
    losses: rows({
      'cross-entropy': [0.484, 0.866, 0.974],
      'max-margin': [0.49, 0.893, 0.977],
      'self-normalization': [0.378, 0.807, 0.97],
      nce: [0.383, 0.795, 0.964],
      'binary-cross-entropy': [0.426, 0.87, 0.978],
      'batch-cross-entropy': [0.371, 0.795, 0.961],
      'batch-max-margin': [0.468, 0.903, 0.983],
    }),
    printedImprovement: measures([0.168, 0.052, 0.005]),
  },
  imagenet: {
    losses: rows({ 'cross-entropy': [0.366, 0.739, 0.932], 'batch-cross-entropy': [0.245, 0.563, 0.865] }),
    printedImprovement: measures([0.331, 0.238, 0.072]),
  },
};

/** Table II: one logit against all of them. ImageNet has no row for the mean. */
export const table2: Record<PaperDataset, { meanAligned?: Measures; batchCrossEntropy: Measures; crossEntropyAllLogits: Measures }> = {
  mnist: {
    meanAligned: measures([0.002, 0.001, 0.027]),
    batchCrossEntropy: measures([0.001, 0.001, 0.022]),
    crossEntropyAllLogits: measures([0.001, 0.0, 0.02]),
  },
  svhn: {
    meanAligned: measures([0.017, 0.016, 0.319]),
    batchCrossEntropy: measures([0.015, 0.013, 0.28]),
    crossEntropyAllLogits: measures([0.015, 0.016, 0.313]),
  },
  cifar10: {
    meanAligned: measures([0.074, 0.211, 0.608]),
    batchCrossEntropy: measures([0.072, 0.202, 0.602]),
    crossEntropyAllLogits: measures([0.074, 0.214, 0.648]),
  },
  cifar100: {
    meanAligned: measures([0.405, 0.834, 0.971]),
    batchCrossEntropy: measures([0.371, 0.795, 0.961]),
    crossEntropyAllLogits: measures([0.38, 0.801, 0.973]),
  },
  imagenet: {
    batchCrossEntropy: measures([0.245, 0.563, 0.865]),
    crossEntropyAllLogits: measures([0.223, 0.566, 0.872]),
  },
};

export type { LossName };

/** The mean of each measure over the given rows. */
export function meanMeasures(list: readonly Measures[]): Measures {
  const mean = (name: keyof Measures) => list.reduce((sum, row) => sum + row[name], 0) / list.length;
  return measures([mean(measureNames[0]), mean(measureNames[1]), mean(measureNames[2])]);
}

/**
 * Table I's bottom row: the relative improvement of the mean of the aligned losses over the mean of the others,
 * (mean of the others − mean of the aligned) / mean of the others, for each measure. Undefined without a loss of either kind.
 */
export function meanRelativeImprovement(losses: Partial<Record<LossName, Measures>>): Measures | undefined {
  const of = (names: readonly LossName[]) => names.flatMap((name) => losses[name] ?? []);
  const [good, other] = [of(aligned), of(notAligned)];
  if (good.length === 0 || other.length === 0) return undefined;
  const [ours, theirs] = [meanMeasures(good), meanMeasures(other)];
  const relative = (name: keyof Measures) => (theirs[name] - ours[name]) / theirs[name];
  return measures([relative(measureNames[0]), relative(measureNames[1]), relative(measureNames[2])]);
}
