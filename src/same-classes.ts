/** Whether data have the classes of a model: a class is a number, which means something else in other data. */
import type { Dataset } from './dataset.js';
import { rangeError } from './errors.js';

/** What is compared, for the message. */
export interface Compared {
  readonly model: string;
  readonly data: string;
  /** Why they can differ, and what to do. */
  readonly advice: string;
}

const inMemory: Compared = {
  model: 'the model',
  data: 'classNames of dataset',
  advice: 'a model keeps the names of its first fit, and labels are numbers of its classes; number them as it does, or fit a new model',
};

/** Of a command: a model file and a directory of data. */
export const comparedFiles = (model: string, data: string): Compared => ({
  model,
  data,
  advice: 'classes are numbered by the training part of a directory, which has to be there with all that the model was trained on',
});

/**
 * Refuses data that call a class otherwise than the model does: what is learnt, measured or calibrated would be of other classes.
 *
 * @param names - of the model; without them, or without names of the data, nothing can be told
 */
export function checkSameClasses(
  names: readonly string[] | null,
  dataset: Pick<Dataset, 'classNames'>,
  compared: Partial<Compared> = {},
): void {
  const { classNames } = dataset;
  if (names === null || classNames === undefined) return;
  const { model, data, advice } = { ...inMemory, ...compared };
  // Too many of them is another error, which the model tells. In a file a lone surrogate is U+FFFD.
  const other = classNames.findIndex((name, i) => i < names.length && name !== names[i] && wellFormed(name) !== wellFormed(names[i]!));
  if (other >= 0)
    throw rangeError(
      'ERR_ONELOGIT_CLASSES',
      `Expected the classes of ${model}, ${quoted(names[other]!)} for class ${other}, in ${data} but received ${quoted(classNames[other]!)}: ${advice}`,
    );
}

const wellFormed = (name: string) => Buffer.from(name).toString();

const quoted = (name: string) => (name.length > 80 ? `'${name.slice(0, 77)}…'` : `'${name}'`);
