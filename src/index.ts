export { type BackendInfo, backendInfo } from './backend.js';
export * as datasets from './data/index.js';
export { OneLogitError } from './errors.js';
export {
  type BatchNormLayer,
  type DenseLayer,
  type DropoutLayer,
  type FlattenLayer,
  type Initializer,
  type Layer,
  layers,
  type ReluLayer,
  type SoftmaxLayer,
} from './layers.js';
export * as metrics from './metrics.js';
export {
  type Adam,
  type AdamOptions,
  type CommonOptimizerOptions,
  type Optimizer,
  optimizers,
  type Sgd,
  type SgdOptions,
} from './optimizers.js';
export {
  type ConstantSchedule,
  type CosineSchedule,
  type Schedule,
  type StepSchedule,
  schedules,
  type WarmupSchedule,
} from './schedules.js';
