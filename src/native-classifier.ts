/**
 * What native/addon/scorer.cc and classifier.cc export. The functions that answer at once return undefined for anything wrong, and after
 * `dispose`; src/classifier.ts finds out what it was.
 */
import type { Inputs } from './dataset.js';
import type { NativeJob, NativeModel, NativeModelSpec, NativeNames, NativeSource } from './native-model.js';
import type { Preprocessing } from './preprocessing.js';

/** How a class matrix is stored for scoring; int8 has a float32 scale for each class. */
export type ClassStorage = 'float32' | 'bfloat16' | 'int8';

/** How a classifier keeps its class matrix. */
export interface NativeKeeping {
  storage?: ClassStorage;
  memoryMap?: boolean;
  prefault?: boolean;
}

/** The logit of a class; or, for ids and as long an array, their logits in it. */
export interface NativeBound {
  (classId: number): number | undefined;
  (classIds: Int32Array, out: Float32Array): true | undefined;
}

export interface NativeCalibration {
  thresholds: Float32Array;
  meetingTarget: number;
  withFallback: number;
  withoutPositives: number;
}

export interface NativeClassifier {
  readonly classes: number;
  readonly features: number;
  readonly inputSize: number;
  readonly storage: ClassStorage;
  /** Of the file, if it has them. */
  readonly thresholds?: Float32Array;
  score(input: Inputs, classId: number): number | undefined;
  scoreMany(input: Inputs, classIds: Int32Array, out: Float32Array): true | undefined;
  scoreBatch(inputs: Inputs, classId: number, out: Float32Array): true | undefined;
  bind(input: Inputs): NativeBound | undefined;
  /** `array` has shared memory; the function reads what it holds at the time of a call. */
  scoreBoundTo(array: Inputs): ((classId: number) => number | undefined) | undefined;
  /** These copy their inputs. */
  scoreBatchAsync(inputs: Inputs, classId: number): Promise<Float32Array>;
  bindAsync(input: Inputs): Promise<NativeBound>;
  calibrate(source: NativeSource, measure: 'recall' | 'precision', value: number): NativeJob<NativeCalibration>;
  /** `classNames` for a classifier made from a model; a file's are copied with its tensors. */
  save(path: string, metadata: string, thresholds?: Float32Array, classNames?: NativeNames): Promise<void>;
  dispose(): void;
}

declare module './native-model.js' {
  interface NativeModelFile {
    loadClassifier(spec: NativeModelSpec & { preprocessing?: Preprocessing } & NativeKeeping): Promise<NativeClassifier>;
  }
}

declare module './native.js' {
  interface NativeBinding {
    /** A snapshot of the model's weights. */
    classifierOf(model: NativeModel, keeping: Pick<NativeKeeping, 'storage'>): Promise<NativeClassifier>;
  }
}
