/**
 * The layers a {@link Model} is made of. Each function returns a plain frozen description; the arithmetic is native.
 */
import { checkBoolean, checkInteger, checkNumber, checkOneOf, checkOptions, describe } from './check.js';
import { rangeError, typeError } from './errors.js';

/**
 * How a dense layer's weights start (biases start at zero). `he-*`: variance 2 / fanIn, for layers followed by relu (He et al.
 * 2015); `glorot-*`: variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010).
 */
export type Initializer = 'he-normal' | 'he-uniform' | 'glorot-normal' | 'glorot-uniform' | 'zeros';

const initializers: readonly Initializer[] = ['he-normal', 'he-uniform', 'glorot-normal', 'glorot-uniform', 'zeros'];

/** {@link layers.dense}. `initializer` is filled in by the model when it was left out. */
export interface DenseLayer {
  readonly type: 'dense';
  readonly units: number;
  readonly bias: boolean;
  readonly initializer?: Initializer;
  readonly storage?: 'bfloat16';
}

/** {@link layers.batchNorm} */
export interface BatchNormLayer {
  readonly type: 'batchNorm';
  readonly epsilon: number;
  readonly momentum: number;
}

/** {@link layers.relu} */
export interface ReluLayer {
  readonly type: 'relu';
}

/** {@link layers.dropout} */
export interface DropoutLayer {
  readonly type: 'dropout';
  readonly rate: number;
}

/** {@link layers.flatten} */
export interface FlattenLayer {
  readonly type: 'flatten';
}

/** {@link layers.softmax} */
export interface SoftmaxLayer {
  readonly type: 'softmax';
}

/** {@link layers.embedding} */
export interface EmbeddingLayer {
  readonly type: 'embedding';
  readonly vocabulary: number;
  readonly features: number;
}

/** Any layer, as `layers.*` returns it and as `model.layers` lists it. */
export type Layer = DenseLayer | BatchNormLayer | ReluLayer | DropoutLayer | FlattenLayer | SoftmaxLayer | EmbeddingLayer;

/** The largest count of units, classes or elements of an example that one layer may have. */
const maxUnits = 2 ** 31 - 1;
/** More layers than any network has: a bound for what files may claim. */
const maxLayers = 10_000;

/**
 * A fully connected layer: y (m × units) = x (m × inputs) · weightᵀ + bias. An input of more than one axis is taken flattened. The
 * weight is units × inputs, so that in the last layer one class is one contiguous row.
 *
 * @param units - outputs; for the last dense layer, the number of classes
 * @param options - `bias`: whether there is one (default true); `initializer`: `'he-normal'`, or `'glorot-uniform'` for the
 * last dense layer; `storage` of the weight, in memory and in files: `'float32'` (default), or, for the last dense layer only,
 * `'bfloat16'`, which halves it (products accumulate in float32, updates are rounded stochastically, the bias stays float32)
 * @throws RangeError `ERR_ONELOGIT_RANGE` if `units` is not a positive integer
 */
function dense(
  units: number,
  options?: { bias?: boolean | undefined; initializer?: Initializer | undefined; storage?: 'float32' | 'bfloat16' | undefined },
): DenseLayer {
  const { bias, initializer, storage = 'float32' } = checkOptions(options, ['bias', 'initializer', 'storage'], 'layers.dense');
  const checkedStorage = checkOneOf(storage, ['float32', 'bfloat16'] as const, 'storage of layers.dense');
  return Object.freeze({
    type: 'dense',
    units: checkInteger(units, 'units of layers.dense', 1, maxUnits),
    bias: bias === undefined ? true : checkBoolean(bias, 'bias of layers.dense'),
    ...(initializer === undefined ? {} : { initializer: checkOneOf(initializer, initializers, 'initializer of layers.dense') }),
    ...(checkedStorage === 'float32' ? {} : { storage: checkedStorage }),
  });
}

/**
 * Batch normalisation per feature (Ioffe and Szegedy 2015): with the statistics of the batch in training, with running ones
 * otherwise. At inference it is folded into the dense layer before it.
 *
 * @param options - `epsilon`: added to the variance (default 1e-5); `momentum`: share of the batch's statistics in the running
 * ones, running ← running + momentum · (batch − running) (default 0.1), as in PyTorch
 */
function batchNorm(options?: { epsilon?: number | undefined; momentum?: number | undefined }): BatchNormLayer {
  const { epsilon = 1e-5, momentum = 0.1 } = checkOptions(options, ['epsilon', 'momentum'], 'layers.batchNorm');
  return Object.freeze({
    type: 'batchNorm',
    epsilon: checkNumber(epsilon, 'epsilon of layers.batchNorm', { least: 0, most: 1, exclusive: true }),
    momentum: checkNumber(momentum, 'momentum of layers.batchNorm', { least: 0, most: 1 }),
  });
}

/** max(x, 0), elementwise. */
function relu(): ReluLayer {
  return Object.freeze({ type: 'relu' });
}

/**
 * In training, sets each input to zero with probability `rate` and scales the rest by 1 / (1 − rate); the identity otherwise.
 *
 * @param rate - in [0, 1) (default 0.5)
 */
function dropout(rate = 0.5): DropoutLayer {
  const checked = checkNumber(rate, 'rate of layers.dropout', { least: 0, most: 1 });
  if (checked === 1)
    throw rangeError('ERR_ONELOGIT_RANGE', 'Expected a number from 0 to below 1 for rate of layers.dropout but received 1');
  return Object.freeze({ type: 'dropout', rate: checked });
}

/** Makes one axis of all axes of an example; moves no data. */
function flatten(): FlattenLayer {
  return Object.freeze({ type: 'flatten' });
}

/** exp(x_j) / Σ exp(x) of each row, max-shifted. For hidden layers: every loss takes logits, not probabilities. */
function softmax(): SoftmaxLayer {
  return Object.freeze({ type: 'softmax' });
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
function embedding(vocabulary: number, features: number): EmbeddingLayer {
  return Object.freeze({
    type: 'embedding',
    vocabulary: checkInteger(vocabulary, 'vocabulary of layers.embedding', 1, maxUnits),
    features: checkInteger(features, 'features of layers.embedding', 1, maxUnits),
  });
}

/** The layers of {@link Model.sequential}. */
export const layers = { dense, batchNorm, relu, dropout, flatten, softmax, embedding } as const;

/** One layer from outside, an object or a parsed file, through the same checks as `layers.*`. */
function checkLayer(value: unknown, what: string): Layer {
  const { type, ...options } = checkObject(value, what);
  switch (type) {
    case 'dense': {
      const { units, ...rest } = options;
      return dense(units as number, rest as Parameters<typeof dense>[1]);
    }
    case 'batchNorm':
      return batchNorm(options as Parameters<typeof batchNorm>[0]);
    case 'dropout':
      checkOptions(options, ['rate'], 'layers.dropout');
      return dropout(options.rate as number | undefined);
    case 'embedding':
      checkOptions(options, ['vocabulary', 'features'], 'layers.embedding');
      return embedding(options.vocabulary as number, options.features as number);
    case 'relu':
    case 'flatten':
    case 'softmax':
      checkOptions(options, [], `layers.${type}`);
      return layers[type]();
    default:
      throw typeError(
        'ERR_ONELOGIT_LAYER',
        `Expected one of ${Object.keys(layers).join(', ')} for the type of ${what} but received ${describe(type)}`,
      );
  }
}

function checkObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw typeError('ERR_ONELOGIT_LAYER', `Expected a layer made by layers.* for ${what} but received ${describe(value)}`);
  return value as Record<string, unknown>;
}

/**
 * A list of layers from outside, checked, with every dense layer's initializer filled in: `'glorot-uniform'` for the last one,
 * which makes the logits, `'he-normal'` for the others.
 */
export function checkLayers(value: unknown, what: string): Layer[] {
  if (!Array.isArray(value) || value.length === 0)
    throw typeError('ERR_ONELOGIT_LAYER', `Expected an array of layers for ${what} but received ${describe(value)}`);
  if (value.length > maxLayers)
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected at most ${maxLayers} layers for ${what} but received ${value.length}`);
  const checked = Array.from(value, (layer, index) => checkLayer(layer, `${what}[${index}]`));
  const last = checked.findLastIndex((layer) => layer.type === 'dense');
  if (last < 0) throw typeError('ERR_ONELOGIT_LAYER', `Expected at least one dense layer for ${what}: its units are the classes`);
  const misplaced = checked.findIndex((layer, index) => index > 0 && layer.type === 'embedding');
  if (misplaced >= 0)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected an embedding only as the first of ${what} (its inputs are integers) but received one as ${what}[${misplaced}]`,
    );
  const rounded = checked.findIndex((layer, index) => index !== last && layer.type === 'dense' && layer.storage === 'bfloat16');
  if (rounded >= 0)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected storage 'float32' for ${what}[${rounded}] (bfloat16 is for the last dense layer, ${what}[${last}]) but received 'bfloat16'`,
    );
  return checked.map((layer, index) =>
    layer.type === 'dense' && layer.initializer === undefined
      ? Object.freeze({ ...layer, initializer: index === last ? 'glorot-uniform' : 'he-normal' })
      : layer,
  );
}
