/** Random changes of training images. */
import { checkBoolean, checkInteger, checkOptions, describe } from './check.js';
import type { Dataset, InputKind } from './dataset.js';
import { rangeError, typeError } from './errors.js';

/** How `fit` changes images, each anew in every step. At least one of these. */
export interface Augmentation {
  /** So many pixels of zeros are put on each side, in the units of the data, and a window of the image's size is taken at random. */
  padding?: number | undefined;
  /** Mirror half of the images from left to right. */
  flip?: boolean | undefined;
}

/** As native code takes it: with the shape of an example. */
export interface NativeAugmentation {
  padding: number;
  flip: boolean;
  height: number;
  width: number;
  channels: number;
}

/** The changes asked for, or undefined. */
export function checkAugment(value: unknown, { inputShape }: Dataset, kind: InputKind, what: string): NativeAugmentation | undefined {
  if (value === undefined) return undefined;
  const given = checkOptions(value ?? null, ['padding', 'flip'], what);
  const flip = given.flip === undefined ? false : checkBoolean(given.flip, `flip of ${what}`);
  const [height, width, channels] = inputShape;
  if (kind === 'integers' || inputShape.length !== 3 || height === undefined || width === undefined || channels === undefined)
    throw rangeError(
      'ERR_ONELOGIT_SHAPE',
      `Expected examples of height × width × channels for ${what} but received ${kind === 'integers' ? 'integers' : `the shape [${inputShape.join(', ')}]`}`,
    );
  const padding = given.padding === undefined ? 0 : checkInteger(given.padding, `padding of ${what}`, 0, Math.min(height, width) - 1);
  if (padding === 0 && !flip)
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected padding above 0, flip: true or both for ${what} but received ${describe(value)} of neither`,
    );
  return { padding, flip, height, width, channels };
}
