/** Arguments of scoring, looked at after native code has refused them, or before what it does not check. */
import { types } from 'node:util';
import { checkFloat32Array, checkInteger, describe, typedArrayLength } from './check.js';
import { checkInputs, type InputKind, type Inputs } from './dataset.js';
import { OneLogitError, rangeError, typeError } from './errors.js';
import { floatsOf } from './floats.js';

/** What arguments are checked against. */
export interface ScoredShape {
  readonly classes: number;
  /** Elements of one example. */
  readonly inputSize: number;
  readonly kind: InputKind;
}

/** Throws for whatever is wrong with a class id. */
export function checkClassId(classId: unknown, { classes }: ScoredShape, what: string): number {
  return checkInteger(classId, `classId of ${what}`, 0, classes - 1);
}

/** Throws for the first wrong class id. */
export function checkClassIds(classIds: Int32Array, shape: ScoredShape, what: string): void {
  for (const id of classIds) checkClassId(id, shape, what);
}

/** Throws unless `input` holds one example. */
export function checkExample(input: unknown, { inputSize, kind }: ScoredShape, what: string): Inputs {
  const { inputs } = checkInputs(input, `input of ${what}`, kind);
  if (typedArrayLength(inputs) !== inputSize)
    throw rangeError('ERR_ONELOGIT_LENGTH', `Expected ${inputSize} elements for input of ${what} but received ${describe(input)}`);
  return inputs;
}

/** Throws unless `inputs` holds whole examples; says how many. */
export function checkExamples(given: unknown, { inputSize, kind }: ScoredShape, what: string): { inputs: Inputs; count: number } {
  const { inputs } = checkInputs(given, `inputs of ${what}`, kind);
  const count = typedArrayLength(inputs) / inputSize;
  if (!Number.isInteger(count))
    throw rangeError(
      'ERR_ONELOGIT_LENGTH',
      `Expected a multiple of ${inputSize} elements for inputs of ${what} but received ${describe(given)}`,
    );
  return { inputs, count };
}

/** Class ids as native code takes them; their range is checked there. */
export function toClassIds(classIds: unknown, shape: ScoredShape, what: string): Int32Array {
  if (types.isInt32Array(classIds)) return classIds;
  if (!Array.isArray(classIds))
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected an Int32Array or an array of integers for classIds of ${what} but received ${describe(classIds)}`,
    );
  return Int32Array.from(classIds, (id) => checkClassId(id, shape, what));
}

/** Where scores go: the caller's array, or a new one. */
export function scoresArray(out: unknown, length: number, what: string): Float32Array {
  return out === undefined ? floatsOf(length, what) : checkFloat32Array(out, `out of ${what}`, length);
}

/** When scores would be written over the examples that they are of. */
export function overlapError(what: string): Error {
  return rangeError('ERR_ONELOGIT_OVERLAP', `Expected memory of its own for out of ${what} but received a part of the examples' memory`);
}

/** When native code refuses arguments that have nothing wrong here. */
export function unexplained(what: string): OneLogitError {
  return new OneLogitError('ERR_ONELOGIT_INTERNAL', `Expected ${what} to be answered but its arguments were refused: please report this`);
}
