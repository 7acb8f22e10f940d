/**
 * What native/addon/scorer.cc and classifier.cc export. The functions that answer at once return undefined for anything wrong, and after
 * `dispose`; src/classifier.ts finds out what it was.
 */
import type { AlsoCorrect, Inputs } from './dataset.js';
import type { NativeComposedFile, NativeModel, NativeModelSpec, NativeNames, NativeSource, NativeWatchedJob } from './native-model.js';
import type { Preprocessing } from './preprocessing.js';

/** How a class matrix is stored for scoring; int8 has a float32 scale for each class. */
export type ClassStorage = 'float32' | 'bfloat16' | 'int8';
export const classStorages: readonly ClassStorage[] = ['float32', 'bfloat16', 'int8'];

/** How a classifier keeps its class matrix. */
export interface NativeKeeping {
  storage?: ClassStorage;
  memoryMap?: boolean;
  prefault?: boolean;
}

/** The logit of a class; whether it reaches the class's threshold; or, for ids and as long an array, their logits in it. */
export interface NativeBound {
  (classId: number): number | undefined;
  (classId: number, matches: true): boolean | undefined;
  (classIds: Int32Array, out: Float32Array): true | undefined;
}

export interface NativeThresholdReport {
  withPositives: number;
  meetingTarget: number;
  truePositives: number;
  falsePositives: number;
  meanRecall: number;
  meanPrecision: number;
}

export interface NativeCalibration {
  meetingTarget: number;
  withFallback: number;
  withoutPositives: number;
}

/** What `loadClassifier` and `foreignHead` take to replace the weights of a classifier, and of all that share them. */
export type NativeHandle = { readonly handle: unique symbol };

/** What a generation of weights is described by. */
export interface NativeDescription {
  /** JSON of metadata.ts. */
  metadata: string;
  classNames?: NativeNames | undefined;
}

/** Everything but the sizes is of the generation of weights in use at the time of the call. */
export interface NativeClassifier {
  readonly classes: number;
  readonly features: number;
  readonly inputSize: number;
  readonly handle: NativeHandle;
  /** Another one for each generation. */
  number(): number;
  metadata(): string;
  storage(): ClassStorage;
  /** A copy; undefined before calibration. */
  thresholds(): Float32Array | undefined;
  /** What they were chosen by; undefined before calibration, and for files that do not record it. */
  calibration(): { target: string; examples: Int32Array } | undefined;
  classNames(): NativeNames | undefined;
  score(input: Inputs, classId: number): number | undefined;
  /** Faster; the caller has looked at the type. Undefined also where only the others answer. */
  scoreFloat32(input: Float32Array, classId: number): number | undefined;
  matches(input: Inputs, classId: number): boolean | undefined;
  /** These three answer false where `out` is memory of the examples. */
  scoreMany(input: Inputs, classIds: Int32Array, out: Float32Array): boolean | undefined;
  scoreManyFloat32(input: Float32Array, classIds: Int32Array, out: Float32Array): boolean | undefined;
  scoreBatch(inputs: Inputs, classId: number, out: Float32Array): boolean | undefined;
  bind(input: Inputs): NativeBound | undefined;
  /** `array` has shared memory; the function reads what it holds at the time of a call. */
  scoreBoundTo(array: Inputs): ((classId: number) => number | undefined) | undefined;
  /** These copy their inputs. */
  scoreBatchAsync(inputs: Inputs, classId: number): Promise<Float32Array>;
  bindAsync(input: Inputs): Promise<NativeBound>;
  /** The thresholds are in use when it is done. `record` is kept with them. */
  calibrate(
    source: NativeSource & { alsoCorrect?: AlsoCorrect },
    measure: 'recall' | 'precision',
    value: number,
    record: string,
  ): NativeWatchedJob<NativeCalibration>;
  evaluateThresholds(
    source: NativeSource & { alsoCorrect?: AlsoCorrect },
    measure: 'recall' | 'precision' | undefined,
    value: number | undefined,
  ): NativeWatchedJob<NativeThresholdReport>;
  save(path: string): Promise<void>;
  /** As of a NativeModel, thresholds included; refused unless the generation is still `number`. */
  writeFiles(files: readonly NativeComposedFile[], number: number): Promise<void>;
  dispose(): void;
}

/** What a file is loaded as. */
export type NativeLoading = NativeModelSpec & { preprocessing?: Preprocessing; requireThresholds?: boolean } & NativeKeeping &
  NativeDescription;

declare module './native-model.js' {
  interface NativeModelFile {
    loadClassifier(loading: NativeLoading): Promise<NativeClassifier>;
    loadClassifier(loading: NativeLoading, replaced: NativeHandle): Promise<undefined>;
  }
}

declare module './native.js' {
  interface NativeBinding {
    /** Where an array's memory begins, modulo 4096. */
    addressOf(array: Uint8Array): number;
    /** A snapshot of the model's weights. */
    classifierOf(model: NativeModel, options: Pick<NativeKeeping, 'storage'> & NativeDescription): Promise<NativeClassifier>;
  }
}
