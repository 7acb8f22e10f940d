/**
 * The seven losses: frozen descriptions of what to minimise, and their value and gradient. The arithmetic is native
 * (`native/loss/` has one file per loss, with its formula and derivation; docs/losses.md is the page of mathematics).
 *
 * Notation: a batch of m examples, k classes, logits z (m×k, row-major), labels y; lse_i = ln Σ_j exp z_ij; [·] is 1 or 0.
 * Reference: Keren, Sabato and Schuller, "Fast Single-Class Classification and the Principle of Logit Separation".
 */
import {
  checkBoolean,
  checkFloat32Array,
  checkInt32Array,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  describe,
  typedArrayLength,
} from './check.js';
import { checkDevice, type Device } from './device.js';
import { rangeError, typeError } from './errors.js';
import { native } from './native.js';

declare module './native.js' {
  interface NativeBinding {
    lossAndGradient(
      loss: Loss,
      logits: Float32Array,
      labels: Int32Array,
      classes: number,
      device: Device,
    ): { value: number; gradient: Float32Array<ArrayBuffer> };
  }
}

/** How the losses of a batch's examples become one number: their mean (the default) or their sum. */
export type Reduction = 'mean' | 'sum';

/** {@link losses.crossEntropy} */
export interface CrossEntropy {
  readonly name: 'cross-entropy';
  readonly aligned: false;
  readonly reduction: Reduction;
}

/** {@link losses.maxMargin} */
export interface MaxMargin {
  readonly name: 'max-margin';
  readonly aligned: false;
  readonly reduction: Reduction;
  readonly margin: number;
}

/** {@link losses.selfNormalization} */
export interface SelfNormalization {
  readonly name: 'self-normalization';
  readonly aligned: true;
  readonly reduction: Reduction;
  readonly alpha: number;
}

/**
 * The distribution that nce's noise classes are drawn from; positive weights, one per class, are divided by their sum. A loss read
 * back from a model file only knows how many weights there were, since files must not grow with k twice: `{ weights: k }`.
 */
export type Noise = 'uniform' | 'log-uniform' | 'unigram' | Float32Array | { readonly weights: number };

/** {@link losses.nce} */
export interface Nce {
  readonly name: 'nce';
  readonly aligned: true;
  readonly reduction: Reduction;
  /** Draws per batch or per example; absent: the expectation is exact. */
  readonly numSampled?: number;
  /** t; absent: `numSampled`, or k when the expectation is exact. */
  readonly noiseRatio?: number;
  readonly noise: Noise;
  readonly samples: 'shared' | 'per-example';
  readonly removeAccidentalHits: boolean;
  readonly seed: number;
}

/** {@link losses.binaryCrossEntropy} */
export interface BinaryCrossEntropy {
  readonly name: 'binary-cross-entropy';
  readonly aligned: true;
  readonly reduction: Reduction;
}

/** {@link losses.batchCrossEntropy} */
export interface BatchCrossEntropy {
  readonly name: 'batch-cross-entropy';
  readonly aligned: true;
}

/** {@link losses.batchMaxMargin} */
export interface BatchMaxMargin {
  readonly name: 'batch-max-margin';
  readonly aligned: true;
  readonly margin: number;
}

/** Any loss, as `losses.*` returns it: its name, whether it is aligned with the Principle of Logit Separation, and its options. */
export type Loss = CrossEntropy | MaxMargin | SelfNormalization | Nce | BinaryCrossEntropy | BatchCrossEntropy | BatchMaxMargin;

/** The name of a loss, as in files, on the command line and in results. */
export type LossName = Loss['name'];

/** Options of the losses that are a mean or a sum over examples. */
export interface ReductionOptions {
  /** Default `'mean'`. */
  reduction?: Reduction | undefined;
}

/** Options of {@link losses.maxMargin}. */
export interface MaxMarginOptions extends ReductionOptions {
  /** γ, how far the true logit should be above the others: above 0, default 1. */
  margin?: number | undefined;
}

/** Options of {@link losses.selfNormalization}. */
export interface SelfNormalizationOptions extends ReductionOptions {
  /** α, the weight of lse²: above 0, default 0.1. */
  alpha?: number | undefined;
}

/** Options of {@link losses.batchMaxMargin}. */
export interface BatchMaxMarginOptions {
  /** γ, the same for each example and for the batch: above 0, default 1. */
  margin?: number | undefined;
}

/** Options of {@link losses.nce}. */
export interface NceOptions extends ReductionOptions {
  /** How many classes to draw, with replacement, instead of looking at all k (1 … 10,000,000). Default: none, the expectation is exact. */
  numSampled?: number | undefined;
  /** t, how many noise draws stand against one label: above 0, at most 1e30. Default: `numSampled`, or k. */
  noiseRatio?: number | undefined;
  /**
   * q: `'uniform'` (default); `'log-uniform'`, q_j = ln((j+2)/(j+1))/ln(k+1), for classes ordered by falling frequency;
   * `'unigram'`, (count_j + 1)/(n + k) from the labels that `fit` trains on; or one positive weight per class (copied).
   */
  noise?: 'uniform' | 'log-uniform' | 'unigram' | Float32Array | undefined;
  /** Whether a batch's examples share their draws (default) or have their own. */
  samples?: 'shared' | 'per-example' | undefined;
  /** Leave draws of an example's own label out of its sum (default false, as in the paper's Eq. 3). */
  removeAccidentalHits?: boolean | undefined;
  /** Of the draws, an integer from 0 to 2⁵³ − 1. Each step of `fit` draws afresh from it and the step's number. Default 0. */
  seed?: number | undefined;
}

/** Which options each loss takes. */
export interface LossOptions {
  'cross-entropy': ReductionOptions;
  'max-margin': MaxMarginOptions;
  'self-normalization': SelfNormalizationOptions;
  nce: NceOptions;
  'binary-cross-entropy': ReductionOptions;
  'batch-cross-entropy': Record<string, never>;
  'batch-max-margin': BatchMaxMarginOptions;
}

/** The loss of a name. */
export type LossOf<N extends LossName> = Extract<Loss, { name: N }>;

// Losses made here have been checked, and their noise weights copied: that need not happen again.
const made = new WeakSet<object>();

function make<L extends Loss>(loss: L): L {
  made.add(Object.freeze(loss));
  return loss;
}

function checkReduction({ reduction = 'mean' }: Record<string, unknown>, what: string): { reduction: Reduction } {
  return { reduction: checkOneOf(reduction, ['mean', 'sum'], `reduction of ${what}`) };
}

function checkPositive(value: unknown, what: string, most = Number.MAX_VALUE): number {
  return checkNumber(value, what, { least: 0, most, exclusive: true });
}

function checkNoise(value: unknown, what: string): Noise {
  if (!ArrayBuffer.isView(value)) {
    if (typeof value === 'string') return checkOneOf(value, ['uniform', 'log-uniform', 'unigram'] as const, what);
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected 'uniform', 'log-uniform', 'unigram' or a Float32Array of weights for ${what} but received ${describe(value)}`,
    );
  }
  const given = checkFloat32Array(value, what);
  if (typedArrayLength(given) === 0)
    throw rangeError('ERR_ONELOGIT_LENGTH', `Expected one weight per class for ${what} but received ${describe(value)}`);
  const weights = new Float32Array(given);
  const bad = weights.findIndex((weight) => !(weight > 0 && weight < Infinity));
  if (bad >= 0)
    throw rangeError('ERR_ONELOGIT_NOISE', `Expected finite weights above 0 for ${what} but received ${weights[bad]} at index ${bad}`);
  return weights;
}

/**
 * −ln softmax(z)_y, the usual classification loss. **Not aligned** with the Principle of Logit Separation: one logit alone says
 * little after training with it.
 *
 * value mean_i (lse_i − z_iy); gradient (p_ij − [j = y_i])/m with p = softmax(z).
 *
 * @throws TypeError or RangeError naming the option
 */
function crossEntropy(options?: ReductionOptions): CrossEntropy {
  const what = 'losses.crossEntropy';
  return make({
    name: 'cross-entropy',
    aligned: false,
    ...checkReduction(checkOptions(options, ['reduction'], what), what),
  });
}

/**
 * The hinge between an example's true logit and its largest false one (Crammer and Singer 2001). **Not aligned**. Needs k ≥ 2.
 *
 * value mean_i max(0, γ − z_iy + max_{j≠y} z_ij); gradient ±1/m at the two logits of a hinge above 0. Ties go to the lowest j.
 *
 * @throws TypeError or RangeError naming the option
 */
function maxMargin(options?: MaxMarginOptions): MaxMargin {
  const what = 'losses.maxMargin';
  const checked = checkOptions(options, ['margin', 'reduction'], what);
  const { margin = 1 } = checked;
  return make({
    name: 'max-margin',
    aligned: false,
    ...checkReduction(checked, what),
    margin: checkPositive(margin, `margin of ${what}`),
  });
}

/**
 * Cross-entropy plus α·lse², which pulls the normaliser towards 1 (Devlin et al. 2014). Aligned.
 *
 * value mean_i (lse_i − z_iy + α lse_i²); gradient ((1 + 2α lse_i) p_ij − [j = y_i])/m.
 *
 * @throws TypeError or RangeError naming the option
 */
function selfNormalization(options?: SelfNormalizationOptions): SelfNormalization {
  const what = 'losses.selfNormalization';
  const checked = checkOptions(options, ['alpha', 'reduction'], what);
  const { alpha = 0.1 } = checked;
  return make({
    name: 'self-normalization',
    aligned: true,
    ...checkReduction(checked, what),
    alpha: checkPositive(alpha, `alpha of ${what}`),
  });
}

/**
 * Noise-contrastive estimation (Gutmann and Hyvärinen 2010): tell the label from draws of a noise distribution q. Aligned. With
 * `numSampled`, a step's cost does not depend on k.
 *
 * value mean_i (−ln g_iy − t E_{j~q} ln(1 − g_ij)) with g_ij = σ(z_ij − ln(t q_j)); gradient (t q_j g_ij − [j = y_i] · (1 − g_ij))/m.
 * With S = `numSampled` draws the expectation is the mean over the draws.
 *
 * @throws TypeError or RangeError naming the option
 */
function nce(options?: NceOptions): Nce {
  const what = 'losses.nce';
  const checked = checkOptions(
    options,
    ['numSampled', 'noiseRatio', 'noise', 'samples', 'removeAccidentalHits', 'seed', 'reduction'],
    what,
  );
  const { numSampled, noiseRatio, noise = 'uniform', samples = 'shared', removeAccidentalHits = false, seed = 0 } = checked;
  return make({
    name: 'nce',
    aligned: true,
    ...checkReduction(checked, what),
    ...(numSampled === undefined ? {} : { numSampled: checkInteger(numSampled, `numSampled of ${what}`, 1, 10_000_000) }),
    ...(noiseRatio === undefined ? {} : { noiseRatio: checkPositive(noiseRatio, `noiseRatio of ${what}`, 1e30) }),
    noise: checkNoise(noise, `noise of ${what}`),
    samples: checkOneOf(samples, ['shared', 'per-example'], `samples of ${what}`),
    removeAccidentalHits: checkBoolean(removeAccidentalHits, `removeAccidentalHits of ${what}`),
    seed: checkInteger(seed, `seed of ${what}`),
  });
}

/**
 * k independent yes-or-no questions per example, summed. Aligned.
 *
 * value mean_i (softplus(−z_iy) + Σ_{j≠y} softplus(z_ij)), softplus(x) = ln(1 + eˣ); gradient (σ(z_ij) − [j = y_i])/m.
 *
 * @throws TypeError or RangeError naming the option
 */
function binaryCrossEntropy(options?: ReductionOptions): BinaryCrossEntropy {
  const what = 'losses.binaryCrossEntropy';
  return make({
    name: 'binary-cross-entropy',
    aligned: true,
    ...checkReduction(checkOptions(options, ['reduction'], what), what),
  });
}

/**
 * KL(P_B‖Q_B): cross-entropy with one softmax over all m·k logits of the batch (the paper's Definition 2). Aligned.
 *
 * value LSE_B − mean_i z_iy − ln m, LSE_B = ln Σ_ij exp z_ij; gradient exp(z_ij − LSE_B) − [j = y_i]/m. A batch of one gives cross-entropy.
 *
 * @throws TypeError naming an unknown option; there are none
 */
function batchCrossEntropy(options?: Record<string, never>): BatchCrossEntropy {
  checkOptions(options, [], 'losses.batchCrossEntropy');
  return make({ name: 'batch-cross-entropy', aligned: true });
}

/**
 * Max-margin plus one hinge between the batch's smallest true and largest false logit (the paper's Definition 3). Aligned. Needs
 * k ≥ 2.
 *
 * value max-margin + (1/m) max(0, γ − min_i z_iy + max_{i,j≠y_i} z_ij). Ties go to the lowest flat index i·k + j.
 *
 * @throws TypeError or RangeError naming the option
 */
function batchMaxMargin(options?: BatchMaxMarginOptions): BatchMaxMargin {
  const what = 'losses.batchMaxMargin';
  const { margin = 1 } = checkOptions(options, ['margin'], what);
  return make({ name: 'batch-max-margin', aligned: true, margin: checkPositive(margin, `margin of ${what}`) });
}

const makers = {
  'cross-entropy': crossEntropy,
  'max-margin': maxMargin,
  'self-normalization': selfNormalization,
  nce,
  'binary-cross-entropy': binaryCrossEntropy,
  'batch-cross-entropy': batchCrossEntropy,
  'batch-max-margin': batchMaxMargin,
} as const;

/** The names of all losses, in the order of the paper's tables: the two that are not aligned first. */
export const lossNames: readonly LossName[] = Object.freeze(Object.keys(makers) as LossName[]);

/**
 * A loss by its name, for names that come from a file or a command line: `losses.byName('batch-cross-entropy')`.
 *
 * @throws RangeError `ERR_ONELOGIT_UNKNOWN_LOSS` on another name; else as the loss's own function
 */
function byName<N extends LossName>(name: N, options?: LossOptions[N]): LossOf<N> {
  if (typeof name !== 'string' || !Object.hasOwn(makers, name))
    throw rangeError('ERR_ONELOGIT_UNKNOWN_LOSS', `Expected one of ${lossNames.join(', ')} for the loss but received ${describe(name)}`);
  return (makers[name] as (options?: unknown) => Loss)(options) as LossOf<N>;
}

/**
 * The seven losses.
 *
 * @namespace
 */
export const losses = {
  /** @function */
  crossEntropy,
  /** @function */
  maxMargin,
  /** @function */
  selfNormalization,
  /** @function */
  nce,
  /** @function */
  binaryCrossEntropy,
  /** @function */
  batchCrossEntropy,
  /** @function */
  batchMaxMargin,
  /** @function */
  byName,
} as const;

/**
 * A loss from outside, through the same checks as `losses.*`.
 *
 * @internal
 */
export function checkLoss(value: unknown, what: string): Loss {
  if (typeof value === 'object' && value !== null && made.has(value)) return value as Loss;
  const { name, aligned, ...options } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof name !== 'string')
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a loss made by losses.* for ${what} but received ${describe(value)}`);
  if (isWeightCount(options.noise))
    throw rangeError(
      'ERR_ONELOGIT_NOISE',
      `Expected a loss with its noise weights for ${what} but received one from a file, which holds only their number; ` +
        'make it with losses.nce({ noise: weights, … })',
    );
  const loss = byName(name as LossName, options);
  if (aligned !== undefined && aligned !== loss.aligned)
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected ${loss.aligned} for aligned of ${name} but received ${describe(aligned)}`);
  return loss;
}

function isWeightCount(noise: unknown): noise is { weights: number } {
  return typeof noise === 'object' && noise !== null && !ArrayBuffer.isView(noise) && 'weights' in noise;
}

/**
 * A loss as plain JSON for a file's metadata. Noise weights are not in it, only how many there were: metadata must not grow with k.
 *
 * @internal
 */
export function lossToMetadata(loss: Loss): Record<string, unknown> {
  if (loss.name === 'nce' && ArrayBuffer.isView(loss.noise)) return { ...loss, noise: { weights: loss.noise.length } };
  return { ...loss };
}

/**
 * The loss that {@link lossToMetadata} wrote, for showing: one whose noise weights are missing cannot be trained with.
 *
 * @internal
 */
export function lossFromMetadata(value: unknown, what: string): Loss {
  const { noise, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (!isWeightCount(noise)) return checkLoss(value, what);
  const weights = checkInteger(noise.weights, `the number of noise weights of ${what}`, 1);
  return Object.freeze({ ...(checkLoss({ ...rest, noise: 'uniform' }, what) as Nce), noise: Object.freeze({ weights }) });
}

/** What {@link lossAndGradient} needs beside its arrays. */
export interface LossAndGradientOptions {
  /** k, the number of classes. */
  classes: number;
  /** Where to compute. Default `'auto'`. */
  device?: Device | undefined;
}

/** What {@link lossAndGradient} returns. */
export interface LossAndGradient {
  /** The loss of the batch, accumulated in float64. NaN if a logit that the loss looks at is. */
  value: number;
  /** d value / d logits, m×k, row-major. */
  gradient: Float32Array;
}

/**
 * A loss and its gradient with respect to the logits.
 *
 * @param loss - made by `losses.*`; nce's noise draws depend on its `seed` alone
 * @param logits - m×k, row-major
 * @param labels - m classes in [0, k); m ≥ 1
 * @throws TypeError or RangeError: `ERR_ONELOGIT_LENGTH` (logits are not m×k, or noise weights not k), `ERR_ONELOGIT_LABEL_RANGE`,
 * `ERR_ONELOGIT_RANGE` (k < 2 for a margin loss), `ERR_ONELOGIT_NOISE` ('unigram' noise: only `fit` knows counts; pass weights),
 * `ERR_ONELOGIT_UNKNOWN_OPTION`, `ERR_ONELOGIT_ARGUMENT`; OneLogitError `ERR_ONELOGIT_DEVICE_UNAVAILABLE`
 */
export function lossAndGradient(loss: Loss, logits: Float32Array, labels: Int32Array, options: LossAndGradientOptions): LossAndGradient {
  const checkedLoss = checkLoss(loss, 'lossAndGradient');
  const { classes, device = 'auto' } = checkOptions(options, ['classes', 'device'], 'lossAndGradient');
  const k = checkInteger(classes, 'classes of lossAndGradient', 1, 0x7fffffff);
  const m = typedArrayLength(checkInt32Array(labels, 'labels'));
  if (m === 0) throw rangeError('ERR_ONELOGIT_LENGTH', `Expected at least one label for labels but received ${describe(labels)}`);
  checkFloat32Array(logits, `logits (${m} examples × ${k} classes)`, m * k);
  return native.lossAndGradient(checkedLoss, logits, labels, k, checkDevice(device, 'device of lossAndGradient'));
}
