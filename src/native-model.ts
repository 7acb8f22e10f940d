/** What native/addon/model.cc exports. Arguments have been checked by the callers; what memory safety rests on is checked again there. */

import type { NativeAugmentation } from './augment.js';
import type { AlsoCorrect, Inputs } from './dataset.js';
import type { Precision } from './device.js';
import type { HeadMemory } from './head-memory.js';
import type { Layer } from './layers/index.js';
import type { Loss } from './losses.js';
import type { ClassStorage } from './native-classifier.js';
import type { Optimizer } from './optimizers.js';
import type { Preprocessing } from './preprocessing.js';
import type { Schedule } from './schedules.js';
import type { NativeStateDictTensor } from './state-dict.js';

export interface NativeModelSpec {
  inputShape: readonly number[];
  layers: readonly Layer[];
  seed: number;
  device: string;
  /** Absent: float32. */
  precision?: Precision;
}

/** Class names as bytes, the offsets as those of int64 (class-names.ts). */
export interface NativeNames {
  bytes: Uint8Array;
  offsets: Uint8Array;
}

/** Examples for `fit` and `evaluate`: in memory (copied when the job starts) or behind `read`. `name` is for messages. */
export interface NativeSource {
  name: string;
  length: number;
  classes: number;
  inputs?: Inputs;
  labels?: Int32Array;
  /** Called on this thread; must call `deliver` exactly once: with the examples, or with nothing after a failure. */
  read?(indices: Int32Array, deliver: (inputs?: Inputs, labels?: Int32Array) => void): void;
}

/** Work on a thread of its own. `cancel` makes it stop at the next step or chunk; its promise settles then. */
export interface NativeJob<T> {
  promise: Promise<T>;
  cancel(): void;
}

/** One that tells how far it is, from 0 to 1. */
export interface NativeWatchedJob<T> extends NativeJob<T> {
  progress(): number;
}

export interface NativeFitOptions {
  loss: Loss;
  optimizer: Optimizer;
  schedule: Schedule;
  steps: number;
  batchSize: number;
  seed: number;
  augment?: NativeAugmentation;
  training: NativeSource;
  trainingIndices?: Int32Array;
  /** Absent with `validationIndices`: the training source. */
  validation?: NativeSource;
  validationIndices?: Int32Array;
  validateEvery: number;
  preprocessing: Preprocessing;
  priorBias: boolean;
  memory: HeadMemory;
  workspaceBytes: number;
  checkpointPath?: string;
  checkpointEvery: number;
  resumePath?: string;
  /** For checkpoints: what `save` would write after this fit. */
  metadata: string;
  classNames?: NativeNames;
  onProgress?(progress: NativeProgress): void;
  /** Steps in a record of `takeRecords`; 0 or absent: there are none. */
  recordEvery?: number;
}

export interface NativeValidation {
  loss: number;
  accuracy: number;
}

export interface NativeProgress {
  step: number;
  steps: number;
  loss: number;
  accuracy: number;
  examplesPerSecond: number;
  secondsLeft: number;
  learningRate: number;
  validation?: NativeValidation;
}

/** `begin` comes first, with the steps done before; numbers that are not known are NaN. */
export type NativeRecord =
  | { kind: 'begin'; step: number }
  | {
      kind: 'steps';
      step: number;
      overSteps: number;
      loss: number;
      accuracy: number;
      learningRate: number;
      examplesPerSecond: number;
      seconds: number;
    }
  | { kind: 'validation'; step: number; loss: number; accuracy: number; seconds: number };

/** Work on a model's weights: `changed` tells whether a step was begun. */
export interface NativeFitJob extends NativeJob<NativeFitResult> {
  changed(): boolean;
  /** The records made since the last call, oldest first: none is left out, also when the job has ended or failed. */
  takeRecords(): NativeRecord[];
}

export interface NativeFitResult {
  steps: number;
  cancelled: boolean;
  seconds: number;
  examplesPerSecond: number;
  finalLoss: number;
  finalAccuracy: number;
  validation?: NativeValidation;
  /** The last report. */
  progress?: NativeProgress;
}

export interface NativeClassMetrics {
  positives: Float64Array;
  averagePrecision: Float64Array;
  precisionAt90: Float64Array;
  precisionAt99: Float64Array;
}

/** Of one ranking, or averaged over several. */
export interface NativeRanking {
  averagePrecision: number;
  precisionAt90: number;
  precisionAt99: number;
}

export interface NativeEvaluation {
  examples: number;
  classes: number;
  accuracy: number;
  occurring: NativeRanking & { classes: number };
  atLeastFivePositives: NativeRanking & { classes: number };
  pooled: NativeRanking & { negatives: number };
  classesWithoutPositives: number;
  misordered: number;
  separationHolds: boolean;
  perClass: NativeClassMetrics;
  /** If asked for. */
  details?: NativeEvaluationDetails;
}

/** Scores in each bin: of labels, and of wrong classes. */
export interface NativeHistogram {
  trueCounts: Float64Array;
  falseCounts: Float64Array;
}

/** From the highest threshold down; counts of what reaches it. */
export interface NativeCurve {
  thresholds: Float32Array;
  truePositives: Float64Array;
  falsePositives: Float64Array;
}

/** Examples of class `label` in which class `wrong` has the higher score. */
export interface NativeConfusion {
  label: number;
  wrong: number;
  examples: number;
}

/** What a report shows: native/metrics/details.h. */
export interface NativeEvaluationDetails {
  edges: Float32Array;
  pooled: { histogram: NativeHistogram; curve: NativeCurve };
  /** Of the lowest average precision first. */
  classes: { class: number; histogram: NativeHistogram; curve: NativeCurve; confusions: NativeConfusion[] }[];
  confusions: NativeConfusion[];
  /** Of every class, if thresholds were given. */
  atThresholds?: { truePositives: Float64Array; falsePositives: Float64Array };
}

/** `progress` tells which share is done, from 0 to 1. */
export interface NativeEvaluateOptions {
  scores: 'logits' | 'softmax';
  /** Drawn per example; absent: all. */
  negatives?: number;
  seed: number;
  details?: boolean;
  /** With `details`: one for each class. */
  thresholds?: Float32Array;
}

export interface NativeTensor {
  name: string;
  shape: number[];
  trainable: boolean;
}

/** A tensor to be written into another format's file (native/format/composed_file.h). */
export interface NativeStoredTensor {
  /** Its name in a model file. */
  readonly tensor: string;
  /** What it is written as: what it is stored as, or float32. */
  readonly type: ClassStorage;
  /** Each row of pixels × channels is written as channels × pixels. 1 and 1: as it is. */
  readonly channels: number;
  readonly pixels: number;
  readonly byteLength: number;
}

export type NativeSegment = Uint8Array | NativeStoredTensor;

/** A file: bytes, and between them tensors of the model. */
export interface NativeComposedFile {
  readonly path: string;
  readonly segments: readonly NativeSegment[];
}

export interface NativeModel {
  readonly classes: number;
  readonly features: number;
  readonly inputSize: number;
  readonly parameterCount: number;
  /** 'cpu' or 'cuda' */
  readonly device: 'cpu' | 'cuda';
  readonly tensors: NativeTensor[];
  /** Shape of one example after each layer. */
  readonly outputShapes: number[][];
  readTensor(name: string, out: Float32Array): void;
  writeTensor(name: string, values: Float32Array): void;
  lastBiasIsZero(): boolean;
  setPreprocessing(preprocessing: Preprocessing): void;
  /** Copies `inputs` and writes `out`, which nobody else may hold. */
  predict(inputs: Inputs, out: Float32Array, output: 'logits' | 'features'): Promise<void>;
  evaluate(source: NativeSource & { alsoCorrect?: AlsoCorrect }, options: NativeEvaluateOptions): NativeWatchedJob<NativeEvaluation>;
  fit(options: NativeFitOptions): NativeFitJob;
  save(path: string, metadata: string, classNames?: NativeNames): Promise<void>;
  /** All are complete before the first takes its place; they do so in their order. */
  writeFiles(files: readonly NativeComposedFile[]): Promise<void>;
  /** Reads tensors of files whose headers have been checked. */
  loadStateDict(paths: readonly string[], tensors: readonly NativeStateDictTensor[]): Promise<void>;
  dispose(): void;
}

/** What a file holds, by its header. */
export interface NativeFileDescription {
  tensors: NativeTensor[];
  outputShapes: number[][];
  /** Of the class matrix. */
  storage: ClassStorage;
  calibrated: boolean;
}

/** A model file, opened and its header checked. */
export interface NativeModelFile {
  /** The JSON under 'onelogit', if there is one. */
  metadata?: string;
  /** Under 'training.step', of a checkpoint: as it is in the file. */
  trainingStep?: string;
  /** Bytes of the tensors class_names.bytes and class_names.offsets, if the file has them. */
  classNames?: NativeNames;
  /** Builds the model and reads its tensors; they are checked before any memory is taken. */
  load(spec: NativeModelSpec): Promise<NativeModel>;
  /** Reads no tensor. */
  describe(spec: Pick<NativeModelSpec, 'inputShape' | 'layers' | 'seed'>): NativeFileDescription;
  /** As of a NativeModel, with whatever tensors the file has. */
  writeFiles(files: readonly NativeComposedFile[]): Promise<void>;
  /** Whatever is being loaded goes on. */
  close(): void;
}

declare module './native.js' {
  interface NativeBinding {
    NativeModel: new (spec: NativeModelSpec) => NativeModel;
    openModelFile(path: string): Promise<NativeModelFile>;
  }
}
