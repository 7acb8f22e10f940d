/** What `model.fit` takes, and the checks of it. */
import { resolve } from 'node:path';
import { type Augmentation, checkAugment } from './augment.js';
import { checkCallback, checkInteger, checkNumber, checkOneOf, checkOptions, checkString } from './check.js';
import { decodeNames } from './class-names.js';
import { checkDataset, type Dataset, inputKind } from './dataset.js';
import { typeError } from './errors.js';
import { checkHeadMemory, defaultWorkspaceBytes, type HeadMemory } from './head-memory.js';
import { checkSignal } from './job.js';
import { checkLoss, type Loss } from './losses.js';
import type { BiasInit } from './metadata.js';
import type { ModelState } from './model-state.js';
import type { NativeFitOptions, NativeProgress } from './native-model.js';
import { checkOptimizer, type Optimizer } from './optimizers.js';
import { checkSameClasses } from './same-classes.js';
import { checkSchedule, type Schedule, schedules } from './schedules.js';
import { checkFraction, type Split, splitIndices } from './split.js';
import { checkRecording, type RecordingPlan } from './training-log/options.js';
import { checkWritable } from './writable.js';

/** Loss and accuracy on the validation part. */
export interface Validation {
  /** Mean of the training loss over batches of the validation part. */
  readonly loss: number;
  /** Share of examples whose largest logit is the label's. */
  readonly accuracy: number;
}

/** What `onProgress` receives: at most about ten times a second, and once at the end. */
export interface Progress {
  /** Steps done, those before resuming included. */
  readonly step: number;
  /** Of the whole fit. */
  readonly steps: number;
  /** Mean over the steps since the last report. */
  readonly loss: number;
  /**
   * Share of those steps' examples whose largest logit was the label's. NaN where not all logits were computed: sampled nce without
   * `memory: 'logits'`. (Accuracy on a validation part is always known.)
   */
  readonly accuracy: number;
  /** Training examples a second, smoothed over about three seconds. */
  readonly examplesPerSecond: number;
  /** Until the last step, at the mean pace of this call. */
  readonly secondsLeft: number;
  /** As scheduled for the latest step. */
  readonly learningRate: number;
  /** The latest, in the report that follows it. */
  readonly validation?: Validation;
}

/** Options of {@link Model.fit}. */
export interface FitOptions {
  /** Made by `losses.*`. */
  loss: Loss;
  /** Made by `optimizers.*`. */
  optimizer: Optimizer;
  /** Made by `schedules.*`. Default: constant. */
  schedule?: Schedule | undefined;
  /** Steps in all, those before `resumeFrom` included. Either this or `epochs`. */
  steps?: number | undefined;
  /** Passes over the training part: ⌈epochs · examples / batchSize⌉ steps. Need not be an integer. */
  epochs?: number | undefined;
  /** Examples per step, in every step: an epoch that ends within a batch runs on into the next. */
  batchSize: number;
  /**
   * Another dataset, or a share of this one to set aside, chosen by {@link splitIndices} (`seed`: default the model's) and recorded in
   * the model.
   */
  validation?: Dataset | { fraction: number; seed?: number | undefined } | undefined;
  /** Only with `validation`. Default: validate once, after the last step. */
  validateEverySteps?: number | undefined;
  /** A file that training can be resumed from, replaced atomically every so many steps (default 1000), after the last and on abort, if a step was made. */
  checkpoint?: { path: string; everySteps?: number | undefined } | undefined;
  /**
   * A checkpoint to continue, bit for bit, given the same model, dataset and options. Rows that rest (those of an embedding, or of the
   * classes under the margin losses and sampled nce: see {@link HeadMemory}) are brought up to date when a checkpoint is written or a
   * validation part is evaluated: a run that did so at other steps is the same but for the rounding of those rows.
   */
  resumeFrom?: string | undefined;
  /**
   * How the last bias starts at the first fit of a model that was never trained or loaded, if it is all zeros: `'prior'`, the default, is
   * −ln(k − 1) for binary-cross-entropy, −ln k for self-normalization, ln q for nce and zeros for the other losses.
   */
  biasInit?: BiasInit | undefined;
  /** How the last layer is computed and what of it is kept: see {@link HeadMemory}. Default: `'auto'`. */
  memory?: HeadMemory | undefined;
  /** Most bytes that the blocks of classes may take where the logits are not formed, in all threads together. Default: 64 MiB. */
  workspaceBytes?: number | undefined;
  /**
   * Random changes of the training images, which must be height × width × channels: made ahead of training, on a thread of their own. What
   * is drawn depends on the seed, the step and the example alone. Validation examples are left as they are.
   */
  augment?: Augmentation | undefined;
  /** Of the order of the examples, augmentation and dropout. Default: the model's. The noise of nce has its own ({@link NceOptions}). */
  seed?: number | undefined;
  /**
   * A file that a record of the run is appended to, as JSON Lines ({@link LogRecord}): what was asked for, loss and accuracy as training
   * goes on, every validation, how it ended. Created if there is none; one that holds something else is refused. With `resumeFrom` and the
   * log of the same run, records of steps that are made anew are taken out first. Where writing fails later, training goes on, and a
   * warning with code `ONELOGIT_LOG_NOT_WRITTEN` is emitted.
   */
  log?: string | undefined;
  /** A directory that an event file for TensorBoard is written to, with the same records; it is made if there is none. */
  tensorboard?: string | undefined;
  /** Steps that a record of `log` and `tensorboard` is over. Default: 50. On a GPU each record waits for the steps before it. */
  logEverySteps?: number | undefined;
  /** What else the first record of `log`, and TensorBoard's text `run`, shall say about this run: an object of JSON values. */
  notes?: { readonly [name: string]: unknown } | undefined;
  /** An exception in it stops training and rejects `fit`. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Stops after the current step: the checkpoint is written if one was asked for, and `fit` is rejected with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

const what = 'model.fit';

const optionNames: readonly (keyof FitOptions)[] = [
  'loss',
  'optimizer',
  'schedule',
  'steps',
  'epochs',
  'batchSize',
  'validation',
  'validateEverySteps',
  'checkpoint',
  'resumeFrom',
  'biasInit',
  'memory',
  'workspaceBytes',
  'augment',
  'seed',
  'log',
  'tensorboard',
  'logEverySteps',
  'notes',
  'onProgress',
  'signal',
];

/** Where the training and validation examples come from. */
interface Parts {
  split: Split | null;
  trainingIndices?: Int32Array;
  validationIndices?: Int32Array;
  validation?: Dataset;
}

/** Everything that the options of a fit say, checked. */
export interface FitPlan {
  training: Dataset;
  parts: Parts;
  biasInit: BiasInit;
  resumeFrom: string | undefined;
  signal: AbortSignal | undefined;
  progress: ReturnType<typeof checkProgress>;
  recording: RecordingPlan | undefined;
  native: Pick<
    NativeFitOptions,
    | 'loss'
    | 'optimizer'
    | 'schedule'
    | 'steps'
    | 'batchSize'
    | 'seed'
    | 'augment'
    | 'memory'
    | 'workspaceBytes'
    | 'validateEvery'
    | 'checkpointPath'
    | 'checkpointEvery'
  >;
}

/** Checks the dataset and the options of a fit. */
export function checkFit(state: ModelState, classes: number, dataset: unknown, options: unknown): FitPlan {
  const given = checkOptions(options, optionNames, what);
  const training = checkDataset(dataset, 'dataset', { inputShape: state.inputShape, classes, kind: inputKind(state.layers) });
  const parts = checkValidation(given.validation, training, state, classes);
  // Millions of names are decoded for nothing where there is nothing to compare them with.
  const compared = training.classNames !== undefined || parts.validation?.classNames !== undefined;
  const names = compared && state.encodedNames ? decodeNames(state.encodedNames) : null;
  checkSameClasses(names, training);
  if (parts.validation) {
    const data = 'classNames of validation';
    if (names !== null) checkSameClasses(names, parts.validation, { data });
    else checkSameClasses(training.classNames ?? null, parts.validation, { model: 'dataset', data });
  }
  const augment = checkAugment(given.augment, training, inputKind(state.layers), `augment of ${what}`);
  const batchSize = checkInteger(given.batchSize, `batchSize of ${what}`, 1, 2 ** 31 - 1);
  const checkpoint = checkCheckpoint(given.checkpoint);
  const recording = checkRecording(given, what);
  if (recording?.log !== undefined && checkpoint.checkpointPath !== undefined) checkLogApart(recording.log, checkpoint.checkpointPath);
  return {
    training,
    parts,
    biasInit: given.biasInit === undefined ? 'prior' : checkOneOf(given.biasInit, ['prior', 'zeros'], `biasInit of ${what}`),
    resumeFrom: given.resumeFrom === undefined ? undefined : checkString(given.resumeFrom, `resumeFrom of ${what}`),
    signal: checkSignal(given.signal, what),
    progress: checkProgress(given.onProgress),
    recording,
    native: {
      loss: checkLoss(given.loss, `loss of ${what}`),
      optimizer: checkOptimizer(given.optimizer, `optimizer of ${what}`),
      schedule: given.schedule === undefined ? schedules.constant() : checkSchedule(given.schedule, `schedule of ${what}`),
      steps: checkSteps(given.steps, given.epochs, parts.trainingIndices?.length ?? training.length, batchSize),
      batchSize,
      seed: given.seed === undefined ? state.seed : checkInteger(given.seed, `seed of ${what}`),
      ...(augment ? { augment } : {}),
      memory: checkHeadMemory(given.memory, `memory of ${what}`),
      workspaceBytes:
        given.workspaceBytes === undefined ? defaultWorkspaceBytes : checkInteger(given.workspaceBytes, `workspaceBytes of ${what}`, 1),
      validateEvery: checkValidateEvery(given.validateEverySteps, parts),
      ...checkpoint,
    },
  };
}

function checkSteps(steps: unknown, epochs: unknown, examples: number, batchSize: number): number {
  if ((steps === undefined) === (epochs === undefined))
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected exactly one of steps and epochs for model.fit but received ${steps === undefined ? 'neither' : 'both'}`,
    );
  if (steps !== undefined) return checkInteger(steps, 'steps of model.fit', 1);
  const passes = checkNumber(epochs, 'epochs of model.fit', { least: 0, exclusive: true });
  // A product that rounding has put above an integer makes no step of its own: 1.1 · 100 is 110.00000000000001.
  const least = ((passes * examples) / batchSize) * (1 - 2 ** -50);
  return checkInteger(Math.ceil(least), 'the steps of these epochs of model.fit', 1);
}

function checkValidation(value: unknown, training: Dataset, state: ModelState, classes: number): Parts {
  if (value === undefined) return { split: null };
  if (typeof value === 'object' && value !== null && 'fraction' in value) {
    const part = `validation of ${what}`;
    const { fraction, seed } = checkOptions(value, ['fraction', 'seed'], part);
    const split = Object.freeze({
      fraction: checkFraction(fraction, `fraction of ${part}`),
      seed: seed === undefined ? state.seed : checkInteger(seed, `seed of ${part}`),
      length: checkInteger(training.length, 'length of dataset, a part of which is for validation', 2),
    });
    const { training: trainingIndices, validation: validationIndices } = splitIndices(split.length, split.fraction, split.seed);
    return { split, trainingIndices, validationIndices };
  }
  return {
    split: null,
    validation: checkDataset(value, 'validation', { inputShape: state.inputShape, classes, kind: inputKind(state.layers) }),
  };
}

function checkValidateEvery(value: unknown, { split, validation }: Parts): number {
  if (value === undefined) return 0;
  const steps = checkInteger(value, `validateEverySteps of ${what}`, 1);
  if (!split && !validation)
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected validation with validateEverySteps of ${what} but received none`);
  return steps;
}

function checkCheckpoint(value: unknown): { checkpointPath?: string; checkpointEvery: number } {
  if (value === undefined) return { checkpointEvery: 0 };
  const what = 'checkpoint of model.fit';
  const { path, everySteps = 1000 } = checkOptions(value, ['path', 'everySteps'], what);
  const checkpoint = {
    checkpointPath: checkString(path, `path of ${what}`),
    checkpointEvery: checkInteger(everySteps, `everySteps of ${what}`, 1),
  };
  checkWritable(checkpoint.checkpointPath, what);
  return checkpoint;
}

/** A checkpoint written over the log would be the end of it. */
function checkLogApart(log: string, checkpoint: string): void {
  if (resolve(log) === resolve(checkpoint))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected two files for log and checkpoint of ${what} but received ${log} for both`);
}

/** Calls the user's function; its first exception stops the job and is thrown when the job has ended. */
function checkProgress(value: unknown) {
  const tell = checkCallback<(progress: Progress) => void>(value, `onProgress of ${what}`);
  if (tell === undefined) return undefined;
  let failure: { error: unknown } | undefined;
  let stop = () => {};
  let reported = -1;
  let ended = false;
  const report = (progress: NativeProgress): void => {
    if (failure || ended) return;
    reported = progress.step;
    try {
      tell(progress);
    } catch (error) {
      failure = { error };
      stop();
    }
  };
  return {
    report,
    /** The last report, unless it has been made: the one that is under way is dropped when the job ends. */
    last: (progress: NativeProgress | undefined): void => {
      if (progress && progress.step > reported) report(progress);
      ended = true;
      if (failure) throw failure.error;
    },
    onFailure: (call: () => void): void => {
      stop = call;
    },
  };
}
