/** What the architectures have in common. */
import { checkInteger, checkOneOf, checkOptions } from '../check.js';
import type { Device, Precision } from '../device.js';
import { type Layer, layers } from '../layers/index.js';
import type { ModelOptions } from '../model.js';
import type { PreprocessingOptions } from '../preprocessing.js';

/** Options of every architecture. */
export interface NetworkOptions extends ModelOptions {
  /** Units of the last layer. */
  classes: number;
  /** Of one example: height, width and channels of an image. */
  inputShape?: readonly number[] | undefined;
  /** `'head'` freezes every layer but the last dense one ({@link layers.freeze}). Default `'all'`. */
  trainable?: 'all' | 'head' | undefined;
}

const known = ['classes', 'inputShape', 'trainable', 'preprocessing', 'seed', 'device', 'precision'];

/** The options of an architecture, checked as far as {@link Model} does not. */
export function checkNetworkOptions(options: unknown, what: string, inputShape: readonly number[], own: readonly string[] = []) {
  const given = checkOptions(options, [...own, ...known], what);
  const trainable = checkOneOf(given.trainable ?? 'all', ['all', 'head'] as const, `trainable of ${what}`);
  return {
    given,
    classes: checkInteger(given.classes, `classes of ${what}`, 1),
    inputShape: (given.inputShape ?? inputShape) as readonly number[],
    /** What becomes of the layers before the head. */
    body: (list: readonly Layer[]): Layer[] => (trainable === 'head' ? layers.freeze(list) : [...list]),
    model: {
      preprocessing: given.preprocessing as PreprocessingOptions | undefined,
      seed: given.seed as number | undefined,
      device: given.device as Device | undefined,
      precision: given.precision as Precision | undefined,
    },
  };
}

/** Batch normalisation and relu after a convolution or a dense layer: the layers that most architectures repeat. */
export const normalized = (layer: Layer, normalization = layers.batchNorm()): Layer[] => [layer, normalization, layers.relu()];
