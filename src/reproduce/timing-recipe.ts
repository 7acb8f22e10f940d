/**
 * Table III and Figure 1: what is timed, and what the paper measured. Loaded by the command line's help: nothing here needs the addon.
 */

export const architectures = ['alexnet', 'vgg16', 'inceptionV3', 'resnet50', 'resnet101'] as const;
export type Architecture = (typeof architectures)[number];

/** One class, then 2¹⁰ and so on up to 2^18.5 of them, as the paper rounds it. */
export const paperClasses: readonly number[] = [1, 2 ** 10, 2 ** 14, 2 ** 16, 2 ** 18, 370_727];

/** Table III: seconds for each example in batches of 32, for {@link paperClasses}. On an NVIDIA Titan X (Maxwell), with TensorFlow. */
export const table3: Record<Architecture, readonly number[]> = {
  alexnet: [3.6e-3, 3.7e-3, 4.0e-3, 5.7e-3, 20.2e-3, 76.0e-3],
  vgg16: [9.4e-3, 9.6e-3, 9.9e-3, 11.4e-3, 26.4e-3, 80.5e-3],
  inceptionV3: [6.0e-3, 6.2e-3, 6.5e-3, 7.3e-3, 18.7e-3, 76.6e-3],
  resnet50: [6.1e-3, 6.4e-3, 6.6e-3, 7.4e-3, 19.1e-3, 78.0e-3],
  resnet101: [8.0e-3, 8.2e-3, 8.3e-3, 9.4e-3, 23.5e-3, 80.4e-3],
};

/** The printed speedups, from times with more digits than are printed. */
export const table3Speedups: Record<Architecture, readonly number[]> = {
  alexnet: [1, 1.04, 1.14, 1.59, 5.68, 21.38],
  vgg16: [1, 1.02, 1.05, 1.2, 2.79, 8.52],
  inceptionV3: [1, 1.03, 1.09, 1.22, 3.11, 12.75],
  resnet50: [1, 1.04, 1.08, 1.2, 3.11, 12.69],
  resnet101: [1, 1.03, 1.04, 1.19, 2.95, 10.1],
};

/** Of one example, without the last layer: multiply-adds, and the numbers that the last layer reads. Parameters without the last layer. */
export const trunks: Record<Architecture, { multiplyAdds: number; features: number; parameters: number }> = {
  alexnet: { multiplyAdds: 0.71e9, features: 4096, parameters: 57.0e6 },
  vgg16: { multiplyAdds: 15.5e9, features: 4096, parameters: 134.3e6 },
  inceptionV3: { multiplyAdds: 5.7e9, features: 2048, parameters: 21.8e6 },
  resnet50: { multiplyAdds: 4.1e9, features: 2048, parameters: 23.5e6 },
  resnet101: { multiplyAdds: 7.8e9, features: 2048, parameters: 42.5e6 },
};

export const timingDefaults = { batchSizes: [1, 32], minutes: 30, mostRepetitions: 100, leastRepetitions: 3, seed: 1 } as const;

/** What is timed of one architecture at one batch size, and on what: times of another of these are not continued. */
export interface TimingRecipe {
  architecture: Architecture;
  batchSize: number;
  /** Ascending, the first one 1. */
  classes: readonly number[];
  seed: number;
  device: 'cpu' | 'cuda';
  /** The processor, the threads and the sources. */
  where: string;
}

/** Seconds of one forward pass with each of the class counts, about: at 10¹¹ operations and 10¹⁰ bytes a second. */
export function expectedRoundSeconds(architecture: Architecture, batchSize: number, classes: readonly number[]): number {
  const { multiplyAdds, features } = trunks[architecture];
  return classes.reduce((sum, k) => {
    const head = k * features;
    return sum + (2 * batchSize * (multiplyAdds + head)) / 1e11 + (4 * head) / 1e10;
  }, 0);
}

/** How the time of a run is divided: a batch of one example, which takes little, gets three times its share. */
export function timingShares(groups: readonly { architecture: Architecture; batchSize: number }[], classes: readonly number[]): number[] {
  const weights = groups.map(
    ({ architecture, batchSize }) => expectedRoundSeconds(architecture, batchSize, classes) * (batchSize === 1 ? 3 : 1),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Rounds that fit into `seconds` when one takes `roundSeconds`. */
export function repetitionsWithin(seconds: number, roundSeconds: number): number {
  const { leastRepetitions, mostRepetitions } = timingDefaults;
  return Math.max(leastRepetitions, Math.min(mostRepetitions, Math.floor(seconds / roundSeconds)));
}

/** Bytes that the networks of all class counts take together: parameters, and as much again for trunks prepared for prediction. */
export function timingBytes(architecture: Architecture, classes: readonly number[]): number {
  const { features, parameters } = trunks[architecture];
  return 4 * classes.reduce((sum, k) => sum + k * features + 2 * parameters, 0);
}
