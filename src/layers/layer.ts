/** What layers have in common. */
import { checkString, describe } from '../check.js';
import { rangeError, typeError } from '../errors.js';

/** Where a layer stands in a graph. */
export interface Joined {
  /**
   * Where its inputs come from: −1 is the model's input, i the output of layer i. Absent: the layer before. Only models made by
   * {@link Model.build} have it.
   */
  readonly inputs?: readonly number[];
}

/** What layers that have tensors may have besides their own options. */
export interface WithTensors extends Joined {
  /** What its tensors' names begin with: `'conv1'` for `conv1.weight`. Absent: its index. */
  readonly name?: string;
  /** Training leaves its tensors alone ({@link layers.freeze}). */
  readonly frozen?: true;
}

/** The name of a layer that has tensors. */
export interface NameOption {
  /** What the names of its tensors begin with, instead of its index: parts of letters, digits and `_`, joined by dots. */
  name?: string | undefined;
}

/** The largest count of units, classes or elements of an example that one layer may have. */
export const maxUnits = 2 ** 31 - 1;

/** First parts of tensor names in files that belong to no layer: of checkpoints, thresholds and class names. */
const reserved = ['optimizer', 'training', 'thresholds', 'class_names'];
const longestName = 200;

/** `{ name }` if there is one, checked. */
export function checkName(value: unknown, what: string): { name?: string } {
  if (value === undefined) return {};
  const name = checkString(value, `name of ${what}`);
  if (name.length > longestName)
    throw rangeError('ERR_ONELOGIT_NAME', `Expected at most ${longestName} characters for name of ${what} but received ${name.length}`);
  if (!/^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$/.test(name))
    throw rangeError(
      'ERR_ONELOGIT_NAME',
      `Expected parts of letters, digits and _, joined by dots, for name of ${what} but received ${describe(name)}`,
    );
  if (reserved.includes(name.split('.', 1)[0] as string))
    throw rangeError(
      'ERR_ONELOGIT_NAME',
      `Expected a name that does not begin with ${reserved.join(', ')} for name of ${what} but received ${describe(name)}`,
    );
  return { name };
}

/** A plain object, to be looked at property by property. */
export function checkLayerObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw typeError('ERR_ONELOGIT_LAYER', `Expected a layer made by layers.* for ${what} but received ${describe(value)}`);
  return value as Record<string, unknown>;
}
