/** `model.fit`: what it gives, and what happens around the native loop. */
import { decodeNames, nativeNames } from './class-names.js';
import { type Dataset, inputKind } from './dataset.js';
import { AbortError } from './errors.js';
import { checkFit, type FitOptions, type FitPlan, type Validation } from './fit-options.js';
import { orAborted, runJob, throwIfAborted } from './job.js';
import { type Loss, type LossName, lossToMetadata } from './losses.js';
import { describeMachine } from './machine.js';
import { type BiasInit, type ModelMetadata, writeMetadata } from './metadata.js';
import { resumedFrom } from './model-file.js';
import { idleNativeOf, type ModelState, namesOf } from './model-state.js';
import type { NativeFitResult, NativeModel } from './native-model.js';
import { byteScale, noPreprocessing } from './preprocessing.js';
import { checkSameClasses } from './same-classes.js';
import { Sources } from './source.js';
import { Recorder } from './training-log/recorder.js';
import type { TrainingRecord } from './training-record.js';
import { version } from './version.js';

const what = 'model.fit';

/** What {@link Model.fit} resolves to. */
export interface FitResult {
  /** Steps done, those before resuming included. */
  readonly steps: number;
  /** Of this call, validation and checkpoints included. */
  readonly seconds: number;
  /** Training examples per second of this call. */
  readonly examplesPerSecond: number;
  /** Mean of the last 100 steps (or of all, if fewer). */
  readonly finalLoss: number;
  /** Of the same steps: share of examples whose largest logit was the label's. */
  readonly finalAccuracy: number;
  /** `'cpu'` or `'cuda'` */
  readonly device: string;
  /** The training loss's name. */
  readonly loss: string;
  /** After the last step; absent if nothing was set aside, or if the signal was raised after that step. */
  readonly validation?: Validation;
  /** How the last bias started, at this fit or an earlier one; null for a model whose weights came from elsewhere. */
  readonly biasInit: BiasInit | null;
}

/** Trains; see {@link Model.fit}. */
export async function fitModel(state: ModelState, dataset: Dataset, options: FitOptions): Promise<FitResult> {
  const native = idleNativeOf(state, what);
  const plan = checkFit(state, native.classes, dataset, options);
  throwIfAborted(plan.signal, what);
  state.fitting = true;
  try {
    return await run(state, native, plan);
  } finally {
    state.fitting = false;
  }
}

async function run(state: ModelState, native: NativeModel, plan: FitPlan): Promise<FitResult> {
  const { training, parts, resumeFrom, progress } = plan;
  const { loss, checkpointPath } = plan.native;
  const sources = new Sources(inputKind(state.layers));
  const checkpoint = resumeFrom === undefined ? undefined : await resumedFrom(state, native.classes, parts.split, resumeFrom);
  const resumed = checkpoint?.metadata;
  const knownNames = checkpoint?.encodedNames ?? state.encodedNames;
  if (checkpoint?.encodedNames && (training.classNames || parts.validation?.classNames)) {
    const names = decodeNames(checkpoint.encodedNames);
    checkSameClasses(names, training, { model: resumeFrom as string });
    if (parts.validation) checkSameClasses(names, parts.validation, { model: resumeFrom as string, data: 'classNames of validation' });
  }
  // No await for data in memory: it is copied before the caller gets its promise.
  const inputType =
    resumed?.inputType ??
    state.inputType ??
    sources.inputTypeInMemory(training) ??
    (await orAborted(sources.readInputType(training, 'dataset'), sources, plan.signal, what));
  /** What is different about the model as soon as a step was made. */
  const changes = {
    inputType,
    preprocessing: resumed?.preprocessing ?? state.preprocessing ?? (inputType === 'uint8' ? byteScale : noPreprocessing),
    loss,
    split: parts.split,
    trained: true,
    biasInit: resumed ? resumed.biasInit : firstBiasInit(state, native, loss, plan.biasInit),
    training: trainingRecord(state, native, plan, resumed ?? null),
    encodedNames: knownNames ?? namesOf(training, native.classes),
  };
  const recorder = plan.recording && new Recorder(plan.recording, aboutRun(state, native, plan, changes.biasInit));
  const start = () => {
    const job = native.fit({
      ...plan.native,
      training: sources.native(training, 'dataset'),
      ...(parts.trainingIndices ? { trainingIndices: parts.trainingIndices } : {}),
      ...(parts.validationIndices ? { validationIndices: parts.validationIndices } : {}),
      ...(parts.validation ? { validation: sources.native(parts.validation, 'validation') } : {}),
      priorBias: changes.biasInit === 'prior' && !state.trained,
      preprocessing: changes.preprocessing,
      metadata: writeMetadata({ ...state, ...changes }, version),
      ...(changes.encodedNames ? { classNames: nativeNames(changes.encodedNames) } : {}),
      ...(resumeFrom === undefined ? {} : { resumePath: resumeFrom }),
      ...(progress ? { onProgress: progress.report } : {}),
      ...(plan.recording ? { recordEvery: plan.recording.everySteps } : {}),
    });
    progress?.onFailure(job.cancel);
    recorder?.follow(job.takeRecords);
    const keep = (stepsDone?: number) => {
      const training = stepsDone === undefined ? changes.training : Object.freeze({ ...changes.training, stepsDone });
      if (job.changed()) Object.assign(state, changes, { training });
    };
    const promise = job.promise.then(
      (done) => {
        keep(done.steps);
        return done;
      },
      (error: unknown) => {
        keep();
        throw error;
      },
    );
    return { promise, cancel: job.cancel };
  };
  let result: NativeFitResult | undefined;
  try {
    result = await runJob(start, sources, plan.signal, what);
    progress?.last(result.progress);
    if (result.cancelled) {
      const written = checkpointPath === undefined || result.steps === 0 ? '' : `; ${checkpointPath} continues from there`;
      throw new AbortError(
        `Expected ${what} to run ${plan.native.steps} steps but its signal was aborted after step ${result.steps}${written}`,
        plan.signal as AbortSignal,
      );
    }
  } catch (error) {
    await recorder?.end(result, { error });
    throw error;
  }
  await recorder?.end(result);
  return {
    steps: result.steps,
    seconds: result.seconds,
    examplesPerSecond: result.examplesPerSecond,
    finalLoss: result.finalLoss,
    finalAccuracy: result.finalAccuracy,
    device: native.device,
    loss: loss.name,
    ...(result.validation ? { validation: result.validation } : {}),
    biasInit: changes.biasInit,
  };
}

/** What the first record of a log says. */
function aboutRun(state: ModelState, native: NativeModel, plan: FitPlan, biasInit: BiasInit | null) {
  const { training, parts, resumeFrom, recording } = plan;
  const { loss, checkpointPath, checkpointEvery, validateEvery, ...options } = plan.native;
  return {
    version,
    ...(resumeFrom === undefined ? {} : { resumedFrom: resumeFrom }),
    options: {
      loss: lossToMetadata(loss),
      ...options,
      biasInit,
      ...(parts.split ? { validation: { fraction: parts.split.fraction, seed: parts.split.seed } } : {}),
      ...(validateEvery > 0 ? { validateEverySteps: validateEvery } : {}),
      ...(checkpointPath === undefined ? {} : { checkpoint: { path: checkpointPath, everySteps: checkpointEvery } }),
      logEverySteps: recording?.everySteps,
    },
    model: {
      inputShape: state.inputShape,
      classes: native.classes,
      parameters: native.parameterCount,
      layers: state.layers.length,
      device: native.device,
    },
    dataset: {
      examples: parts.trainingIndices?.length ?? training.length,
      validationExamples: parts.validationIndices?.length ?? parts.validation?.length ?? 0,
      classes: native.classes,
    },
    machine: describeMachine(),
    ...(recording?.notes ? { notes: recording.notes } : {}),
  };
}

/** What the model keeps of this fit but for the steps done, which nobody knows before. */
function trainingRecord(state: ModelState, native: NativeModel, plan: FitPlan, resumed: ModelMetadata | null): TrainingRecord {
  const { optimizer, schedule, batchSize, steps, seed, augment } = plan.native;
  // Of a file that an older version wrote, all that is known is whether there was a fit.
  const before = state.training ? state.training.earlierFits + 1 : state.loss ? 1 : 0;
  return Object.freeze({
    optimizer,
    schedule,
    batchSize,
    steps,
    examples: plan.parts.trainingIndices?.length ?? plan.training.length,
    seed,
    ...(augment ? { augment: Object.freeze({ padding: augment.padding, flip: augment.flip }) } : {}),
    device: native.device,
    precision: state.precision,
    earlierFits: resumed ? (resumed.training?.earlierFits ?? 0) : before,
    version,
  });
}

/** The losses whose prior is not all zeros. */
const lossesWithPrior: readonly LossName[] = ['self-normalization', 'nce', 'binary-cross-entropy'];

function firstBiasInit(state: ModelState, native: NativeModel, loss: Loss, asked: BiasInit): BiasInit | null {
  if (state.trained) return state.biasInit;
  return asked === 'prior' && native.lastBiasIsZero() && lossesWithPrior.includes(loss.name) ? 'prior' : 'zeros';
}
