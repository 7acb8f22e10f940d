/**
 * How `fit` turns gradients into updates. Each function returns a plain frozen description; the arithmetic is native.
 */
import { checkBoolean, checkNumber, checkOptions, describe } from './check.js';
import { rangeError, typeError } from './errors.js';

/** {@link optimizers.sgd} */
export interface Sgd {
  readonly name: 'sgd';
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly clipNorm?: number;
}

/** {@link optimizers.adam} and {@link optimizers.adamW} */
export interface Adam {
  readonly name: 'adam' | 'adamW';
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly clipNorm?: number;
}

/** Any optimizer, as `optimizers.*` returns it. */
export type Optimizer = Sgd | Adam;

/** What every optimizer takes. */
export interface CommonOptimizerOptions {
  /** Added to the gradient as weightDecay · parameter (sgd, adam), or subtracted from the parameter as learningRate · weightDecay · parameter (adamW). */
  weightDecay?: number | undefined;
  /** The gradient of all parameters taken together is scaled down to this Euclidean norm when it is longer. Default: no clipping. */
  clipNorm?: number | undefined;
}

/** Options of {@link optimizers.sgd}. */
export interface SgdOptions extends CommonOptimizerOptions {
  /** Step size, which the schedule multiplies. At least 0. */
  learningRate: number;
  /** In [0, 1). Default 0. */
  momentum?: number | undefined;
  /** Default false; needs a momentum above 0. */
  nesterov?: boolean | undefined;
}

/** Options of {@link optimizers.adam} and {@link optimizers.adamW}. */
export interface AdamOptions extends CommonOptimizerOptions {
  /** Default 0.001. */
  learningRate?: number | undefined;
  /** Decay of the first moment, in [0, 1). Default 0.9. */
  beta1?: number | undefined;
  /** Decay of the second moment, in [0, 1). Default 0.999. */
  beta2?: number | undefined;
  /** Added to the square root of the second moment. Default 1e-8. */
  epsilon?: number | undefined;
}

/** A finite number in [0, 1). */
function checkShare(value: unknown, what: string): number {
  const share = checkNumber(value, what, { least: 0, most: 1 });
  if (share === 1) throw rangeError('ERR_ONELOGIT_RANGE', `Expected a number from 0 to below 1 for ${what} but received 1`);
  return share;
}

// Kept in float32 by the native code: a number that float32 cannot hold would silently become infinite.
const largest = 3.4e38;

/** A finite number above 0 that is above 0 in float32 too: 0/0 would come of it otherwise. */
function checkAboveZero(value: unknown, what: string, most: number): number {
  const number = checkNumber(value, what, { least: 0, most, exclusive: true });
  if (Math.fround(number) === 0)
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected a number that float32 tells from 0 for ${what} but received ${number}`);
  return number;
}

function checkCommon(options: Record<string, unknown>, what: string, learningRate: unknown, weightDecay: number) {
  const { clipNorm } = options;
  return {
    learningRate: checkNumber(learningRate, `learningRate of ${what}`, { least: 0, most: largest }),
    weightDecay: checkNumber(options.weightDecay ?? weightDecay, `weightDecay of ${what}`, { least: 0, most: largest }),
    ...(clipNorm === undefined ? {} : { clipNorm: checkAboveZero(clipNorm, `clipNorm of ${what}`, largest) }),
  };
}

/**
 * Stochastic gradient descent, as PyTorch defines it: g ← gradient + weightDecay · parameter; v ← momentum · v + g;
 * parameter ← parameter − learningRate · (nesterov ? g + momentum · v : v).
 *
 * @throws TypeError or RangeError naming the option
 */
function sgd(options: SgdOptions): Sgd {
  const what = 'optimizers.sgd';
  const checked = checkOptions(options, ['learningRate', 'momentum', 'nesterov', 'weightDecay', 'clipNorm'], what);
  const { momentum = 0, nesterov = false } = checked;
  const result = Object.freeze({
    name: 'sgd' as const,
    ...checkCommon(checked, what, checked.learningRate, 0),
    momentum: checkShare(momentum, `momentum of ${what}`),
    nesterov: checkBoolean(nesterov, `nesterov of ${what}`),
  });
  if (result.nesterov && result.momentum === 0)
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected a number above 0 for momentum of ${what} with nesterov but received 0`);
  return result;
}

function adamLike(name: 'adam' | 'adamW', options: AdamOptions | undefined, weightDecay: number): Adam {
  const what = `optimizers.${name}`;
  const checked = checkOptions(options, ['learningRate', 'beta1', 'beta2', 'epsilon', 'weightDecay', 'clipNorm'], what);
  const { learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = checked;
  return Object.freeze({
    name,
    ...checkCommon(checked, what, learningRate, weightDecay),
    beta1: checkShare(beta1, `beta1 of ${what}`),
    beta2: checkShare(beta2, `beta2 of ${what}`),
    epsilon: checkAboveZero(epsilon, `epsilon of ${what}`, 1),
  });
}

/** Adam (Kingma and Ba 2015), bias-corrected; `weightDecay` (default 0) is added to the gradient. */
function adam(options?: AdamOptions): Adam {
  return adamLike('adam', options, 0);
}

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019); `weightDecay` defaults to 0.01 and applies to all parameters, as in PyTorch. */
function adamW(options?: AdamOptions): Adam {
  return adamLike('adamW', options, 0.01);
}

/**
 * The optimizers of `fit`.
 *
 * @namespace
 */
export const optimizers = {
  /** @function */
  sgd,
  /** @function */
  adam,
  /** @function */
  adamW,
} as const;

/** An optimizer from outside, through the same checks as `optimizers.*`. */
export function checkOptimizer(value: unknown, what: string): Optimizer {
  const { name, ...options } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof name !== 'string' || !Object.hasOwn(optimizers, name))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an optimizer made by optimizers.* for ${what} but received ${describe(value)}`);
  return optimizers[name as Optimizer['name']](options as unknown as SgdOptions);
}
