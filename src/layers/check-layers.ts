/** The layers of a model, checked as a whole. */
import { checkInteger, describe } from '../check.js';
import { rangeError, typeError } from '../errors.js';
import { checkLayer, hasTensors, type Layer } from './check-layer.js';
import type { DenseLayer } from './dense.js';

/** More layers than any network has, and more inputs than any layer: bounds for what files may claim. */
const maxLayers = 10_000;
const maxInputs = 1000;

/**
 * A list of layers from outside, checked, with the initializer of every layer that has weights filled in: `'glorot-uniform'` for the last
 * dense layer, which makes the logits, `'he-normal'` for the others.
 */
export function checkLayers(value: unknown, what: string): Layer[] {
  if (!Array.isArray(value) || value.length === 0)
    throw typeError('ERR_ONELOGIT_LAYER', `Expected an array of layers for ${what} but received ${describe(value)}`);
  if (value.length > maxLayers)
    throw rangeError('ERR_ONELOGIT_RANGE', `Expected at most ${maxLayers} layers for ${what} but received ${value.length}`);
  const checked = Array.from(value, (given, index) => {
    const where = `${what}[${index}]`;
    const layer = checkLayer(given, where);
    return placed(layer, checkInputs((given as { inputs?: unknown }).inputs, layer, index, where), index);
  });
  checkUse(checked, what);
  checkNames(checked, what);
  const last = checked.findLastIndex((layer) => layer.type === 'dense');
  if (last < 0) throw typeError('ERR_ONELOGIT_LAYER', `Expected at least one dense layer for ${what}: its units are the classes`);
  checkEmbedding(checked, what);
  const rounded = checked.findIndex((layer, index) => index !== last && layer.type === 'dense' && layer.storage === 'bfloat16');
  if (rounded >= 0)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected storage 'float32' for ${what}[${rounded}] (bfloat16 is for the last dense layer, ${what}[${last}]) but received 'bfloat16'`,
    );
  return checked.map((layer, index) =>
    (layer.type === 'dense' || layer.type === 'conv2d') && layer.initializer === undefined
      ? Object.freeze({ ...layer, initializer: index === last ? 'glorot-uniform' : 'he-normal' })
      : layer,
  );
}

/** {@link checkLayers} of layers that follow each other: none may say where its inputs come from. */
export function checkSequence(value: unknown, what: string): Layer[] {
  if (Array.isArray(value))
    for (const [index, layer] of value.entries())
      if ((layer as { inputs?: unknown } | null | undefined)?.inputs !== undefined)
        throw typeError(
          'ERR_ONELOGIT_UNKNOWN_OPTION',
          `Expected no inputs of ${what}[${index}] (layers follow each other; Model.build makes graphs) but received some`,
        );
  return checkLayers(value, what);
}

/** The layer that makes the logits. Checked layers have one. */
export function lastDenseLayer(layers: readonly Layer[]): { index: number; layer: DenseLayer } {
  const index = layers.findLastIndex(({ type }) => type === 'dense');
  return { index, layer: layers[index] as DenseLayer };
}

/** What the names of a layer's tensors begin with, the dot included. */
export function tensorPrefix(layer: Layer, index: number): string {
  return `${hasTensors(layer) ? (layer.name ?? index) : index}.`;
}

/** Where the inputs of a layer come from: −1 is the model's input. */
export function inputsOf(layer: Layer, index: number): readonly number[] {
  return layer.inputs ?? [index - 1];
}

function checkInputs(value: unknown, { type }: Layer, index: number, what: string): readonly number[] {
  const joins = type === 'add' || type === 'concat';
  const count = joins ? `2 to ${maxInputs} inputs` : 'one input';
  if (value === undefined) {
    if (joins) throw rangeError('ERR_ONELOGIT_LAYER', `Expected ${count} for ${what}, ${type}, but received one, the layer before`);
    return [index - 1];
  }
  if (!Array.isArray(value))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an array of integers for inputs of ${what} but received ${describe(value)}`);
  if (joins ? value.length < 2 || value.length > maxInputs : value.length !== 1)
    throw rangeError('ERR_ONELOGIT_LAYER', `Expected ${count} for ${what}, ${type}, but received ${value.length}`);
  return Object.freeze(Array.from(value, (input, i) => checkInteger(input, `inputs[${i}] of ${what}`, -1, index - 1)));
}

/** The layer with its inputs, unless they are the layer before alone. */
function placed(layer: Layer, inputs: readonly number[], index: number): Layer {
  return inputs.length === 1 && inputs[0] === index - 1 ? layer : Object.freeze({ ...layer, inputs });
}

/** The last layer is the output: what it does not need, nobody does. */
function checkUse(list: readonly Layer[], what: string): void {
  const used = new Set(list.flatMap(inputsOf));
  const unused = list.findIndex((_, index) => index < list.length - 1 && !used.has(index));
  if (unused >= 0)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected every layer of ${what} but the last, the output, to be the input of another but received ${what}[${unused}], which is none`,
    );
}

function checkNames(list: readonly Layer[], what: string): void {
  const owners = new Map<string, number>();
  for (const [index, layer] of list.entries()) {
    if (!hasTensors(layer)) continue;
    const { name = `${index}` } = layer;
    if (/^\d+$/.test(name) && name !== `${index}`)
      throw rangeError(
        'ERR_ONELOGIT_NAME',
        `Expected a name that is not the index of another layer for ${what}[${index}] but received '${name}'`,
      );
    const owner = owners.get(name);
    if (owner !== undefined)
      throw rangeError(
        'ERR_ONELOGIT_NAME',
        `Expected a name of its own for ${what}[${index}] but received '${name}', that of ${what}[${owner}]`,
      );
    owners.set(name, index);
  }
}

/** Its inputs are integers: nothing comes before it, and nothing else reads them. */
function checkEmbedding(list: readonly Layer[], what: string): void {
  const misplaced = list.findIndex((layer, index) => index > 0 && layer.type === 'embedding');
  if (misplaced >= 0)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected an embedding only as the first of ${what} (its inputs are integers) but received one as ${what}[${misplaced}]`,
    );
  const reader = list[0]?.type === 'embedding' ? list.findIndex((layer, index) => index > 0 && inputsOf(layer, index).includes(-1)) : -1;
  if (reader >= 0)
    throw rangeError(
      'ERR_ONELOGIT_LAYER',
      `Expected the embedding alone to read the model's input, integers, but received ${what}[${reader}] that does too`,
    );
}
