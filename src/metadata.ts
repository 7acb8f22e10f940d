/**
 * What a model file says about the model beside its tensors: JSON under the key `onelogit` of the safetensors metadata. Nothing in it
 * grows with the number of classes.
 */
import { checkBoolean, checkInteger, checkObject, checkOneOf, describe } from './check.js';
import type { InputType } from './dataset.js';
import { OneLogitError } from './errors.js';
import { checkLayers, type Layer } from './layers/index.js';
import { type Loss, lossFromMetadata, lossToMetadata } from './losses.js';
import { checkPreprocessing, type Preprocessing } from './preprocessing.js';
import { checkShape } from './shape.js';
import { checkFraction, type Split } from './split.js';
import { readTrainingRecord, type TrainingRecord } from './training-record.js';

/**
 * The version of the file format that this package writes, and the newest it reads. Raised when an older reader would misunderstand a file; what
 * is merely added is passed over by older readers.
 */
export const formatVersion = 1;

/** How the last layer's bias was initialised at the first fit: see `biasInit` of {@link FitOptions}. */
export type BiasInit = 'prior' | 'zeros';

/** Everything about a model that is not a tensor. */
export interface ModelMetadata {
  readonly inputShape: readonly number[];
  readonly layers: readonly Layer[];
  readonly seed: number;
  /** Element type of the first fit's examples; null before it. */
  readonly inputType: InputType | null;
  /** Null until given or fixed by the first fit. */
  readonly preprocessing: Preprocessing | null;
  /** Of the latest fit; null before the first. Noise weights are not recorded, only how many there were. */
  readonly loss: Loss | null;
  /** What the latest fit set aside for validation; null if nothing was. */
  readonly split: Split | null;
  /** Whether the weights were fitted, loaded or set. */
  readonly trained: boolean;
  readonly biasInit: BiasInit | null;
  /** How the latest fit went about it; null before the first, and for files of versions that did not record it, or newer ones whose record this one cannot read. */
  readonly training: TrainingRecord | null;
}

/** The JSON of a model's metadata. */
export function writeMetadata(metadata: ModelMetadata, version: string): string {
  const { inputShape, layers, seed, inputType, preprocessing, split, trained, biasInit, training } = metadata;
  const loss = metadata.loss && lossToMetadata(metadata.loss);
  return JSON.stringify({
    format: formatVersion,
    version,
    inputShape,
    layers,
    seed,
    inputType,
    preprocessing,
    loss,
    split,
    trained,
    biasInit,
    training,
  });
}

/**
 * Reads what {@link writeMetadata} wrote, through the same checks as the public functions: a file is hostile until shown otherwise.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT` naming the file; `ERR_ONELOGIT_FORMAT_VERSION` for a newer one
 */
export function readMetadata(json: string | undefined, file: string): ModelMetadata {
  if (json === undefined)
    throw new OneLogitError(
      'ERR_ONELOGIT_FORMAT',
      `Expected a model saved by onelogit for ${file} but received a safetensors file without metadata 'onelogit'`,
    );
  try {
    return check(parse(json));
  } catch (cause) {
    if (cause instanceof OneLogitError && cause.code === 'ERR_ONELOGIT_FORMAT_VERSION')
      throw new OneLogitError(cause.code, `${cause.message} (${file})`, { cause });
    throw new OneLogitError('ERR_ONELOGIT_FORMAT', `${(cause as Error).message} (in the metadata of ${file})`, { cause });
  }
}

function parse(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new OneLogitError('ERR_ONELOGIT_FORMAT', "Expected JSON for 'onelogit' but received text that is none");
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OneLogitError('ERR_ONELOGIT_FORMAT', `Expected an object for 'onelogit' but received ${describe(value)}`);
  return value as Record<string, unknown>;
}

function check(value: Record<string, unknown>): ModelMetadata {
  const format = checkInteger(value.format, 'format', 1);
  if (format > formatVersion)
    throw new OneLogitError(
      'ERR_ONELOGIT_FORMAT_VERSION',
      `Expected format ${formatVersion} or older for a model but received format ${format}, written by onelogit ${describe(value.version)}: a newer onelogit reads it`,
    );
  const inputShape = checkShape(value.inputShape, 'inputShape');
  const orNull = <T>(name: string, checked: (given: unknown, what: string) => T): T | null =>
    value[name] === null || value[name] === undefined ? null : checked(value[name], name);
  return {
    inputShape,
    layers: checkLayers(value.layers, 'layers'),
    seed: checkInteger(value.seed, 'seed'),
    inputType: orNull('inputType', (given, what) => checkOneOf(given, ['uint8', 'float32', 'int32'], what)),
    preprocessing: orNull('preprocessing', (given, what) => checkPreprocessing(given, inputShape, what)),
    loss: orNull('loss', lossFromMetadata),
    split: orNull('split', checkSplit),
    trained: checkBoolean(value.trained, 'trained'),
    biasInit: orNull('biasInit', (given, what) => checkOneOf(given, ['prior', 'zeros'], what)),
    training: orNull('training', readTrainingRecord),
  };
}

function checkSplit(value: unknown, what: string): Split {
  const { fraction, seed, length } = checkObject(value, what);
  return Object.freeze({
    fraction: checkFraction(fraction, `fraction of ${what}`),
    seed: checkInteger(seed, `seed of ${what}`),
    length: checkInteger(length, `length of ${what}`, 2, 2 ** 31 - 1),
  });
}
