/**
 * The types that users see, of the package as it is published, that is of `dist/` (`npm run lint` compiles this; nothing of it runs): what the public interface accepts and
 * gives, and that what is wrong is refused before it runs. Every `@ts-expect-error` is an error itself if the line below it compiles.
 */
import {
  type AbortError,
  type BackendInfo,
  backendInfo,
  type Calibration,
  type Dataset,
  datasets,
  type Evaluation,
  type FitResult,
  type InMemoryDataset,
  type Inputs,
  type Layer,
  type Loss,
  type LossName,
  layers,
  linearLoss,
  lossAndGradient,
  losses,
  lossNames,
  Model,
  metrics,
  OneLogitError,
  type Optimizer,
  optimizers,
  type Preprocessing,
  type Progress,
  type Schedule,
  SingleLogitClassifier,
  schedules,
  splitIndices,
  type TrainingRecord,
  torchvisionPreprocessing,
  zoo,
} from 'onelogit';
import { expectTypeOf } from 'vitest';

declare const dataset: Dataset;
declare const memory: InMemoryDataset;
declare const model: Model;
declare const slc: SingleLogitClassifier;
declare const floats: Float32Array;
declare const bytes: Uint8Array;
declare const integers: Int32Array;
declare const signal: AbortSignal;

export function ofLosses() {
  expectTypeOf(losses.batchCrossEntropy().name).toEqualTypeOf<'batch-cross-entropy'>();
  expectTypeOf(losses.batchCrossEntropy().aligned).toEqualTypeOf<true>();
  expectTypeOf(losses.crossEntropy({ reduction: 'sum' }).aligned).toEqualTypeOf<false>();
  expectTypeOf(losses.maxMargin({ margin: 2 }).margin).toBeNumber();
  expectTypeOf(losses.batchMaxMargin({ margin: undefined }).name).toEqualTypeOf<'batch-max-margin'>();
  expectTypeOf(losses.selfNormalization({ alpha: 0.5 }).alpha).toBeNumber();
  expectTypeOf(losses.binaryCrossEntropy({}).name).toEqualTypeOf<'binary-cross-entropy'>();
  expectTypeOf(
    losses.nce({ numSampled: 5, noiseRatio: 5, noise: floats, samples: 'per-example', removeAccidentalHits: true, seed: 1 }).numSampled,
  ).toEqualTypeOf<number | undefined>();
  expectTypeOf(losses.byName('nce', { numSampled: 5 }).name).toEqualTypeOf<'nce'>();
  expectTypeOf(lossNames).toEqualTypeOf<readonly LossName[]>();
  expectTypeOf(losses.nce()).toExtend<Loss>();

  // @ts-expect-error: no option of this loss
  losses.batchCrossEntropy({ margin: 1 });
  // @ts-expect-error: a misspelt option
  losses.maxMargin({ gamma: 1 });
  // @ts-expect-error: not a number
  losses.selfNormalization({ alpha: '0.1' });
  // @ts-expect-error: no such noise
  losses.nce({ noise: 'zipf' });
  // @ts-expect-error: no such loss
  losses.byName('hinge');
  // @ts-expect-error: an option of another loss
  losses.byName('cross-entropy', { margin: 1 });
  // @ts-expect-error: losses are frozen
  losses.nce().seed = 2;
}

export function ofLossAndGradient() {
  const result = lossAndGradient(losses.nce(), floats, integers, { classes: 3, device: 'cpu' });
  expectTypeOf(result.value).toBeNumber();
  expectTypeOf(result.gradient).toExtend<Float32Array>();
  const gradients = linearLoss(losses.batchCrossEntropy(), {
    hidden: floats,
    weight: new Uint16Array(1),
    bias: floats,
    labels: integers,
    features: 2,
    classes: 3,
    out: { gradWeight: floats },
    workspaceBytes: 1e6,
    device: undefined,
  });
  expectTypeOf(gradients).toExtend<{ value: number; gradHidden: Float32Array; gradWeight: Float32Array; gradBias: Float32Array }>();

  // @ts-expect-error: the number of classes is missing
  lossAndGradient(losses.nce(), floats, integers);
  // @ts-expect-error: labels are integers
  lossAndGradient(losses.nce(), floats, floats, { classes: 3 });
  // @ts-expect-error: a name is no loss
  lossAndGradient('nce', floats, integers, { classes: 3 });
  // @ts-expect-error: no such device
  lossAndGradient(losses.nce(), floats, integers, { classes: 3, device: 'gpu' });
  // @ts-expect-error: features are missing
  linearLoss(losses.nce(), { hidden: floats, weight: floats, labels: integers, classes: 3 });
}

export function ofOptimizersAndSchedules() {
  expectTypeOf(optimizers.sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4, clipNorm: 1 })).toExtend<Optimizer>();
  expectTypeOf(optimizers.adam()).toExtend<Optimizer>();
  expectTypeOf(optimizers.adamW({ learningRate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 })).toExtend<Optimizer>();
  expectTypeOf(schedules.warmup({ steps: 10 }, schedules.cosine({ minimum: 0.1 }))).toExtend<Schedule>();
  expectTypeOf(schedules.step({ every: 10, factor: 0.5 })).toExtend<Schedule>();
  expectTypeOf(schedules.constant()).toExtend<Schedule>();

  // @ts-expect-error: sgd has no default learning rate
  optimizers.sgd();
  // @ts-expect-error: an option of adam
  optimizers.sgd({ learningRate: 0.1, beta1: 0.9 });
  // @ts-expect-error: steps between changes are missing
  schedules.step({ factor: 0.5 });
  // @ts-expect-error: a warm-up after a warm-up
  schedules.warmup({ steps: 1 }, schedules.warmup({ steps: 1 }));
}

export function ofModels() {
  const sequential = Model.sequential({
    inputShape: [28, 28, 1],
    layers: [
      layers.flatten(),
      layers.dense(500, { bias: false, name: 'hidden' }),
      layers.batchNorm({ epsilon: 1e-3 }),
      layers.relu(),
      layers.dropout(0.2),
      layers.dense(10, { storage: 'bfloat16' }),
    ],
    preprocessing: { scale: 1 / 255, mean: [0.5], standardDeviation: 0.5 },
    seed: 1,
    device: 'auto',
    precision: 'float32',
  });
  expectTypeOf(sequential).toEqualTypeOf<Model>();
  const input = layers.input([8, 8, 3]);
  const x = input.apply(layers.conv2d(4, { kernel: 3, padding: 'same', stride: [1, 2] }), layers.maxPool({ kernel: 2 }));
  expectTypeOf(Model.build({ input, output: layers.add(x, x).apply(layers.globalAvgPool(), layers.dense(2)) })).toEqualTypeOf<Model>();
  expectTypeOf(model.training).toEqualTypeOf<TrainingRecord | null>();
  expectTypeOf((model.training as TrainingRecord).stepsDone).toEqualTypeOf<number | undefined>();
  expectTypeOf((model.training as TrainingRecord).optimizer).toEqualTypeOf<Optimizer>();
  // @ts-expect-error: what happened does not change
  (model.training as TrainingRecord).steps = 1;
  expectTypeOf(Model.load('m.safetensors', { device: 'cpu' })).resolves.toEqualTypeOf<Model>();
  expectTypeOf(model.save('m.safetensors')).resolves.toBeVoid();
  expectTypeOf(model.predict(bytes)).resolves.toEqualTypeOf<Float32Array>();
  expectTypeOf(model.embed(integers)).resolves.toEqualTypeOf<Float32Array>();
  expectTypeOf(model.evaluate(dataset, { scores: 'softmax', negatives: 100 })).resolves.toEqualTypeOf<Evaluation>();
  expectTypeOf(model.evaluate(memory)).resolves.toHaveProperty('oneMinusPrecisionAt90').toBeNumber();
  expectTypeOf(model.layers).toEqualTypeOf<readonly Layer[]>();
  expectTypeOf(model.preprocessing).toEqualTypeOf<Preprocessing | null>();
  expectTypeOf(model.parameterCount).toBeNumber();
  expectTypeOf(model.classNames).toEqualTypeOf<string[] | null>();
  expectTypeOf(model.loadStateDict('m.safetensors', { head: false })).resolves.toBeVoid();
  expectTypeOf(model).toExtend<Disposable>();

  // @ts-expect-error: made by Model.sequential, Model.build and Model.load
  new Model();
  // @ts-expect-error: layers are missing
  Model.sequential({ inputShape: [2] });
  // @ts-expect-error: a misspelt option
  Model.sequential({ inputShape: [2], layers: [layers.dense(2)], sead: 1 });
  // @ts-expect-error: no such padding
  layers.conv2d(4, { kernel: 3, padding: 'full' });
  // @ts-expect-error: the kernel is missing
  layers.conv2d(4);
  // @ts-expect-error: a graph has tensors, not layers
  Model.build({ input: layers.input([2]), output: layers.dense(2) });
  // @ts-expect-error: examples are typed arrays
  model.predict([1, 2, 3]);
  // @ts-expect-error: float64 is not accepted
  model.predict(new Float64Array(3));
  // @ts-expect-error: no such scores
  model.evaluate(dataset, { scores: 'logits' });
  // @ts-expect-error: read-only
  model.seed = 2;
}

export function ofFit() {
  const loss = losses.batchCrossEntropy();
  const optimizer = optimizers.adam();
  const result = model.fit(dataset, {
    loss,
    optimizer,
    schedule: schedules.cosine(),
    epochs: 2,
    batchSize: 32,
    validation: { fraction: 0.1, seed: 1 },
    validateEverySteps: 10,
    checkpoint: { path: 'c.safetensors', everySteps: 100 },
    resumeFrom: 'c.safetensors',
    biasInit: 'zeros',
    memory: 'recompute',
    augment: { padding: 4, flip: true },
    onProgress(progress) {
      expectTypeOf(progress).toEqualTypeOf<Progress>();
      expectTypeOf(progress.secondsLeft).toBeNumber();
    },
    signal,
  });
  expectTypeOf(result).resolves.toEqualTypeOf<FitResult>();
  expectTypeOf(result).resolves.toHaveProperty('examplesPerSecond').toBeNumber();
  model.fit(memory, { loss, optimizer, steps: 10, batchSize: 32, validation: memory });
  model.fit(
    { inputShape: [2], classes: 2, length: 4, read: async (indices: Int32Array, _: AbortSignal) => ({ inputs: floats, labels: indices }) },
    { loss, optimizer, steps: 10, batchSize: 2 },
  );

  // @ts-expect-error: the loss is missing
  model.fit(dataset, { optimizer, steps: 1, batchSize: 1 });
  // @ts-expect-error: the batch size is missing
  model.fit(dataset, { loss, optimizer, steps: 1 });
  // @ts-expect-error: another library's name of it
  model.fit(dataset, { loss, optimizer, steps: 1, batch_size: 1 });
  // @ts-expect-error: an optimizer by its name
  model.fit(dataset, { loss, optimizer: 'adam', steps: 1, batchSize: 1 });
  // @ts-expect-error: labels are an Int32Array
  model.fit({ inputs: floats, labels: [0, 1], inputShape: [2], classes: 2, length: 2 }, { loss, optimizer, steps: 1, batchSize: 1 });
}

export function ofClassifiers() {
  expectTypeOf(SingleLogitClassifier.load(model)).resolves.toEqualTypeOf<SingleLogitClassifier>();
  SingleLogitClassifier.load('m.safetensors', { storage: 'int8', device: 'cpu' });
  SingleLogitClassifier.load('m.safetensors', { memoryMap: true, prefault: true });
  expectTypeOf(
    SingleLogitClassifier.fromSafetensors('h.safetensors', { weight: 'fc.weight', bias: 'fc.bias', classNames: ['a'] }),
  ).resolves.toEqualTypeOf<SingleLogitClassifier>();
  expectTypeOf(slc.score(floats, 3)).toBeNumber();
  expectTypeOf(slc.matches(bytes, 3)).toBeBoolean();
  expectTypeOf(slc.input).toEqualTypeOf<Inputs>();
  expectTypeOf(slc.scoreBound(3)).toBeNumber();
  expectTypeOf(slc.bind(bytes).score(3)).toBeNumber();
  expectTypeOf(slc.bindAsync(bytes)).resolves.toHaveProperty('matches');
  expectTypeOf(slc.scoreMany(floats, [1, 2])).toEqualTypeOf<Float32Array>();
  expectTypeOf(slc.scoreMany(floats, integers, floats)).toEqualTypeOf<Float32Array>();
  expectTypeOf(slc.scoreBatch(floats, 3, floats)).toEqualTypeOf<Float32Array>();
  expectTypeOf(slc.scoreBatchAsync(floats, 3)).resolves.toEqualTypeOf<Float32Array>();
  expectTypeOf(slc.calibrate(dataset, { recall: 0.9, signal })).resolves.toEqualTypeOf<Calibration>();
  expectTypeOf(slc.save('m.safetensors')).resolves.toBeVoid();
  expectTypeOf(slc.reload()).resolves.toBeVoid();
  expectTypeOf(slc.classes).toBeNumber();
  expectTypeOf(slc.features).toBeNumber();
  expectTypeOf(slc.classNames).toEqualTypeOf<readonly string[] | null>();
  expectTypeOf(slc).toExtend<Disposable>();

  // @ts-expect-error: made by SingleLogitClassifier.load and fromSafetensors
  new SingleLogitClassifier();
  // @ts-expect-error: a class is a number
  slc.score(floats, 'cat');
  // @ts-expect-error: an example is a typed array
  slc.score([0, 1], 3);
  // @ts-expect-error: no such storage
  SingleLogitClassifier.load('m.safetensors', { storage: 'float16' });
  // @ts-expect-error: the weight's name is missing
  SingleLogitClassifier.fromSafetensors('h.safetensors', {});
  // @ts-expect-error: options are missing
  slc.calibrate(dataset);
  // @ts-expect-error: read-only
  slc.classes = 3;
}

export function ofData() {
  expectTypeOf(metrics.averagePrecision(floats, [true, false])).toBeNumber();
  expectTypeOf(metrics.precisionAtRecall(floats, bytes, 0.9)).toBeNumber();
  expectTypeOf(metrics.separation(floats, integers, 3)).toEqualTypeOf<metrics.Separation>();
  expectTypeOf(datasets.load('mnist', { format: 'idx', split: 'test' })).resolves.toExtend<InMemoryDataset>();
  expectTypeOf(datasets.load('photos', { memoryBytes: 0 })).resolves.toExtend<Dataset>();
  expectTypeOf(datasets.glyphs({ classes: 3, examplesPerClass: 2, seed: 1, split: 'test' }).inputs).toExtend<Uint8Array>();
  // Options may be there and undefined, as the value of a variable that may be.
  datasets.load('mnist', { format: undefined, split: undefined, context: undefined, imageSize: undefined, signal: undefined });
  datasets.glyphs({ classes: 3, examplesPerClass: 2, seed: undefined, split: undefined });
  datasets.download('mnist', { to: undefined, mirrors: undefined, onProgress: undefined });
  expectTypeOf(splitIndices(10, 0.5, 1)).toEqualTypeOf<{ training: Int32Array; validation: Int32Array }>();
  for (const make of [zoo.cnn, zoo.vgg16, zoo.inceptionV3, zoo.resnet50, zoo.resnet101])
    expectTypeOf(make({ classes: 10, trainable: 'head', preprocessing: torchvisionPreprocessing.imagenet })).toEqualTypeOf<Model>();
  expectTypeOf(zoo.mlp({ classes: 10, hidden: [64], embedding: { vocabulary: 9 } })).toEqualTypeOf<Model>();
  expectTypeOf(zoo.alexnet({ classes: 10, variant: 'original' })).toEqualTypeOf<Model>();
  expectTypeOf(backendInfo()).toEqualTypeOf<BackendInfo>();
  expectTypeOf(backendInfo().cuda.reason).toEqualTypeOf<string | null>();
  expectTypeOf<OneLogitError>().toHaveProperty('code').toBeString();
  expectTypeOf<AbortError>().toExtend<Error>();
  expectTypeOf(OneLogitError).toBeConstructibleWith('ERR_ONELOGIT_FILE', 'x');

  // @ts-expect-error: no such format
  datasets.load('mnist', { format: 'mnist' });
  // @ts-expect-error: no such split
  datasets.load('mnist', { split: 'dev' });
  // @ts-expect-error: glyphs have no validation part
  datasets.glyphs({ classes: 3, examplesPerClass: 2, split: 'validation' });
  // @ts-expect-error: classes are missing
  zoo.resnet50({});
  // @ts-expect-error: an option of mlp
  zoo.vgg16({ classes: 10, hidden: [64] });
  // @ts-expect-error: positives are bytes or booleans
  metrics.averagePrecision(floats, [0, 1]);
}
