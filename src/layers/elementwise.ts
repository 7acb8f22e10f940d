/** Layers that work on each number, or on each vector, alone. */
import { checkNumber, checkOptions } from '../check.js';
import { rangeError } from '../errors.js';
import type { Joined } from './layer.js';

/** {@link layers.relu} */
export interface ReluLayer extends Joined {
  readonly type: 'relu';
}

/** {@link layers.dropout} */
export interface DropoutLayer extends Joined {
  readonly type: 'dropout';
  readonly rate: number;
}

/** {@link layers.flatten} */
export interface FlattenLayer extends Joined {
  readonly type: 'flatten';
}

/** {@link layers.softmax} */
export interface SoftmaxLayer extends Joined {
  readonly type: 'softmax';
}

/** max(x, 0), elementwise. */
export function relu(): ReluLayer {
  return Object.freeze({ type: 'relu' });
}

/**
 * In training, sets each input to zero with probability `rate` and scales the rest by 1 / (1 − rate); the identity otherwise.
 *
 * @param rate - in [0, 1) (default 0.5)
 */
export function dropout(rate = 0.5): DropoutLayer {
  const checked = checkNumber(rate, 'rate of layers.dropout', { least: 0, most: 1 });
  if (checked === 1)
    throw rangeError('ERR_ONELOGIT_RANGE', 'Expected a number from 0 to below 1 for rate of layers.dropout but received 1');
  return Object.freeze({ type: 'dropout', rate: checked });
}

/** Makes one axis of all axes of an example, in the order height, width, channels for an image; moves no data. */
export function flatten(): FlattenLayer {
  return Object.freeze({ type: 'flatten' });
}

/** exp(x_j) / Σ exp(x) of each row, max-shifted. For hidden layers: every loss takes logits, not probabilities. */
export function softmax(): SoftmaxLayer {
  return Object.freeze({ type: 'softmax' });
}

/** A layer read from outside, without options. */
export function withoutOptions<L>(make: () => L, options: Record<string, unknown>, what: string): L {
  checkOptions(options, [], what);
  return make();
}
