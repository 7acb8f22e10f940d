/** What a {@link SingleLogitClassifier} is made from: a model file, or a model in memory. */
import { type EncodedNames, nativeNames } from './class-names.js';
import type { Device } from './device.js';
import { rangeError } from './errors.js';
import { type ModelMetadata, readMetadata, writeMetadata } from './metadata.js';
import { classNamesOf } from './model-file.js';
import { idleNativeOf, type ModelState } from './model-state.js';
import { native } from './native.js';
import type { NativeClassifier } from './native-classifier.js';
import type { NativeNames } from './native-model.js';
import { version } from './version.js';

/** A classifier's parts. */
export interface ClassifierParts {
  readonly native: NativeClassifier;
  readonly metadata: ModelMetadata;
  /** The metadata as `save` writes it. */
  readonly json: string;
  readonly encodedNames: EncodedNames | null;
}

/** Opens a model file. Class matrix, trunk and thresholds are read; the file stays open for `save` to copy from. */
export async function classifierFromFile(path: string, device: Device): Promise<ClassifierParts> {
  const file = await native.openModelFile(path);
  const metadata = readMetadata(file.metadata, path);
  const { inputShape, layers, seed, preprocessing } = metadata;
  const loaded = await file.loadClassifier({ inputShape, layers, seed, device, ...(preprocessing ? { preprocessing } : {}) });
  return {
    native: loaded,
    metadata,
    json: file.metadata as string,
    encodedNames: classNamesOf(file, loaded.classes, path),
  };
}

/** Copies what scoring needs from a model. */
export async function classifierFromModel(state: ModelState, device: Device): Promise<ClassifierParts> {
  const what = 'SingleLogitClassifier.load';
  const model = idleNativeOf(state, what);
  if (device !== 'auto' && device !== model.device)
    throw rangeError(
      'ERR_ONELOGIT_RANGE',
      `Expected '${model.device}', the device of the model, for device of ${what} but received '${device}'`,
    );
  const { inputShape, layers, seed, inputType, preprocessing, loss, split, trained, biasInit, encodedNames } = state;
  const metadata = { inputShape, layers, seed, inputType, preprocessing, loss, split, trained, biasInit };
  const json = writeMetadata(metadata, version);
  return { native: await native.classifierOf(model), metadata, json, encodedNames };
}

/** Class names as `save` takes them. */
export function namesToSave(names: EncodedNames | null): NativeNames | undefined {
  return names ? nativeNames(names) : undefined;
}
