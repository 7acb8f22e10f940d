/** Whether data have the classes of a model: a class is a number, which means something else in other data. */
import type { Dataset } from './dataset.js';
import { rangeError } from './errors.js';
import { shortName } from './short-name.js';

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
  advice:
    'labels are numbers of the classes of a model, which keeps their names; number them as it does, leave classNames out if the same classes only have other names, or make a new model for other classes',
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
  // Too many of them is another error, which the model tells.
  const other = classNames.findIndex((name, i) => i < names.length && name !== names[i] && read(name) !== read(names[i]!));
  if (other >= 0)
    throw rangeError(
      'ERR_ONELOGIT_CLASSES',
      `Expected the classes of ${model}, ${quoted(names[other]!)} for class ${other}, in ${data} but received ${quoted(classNames[other]!)}: ${advice}`,
    );
}

/**
 * A name as it reads: in a file a lone surrogate is U+FFFD, and some file systems write the names of directories with accents apart from
 * their letters (NFD).
 */
const read = (name: string) => Buffer.from(name).toString().normalize('NFC');

const quoted = (name: string) => `'${shortName(name)}'`;
