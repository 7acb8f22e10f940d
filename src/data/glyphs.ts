/**
 * `datasets.glyphs`: characters that are drawn, not loaded.
 */
import { checkInteger, checkNumber, checkOneOf, checkOptions } from '../check.js';
import type { InMemoryDataset } from '../dataset.js';
import { OneLogitError } from '../errors.js';
import { native } from '../native.js';
import type { Split } from './format.js';

declare module '../native.js' {
  interface NativeBinding {
    /** Fills `images`, whole images of size × size bytes: the n-th is example n / classes of class n mod classes. `distortion` in 256ths. */
    drawGlyphs(options: { classes: number; seed: number; split: number; size: number; distortion: number }, images: Uint8Array): void;
  }
}

/** Options of {@link glyphs}. */
export interface GlyphOptions {
  /** Number of classes, from 1 to 16,777,216. The first glyphs of a larger number are those of a smaller. */
  classes: number;
  /** Examples of each class, at least 1. */
  examplesPerClass: number;
  /** Which glyphs and which examples. Default: 0. */
  seed?: number | undefined;
  /** `'train'` and `'test'` have the same glyphs and different examples. Default: `'train'`. */
  split?: Exclude<Split, 'validation'> | undefined;
  /** Pixels per side, from 8 to 1024. Default: 28. */
  size?: number | undefined;
  /** Strength of all distortions, from 0 (every example is its bare glyph) to 4. Default: 1. */
  distortion?: number | undefined;
}

/** Images of generated characters. */
export interface GlyphDataset extends InMemoryDataset {
  /** `length` × `size` × `size` bytes: 0 background, up to 255. */
  inputs: Uint8Array;
  /** `'glyph 0'` and so on. */
  classNames: string[];
}

/**
 * Labelled images of generated characters: for a first run without data, and for tests and measurements with any number of classes.
 *
 * A class is a few straight and bent pen strokes between the points of a grid; no two are the same, and as long as enough others are found
 * none is another with one stroke added, taken away or exchanged. An example is its class's glyph with the grid points moved, rotated, sheared, scaled
 * and shifted, drawn with a pen of its own width and brightness, with noise on every pixel and in a quarter of the examples a rectangle
 * hidden. At the default distortion a 784-500-500-26 network with batch normalisation, trained with 200 to 1,000 examples of each of 26
 * classes for 1,000 to 2,000 steps of 128, classifies 95 to 98 % of the test split correctly.
 *
 * The same options give the same bytes on every machine, with any number of threads. Synchronous: about 10 µs of one thread per 28 × 28
 * image, spread over all processors.
 *
 * @returns `classes × examplesPerClass` images of `size × size × 1` bytes, 0 background, up to 255. Example n is of class n mod `classes`, so
 *   that any part from the front has the classes evenly.
 * @throws RangeError `ERR_ONELOGIT_RANGE`; TypeError `ERR_ONELOGIT_ARGUMENT`, `ERR_ONELOGIT_UNKNOWN_OPTION`; OneLogitError
 *   `ERR_ONELOGIT_OUT_OF_MEMORY`.
 */
export function glyphs(options: GlyphOptions): GlyphDataset {
  const given = checkOptions(options, ['classes', 'examplesPerClass', 'seed', 'split', 'size', 'distortion'], 'options of datasets.glyphs');
  const classes = checkInteger(given.classes, 'classes', 1, 2 ** 24);
  const examplesPerClass = checkInteger(given.examplesPerClass, 'examplesPerClass', 1);
  const seed = checkInteger(given.seed ?? 0, 'seed');
  const split = checkOneOf(given.split ?? 'train', ['train', 'test'] as const, 'split');
  const size = checkInteger(given.size ?? 28, 'size', 8, 1024);
  const distortion = checkNumber(given.distortion ?? 1, 'distortion', { least: 0, most: 4 });

  const length = classes * examplesPerClass;
  let inputs: Uint8Array;
  let labels: Int32Array;
  try {
    inputs = new Uint8Array(length * size * size);
    labels = new Int32Array(length);
  } catch (cause) {
    const message = `Expected memory for ${length} images of ${size} × ${size} bytes but received none: fewer examplesPerClass or classes`;
    throw new OneLogitError('ERR_ONELOGIT_OUT_OF_MEMORY', message, { cause });
  }
  native.drawGlyphs({ classes, seed, split: split === 'train' ? 0 : 1, size, distortion: Math.round(distortion * 256) }, inputs);
  for (let n = 0, label = 0; n < length; n++) {
    labels[n] = label;
    if (++label === classes) label = 0;
  }
  return {
    inputs,
    labels,
    inputShape: [size, size, 1],
    classes,
    classNames: Array.from({ length: classes }, (_, label) => `glyph ${label}`),
    length,
  };
}
