import { checkInteger, checkOptions, describe } from '../check.js';
import { typeError } from '../errors.js';
import { type Layer, layers } from '../layers/index.js';
import { Model } from '../model.js';
import { checkNetworkOptions, type NetworkOptions, normalized } from './network.js';

/** Options of {@link zoo.mlp}. */
export interface MlpOptions extends NetworkOptions {
  /** Units of the hidden layers. Default [500, 500]. */
  hidden?: readonly number[] | undefined;
  /** For examples that are integers: an embedding comes first, `features` (default 128) numbers for each of `vocabulary` integers. */
  embedding?: { vocabulary: number; features?: number | undefined } | undefined;
}

/**
 * The fully connected network of the paper's MNIST experiments: hidden layers of 500 units, each followed by batch normalisation and
 * relu, then the logits, which are never normalised. A dense layer before batch normalisation needs no bias of its own, but has one as in
 * the usual layer-by-layer description.
 *
 * @param options - `inputShape`: default [28, 28, 1], or any other shape
 */
export function mlp(options: MlpOptions): Model {
  const what = 'zoo.mlp';
  const { given, classes, inputShape, body, model } = checkNetworkOptions(options, what, [28, 28, 1], ['hidden', 'embedding']);
  const { hidden = [500, 500] } = given;
  if (!Array.isArray(hidden))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an array of units for hidden of ${what} but received ${describe(hidden)}`);
  const hiddenLayers = hidden.flatMap((units, index) => normalized(layers.dense(checkInteger(units, `hidden[${index}] of ${what}`, 1))));
  return Model.sequential({
    inputShape,
    layers: [...body([...embeddingLayers(given.embedding, what), ...hiddenLayers]), layers.dense(classes)],
    ...model,
  });
}

function embeddingLayers(embedding: unknown, what: string): Layer[] {
  if (embedding === undefined) return [];
  const { vocabulary, features } = checkOptions(embedding, ['vocabulary', 'features'], `embedding of ${what}`);
  return [layers.embedding(vocabulary as number, (features ?? 128) as number), layers.flatten()];
}
