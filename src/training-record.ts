/** What a model keeps of its latest fit, so that whoever finds the file knows how it was made. */
import { checkBoolean, checkInteger, checkObject, checkOneOf, describe } from './check.js';
import { checkPrecision, type Precision } from './device.js';
import { rangeError } from './errors.js';
import { checkOptimizer, type Optimizer } from './optimizers.js';
import { checkSchedule, type Schedule } from './schedules.js';
import { version } from './version.js';

/**
 * How the latest `fit` of a model went about it; the loss, what was set aside for validation and the start of the last bias are properties of
 * the model. Results are not in it, `evaluate` measures them; nor are paths and names of the data, which may be nobody's business; nor a date, so
 * that two runs of the same options write the same file.
 */
export interface TrainingRecord {
  /** Options written out, as it was given to `fit`. */
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly batchSize: number;
  /** Steps that were asked for, those before a resumption included. */
  readonly steps: number;
  /** Steps that were done: fewer in a checkpoint, and after an abort. Absent where an error ended the fit. */
  readonly stepsDone?: number;
  /** Examples it trained on, those set aside for validation not included. */
  readonly examples: number;
  /** Of the order of the examples, augmentation and dropout. */
  readonly seed: number;
  /** Random changes of the images; absent without any. */
  readonly augment?: { readonly padding: number; readonly flip: boolean };
  readonly device: 'cpu' | 'cuda';
  readonly precision: Precision;
  /** Fits of the same weights before this one, whose options are not kept any more: above 0 for a model that was fine-tuned. */
  readonly earlierFits: number;
  /** Of onelogit. */
  readonly version: string;
}

const mostVersionCharacters = 64;

/**
 * A record from a file. Nothing that a model computes depends on it: one of a newer version that this one cannot read, because of an optimizer
 * that it does not know, say, is null, and the model is of use all the same.
 *
 * @throws TypeError or RangeError naming the property
 */
export function readTrainingRecord(value: unknown, what: string): TrainingRecord | null {
  try {
    return checkTrainingRecord(value, what);
  } catch (error) {
    if (isNewer((value as { version?: unknown } | null)?.version)) return null;
    throw error;
  }
}

/** Whether this is a version after ours. */
function isNewer(other: unknown): boolean {
  const numbers = (text: string) => /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number);
  const [theirs, ours] = [typeof other === 'string' ? numbers(other) : undefined, numbers(version)];
  if (theirs === undefined || ours === undefined) return false;
  const first = theirs.findIndex((number, i) => number !== ours[i]);
  return first >= 0 && theirs[first]! > ours[first]!;
}

/** Through the checks that the options of `fit` go through. What a newer version may have added is passed over. */
function checkTrainingRecord(value: unknown, what: string): TrainingRecord {
  const given = checkObject(value, what);
  const { stepsDone, augment } = given;
  const integer = (name: string, least: number, most?: number) => checkInteger(given[name], `${name} of ${what}`, least, most);
  return Object.freeze({
    optimizer: checkOptimizer(given.optimizer, `optimizer of ${what}`),
    schedule: checkSchedule(given.schedule, `schedule of ${what}`),
    batchSize: integer('batchSize', 1, 2 ** 31 - 1),
    steps: integer('steps', 1),
    examples: integer('examples', 1, 2 ** 31 - 1),
    seed: integer('seed', 0),
    ...(augment === undefined ? {} : { augment: checkRecordedAugment(augment, `augment of ${what}`) }),
    device: checkOneOf(given.device, ['cpu', 'cuda'], `device of ${what}`),
    precision: checkPrecision(given.precision, `precision of ${what}`),
    earlierFits: integer('earlierFits', 0),
    version: checkVersion(given.version, `version of ${what}`),
    // The last one, as where it is added after a fit: the same record is the same bytes.
    ...(stepsDone === undefined ? {} : { stepsDone: integer('stepsDone', 0) }),
  });
}

function checkRecordedAugment(value: unknown, what: string): { padding: number; flip: boolean } {
  const { padding, flip } = checkObject(value, what);
  return Object.freeze({
    padding: checkInteger(padding, `padding of ${what}`, 0, 2 ** 31 - 1),
    flip: checkBoolean(flip, `flip of ${what}`),
  });
}

function checkVersion(value: unknown, what: string): string {
  if (typeof value !== 'string' || value.length > mostVersionCharacters || !/^[\w.+-]+$/.test(value))
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected a version such as 1.2.3 for ${what} but received ${describe(value)}`);
  return value;
}
