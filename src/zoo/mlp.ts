import { checkInteger, checkOptions, describe } from '../check.js';
import type { Device, Precision } from '../device.js';
import { typeError } from '../errors.js';
import { type Layer, layers } from '../layers/index.js';
import { Model } from '../model.js';
import type { PreprocessingOptions } from '../preprocessing.js';

/** Options of {@link mlp}. */
export interface MlpOptions {
  /** Units of the last layer. */
  classes: number;
  /** Shape of one example. Default [28, 28, 1]. */
  inputShape?: readonly number[] | undefined;
  /** Units of the hidden layers. Default [500, 500]. */
  hidden?: readonly number[] | undefined;
  /** For examples that are integers: an embedding comes first, `features` (default 128) numbers for each of `vocabulary` integers. */
  embedding?: { vocabulary: number; features?: number | undefined } | undefined;
  preprocessing?: PreprocessingOptions | undefined;
  seed?: number | undefined;
  device?: Device | undefined;
  precision?: Precision | undefined;
}

/**
 * The fully connected network of the paper's MNIST experiments: hidden layers of 500 units, each followed by batch normalisation and
 * relu, then the logits, which are never normalised. A dense layer before batch normalisation needs no bias of its own, but has one as in
 * the usual layer-by-layer description.
 */
export function mlp(options: MlpOptions): Model {
  const what = 'zoo.mlp';
  const given = checkOptions(
    options,
    ['classes', 'inputShape', 'hidden', 'embedding', 'preprocessing', 'seed', 'device', 'precision'],
    what,
  );
  const {
    inputShape = [28, 28, 1],
    hidden = [500, 500],
    embedding,
    preprocessing,
    seed,
    device,
    precision,
  } = given as unknown as MlpOptions;
  if (!Array.isArray(hidden))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an array of units for hidden of ${what} but received ${describe(hidden)}`);
  const hiddenLayers = (hidden as readonly number[]).flatMap((units, index): Layer[] => [
    layers.dense(checkInteger(units, `hidden[${index}] of ${what}`, 1)),
    layers.batchNorm(),
    layers.relu(),
  ]);
  return Model.sequential({
    inputShape,
    layers: [...embeddingLayers(embedding, what), ...hiddenLayers, layers.dense(checkInteger(given.classes, `classes of ${what}`, 1))],
    preprocessing,
    seed,
    device,
    precision,
  });
}

function embeddingLayers(embedding: MlpOptions['embedding'], what: string): Layer[] {
  if (embedding === undefined) return [];
  const { vocabulary, features } = checkOptions(embedding, ['vocabulary', 'features'], `embedding of ${what}`);
  return [layers.embedding(vocabulary as number, (features ?? 128) as number), layers.flatten()];
}
