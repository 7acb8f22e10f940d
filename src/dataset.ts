/**
 * What training and evaluation read: labelled examples in memory, or behind a reader.
 */
import { types } from 'node:util';
import { checkInt32Array, checkInteger, checkOptions, describe, typedArrayLength } from './check.js';
import { rangeError, typeError } from './errors.js';
import type { Layer } from './layers/index.js';
import { checkShape, sameShape, shapeSize } from './shape.js';

/** What examples are made of. `Int32Array` where the first layer is an embedding. */
export type Inputs = Float32Array | Uint8Array | Int32Array;

/**
 * For each example, right classes besides its label, in compressed rows: those of example i are
 * `classes[first[i]]` … `classes[first[i + 1] - 1]`, ascending, its label not among them.
 */
export interface AlsoCorrect {
  /** length + 1 offsets into `classes`, ascending from 0. */
  first: Int32Array;
  /** Classes of all examples, one after the other. */
  classes: Int32Array;
}

/** Examples in memory: `inputs` holds `length` × the product of `inputShape` elements, row-major. */
export interface InMemoryDataset {
  /** In the raw units of the data: preprocessing is the model's. */
  inputs: Inputs;
  /** Class of each example, in [0, classes). */
  labels: Int32Array;
  /** Shape of one example: height × width × channels for images. */
  inputShape: number[];
  /** How many classes there are; not all of them need examples. */
  classes: number;
  /**
   * One for each class; stored with a model that is fitted on them. Afterwards data that call a class otherwise are refused, for training,
   * evaluation and calibration alike: their labels would mean other classes.
   */
  classNames?: string[];
  /** Number of examples. */
  length: number;
  /** Right classes besides the labels: neither right nor wrong in evaluation and calibration ("filtered"). */
  alsoCorrect?: AlsoCorrect;
}

/** Examples that do not fit in memory. `fit` owns the order and asks for the indices it wants. */
export interface StreamedDataset {
  /** As for examples in memory, and so are the properties below. */
  inputShape: number[];
  classes: number;
  classNames?: string[];
  length: number;
  alsoCorrect?: AlsoCorrect;
  /** The examples of these indices, in their order. `signal` is aborted when they are no longer wanted. */
  read(indices: Int32Array, signal: AbortSignal): Promise<{ inputs: Inputs; labels: Int32Array }>;
}

/** Labelled examples, in memory or behind a reader. */
export type Dataset = InMemoryDataset | StreamedDataset;

/** The name of an element type, as it is stored with a model. */
export type InputType = 'uint8' | 'float32' | 'int32';

/** What the first layer reads: numbers, or, if it is an embedding, the integers of an `Int32Array`. */
export type InputKind = 'numbers' | 'integers';

export const inputKind = (layers: readonly Layer[]): InputKind => (layers[0]?.type === 'embedding' ? 'integers' : 'numbers');

/** Examples from outside: the array, its element type and its true length. `Uint8ClampedArray` (canvas pixels) counts as bytes. */
export function checkInputs(value: unknown, what: string, kind: InputKind): { inputs: Inputs; type: InputType; length: number } {
  if (kind === 'integers') {
    if (types.isInt32Array(value)) return { inputs: value, type: 'int32', length: typedArrayLength(value) };
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an Int32Array (rows of the embedding) for ${what} but received ${describe(value)}`);
  }
  if (types.isUint8Array(value)) return { inputs: value, type: 'uint8', length: typedArrayLength(value) };
  if (types.isFloat32Array(value)) return { inputs: value, type: 'float32', length: typedArrayLength(value) };
  if (types.isUint8ClampedArray(value)) {
    const inputs = value as unknown as Uint8Array;
    return { inputs, type: 'uint8', length: typedArrayLength(inputs) };
  }
  throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a Float32Array or a Uint8Array for ${what} but received ${describe(value)}`);
}

/** What a dataset must fit: the model's input and its classes. */
export interface DatasetFit {
  inputShape: readonly number[];
  classes: number;
  kind: InputKind;
}

/**
 * A dataset from outside, checked, with its properties read once. Labels are checked where they are read, natively.
 *
 * @throws TypeError or RangeError naming `what` and the property
 */
export function checkDataset(value: unknown, what: string, model: DatasetFit): Dataset {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected a dataset ({ inputs, labels, … } or { read, … }) for ${what} but received ${describe(value)}`,
    );
  const given = value as Record<string, unknown>;
  const inputShape = [...checkShape(given.inputShape, `inputShape of ${what}`)];
  const classes = checkInteger(given.classes, `classes of ${what}`, 1, 2 ** 31 - 1);
  const length = checkInteger(given.length, `length of ${what}`, 1, 2 ** 31 - 1);
  // [28, 28] and [28, 28, 1] hold the same numbers in the same order; so does any shape of the same size with a flattened one.
  if (!compatible(inputShape, model.inputShape))
    throw rangeError(
      'ERR_ONELOGIT_SHAPE',
      `Expected examples of shape ${format(model.inputShape)} for ${what} but received ${format(inputShape)}`,
    );
  if (classes > model.classes)
    throw rangeError(
      'ERR_ONELOGIT_CLASSES',
      `Expected at most ${model.classes} classes (the units of the last dense layer) for ${what} but received ${classes}`,
    );
  const classNames = checkClassNames(given.classNames, classes, `classNames of ${what}`);
  const alsoCorrect = checkAlsoCorrect(given.alsoCorrect, length, `alsoCorrect of ${what}`);
  const common = { inputShape, classes, length, ...(classNames ? { classNames } : {}), ...(alsoCorrect ? { alsoCorrect } : {}) };
  if (given.read !== undefined) {
    if (typeof given.read !== 'function')
      throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a function for read of ${what} but received ${describe(given.read)}`);
    const { read } = given as unknown as StreamedDataset;
    return { ...common, read: (indices, signal) => read.call(value as StreamedDataset, indices, signal) };
  }
  const { inputs, length: elements } = checkInputs(given.inputs, `inputs of ${what}`, model.kind);
  if (elements !== length * shapeSize(inputShape))
    throw rangeError(
      'ERR_ONELOGIT_LENGTH',
      `Expected ${length} × ${shapeSize(inputShape)} elements for inputs of ${what} but received ${describe(inputs)}`,
    );
  return { ...common, inputs, labels: checkInt32Array(given.labels, `labels of ${what}`, length) };
}

function compatible(a: readonly number[], b: readonly number[]): boolean {
  const withoutOnes = (shape: readonly number[]) => shape.filter((axis) => axis !== 1);
  return shapeSize(a) === shapeSize(b) && (sameShape(withoutOnes(a), withoutOnes(b)) || a.length === 1 || b.length === 1);
}

function format(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** Compressed rows, or undefined. Their values are checked where they are read, natively, as labels are. */
function checkAlsoCorrect(value: unknown, length: number, what: string): AlsoCorrect | undefined {
  if (value === undefined) return undefined;
  const { first, classes } = checkOptions(value ?? null, ['first', 'classes'], what);
  return { first: checkInt32Array(first, `first of ${what}`, length + 1), classes: checkInt32Array(classes, `classes of ${what}`) };
}

/** One string per class, or undefined. */
export function checkClassNames(value: unknown, classes: number, what: string): string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an array of strings for ${what} but received ${describe(value)}`);
  if (value.length !== classes)
    throw rangeError('ERR_ONELOGIT_LENGTH', `Expected ${classes} strings for ${what} but received ${describe(value)}`);
  for (const name of value)
    if (typeof name !== 'string') throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected strings for ${what} but received ${describe(name)}`);
  return value;
}
