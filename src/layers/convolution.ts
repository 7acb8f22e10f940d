/** Convolution, and zeros around images. */
import { checkBoolean, checkInteger, checkOptions } from '../check.js';
import { rangeError } from '../errors.js';
import { checkInitializer, type Initializer } from './initializer.js';
import { checkName, type Joined, maxUnits, type NameOption, type WithTensors } from './layer.js';
import {
  type CheckedPadding,
  checkExtent,
  checkPadding,
  checkPixels,
  type Extent,
  type Padding,
  type Pixels,
  type Sides,
} from './windows.js';

/** {@link layers.conv2d}. `initializer` is filled in by the model when it was left out. */
export interface Conv2dLayer extends WithTensors {
  readonly type: 'conv2d';
  readonly filters: number;
  /** [vertical, horizontal] */
  readonly kernel: readonly [number, number];
  /** [vertical, horizontal] */
  readonly stride: readonly [number, number];
  /** `'same'`, `'valid'` or [top, bottom, left, right] */
  readonly padding: CheckedPadding;
  readonly groups: number;
  readonly bias: boolean;
  readonly initializer?: Initializer;
}

/** {@link layers.zeroPadding} */
export interface ZeroPaddingLayer extends Joined {
  readonly type: 'zeroPadding';
  /** [top, bottom, left, right] */
  readonly padding: Sides;
}

/** Options of {@link layers.conv2d}. */
export interface Conv2dOptions extends NameOption {
  /** Pixels of a window: one number, or [vertical, horizontal]. */
  kernel: Extent;
  /** Pixels between two windows (default 1). */
  stride?: Extent | undefined;
  /** Zeros around the image (default `'valid'`: none); on each side fewer than the kernel has. */
  padding?: Padding | undefined;
  /** Parts that channels and filters are divided into, the filters of one seeing the channels of that one (default 1). */
  groups?: number | undefined;
  /** Whether there is one (default true). */
  bias?: boolean | undefined;
  /** Default `'he-normal'`. */
  initializer?: Initializer | undefined;
}

/**
 * A convolution over images, height × width × channels (as in every library: a cross-correlation). The weight is filters × kernel height ×
 * kernel width × channels of a group: one filter is one contiguous row.
 *
 * @param filters - channels of the output
 * @throws TypeError or RangeError naming the option
 */
export function conv2d(filters: number, options: Conv2dOptions): Conv2dLayer {
  const what = 'layers.conv2d';
  const known = ['kernel', 'stride', 'padding', 'groups', 'bias', 'initializer', 'name'];
  const { kernel, stride = 1, padding, groups = 1, bias, initializer, name } = checkOptions(options, known, what);
  const checkedFilters = checkInteger(filters, `filters of ${what}`, 1, maxUnits);
  const checkedGroups = checkInteger(groups, `groups of ${what}`, 1, maxUnits);
  if (checkedFilters % checkedGroups !== 0)
    throw rangeError(
      'ERR_ONELOGIT_RANGE',
      `Expected a divisor of the ${checkedFilters} filters for groups of ${what} but received ${checkedGroups}`,
    );
  return Object.freeze({
    type: 'conv2d',
    ...checkName(name, what),
    filters: checkedFilters,
    kernel: checkExtent(kernel, `kernel of ${what}`),
    stride: checkExtent(stride, `stride of ${what}`),
    padding: checkPadding(padding, `padding of ${what}`),
    groups: checkedGroups,
    bias: bias === undefined ? true : checkBoolean(bias, `bias of ${what}`),
    ...checkInitializer(initializer, what),
  });
}

/**
 * Zeros around an image.
 *
 * @param pixels - how many: on all sides, [vertical, horizontal], or [top, bottom, left, right]
 */
export function zeroPadding(pixels: Pixels): ZeroPaddingLayer {
  return Object.freeze({ type: 'zeroPadding', padding: checkPixels(pixels, 'pixels of layers.zeroPadding') });
}
