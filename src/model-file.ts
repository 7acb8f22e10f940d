/** Model files: safetensors whose metadata describes the model (metadata.ts). Checkpoints are such files too. */
import { isDeepStrictEqual } from 'node:util';
import { describe } from './check.js';
import { checkEncodedNames, type EncodedNames, fromNativeNames, nativeNames } from './class-names.js';
import type { Device, Precision } from './device.js';
import { OneLogitError } from './errors.js';
import { lastDenseLayer, tensorPrefix } from './layers/index.js';
import { type ModelMetadata, readMetadata, writeMetadata } from './metadata.js';
import { idleNativeOf, type ModelState } from './model-state.js';
import { native } from './native.js';
import type { ClassStorage } from './native-classifier.js';
import type { NativeModelFile, NativeTensor } from './native-model.js';
import { sameShape, shapeSize } from './shape.js';
import type { Split } from './split.js';
import { summaryOf } from './summary.js';
import { version } from './version.js';

/** Writes a model, atomically. */
export async function saveModel(state: ModelState, path: string): Promise<void> {
  await idleNativeOf(state, 'model.save').save(
    path,
    writeMetadata(state, version),
    state.encodedNames ? nativeNames(state.encodedNames) : undefined,
  );
}

/** Reads a model or a checkpoint. */
export async function loadModel(path: string, device: Device, precision: Precision): Promise<ModelState> {
  return withModelFile(path, async (file) => {
    const metadata = metadataOf(file, path);
    const { inputShape, layers, seed } = metadata;
    const loaded = await file.load({ inputShape, layers, seed, device, precision }).catch((error: unknown) => {
      throw isForScoring(file, metadata) ? forScoring(path, error) : error;
    });
    if (metadata.preprocessing) loaded.setPreprocessing(metadata.preprocessing);
    // Its weights came from elsewhere, even if nobody fitted them: no prior bias any more.
    const encodedNames = classNamesOf(file, loaded.classes, path);
    return { ...metadata, trained: true, native: loaded, precision, encodedNames, fitting: false };
  });
}

function isForScoring(file: NativeModelFile, { inputShape, layers, seed }: ModelMetadata): boolean {
  try {
    return file.describe({ inputShape, layers, seed }).storage === 'int8';
  } catch {
    return false; // what is wrong with it has been said
  }
}

function forScoring(path: string, cause: unknown): OneLogitError {
  return new OneLogitError(
    'ERR_ONELOGIT_FORMAT',
    `Expected a class matrix in float32 or bfloat16 in ${path} but received one in int8, which is for scoring alone ` +
      '(onelogit convert --storage float32 makes a file that can be evaluated and trained)',
    { cause },
  );
}

/** What a model or classifier file holds; none of its weights is read. */
export interface ModelFileDescription {
  readonly metadata: ModelMetadata;
  readonly classes: number;
  readonly features: number;
  /** Trained numbers. */
  readonly parameters: number;
  readonly storage: ClassStorage;
  readonly classNames: boolean;
  readonly calibrated: boolean;
  readonly summary: string;
}

/**
 * Describes a file by its header, however large it is.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FILE` or `ERR_ONELOGIT_FORMAT` naming the file
 */
export async function describeModelFile(path: string): Promise<ModelFileDescription> {
  return withModelFile(path, (file) => {
    const metadata = metadataOf(file, path);
    const { layers } = metadata;
    const described = file.describe({ inputShape: metadata.inputShape, layers, seed: metadata.seed });
    const { layer, index } = lastDenseLayer(layers);
    const weight = `${tensorPrefix(layer, index)}weight`;
    const { shape } = described.tensors.find(({ name }) => name === weight) as NativeTensor;
    const [classes, features] = shape as [number, number];
    return {
      metadata,
      classes,
      features,
      parameters: described.tensors.reduce((sum, { shape, trainable }) => (trainable ? sum + shapeSize(shape) : sum), 0),
      storage: described.storage,
      classNames: classNamesOf(file, classes, path) !== null,
      calibrated: described.calibrated,
      summary: summaryOf(layers, described),
    };
  });
}

/** The metadata of an open file. A checkpoint says beside it how far the fit was: nobody knew when the fit began. */
export function metadataOf(file: NativeModelFile, path: string): ModelMetadata {
  const metadata = readMetadata(file.metadata, path);
  if (metadata.training === null || file.trainingStep === undefined) return metadata;
  const stepsDone = /^\d+$/.test(file.trainingStep) ? Number(file.trainingStep) : Number.NaN;
  if (!Number.isSafeInteger(stepsDone))
    throw new OneLogitError(
      'ERR_ONELOGIT_FORMAT',
      `Expected a number of steps for 'training.step' in the metadata of ${path} but received ${describe(file.trainingStep)}`,
    );
  return { ...metadata, training: Object.freeze({ ...metadata.training, stepsDone }) };
}

/** Opens a model file for as long as `body` takes. */
export async function withModelFile<T>(path: string, body: (file: NativeModelFile) => T | Promise<T>): Promise<T> {
  const file = await native.openModelFile(path);
  try {
    return await body(file);
  } finally {
    file.close();
  }
}

/** What a fit that is resumed goes on with. */
export interface Resumed {
  readonly metadata: ModelMetadata;
  readonly encodedNames: EncodedNames | null;
}

/**
 * What describes a checkpoint that `state` is to continue from.
 *
 * @throws OneLogitError `ERR_ONELOGIT_CHECKPOINT` if it is of another model
 */
export async function resumedFrom(state: ModelState, classes: number, split: Split | null, path: string): Promise<Resumed> {
  const { metadata, encodedNames } = await withModelFile(path, (file) => {
    const described = metadataOf(file, path);
    // The names of a checkpoint of another number of classes are not looked at: that is refused below.
    const { units } = lastDenseLayer(described.layers).layer;
    return { metadata: described, encodedNames: units === classes ? classNamesOf(file, classes, path) : null };
  });
  const mismatch = (property: string): never => {
    throw new OneLogitError(
      'ERR_ONELOGIT_CHECKPOINT',
      `Expected a checkpoint of this model for resumeFrom but received ${path}, whose ${property} is another`,
    );
  };
  if (!sameShape(metadata.inputShape, state.inputShape)) mismatch('inputShape');
  // Not as text: the properties of a layer come in another order from a file.
  if (!isDeepStrictEqual(metadata.layers, state.layers)) mismatch('layers');
  if (state.preprocessing && JSON.stringify(metadata.preprocessing) !== JSON.stringify(state.preprocessing)) mismatch('preprocessing');
  if (JSON.stringify(metadata.split) !== JSON.stringify(split)) mismatch('validation split');
  return { metadata, encodedNames };
}

/** The names in a file, checked. */
export function classNamesOf(file: NativeModelFile, classes: number, path: string): EncodedNames | null {
  if (!file.classNames) return null;
  return checkEncodedNames(fromNativeNames(file.classNames), classes, path);
}
