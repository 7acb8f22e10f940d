/** {@link SingleLogitClassifier}: does this example belong to class c? One logit answers, and only that one is computed. */
import { warnUnlessAligned } from './alignment.js';
import { BoundInput, type BoundOwner, disposedError, notCalibratedError } from './bound-input.js';
import {
  type CalibrateOptions,
  type Calibration,
  type CalibrationRecord,
  checkRecord,
  checkTarget,
  type Target,
  type ThresholdReport,
  targetToJson,
} from './calibration.js';
import { checkBoolean, checkOneOf, checkOptions, checkString, describe, typedArrayLength } from './check.js';
import { decodeNames, fromNativeNames } from './class-names.js';
import { type ClassifierParts, classifierFromFile, classifierFromModel } from './classifier-source.js';
import { type AlsoCorrect, checkDataset, type Dataset, type Inputs, type InputType, inputKind } from './dataset.js';
import { checkDevice, type Device } from './device.js';
import { OneLogitError, rangeError, typeError } from './errors.js';
import { type ForeignHeadOptions, foreignHead } from './foreign-head.js';
import { runJob, withProgress } from './job.js';
import type { Loss } from './losses.js';
import { type ModelMetadata, readMetadata } from './metadata.js';
import { Model, stateOf } from './model.js';
import { native } from './native.js';
import { type ClassStorage, classStorages, type NativeClassifier } from './native-classifier.js';
import type { NativeSource, NativeWatchedJob } from './native-model.js';
import { checkSameClasses } from './same-classes.js';
import { checkClassId, checkClassIds, checkExample, checkExamples, overlapError, scoresArray, toClassIds, unexplained } from './scores.js';
import { Sources } from './source.js';
import type { Split } from './split.js';
import { checkSaveOptions, type SaveOptions, watchWriting } from './write-progress.js';

/** Options of {@link SingleLogitClassifier.load}. */
export interface ClassifierOptions {
  /**
   * How the class matrix is kept: `'float32'`, `'bfloat16'` (half the memory, 8 bits of precision) or `'int8'` (a quarter; multiples of
   * max|w|/127 of each class). Default: as the file or the model has it. Converted when loaded; `onelogit convert` does it once.
   */
  storage?: ClassStorage | undefined;
  /**
   * Leaves the class matrix in the file: opening reads no row, a score reads the pages of its own, and processes share them. Default false.
   * The file must then keep its bytes: replace it by rename. One that is truncated in place ends the process (SIGBUS).
   */
  memoryMap?: boolean | undefined;
  /** With `memoryMap`: reads the whole file while loading, so that no score waits for a disk. Default false. */
  prefault?: boolean | undefined;
  /** Where the trunk runs. Default `'auto'`; for a classifier made from a model, the model's device. */
  device?: Device | undefined;
}

/** Options of {@link SingleLogitClassifier.reload}. */
export interface ReloadOptions {
  /** Refuses a file without thresholds, after which `matches` would throw. Default false. */
  requireThresholds?: boolean | undefined;
}

/** Bytes of a cache line: what the dot product reads in one piece begins at a multiple of this. */
const line = 64;

/** An array for one example. Shared memory: nothing can detach it, so that native code need not look at the array again. */
function sharedInput(type: InputType | null, size: number): Inputs {
  if (type === 'uint8') return new Uint8Array(new SharedArrayBuffer(size));
  const memory = new SharedArrayBuffer(size * 4 + line);
  const offset = (line - (native.addressOf(new Uint8Array(memory)) % line)) % line;
  return type === 'int32' ? new Int32Array(memory, offset, size) : new Float32Array(memory, offset, size);
}

/** What a classifier consists of; a TypeError naming `what` for anything but one. Not exported by the package. */
export let partsOf: (classifier: unknown, what: string) => ClassifierParts;

/**
 * Answers for one class at a time: the model's layers up to the last run once, then one row of the last layer is read. Everything else of
 * the last layer, however many classes it has, stays untouched.
 *
 * Holds a snapshot of the weights. They are native memory: `dispose` gives it back at once, garbage collection some time later.
 * Inputs are in the raw units of the training data: preprocessing is part of the model.
 */
export class SingleLogitClassifier {
  /** Number of classes k. */
  readonly classes: number;
  /** Length d of an embedding: what the dot product runs over. */
  readonly features: number;
  readonly #parts: ClassifierParts;
  // The functions of every call, one property away.
  readonly #score: NativeClassifier['score'];
  readonly #scoreFloat32: NativeClassifier['scoreFloat32'];
  readonly #scoreManyFloat32: NativeClassifier['scoreManyFloat32'];
  readonly #matches: NativeClassifier['matches'];
  readonly #scoreBound: (classId: number) => number | undefined;
  readonly #input: Inputs;
  readonly #owner: BoundOwner & { disposed: boolean; matching: boolean };
  // Of the generation of weights that was in use when somebody last asked.
  #described: Described;

  static {
    partsOf = (classifier, what) => {
      if (typeof classifier !== 'object' || classifier === null || !(#parts in classifier))
        throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a SingleLogitClassifier for ${what} but received ${describe(classifier)}`);
      return classifier.#parts;
    };
  }

  private constructor(parts: ClassifierParts) {
    const { native, metadata } = parts;
    this.#parts = parts;
    this.classes = native.classes;
    this.features = native.features;
    this.#described = { generation: native.number(), metadata, names: undefined };
    this.#owner = {
      classes: native.classes,
      inputSize: native.inputSize,
      kind: inputKind(metadata.layers),
      disposed: false,
      matching: false,
      startMatching: () => this.#startMatching(),
    };
    this.#score = native.score;
    this.#scoreFloat32 = native.scoreFloat32;
    this.#scoreManyFloat32 = native.scoreManyFloat32;
    this.#matches = native.matches;
    this.#input = sharedInput(metadata.inputType, native.inputSize);
    const scoreBound = native.scoreBoundTo(this.#input);
    if (scoreBound === undefined) throw unexplained('scoreBound');
    this.#scoreBound = scoreBound;
  }

  /**
   * Opens a file written by `model.save`, `slc.save` or a checkpoint, or takes a snapshot of a model.
   *
   * The file may be replaced by rename while the classifier serves; it must not be overwritten in place, because `save` copies from it, and
   * refuses then.
   *
   * @throws OneLogitError `ERR_ONELOGIT_FILE` or `ERR_ONELOGIT_FORMAT` naming the file; `ERR_ONELOGIT_BUSY` for a model being trained;
   * `ERR_ONELOGIT_STORAGE` for `memoryMap` with another `storage` than the file's
   */
  static async load(source: string | Model, options?: ClassifierOptions): Promise<SingleLogitClassifier> {
    const what = 'SingleLogitClassifier.load';
    const given = checkOptions(options, ['storage', 'memoryMap', 'prefault', 'device'], what);
    const storage = given.storage === undefined ? undefined : checkOneOf(given.storage, classStorages, `storage of ${what}`);
    const memoryMap = given.memoryMap === undefined ? false : checkBoolean(given.memoryMap, `memoryMap of ${what}`);
    const prefault = given.prefault === undefined ? false : checkBoolean(given.prefault, `prefault of ${what}`);
    if (prefault && !memoryMap)
      throw rangeError('ERR_ONELOGIT_OPTION', `Expected prefault of ${what} only with memoryMap: true, whose file it reads at once`);
    const device = checkDevice((given.device ?? 'auto') as Device, `device of ${what}`);
    if (typeof source === 'string')
      return new SingleLogitClassifier(
        await classifierFromFile(checkString(source, `source of ${what}`), device, {
          ...(storage === undefined ? {} : { storage }),
          memoryMap,
          prefault,
        }),
      );
    if (!(source instanceof Model))
      throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a path or a Model for source of ${what} but received ${describe(source)}`);
    if (memoryMap)
      throw rangeError('ERR_ONELOGIT_OPTION', `Expected memoryMap of ${what} only for a file but received true for a model in memory`);
    return new SingleLogitClassifier(await classifierFromModel(stateOf(source, `source of ${what}`), device, storage));
  }

  /**
   * A head trained elsewhere: the weight (one row a class, as `torch.nn.Linear` has it) and the bias of a last layer, from a safetensors file
   * or, for a model in several files, its index (`model.safetensors.index.json`). Inputs are then embeddings of as many numbers as a row has.
   * Tensors are read as float32; `save` writes a model file of this package.
   *
   * A single logit says something only if the training made it do so: by a loss that is aligned with the Principle of Logit Separation, or by
   * calibration of every class.
   *
   * @throws OneLogitError `ERR_ONELOGIT_FILE` if a file cannot be read, `ERR_ONELOGIT_FORMAT` if it is not what it should be or has no such
   * tensor; both name the file
   */
  static async fromSafetensors(path: string, options: ForeignHeadOptions): Promise<SingleLogitClassifier> {
    return new SingleLogitClassifier(await foreignHead(path, options));
  }

  /**
   * The logit of one class for one example.
   *
   * @param input one example: as many elements as `inputShape` has, in a Float32Array, Uint8Array or Int32Array
   * @param classId an integer in [0, classes)
   * @throws TypeError or RangeError for any other argument; `ERR_ONELOGIT_DISPOSED` after `dispose`
   */
  score(input: Inputs, classId: number): number {
    if (input instanceof Float32Array) {
      const quick = this.#scoreFloat32(input, classId);
      if (quick !== undefined) return quick;
    }
    const logit = this.#score(input, classId);
    if (logit !== undefined) return logit;
    this.#checkUse('score');
    checkExample(input, this.#owner, 'score');
    checkClassId(classId, this.#owner, 'score');
    throw unexplained('score');
  }

  /**
   * Whether an example belongs to a class: its logit reaches the class's calibrated threshold.
   *
   * @throws as {@link SingleLogitClassifier.score}; OneLogitError `ERR_ONELOGIT_NOT_CALIBRATED` without thresholds
   */
  matches(input: Inputs, classId: number): boolean {
    const matches = this.#matches(input, classId);
    if (matches !== undefined) {
      if (!this.#owner.matching) this.#startMatching();
      return matches;
    }
    this.#checkUse('matches');
    if (this.#parts.native.thresholds() === undefined) throw notCalibratedError('matches');
    checkExample(input, this.#owner, 'matches');
    checkClassId(classId, this.#owner, 'matches');
    throw unexplained('matches');
  }

  /**
   * One example's memory, owned by the classifier: write into it, then ask {@link SingleLogitClassifier.scoreBound}. A Uint8Array if the model was
   * first fitted on one, an Int32Array if on integers, else a Float32Array; on a SharedArrayBuffer, so that another thread may fill it (hand over the array, not its buffer, of
   * which it is a part).
   */
  get input(): Inputs {
    return this.#input;
  }

  /**
   * The logit of one class for what {@link SingleLogitClassifier.input} holds now. No argument is converted, which makes it the fastest way to
   * ask; layers before the last run at each call (use {@link SingleLogitClassifier.bind} for several questions about one example).
   */
  scoreBound(classId: number): number {
    const logit = this.#scoreBound(classId);
    if (logit !== undefined) return logit;
    this.#checkUse('scoreBound');
    checkClassId(classId, this.#owner, 'scoreBound');
    throw unexplained('scoreBound');
  }

  /**
   * One example, several classes: their logits, written to `out` (as long as `classIds`) or a new array.
   *
   * @throws as {@link SingleLogitClassifier.score}; RangeError `ERR_ONELOGIT_OVERLAP` if `out` is a part of the memory of `input`
   */
  scoreMany(input: Inputs, classIds: Int32Array | readonly number[], out?: Float32Array): Float32Array {
    if (input instanceof Float32Array && classIds instanceof Int32Array && out instanceof Float32Array)
      if (this.#scoreManyFloat32(input, classIds, out)) return out;
    const ids = toClassIds(classIds, this.#owner, 'scoreMany');
    const scores = scoresArray(out, typedArrayLength(ids), 'scoreMany');
    const scored = this.#parts.native.scoreMany(input, ids, scores);
    if (scored) return scores;
    if (scored === false) throw overlapError('scoreMany');
    this.#checkUse('scoreMany');
    checkExample(input, this.#owner, 'scoreMany');
    checkClassIds(ids, this.#owner, 'scoreMany');
    throw unexplained('scoreMany');
  }

  /**
   * n examples, one class: their logits, written to `out` (n long) or a new array. Equal to {@link SingleLogitClassifier.score} to rounding.
   *
   * @param inputs n × the size of one example
   * @throws as {@link SingleLogitClassifier.score}; RangeError `ERR_ONELOGIT_OVERLAP` if `out` is a part of the memory of `inputs`
   */
  scoreBatch(inputs: Inputs, classId: number, out?: Float32Array): Float32Array {
    this.#checkUse('scoreBatch');
    const { inputs: checked, count } = checkExamples(inputs, this.#owner, 'scoreBatch');
    const scores = scoresArray(out, count, 'scoreBatch');
    const scored = this.#parts.native.scoreBatch(checked, classId, scores);
    if (scored) return scores;
    if (scored === false) throw overlapError('scoreBatch');
    checkClassId(classId, this.#owner, 'scoreBatch');
    throw unexplained('scoreBatch');
  }

  /**
   * {@link SingleLogitClassifier.scoreBatch} off the event loop. `inputs` are copied before this returns, `out` is written at the end. So many
   * calls compute at once as there are threads (`backendInfo().cpu.threads`); more wait for their turn.
   */
  async scoreBatchAsync(inputs: Inputs, classId: number, out?: Float32Array): Promise<Float32Array> {
    const what = 'scoreBatchAsync';
    this.#checkUse(what);
    const { inputs: checked, count } = checkExamples(inputs, this.#owner, what);
    if (out !== undefined) scoresArray(out, count, what);
    const scores = await this.#parts.native.scoreBatchAsync(checked, checkClassId(classId, this.#owner, what));
    if (out === undefined) return scores;
    // Its memory may have gone elsewhere meanwhile.
    scoresArray(out, count, what).set(scores);
    return out;
  }

  /** Runs the layers before the last once: afterwards, each question about this example is one dot product. */
  bind(input: Inputs): BoundInput {
    const score = this.#parts.native.bind(input);
    if (score !== undefined) return new BoundInput(score, this.#owner);
    this.#checkUse('bind');
    checkExample(input, this.#owner, 'bind');
    throw unexplained('bind');
  }

  /** {@link SingleLogitClassifier.bind} off the event loop, in turns as `scoreBatchAsync`. `input` is copied before this returns. */
  async bindAsync(input: Inputs): Promise<BoundInput> {
    this.#checkUse('bindAsync');
    return new BoundInput(await this.#parts.native.bindAsync(checkExample(input, this.#owner, 'bindAsync')), this.#owner);
  }

  /**
   * Finds a threshold for each class on labelled examples that were not trained on: the validation part, say. They are used by
   * {@link SingleLogitClassifier.matches} at once and written by {@link SingleLogitClassifier.save}.
   *
   * With n examples of a class, its threshold for recall r is the ⌈r(n + 1)⌉-th largest of their logits, which a new example of the class
   * reaches with probability at least r (split conformal prediction); for precision p, the lowest of them with TP/(TP + FP + 1) ≥ p. A class
   * needs N = ⌈v/(1 − v)⌉ examples for the value v (9 for 0.9, 99 for 0.99); one with fewer is filled up to N with examples that behave as
   * those of all classes together, so that its threshold moves towards the pooled one the fewer it has.
   *
   * Thresholds are below those logits by what rounding may take away when an example is asked about alone: for a bare head a proven bound on
   * any CPU, for a network an estimate from up to 256 of the examples.
   *
   * Runs off the event loop. For `recall` only the logits of the true classes are computed; for `precision` all n × k, by blocks.
   * Memory: n × features float32. A class in `alsoCorrect` of the dataset is neither a right nor a false match of its example.
   *
   * @throws TypeError or RangeError naming the option; OneLogitError `ERR_ONELOGIT_NOT_FINITE` for logits that are not finite,
   * `ERR_ONELOGIT_RELOADED` if the weights were replaced meanwhile; RangeError `ERR_ONELOGIT_ALSO_CORRECT`,
   * `ERR_ONELOGIT_CLASSES` if the dataset calls a class otherwise than the model does; `AbortError`
   */
  async calibrate(dataset: Dataset, options: CalibrateOptions): Promise<Calibration> {
    const what = 'calibrate';
    this.#checkUse(what);
    const { target, hooks } = checkTarget(options, what, true);
    const { measure, value } = target as Target;
    const result = await this.#overDataset(dataset, what, hooks, (native, source) =>
      native.calibrate(source, measure, value, targetToJson({ measure, value })),
    );
    warnUnlessAligned(this.#current().metadata.loss);
    return {
      classes: this.classes,
      classesMeetingTarget: result.meetingTarget,
      classesWithFallback: result.withFallback,
      classesWithoutPositives: result.withoutPositives,
    };
  }

  /**
   * What the thresholds do on labelled examples that they were not chosen on: the test part, say. All n × k logits are computed, by blocks, off
   * the event loop. A class in `alsoCorrect` of the dataset is neither a right nor a false match of its example.
   *
   * @param options the recall or precision that a class should reach to be counted in `classesMeetingTarget`; default: none
   * @throws as {@link SingleLogitClassifier.calibrate}; OneLogitError `ERR_ONELOGIT_NOT_CALIBRATED` without thresholds
   */
  async evaluateThresholds(dataset: Dataset, options?: CalibrateOptions): Promise<ThresholdReport> {
    const what = 'evaluateThresholds';
    this.#checkUse(what);
    const { target, hooks } = checkTarget(options, what, false);
    const result = await this.#overDataset(dataset, what, hooks, (native, source) =>
      native.evaluateThresholds(source, target?.measure, target?.value),
    );
    const matches = result.truePositives + result.falsePositives;
    return {
      examples: dataset.length,
      classes: this.classes,
      classesWithPositives: result.withPositives,
      classesMeetingTarget: target ? result.meetingTarget : null,
      recall: result.truePositives / dataset.length,
      precision: matches > 0 ? result.truePositives / matches : null,
      meanRecall: result.meanRecall,
      meanPrecision: result.meanPrecision,
    };
  }

  /** The threshold of each class, a copy; null before calibration. */
  get thresholds(): Float32Array | null {
    this.#checkUse('thresholds');
    return this.#parts.native.thresholds() ?? null;
  }

  /** What the thresholds were chosen by; null before calibration, and for files of versions that did not record it. */
  get calibration(): CalibrationRecord | null {
    this.#checkUse('calibration');
    const record = this.#parts.native.calibration();
    return record === undefined ? null : checkRecord(record);
  }

  /**
   * Replaces the weights by those of a file, at once and as a whole, while any thread goes on asking: an answer is of the old weights or of the
   * new ones, never of both. Thresholds, class names, preprocessing and storage are replaced with them, thresholds that `calibrate` found
   * included.
   *
   * All classifiers that share these weights move too, each at its next question: those made from the same file (device, inode, size, time of
   * modification) with the same options, in this thread and in all others. An input that was bound before keeps the weights it was bound with. The
   * memory of the old weights is given back when every classifier has asked something since and no bound input is left.
   *
   * Nothing is replaced if the file is in use already. Of several reloads at once, that which opened its file last stays.
   *
   * @param path default: the path this was loaded from. Replace that file by rename, never in place
   * @throws OneLogitError `ERR_ONELOGIT_RELOAD` for a model of other classes, features or layers, or without required thresholds;
   * `ERR_ONELOGIT_FILE`, `ERR_ONELOGIT_FORMAT` as {@link SingleLogitClassifier.load}. The weights in use then stay
   */
  async reload(path?: string, options?: ReloadOptions): Promise<void> {
    this.#checkUse('reload');
    const given = checkOptions(options, ['requireThresholds'], 'reload');
    const required = given.requireThresholds === undefined ? false : checkBoolean(given.requireThresholds, 'requireThresholds of reload');
    const { native, metadata, source } = this.#parts;
    const from = path === undefined ? source.path : checkString(path, 'path of reload');
    if (from === null)
      throw new OneLogitError(
        'ERR_ONELOGIT_ARGUMENT',
        'Expected a path for reload of a classifier that was made from a model in memory but received none',
      );
    await source.reload(from, native.handle, metadata.inputType, required);
  }

  /** A number that changes whenever {@link SingleLogitClassifier.reload} has replaced the weights, here or in another thread. */
  get generation(): number {
    this.#checkUse('generation');
    return this.#parts.native.number();
  }

  /**
   * Writes model and thresholds as one safetensors file, atomically: a temporary file beside `path`, synced, then renamed. `Model.load` reads it
   * too. A checkpoint stays one.
   *
   * @throws OneLogitError `ERR_ONELOGIT_FILE` with the system's reason, or because the file that this was loaded from was overwritten in place
   */
  async save(path: string, options?: SaveOptions): Promise<void> {
    this.#checkUse('save');
    const checked = checkString(path, 'path of save');
    const onProgress = checkSaveOptions(options, 'save');
    await watchWriting([checked], onProgress, () => this.#parts.native.save(checked));
  }

  /** How the class matrix is kept. */
  get storage(): ClassStorage {
    this.#checkUse('storage');
    return this.#parts.native.storage();
  }

  /** One name per class, if the training data had them. Decoded at the first call. */
  get classNames(): readonly string[] | null {
    const described = this.#current();
    if (described.names === undefined) {
      this.#checkUse('classNames');
      const names = this.#parts.native.classNames();
      described.names = names ? Object.freeze(decodeNames(fromNativeNames(names))) : null;
    }
    return described.names;
  }

  /** Shape of one example. */
  get inputShape(): readonly number[] {
    return this.#parts.metadata.inputShape;
  }

  /** Element type of the first fit's examples; null for a model that was never fitted. */
  get inputType(): InputType | null {
    return this.#current().metadata.inputType;
  }

  /** The loss the model was trained with; null for a model that was never fitted. */
  get loss(): Loss | null {
    return this.#current().metadata.loss;
  }

  /** What the latest fit set aside for validation; null if nothing was. */
  get split(): Split | null {
    return this.#current().metadata.split;
  }

  /** Gives the native memory back; inputs bound to this classifier end with it. Harmless when repeated. */
  dispose(): void {
    this.#owner.disposed = true;
    this.#parts.native.dispose();
  }

  /** {@link SingleLogitClassifier.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkUse(what: string): void {
    if (this.#owner.disposed) throw disposedError(what);
  }

  async #overDataset<T>(
    dataset: Dataset,
    what: string,
    { signal, onProgress }: Pick<CalibrateOptions, 'signal' | 'onProgress'>,
    start: (native: NativeClassifier, source: NativeSource & { alsoCorrect?: AlsoCorrect }) => NativeWatchedJob<T>,
  ): Promise<T> {
    const { native, metadata } = this.#parts;
    const { inputShape } = metadata;
    const checked = checkDataset(dataset, 'dataset', { inputShape, classes: this.classes, kind: this.#owner.kind });
    // Millions of names are decoded for nothing where there is nothing to compare them with.
    if (checked.classNames) checkSameClasses(this.classNames, checked);
    const sources = new Sources(this.#owner.kind);
    const { alsoCorrect } = checked;
    const nativeSource = () => ({ ...sources.native(checked, 'dataset'), ...(alsoCorrect ? { alsoCorrect } : {}) });
    return runJob(() => withProgress(start(native, nativeSource()), onProgress), sources, signal, what);
  }

  #startMatching(): void {
    warnUnlessAligned(this.#current().metadata.loss);
    this.#owner.matching = true;
  }

  /** What describes the weights in use; of the last ones after `dispose`. */
  #current(): Described {
    if (this.#owner.disposed) return this.#described;
    const { native } = this.#parts;
    const generation = native.number();
    if (generation !== this.#described.generation)
      this.#described = { generation, metadata: readMetadata(native.metadata(), 'the file that was reloaded'), names: undefined };
    return this.#described;
  }
}

interface Described {
  readonly generation: number;
  readonly metadata: ModelMetadata;
  /** Undefined until somebody asks. */
  names: readonly string[] | null | undefined;
}
