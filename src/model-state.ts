/** What a {@link Model} consists of, for the files that work on one: fit.ts, evaluate.ts, model-file.ts, classifier.ts. */
import { type EncodedNames, encodeNames } from './class-names.js';
import type { Dataset } from './dataset.js';
import type { Precision } from './device.js';
import { OneLogitError } from './errors.js';
import type { BiasInit, ModelMetadata } from './metadata.js';
import type { NativeModel } from './native-model.js';

/** A model's metadata with what `fit` changes, its native part and its class names. */
export interface ModelState extends ModelMetadata {
  /** Null after `dispose`. */
  native: NativeModel | null;
  inputType: ModelMetadata['inputType'];
  preprocessing: ModelMetadata['preprocessing'];
  loss: ModelMetadata['loss'];
  split: ModelMetadata['split'];
  trained: boolean;
  biasInit: BiasInit | null;
  training: ModelMetadata['training'];
  /** In what it computes; for the record of a fit. */
  readonly precision: Precision;
  encodedNames: EncodedNames | null;
  /** Whether `fit` runs. */
  fitting: boolean;
}

/** The native model, or an error if there is none any more. */
export function nativeOf(state: ModelState): NativeModel {
  if (state.native === null)
    throw new OneLogitError('ERR_ONELOGIT_DISPOSED', 'Expected a model in use for this call but received one that was disposed of');
  return state.native;
}

/** The native model if it is not being trained. */
export function idleNativeOf(state: ModelState, what: string): NativeModel {
  const native = nativeOf(state);
  if (state.fitting)
    throw new OneLogitError(
      'ERR_ONELOGIT_BUSY',
      `Expected a model that is not being trained for ${what} but received one whose fit runs: await it first`,
    );
  return native;
}

/** The names a dataset gives to all classes of a model, if it does. */
export function namesOf(dataset: Dataset, classes: number): EncodedNames | null {
  return dataset.classNames && dataset.classes === classes ? encodeNames(dataset.classNames) : null;
}
