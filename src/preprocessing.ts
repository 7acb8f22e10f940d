/**
 * What is done to the elements of an example before the first layer. Part of the model: fit, evaluate and score apply it alike.
 */
import { checkNumber, checkOptions, describe } from './check.js';
import { rangeError, typeError } from './errors.js';

/** x → (x · scale − mean) / standardDeviation, mean and standard deviation per position on the last axis of an example. */
export interface Preprocessing {
  /** 1 leaves the element as it is. */
  readonly scale: number;
  /** One number, or one per position on the last axis (the channels of an image). Absent: 0. */
  readonly mean?: readonly number[];
  /** As many as `mean`. Absent: 1. */
  readonly standardDeviation?: readonly number[];
}

/** Options of {@link Model.sequential}'s `preprocessing`. A single number stands for all channels. */
export interface PreprocessingOptions {
  /** Multiplies the raw element. Default 1. */
  scale?: number | undefined;
  /** Subtracted after scaling. Default 0. */
  mean?: number | ArrayLike<number> | undefined;
  /** Divides what is left; above 0. Default 1. */
  standardDeviation?: number | ArrayLike<number> | undefined;
}

/** Bytes as a share of 255: what the first `fit` on a Uint8Array chooses when the model was given nothing. */
export const byteScale: Preprocessing = Object.freeze({ scale: 1 / 255 });

/** Leaves elements as they are: what the first `fit` on other data chooses. */
export const noPreprocessing: Preprocessing = Object.freeze({ scale: 1 });

// The native code keeps float32: what it cannot hold is refused here.
const range = { least: -3.4e38, most: 3.4e38 };

/** Checks `preprocessing` for examples of `inputShape` and writes it out in full. */
export function checkPreprocessing(value: unknown, inputShape: readonly number[], what: string): Preprocessing {
  const { scale = 1, mean, standardDeviation } = checkOptions(value, ['scale', 'mean', 'standardDeviation'], what);
  const channels = inputShape[inputShape.length - 1] as number;
  const checkedScale = checkNumber(scale, `scale of ${what}`, range);
  if (Math.fround(checkedScale) === 0)
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected a number other than 0 for scale of ${what} but received 0`);
  if (mean === undefined && standardDeviation === undefined) return Object.freeze({ scale: checkedScale });
  const means = checkPerChannel(mean ?? 0, channels, `mean of ${what}`);
  const deviations = checkPerChannel(standardDeviation ?? 1, channels, `standardDeviation of ${what}`);
  for (const deviation of deviations)
    if (!(Math.fround(deviation) > 0))
      throw rangeError('ERR_ONELOGIT_RANGE', `Expected numbers above 0 for standardDeviation of ${what} but received ${deviation}`);
  const length = Math.max(means.length, deviations.length);
  return Object.freeze({ scale: checkedScale, mean: spread(means, length), standardDeviation: spread(deviations, length) });
}

function checkPerChannel(value: unknown, channels: number, what: string): number[] {
  if (typeof value === 'number') return [checkNumber(value, what, range)];
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a number or an array of numbers for ${what} but received ${describe(value)}`);
  const { length } = value as ArrayLike<unknown>;
  if (length !== 1 && length !== channels)
    throw rangeError(
      'ERR_ONELOGIT_LENGTH',
      `Expected 1 or ${channels} numbers (the last axis of inputShape) for ${what} but received ${length}`,
    );
  return Array.from(value as ArrayLike<unknown>).map((element) => checkNumber(element, what, range));
}

function spread(list: number[], length: number): readonly number[] {
  return Object.freeze(list.length === length ? list : Array.from({ length }, () => list[0] as number));
}
