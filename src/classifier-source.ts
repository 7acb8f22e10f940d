/** What a {@link SingleLogitClassifier} is made from: a model file, or a model in memory. */
import { type EncodedNames, nativeNames } from './class-names.js';
import type { Device } from './device.js';
import { rangeError } from './errors.js';
import type { Layer } from './layers.js';
import { type ModelMetadata, readMetadata, writeMetadata } from './metadata.js';
import { classNamesOf } from './model-file.js';
import { idleNativeOf, type ModelState } from './model-state.js';
import { native } from './native.js';
import type { ClassStorage, NativeClassifier, NativeKeeping } from './native-classifier.js';
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
export async function classifierFromFile(path: string, device: Device, keeping: NativeKeeping): Promise<ClassifierParts> {
  const file = await native.openModelFile(path);
  const read = readMetadata(file.metadata, path);
  const { inputShape, layers, seed, preprocessing } = read;
  const loaded = await file.loadClassifier({ inputShape, layers, seed, device, ...(preprocessing ? { preprocessing } : {}), ...keeping });
  const metadata = keeping.storage === undefined ? read : { ...read, layers: storedAs(layers, keeping.storage) };
  return {
    native: loaded,
    metadata,
    json: keeping.storage === undefined ? (file.metadata as string) : writeMetadata(metadata, version),
    encodedNames: classNamesOf(file, loaded.classes, path),
  };
}

/** Copies what scoring needs from a model. */
export async function classifierFromModel(state: ModelState, device: Device, storage: ClassStorage | undefined): Promise<ClassifierParts> {
  const what = 'SingleLogitClassifier.load';
  const model = idleNativeOf(state, what);
  if (device !== 'auto' && device !== model.device)
    throw rangeError(
      'ERR_ONELOGIT_RANGE',
      `Expected '${model.device}', the device of the model, for device of ${what} but received '${device}'`,
    );
  const { inputShape, seed, inputType, preprocessing, loss, split, trained, biasInit, encodedNames } = state;
  const layers = storage === undefined ? state.layers : storedAs(state.layers, storage);
  const metadata = { inputShape, layers, seed, inputType, preprocessing, loss, split, trained, biasInit };
  const json = writeMetadata(metadata, version);
  return { native: await native.classifierOf(model, storage === undefined ? {} : { storage }), metadata, json, encodedNames };
}

/** The layers of a model whose class matrix is stored otherwise: what `Model.load` makes of a file of it. */
function storedAs(layers: readonly Layer[], storage: ClassStorage): readonly Layer[] {
  const last = layers.findLastIndex((layer) => layer.type === 'dense');
  return layers.map((layer, index) => {
    if (index !== last || layer.type !== 'dense') return layer;
    const { storage: _, ...rest } = layer;
    return Object.freeze(storage === 'bfloat16' ? { ...rest, storage } : rest);
  });
}

/** Class names as `save` takes them. */
export function namesToSave(names: EncodedNames | null): NativeNames | undefined {
  return names ? nativeNames(names) : undefined;
}
