/** What a {@link SingleLogitClassifier} is made from: a model file, or a model in memory. */
import { resolve } from 'node:path';
import { type EncodedNames, nativeNames } from './class-names.js';
import type { InputType } from './dataset.js';
import type { Device } from './device.js';
import { OneLogitError, rangeError } from './errors.js';
import { type Layer, lastDenseLayer } from './layers/index.js';
import { type ModelMetadata, writeMetadata } from './metadata.js';
import { classNamesOf, metadataOf, withModelFile } from './model-file.js';
import { idleNativeOf, type ModelState } from './model-state.js';
import { native } from './native.js';
import type { ClassStorage, NativeClassifier, NativeDescription, NativeHandle, NativeKeeping } from './native-classifier.js';
import type { NativeModelFile } from './native-model.js';
import { version } from './version.js';

/** A classifier's parts. */
export interface ClassifierParts {
  readonly native: NativeClassifier;
  readonly metadata: ModelMetadata;
  /** How to do the same again: `reload`. */
  readonly source: ClassifierSource;
}

/** Where weights come from, now and later. */
export interface ClassifierSource {
  /** Of the file that was loaded, absolute, so that it stays the same whatever the working directory; null for a model in memory. */
  readonly path: string | null;
  /** Loads a file in place of the weights of a classifier that takes examples in memory of `inputType`. */
  reload(path: string, replaced: NativeHandle, inputType: InputType | null, requireThresholds: boolean): Promise<void>;
}

/**
 * Opens a model file. Class matrix, trunk and thresholds are read, unless another classifier has them already; the file stays open for `save` to
 * copy from.
 */
export async function classifierFromFile(path: string, device: Device, keeping: NativeKeeping): Promise<ClassifierParts> {
  const source = fileSource(resolve(path), device, keeping);
  return withModelFile(path, async (file) => {
    const { loading, metadata } = readClassifierFile(file, path, device, keeping);
    return { native: await file.loadClassifier(loading), metadata, source };
  });
}

function fileSource(path: string | null, device: Device, keeping: NativeKeeping): ClassifierSource {
  return {
    path,
    reload: (from, replaced, inputType, requireThresholds) =>
      withModelFile(from, async (file) => {
        const { loading, metadata } = readClassifierFile(file, from, device, keeping);
        checkInputType(metadata.inputType, inputType, from);
        await file.loadClassifier({ ...loading, requireThresholds }, replaced);
      }),
  };
}

/** What a caller has written into `slc.input` so far has to mean the same afterwards. */
export function checkInputType(received: InputType | null, expected: InputType | null, path: string): void {
  if ((received ?? 'float32') !== (expected ?? 'float32'))
    throw new OneLogitError(
      'ERR_ONELOGIT_RELOAD',
      `Expected a model of ${expected ?? 'float32'} examples for reload but received ${path}, of ${received ?? 'float32'}: load it as a new classifier`,
    );
}

function readClassifierFile(file: NativeModelFile, path: string, device: Device, keeping: NativeKeeping) {
  const read = metadataOf(file, path);
  const { inputShape, layers, seed, preprocessing } = read;
  const metadata = keeping.storage === undefined ? read : { ...read, layers: storedAs(layers, keeping.storage) };
  const json = keeping.storage === undefined ? (file.metadata as string) : writeMetadata(metadata, version);
  const names = file.classNames && classNamesOf(file, lastDenseLayer(layers).layer.units, path);
  const loading = {
    ...{ inputShape, layers, seed, device },
    ...(preprocessing ? { preprocessing } : {}),
    ...keeping,
    ...describe(json, names ?? null),
  };
  return { loading, metadata };
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
  const { inputShape, seed, inputType, preprocessing, loss, split, trained, biasInit, training, encodedNames } = state;
  const keeping = storage === undefined ? {} : { storage };
  const layers = storage === undefined ? state.layers : storedAs(state.layers, storage);
  const metadata = { inputShape, layers, seed, inputType, preprocessing, loss, split, trained, biasInit, training };
  const description = describe(writeMetadata(metadata, version), encodedNames);
  return {
    native: await native.classifierOf(model, { ...keeping, ...description }),
    metadata,
    // On the model's device: buffers of a pass are made once and used for all weights that come later.
    source: fileSource(null, model.device, keeping),
  };
}

/** What belongs to weights beside their numbers. */
export function describe(metadata: string, names: EncodedNames | null): NativeDescription {
  return names ? { metadata, classNames: nativeNames(names) } : { metadata };
}

/** The layers of a model whose class matrix is stored otherwise: what `Model.load` makes of a file of it. */
function storedAs(layers: readonly Layer[], storage: ClassStorage): readonly Layer[] {
  const { index: last, layer } = lastDenseLayer(layers);
  const { storage: _, ...rest } = layer;
  return layers.with(last, Object.freeze(storage === 'bfloat16' ? { ...rest, storage } : rest));
}
