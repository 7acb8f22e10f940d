export type { Augmentation } from './augment.js';
export { type BackendInfo, backendInfo, type CudaDevice } from './backend.js';
export type { BoundInput } from './bound-input.js';
export type { CalibrateOptions, Calibration, CalibrationProgress, CalibrationRecord, ThresholdReport } from './calibration.js';
export { type ClassifierOptions, type ReloadOptions, SingleLogitClassifier } from './classifier.js';
export * as datasets from './data/index.js';
export type { AlsoCorrect, Dataset, InMemoryDataset, Inputs, InputType, StreamedDataset } from './dataset.js';
export type { Device, Precision } from './device.js';
export { AbortError, OneLogitError } from './errors.js';
export type { ClassEvaluation, EvaluateOptions, Evaluation, EvaluationProgress, RankingErrors, Scores } from './evaluate.js';
export type { FitResult } from './fit.js';
export type { FitOptions, Progress, Validation } from './fit-options.js';
export type { ForeignHeadOptions } from './foreign-head.js';
export type { HeadMemory } from './head-memory.js';
export {
  type AddLayer,
  type AvgPoolLayer,
  type AvgPoolOptions,
  type BatchNormLayer,
  type BatchNormOptions,
  type CheckedPadding,
  type ConcatLayer,
  type Conv2dLayer,
  type Conv2dOptions,
  type DenseLayer,
  type DenseOptions,
  type DropoutLayer,
  type EmbeddingLayer,
  type Extent,
  type FlattenLayer,
  type GlobalAvgPoolLayer,
  type Initializer,
  type Layer,
  type LayerWithTensors,
  type LocalResponseNormLayer,
  type LocalResponseNormOptions,
  layers,
  type MaxPoolLayer,
  type MaxPoolOptions,
  type NameOption,
  type Padding,
  type Pixels,
  type ReluLayer,
  type Sides,
  type SoftmaxLayer,
  type SymbolicTensor,
  type ZeroPaddingLayer,
} from './layers/index.js';
export { type LinearLossGradients, type LinearLossOptions, linearLoss } from './linear-loss.js';
export {
  type BatchCrossEntropy,
  type BatchMaxMargin,
  type BatchMaxMarginOptions,
  type BinaryCrossEntropy,
  type CrossEntropy,
  type Loss,
  type LossAndGradient,
  type LossAndGradientOptions,
  type LossName,
  type LossOf,
  type LossOptions,
  lossAndGradient,
  losses,
  lossNames,
  type MaxMargin,
  type MaxMarginOptions,
  type Nce,
  type NceOptions,
  type Noise,
  type Reduction,
  type ReductionOptions,
  type SelfNormalization,
  type SelfNormalizationOptions,
} from './losses.js';
export type { Machine } from './machine.js';
export type { BiasInit } from './metadata.js';
export * as metrics from './metrics.js';
export { type BuildOptions, Model, type ModelOptions, type SequentialOptions, type TensorInfo } from './model.js';
export type { ClassStorage } from './native-classifier.js';
export { type ExportOnnxOptions, exportOnnx, type OnnxExport, type OnnxTensorInfo } from './onnx/export-onnx.js';
export type { OnnxPart } from './onnx/model-graph.js';
export {
  type Adam,
  type AdamOptions,
  type CommonOptimizerOptions,
  type Optimizer,
  optimizers,
  type Sgd,
  type SgdOptions,
} from './optimizers.js';
export type { Preprocessing, PreprocessingOptions } from './preprocessing.js';
export type { ReportOptions } from './report/report.js';
export {
  type ConstantSchedule,
  type CosineSchedule,
  type Schedule,
  type StepSchedule,
  schedules,
  type WarmupSchedule,
} from './schedules.js';
export { type Split, splitIndices } from './split.js';
export type { LoadStateDictOptions } from './state-dict.js';
export type { LogEnd, LogRecord, LogStart, LogStep, LogValidation } from './training-log/records.js';
export type { TrainingRecord } from './training-record.js';
export type { SaveOptions, WriteProgress } from './write-progress.js';
export type { AlexnetOptions } from './zoo/alexnet.js';
export { zoo } from './zoo/index.js';
export type { MlpOptions } from './zoo/mlp.js';
export type { NetworkOptions } from './zoo/network.js';
export { torchvisionPreprocessing } from './zoo/preprocessing.js';
