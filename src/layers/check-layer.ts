/** One layer from outside, an object or a parsed file, through the same checks as `layers.*`. */
import { checkBoolean, checkOptions, describe } from '../check.js';
import { typeError } from '../errors.js';
import { type Conv2dLayer, type Conv2dOptions, conv2d, type ZeroPaddingLayer, zeroPadding } from './convolution.js';
import { type DenseLayer, type DenseOptions, dense, type EmbeddingLayer, embedding } from './dense.js';
import {
  type DropoutLayer,
  dropout,
  type FlattenLayer,
  flatten,
  type ReluLayer,
  relu,
  type SoftmaxLayer,
  softmax,
  withoutOptions,
} from './elementwise.js';
import { type AddLayer, addLayer, type ConcatLayer, concatLayer } from './joining.js';
import { checkLayerObject, type NameOption } from './layer.js';
import {
  type BatchNormLayer,
  type BatchNormOptions,
  batchNorm,
  type LocalResponseNormLayer,
  type LocalResponseNormOptions,
  localResponseNorm,
} from './normalization.js';
import {
  type AvgPoolLayer,
  type AvgPoolOptions,
  avgPool,
  type GlobalAvgPoolLayer,
  globalAvgPool,
  type MaxPoolLayer,
  type MaxPoolOptions,
  maxPool,
} from './pooling.js';
import type { Pixels } from './windows.js';

/** A layer that has tensors: a name of its own, and something to freeze. */
export type LayerWithTensors = DenseLayer | Conv2dLayer | BatchNormLayer | EmbeddingLayer;

/** Any layer, as `layers.*` returns it and as `model.layers` lists it. */
export type Layer =
  | LayerWithTensors
  | ReluLayer
  | DropoutLayer
  | FlattenLayer
  | SoftmaxLayer
  | LocalResponseNormLayer
  | ZeroPaddingLayer
  | MaxPoolLayer
  | AvgPoolLayer
  | GlobalAvgPoolLayer
  | AddLayer
  | ConcatLayer;

type Options = Record<string, unknown>;

/** Each type's function, given the properties of a layer. */
const makers: { [Type in Layer['type']]: (options: Options) => Layer } = {
  dense: ({ units, ...options }) => dense(units as number, options as DenseOptions),
  conv2d: ({ filters, ...options }) => conv2d(filters as number, options as unknown as Conv2dOptions),
  batchNorm: (options) => batchNorm(options as BatchNormOptions),
  embedding: ({ vocabulary, features, ...options }) => embedding(vocabulary as number, features as number, options as NameOption),
  relu: (options) => withoutOptions(relu, options, 'layers.relu'),
  dropout: (options) => dropout(checkOptions(options, ['rate'], 'layers.dropout').rate as number | undefined),
  flatten: (options) => withoutOptions(flatten, options, 'layers.flatten'),
  softmax: (options) => withoutOptions(softmax, options, 'layers.softmax'),
  maxPool: (options) => maxPool(options as unknown as MaxPoolOptions),
  avgPool: (options) => avgPool(options as unknown as AvgPoolOptions),
  globalAvgPool: (options) => withoutOptions(globalAvgPool, options, 'layers.globalAvgPool'),
  zeroPadding: (options) => zeroPadding(checkOptions(options, ['padding'], 'layers.zeroPadding').padding as Pixels),
  localResponseNorm: (options) => localResponseNorm(options as LocalResponseNormOptions),
  add: (options) => withoutOptions(() => addLayer, options, 'layers.add'),
  concat: (options) => withoutOptions(() => concatLayer, options, 'layers.concat'),
};

export function hasTensors(layer: Layer): layer is LayerWithTensors {
  return layer.type === 'dense' || layer.type === 'conv2d' || layer.type === 'batchNorm' || layer.type === 'embedding';
}

/** A layer without its place in a graph: `inputs` is for the caller, who knows what it may be. */
export function checkLayer(value: unknown, what: string): Layer {
  const { type, inputs, frozen, ...options } = checkLayerObject(value, what);
  if (typeof type !== 'string' || !Object.hasOwn(makers, type))
    throw typeError(
      'ERR_ONELOGIT_LAYER',
      `Expected one of ${Object.keys(makers).join(', ')} for the type of ${what} but received ${describe(type)}`,
    );
  const layer = makers[type as Layer['type']](options);
  if (frozen === undefined) return layer;
  if (!hasTensors(layer))
    throw typeError('ERR_ONELOGIT_UNKNOWN_OPTION', `Expected no frozen of ${what}, ${type}, which has no tensors, but received it`);
  return checkBoolean(frozen, `frozen of ${what}`) ? Object.freeze({ ...layer, frozen: true }) : layer;
}
