/** {@link exportOnnx}: models for other runtimes. */
import { stat } from 'node:fs/promises';
import { checkBoolean, checkCallback, checkOneOf, checkOptions, checkString, describe } from '../check.js';
import { fromNativeNames } from '../class-names.js';
import { partsOf, SingleLogitClassifier } from '../classifier.js';
import { OneLogitError, rangeError, typeError } from '../errors.js';
import { lastDenseLayer } from '../layers/index.js';
import { readMetadata } from '../metadata.js';
import { Model, stateOf } from '../model.js';
import { classNamesOf, withModelFile } from '../model-file.js';
import { idleNativeOf } from '../model-state.js';
import { native } from '../native.js';
import type { NativeModelFile, NativeModelSpec } from '../native-model.js';
import { version } from '../version.js';
import type { WriteProgress } from '../write-progress.js';
import type { GraphOptions, OnnxPart } from './model-graph.js';
import type { WritableParts, Writing } from './write-onnx.js';

declare module '../native.js' {
  interface NativeBinding {
    /** Shape of one example after each layer. Allocates no tensors. */
    outputShapes(spec: Pick<NativeModelSpec, 'inputShape' | 'layers'>): number[][];
  }
}

/** Options of {@link exportOnnx}. */
export interface ExportOnnxOptions {
  /**
   * `'model'` (default); `'trunk'`, the layers before the last dense one, whose output is the embedding; or `'head'`, that last layer alone, whose
   * input is an embedding.
   */
  part?: OnnxPart | undefined;
  /**
   * Asks about one class of each example: a second input `class_ids` (int64), and `logits` has one number for each. Only the rows of those
   * classes are read. Default false: all logits.
   */
  singleLogit?: boolean | undefined;
  /** Of a whole model: the embedding as another output. Default false. */
  embedding?: boolean | undefined;
  /** Puts large tensors into a file beside the graph, `<path>.data`. Default: only if the graph would not fit 2 GiB otherwise. */
  externalData?: boolean | undefined;
  /** Called a few times a second. What it throws rejects, when the files have been written. */
  onProgress?: ((progress: WriteProgress) => void) | undefined;
}

/** An input or an output of an exported graph. */
export interface OnnxTensorInfo {
  readonly name: string;
  readonly type: 'float32' | 'uint8' | 'int32' | 'int64' | 'bool';
  /** A name stands for a length that the caller chooses. */
  readonly shape: readonly (string | number)[];
}

/** What {@link exportOnnx} wrote. */
export interface OnnxExport {
  /** The graph, and the file of its tensors if there is one. */
  readonly files: readonly string[];
  /** Of all files together. */
  readonly bytes: number;
  readonly opset: number;
  readonly inputs: readonly OnnxTensorInfo[];
  readonly outputs: readonly OnnxTensorInfo[];
}

/**
 * Writes a model as an ONNX graph, which computes what the model computes at inference: preprocessing included, in the raw units of the training
 * data. Any number of examples at a time.
 *
 * | | name | shape | |
 * | --- | --- | --- | --- |
 * | input | `input` | batch × `inputShape` (images height × width × channels), or batch × features of a head | uint8 if the model was first fitted on bytes, int32 before an embedding layer, else float32 |
 * | input, with `singleLogit` | `class_ids` | questions: as many as examples, or one of the two is one | int64 |
 * | output | `logits` | batch × classes, or one for each question | float32 |
 * | output, of a calibrated classifier | `matches` | as `logits` | bool, whether a logit reaches the threshold of its class |
 * | output, of a trunk or with `embedding` | `embedding` | batch × features | float32 |
 *
 * A class matrix stays in the bfloat16 or int8 that it is stored in. Files are written to temporary ones, synced, then renamed.
 *
 * @param source - a model, a classifier (with its thresholds), or the path of a file that either saved, of which nothing is taken into memory
 * @param path - where the graph goes; an existing file is replaced
 * @throws TypeError or RangeError naming the option; OneLogitError `ERR_ONELOGIT_FILE` with the system's reason, `ERR_ONELOGIT_BUSY` for a model
 * being trained, `ERR_ONELOGIT_RELOADED` if the weights of a classifier were replaced meanwhile; for a path as {@link SingleLogitClassifier.load}
 */
export async function exportOnnx(
  source: string | Model | SingleLogitClassifier,
  path: string,
  options?: ExportOnnxOptions,
): Promise<OnnxExport> {
  const what = 'exportOnnx';
  const checkedPath = checkString(path, `path of ${what}`);
  const { externalData, onProgress, ...graphOptions } = checkExportOptions(options, what);
  // Now, not when the package is imported: most programs export nothing.
  const { writeOnnx } = await import('./write-onnx.js');
  if (typeof source !== 'string') {
    await refuseSameFile(source instanceof SingleLogitClassifier ? partsOf(source, what).source.path : null, checkedPath, what);
    return writeOnnx(partsInMemory(source, what), checkedPath, graphOptions, { externalData, onProgress });
  }
  const file = checkString(source, `source of ${what}`);
  await refuseSameFile(file, checkedPath, what);
  return withModelFile(file, (opened) => writeOnnx(partsOfFile(opened, file), checkedPath, graphOptions, { externalData, onProgress }));
}

function checkExportOptions(options: unknown, what: string): GraphOptions & Writing {
  const known = ['part', 'singleLogit', 'embedding', 'externalData', 'onProgress'];
  const { part = 'model', singleLogit = false, embedding = false, externalData = false, onProgress } = checkOptions(options, known, what);
  const checked = {
    part: checkOneOf(part, ['model', 'trunk', 'head'] as const, `part of ${what}`),
    singleLogit: checkBoolean(singleLogit, `singleLogit of ${what}`),
    embedding: checkBoolean(embedding, `embedding of ${what}`),
    externalData: checkBoolean(externalData, `externalData of ${what}`),
    onProgress: checkCallback<(progress: WriteProgress) => void>(onProgress, `onProgress of ${what}`),
  };
  if (checked.singleLogit && checked.part === 'trunk')
    throw rangeError(
      'ERR_ONELOGIT_OPTION',
      `Expected singleLogit of ${what} with part 'model' or 'head' but received 'trunk', which has no logits`,
    );
  if (checked.embedding && checked.part !== 'model')
    throw rangeError('ERR_ONELOGIT_OPTION', `Expected embedding of ${what} with part 'model' but received '${checked.part}'`);
  return checked;
}

function partsInMemory(source: unknown, what: string): WritableParts {
  if (source instanceof Model) {
    const state = stateOf(source, `source of ${what}`);
    const idle = idleNativeOf(state, what);
    return {
      metadata: state,
      storage: lastDenseLayer(state.layers).layer.storage ?? 'float32',
      calibrated: false,
      names: state.encodedNames,
      outputShapes: idle.outputShapes,
      version,
      writeFiles: (files) => idle.writeFiles(files),
    };
  }
  if (source instanceof SingleLogitClassifier) {
    const classifier = partsOf(source, `source of ${what}`).native;
    const generation = classifier.number();
    const metadata = readMetadata(classifier.metadata(), 'a classifier');
    const names = classifier.classNames();
    return {
      metadata,
      storage: classifier.storage(),
      calibrated: classifier.thresholds() !== undefined,
      names: names ? fromNativeNames(names) : null,
      outputShapes: native.outputShapes({ inputShape: metadata.inputShape, layers: metadata.layers }),
      version,
      writeFiles: (files) => classifier.writeFiles(files, generation),
    };
  }
  throw typeError(
    'ERR_ONELOGIT_ARGUMENT',
    `Expected a path, a Model or a SingleLogitClassifier for source of ${what} but received ${describe(source)}`,
  );
}

/** By its header: no weight is read before it is written. */
function partsOfFile(file: NativeModelFile, path: string): WritableParts {
  const metadata = readMetadata(file.metadata, path);
  const { inputShape, layers, seed } = metadata;
  const { storage, calibrated, outputShapes } = file.describe({ inputShape, layers, seed });
  const names = classNamesOf(file, lastDenseLayer(layers).layer.units, path);
  return { metadata, storage, calibrated, names, outputShapes, version, writeFiles: (files) => file.writeFiles(files) };
}

/** A graph in the place of the model that it is made from would be the end of the model. */
async function refuseSameFile(source: string | null, path: string, what: string): Promise<void> {
  if (source === null) return;
  const [from, ...to] = await Promise.all([source, path, `${path}.data`].map((name) => stat(name).catch(() => undefined)));
  if (from && to.some((other) => other?.ino === from.ino && other.dev === from.dev))
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected another file than the model for path of ${what} but received ${path} for both`);
}
