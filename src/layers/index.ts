/**
 * The layers a {@link Model} is made of. Each function returns a plain frozen description; the arithmetic is native.
 */
import { conv2d, zeroPadding } from './convolution.js';
import { dense, embedding } from './dense.js';
import { dropout, flatten, relu, softmax } from './elementwise.js';
import { freeze } from './freeze.js';
import { batchNorm, localResponseNorm } from './normalization.js';
import { avgPool, globalAvgPool, maxPool } from './pooling.js';
import { add, concat, input } from './symbolic-tensor.js';

/**
 * The layers of {@link Model.sequential}; `input`, `add` and `concat` make graphs of them for {@link Model.build}.
 *
 * @namespace
 */
export const layers = {
  /** @function */
  dense,
  /** @function */
  conv2d,
  /** @function */
  batchNorm,
  /** @function */
  relu,
  /** @function */
  maxPool,
  /** @function */
  avgPool,
  /** @function */
  globalAvgPool,
  /** @function */
  dropout,
  /** @function */
  flatten,
  /** @function */
  zeroPadding,
  /** @function */
  localResponseNorm,
  /** @function */
  softmax,
  /** @function */
  embedding,
  /** @function */
  freeze,
  /** @function */
  input,
  /** @function */
  add,
  /** @function */
  concat,
} as const;

export { hasTensors, type Layer, type LayerWithTensors } from './check-layer.js';
export { checkLayers, checkSequence, inputsOf, lastDenseLayer, tensorPrefix } from './check-layers.js';
export type { Conv2dLayer, Conv2dOptions, ZeroPaddingLayer } from './convolution.js';
export type { DenseLayer, DenseOptions, EmbeddingLayer } from './dense.js';
export type { DropoutLayer, FlattenLayer, ReluLayer, SoftmaxLayer } from './elementwise.js';
export type { Initializer } from './initializer.js';
export type { AddLayer, ConcatLayer } from './joining.js';
export type { NameOption } from './layer.js';
export type { BatchNormLayer, BatchNormOptions, LocalResponseNormLayer, LocalResponseNormOptions } from './normalization.js';
export type { AvgPoolLayer, AvgPoolOptions, GlobalAvgPoolLayer, MaxPoolLayer, MaxPoolOptions } from './pooling.js';
export { graphOf, type SymbolicTensor } from './symbolic-tensor.js';
export type { CheckedPadding, Extent, Padding, Pixels, Sides } from './windows.js';
