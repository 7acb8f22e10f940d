/** Whether data have the classes of a model: they are numbered anew in every directory. */
import type { Dataset } from '../dataset.js';
import { rangeError } from '../errors.js';

/**
 * Refuses data that call a class otherwise than the model does: what is measured or calibrated would be of other classes.
 *
 * @param names - of the model; without them, or without names of the data, nothing can be told
 */
export function checkSameClasses(
  names: readonly string[] | null,
  dataset: Pick<Dataset, 'classNames'>,
  { model, data }: { model: string; data: string },
): void {
  const { classNames } = dataset;
  // Too many of them is another error, which the model tells.
  const other = names === null ? -1 : (classNames?.findIndex((name, i) => i < names.length && name !== names[i]) ?? -1);
  if (other >= 0)
    throw rangeError(
      'ERR_ONELOGIT_CLASSES',
      `Expected the classes of ${model}, '${names![other]}' for class ${other}, in ${data} but received '${classNames![other]}': ` +
        'classes are numbered by the training part of a directory, which has to be there with all that the model was trained on',
    );
}
