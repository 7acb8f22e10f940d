/** Layers that make one number of many: of a window's pixels, or of all. */
import { checkBoolean, checkOptions } from '../check.js';
import type { Joined } from './layer.js';
import { type CheckedPadding, checkExtent, checkPadding, type Extent, type Padding } from './windows.js';

/** {@link layers.maxPool} */
export interface MaxPoolLayer extends Joined {
  readonly type: 'maxPool';
  /** [vertical, horizontal] */
  readonly kernel: readonly [number, number];
  /** [vertical, horizontal] */
  readonly stride: readonly [number, number];
  /** `'same'`, `'valid'` or [top, bottom, left, right] */
  readonly padding: CheckedPadding;
}

/** {@link layers.avgPool} */
export interface AvgPoolLayer extends Omit<MaxPoolLayer, 'type'> {
  readonly type: 'avgPool';
  readonly countPadding: boolean;
}

/** {@link layers.globalAvgPool} */
export interface GlobalAvgPoolLayer extends Joined {
  readonly type: 'globalAvgPool';
}

/** Options of {@link layers.maxPool}. */
export interface MaxPoolOptions {
  /** Pixels of a window: one number, or [vertical, horizontal]. */
  kernel: Extent;
  /** Pixels between two windows. Default: `kernel`, so that they do not overlap. */
  stride?: Extent | undefined;
  /** What windows may reach beyond the image (default `'valid'`: nothing); on each side fewer pixels than the kernel has. */
  padding?: Padding | undefined;
}

/** Options of {@link layers.avgPool}. */
export interface AvgPoolOptions extends MaxPoolOptions {
  /** Whether padding counts as zeros in the mean (default, as in PyTorch), or not at all. */
  countPadding?: boolean | undefined;
}

function checkWindows({ kernel, stride = kernel, padding }: Record<string, unknown>, what: string) {
  return {
    kernel: checkExtent(kernel, `kernel of ${what}`),
    stride: checkExtent(stride, `stride of ${what}`),
    padding: checkPadding(padding, `padding of ${what}`),
  };
}

/** The largest number of each window and channel of an image. Padding is never the largest. */
export function maxPool(options: MaxPoolOptions): MaxPoolLayer {
  const what = 'layers.maxPool';
  return Object.freeze({ type: 'maxPool', ...checkWindows(checkOptions(options, ['kernel', 'stride', 'padding'], what), what) });
}

/** The mean of each window and channel of an image. */
export function avgPool(options: AvgPoolOptions): AvgPoolLayer {
  const what = 'layers.avgPool';
  const given = checkOptions(options, ['kernel', 'stride', 'padding', 'countPadding'], what);
  const { countPadding = true } = given;
  return Object.freeze({
    type: 'avgPool',
    ...checkWindows(given, what),
    countPadding: checkBoolean(countPadding, `countPadding of ${what}`),
  });
}

/** The mean of each channel over the whole image: height × width × channels becomes a vector of channels. */
export function globalAvgPool(): GlobalAvgPoolLayer {
  return Object.freeze({ type: 'globalAvgPool' });
}
