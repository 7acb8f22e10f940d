/** Layers of vectors: matrix products and rows of tables. */
import { checkBoolean, checkInteger, checkOneOf, checkOptions } from '../check.js';
import { checkInitializer, type Initializer } from './initializer.js';
import { checkName, maxUnits, type NameOption, type WithTensors } from './layer.js';

/** {@link layers.dense}. `initializer` is filled in by the model when it was left out. */
export interface DenseLayer extends WithTensors {
  readonly type: 'dense';
  readonly units: number;
  readonly bias: boolean;
  readonly initializer?: Initializer;
  readonly storage?: 'bfloat16';
}

/** {@link layers.embedding} */
export interface EmbeddingLayer extends WithTensors {
  readonly type: 'embedding';
  readonly vocabulary: number;
  readonly features: number;
}

/** Options of {@link layers.dense}. */
export interface DenseOptions extends NameOption {
  /** Whether there is one (default true). */
  bias?: boolean | undefined;
  /** Default `'he-normal'`, or `'glorot-uniform'` for the last dense layer. */
  initializer?: Initializer | undefined;
  /**
   * Of the weight, in memory and in files: `'float32'` (default), or, for the last dense layer only, `'bfloat16'`, which halves it (products
   * accumulate in float32, updates are rounded stochastically, the bias stays float32).
   */
  storage?: 'float32' | 'bfloat16' | undefined;
}

/**
 * A fully connected layer: y (m × units) = x (m × inputs) · weightᵀ + bias. An input of more than one axis is taken flattened. The
 * weight is units × inputs, so that in the last layer one class is one contiguous row.
 *
 * @param units - outputs; for the last dense layer, the number of classes
 * @throws RangeError `ERR_ONELOGIT_RANGE` if `units` is not a positive integer
 */
export function dense(units: number, options?: DenseOptions): DenseLayer {
  const what = 'layers.dense';
  const { bias, initializer, storage = 'float32', name } = checkOptions(options, ['bias', 'initializer', 'storage', 'name'], what);
  const checkedStorage = checkOneOf(storage, ['float32', 'bfloat16'] as const, `storage of ${what}`);
  return Object.freeze({
    type: 'dense',
    ...checkName(name, what),
    units: checkInteger(units, `units of ${what}`, 1, maxUnits),
    bias: bias === undefined ? true : checkBoolean(bias, `bias of ${what}`),
    ...checkInitializer(initializer, what),
    ...(checkedStorage === 'float32' ? {} : { storage: checkedStorage }),
  });
}

/**
 * A row of a table for each integer; only as the first layer. Examples are an `Int32Array` of integers in [0, vocabulary), and an example
 * of shape [n] becomes one of shape [n, features] (`flatten`, or a dense layer, makes one vector of it). Rows start with variance
 * 1 / features, so that each is about one long.
 *
 * A step changes the rows that its examples name. The others rest until they are read again: with sgd the result is that of updating every
 * row at every step, to rounding; the moments of adam and adamW rest meanwhile, so that a row moves only when it has a gradient.
 *
 * @param vocabulary - rows of the table
 * @param features - numbers of a row
 * @throws RangeError `ERR_ONELOGIT_RANGE` if either is not a positive integer
 */
export function embedding(vocabulary: number, features: number, options?: NameOption): EmbeddingLayer {
  const what = 'layers.embedding';
  const { name } = checkOptions(options, ['name'], what);
  return Object.freeze({
    type: 'embedding',
    ...checkName(name, what),
    vocabulary: checkInteger(vocabulary, `vocabulary of ${what}`, 1, maxUnits),
    features: checkInteger(features, `features of ${what}`, 1, maxUnits),
  });
}
