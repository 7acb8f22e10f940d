/** Thresholds over many examples: what {@link SingleLogitClassifier.calibrate} and `evaluateThresholds` take and give. */
import { checkCallback, checkNumber, checkOptions } from './check.js';
import { OneLogitError, rangeError, typeError } from './errors.js';
import { checkSignal, type ShareCallback } from './job.js';

/** Options of {@link SingleLogitClassifier.calibrate}: exactly one of `recall` and `precision`. */
export interface CalibrateOptions {
  /** Share of a class's examples that should match; above 0 and below 1. */
  recall?: number | undefined;
  /** Share of the examples that match which should be of the class; above 0 and below 1. */
  precision?: number | undefined;
  /** Called a few times a second. What it throws ends the work and rejects. */
  onProgress?: ((progress: CalibrationProgress) => void) | undefined;
  /** Rejects with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** What {@link CalibrateOptions.onProgress} receives. */
export interface CalibrationProgress {
  /** From 0 to 1, by examples that the network and each pass over their logits have seen. */
  readonly share: number;
}

/** What {@link SingleLogitClassifier.calibrate} resolves to. */
export interface Calibration {
  /** Classes of the model: each has a threshold now. */
  readonly classes: number;
  /** Classes that reach the wanted value on the examples given. */
  readonly classesMeetingTarget: number;
  /** Classes with too few examples for a threshold of their own: it was moved towards that of all classes together. */
  readonly classesWithFallback: number;
  /** Of those, the classes without any example. */
  readonly classesWithoutPositives: number;
}

/** What thresholds were chosen by. */
export interface CalibrationRecord {
  /** The share asked for: one of the two. */
  readonly recall?: number;
  readonly precision?: number;
  /** How many examples of each class there were. */
  readonly examples: Int32Array;
}

/**
 * The fewest examples with which a class has a threshold of its own, ⌈v/(1 − v)⌉ for the wanted value v (native/head/calibration.h): with
 * fewer it leans on all classes together.
 */
export function examplesNeeded({ recall, precision }: CalibrationRecord): number {
  const value = (recall ?? precision)!;
  return Math.max(1, Math.ceil(value / (1 - value) - 1e-9));
}

/** What a file keeps of a target, and reads again. */
export const targetToJson = ({ measure, value }: Target): string => JSON.stringify({ [measure]: value });

/** @throws OneLogitError `ERR_ONELOGIT_FORMAT` for anything that {@link targetToJson} does not write */
export function checkRecord({ target, examples }: { target: string; examples: Int32Array }): CalibrationRecord {
  try {
    const { measure, value } = checkTarget(JSON.parse(target), 'onelogit_calibration', true).target!;
    return { [measure]: value, examples };
  } catch (cause) {
    throw new OneLogitError('ERR_ONELOGIT_FORMAT', `${(cause as Error).message} (in the metadata of a calibrated model)`, { cause });
  }
}

/** What {@link SingleLogitClassifier.evaluateThresholds} resolves to. Matches are (example, class) pairs whose logit reaches the threshold. */
export interface ThresholdReport {
  readonly examples: number;
  readonly classes: number;
  /** Classes that occur in these examples. */
  readonly classesWithPositives: number;
  /** Of those, the ones that reach the value asked for; null if none was. */
  readonly classesMeetingTarget: number | null;
  /** Share of the examples that match their own class. */
  readonly recall: number;
  /** Share of all matches that are right; null without a match. */
  readonly precision: number | null;
  /** Means over the classes that occur. The precision of a class that nothing matches counts as 0. */
  readonly meanRecall: number;
  readonly meanPrecision: number;
}

/** A wanted recall or precision. */
export interface Target {
  readonly measure: 'recall' | 'precision';
  readonly value: number;
}

/** The options of both: at most one target, or exactly one if it is `needed`. */
export function checkTarget(
  options: unknown,
  what: string,
  needed: boolean,
): { target: Target | null; hooks: Pick<CalibrateOptions, 'signal' | 'onProgress'> } {
  const given = checkOptions(options as CalibrateOptions | undefined, ['recall', 'precision', 'onProgress', 'signal'], what);
  const hooks = {
    signal: checkSignal(given.signal, what),
    onProgress: checkCallback<ShareCallback>(given.onProgress, `onProgress of ${what}`),
  };
  const both = given.recall !== undefined && given.precision !== undefined;
  const neither = given.recall === undefined && given.precision === undefined;
  if (both || (neither && needed))
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected one of recall and precision for ${what} but received ${neither ? 'neither' : 'both'}`,
    );
  if (neither) return { target: null, hooks };
  const measure = given.recall === undefined ? 'precision' : 'recall';
  const value = checkNumber(given[measure], `${measure} of ${what}`, { least: 0, most: 1, exclusive: true });
  if (value === 1)
    throw rangeError(
      'ERR_ONELOGIT_RANGE',
      `Expected a number below 1, which no threshold guarantees, for ${measure} of ${what} but received 1`,
    );
  return { target: { measure, value }, hooks };
}
