/** Layers that bring numbers to a common scale. */
import { checkInteger, checkNumber, checkOptions } from '../check.js';
import { checkName, type Joined, type NameOption, type WithTensors } from './layer.js';

/** {@link layers.batchNorm} */
export interface BatchNormLayer extends WithTensors {
  readonly type: 'batchNorm';
  readonly epsilon: number;
  readonly momentum: number;
}

/** {@link layers.localResponseNorm} */
export interface LocalResponseNormLayer extends Joined {
  readonly type: 'localResponseNorm';
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** Options of {@link layers.batchNorm}. */
export interface BatchNormOptions extends NameOption {
  /** Added to the variance. Default 1e-5. */
  epsilon?: number | undefined;
  /** Share of the batch's statistics in the running ones: running ← running + momentum · (batch − running). Default 0.1, as in PyTorch. */
  momentum?: number | undefined;
}

/** Options of {@link layers.localResponseNorm}. */
export interface LocalResponseNormOptions {
  /** Channels in a window. Default 5. */
  size?: number | undefined;
  /** Default 1e-4. Divided by `size`, as in PyTorch: a paper whose α multiplies the plain sum of squares has α · size here. */
  alpha?: number | undefined;
  /** Default 0.75. */
  beta?: number | undefined;
  /** Default 1. */
  k?: number | undefined;
}

/**
 * Batch normalisation per feature, or per channel of images (Ioffe and Szegedy 2015): with the statistics of the batch in training, with
 * running ones otherwise, and also in training when it is frozen. At inference it is folded into the dense or convolutional layer before it.
 */
export function batchNorm(options?: BatchNormOptions): BatchNormLayer {
  const what = 'layers.batchNorm';
  const { epsilon = 1e-5, momentum = 0.1, name } = checkOptions(options, ['epsilon', 'momentum', 'name'], what);
  return Object.freeze({
    type: 'batchNorm',
    ...checkName(name, what),
    epsilon: checkNumber(epsilon, `epsilon of ${what}`, { least: 0, most: 1, exclusive: true }),
    momentum: checkNumber(momentum, `momentum of ${what}`, { least: 0, most: 1 }),
  });
}

/**
 * Normalises each number by its neighbours across the last axis, the channels of an image (Krizhevsky et al. 2012, 3.3):
 * y_c = x_c / (k + alpha/size · Σ x²)^beta, the sum over the `size` channels around c that exist.
 */
export function localResponseNorm(options?: LocalResponseNormOptions): LocalResponseNormLayer {
  const what = 'layers.localResponseNorm';
  const { size = 5, alpha = 1e-4, beta = 0.75, k = 1 } = checkOptions(options, ['size', 'alpha', 'beta', 'k'], what);
  // The native code keeps float32.
  const most = 1e30;
  return Object.freeze({
    type: 'localResponseNorm',
    size: checkInteger(size, `size of ${what}`, 1, 2 ** 20),
    alpha: checkNumber(alpha, `alpha of ${what}`, { least: 0, most }),
    beta: checkNumber(beta, `beta of ${what}`, { least: 0, most }),
    k: checkNumber(k, `k of ${what}`, { least: 1e-30, most }),
  });
}
