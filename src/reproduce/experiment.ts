/**
 * One loss of a table: search the learning rate on a validation part of the training data, train with the best, evaluate on the
 * test data. The test data is looked at once, after everything has been chosen.
 */
import { existsSync } from 'node:fs';
import type { Dataset } from '../dataset.js';
import { type Device, type Evaluation, losses, optimizers, type Progress, schedules } from '../index.js';
import { newNetwork } from './networks.js';
import type { LossName } from './paper.js';
import { lossOptions, type Recipe } from './recipe.js';
import { type Outcome, type Recording, searchAndTrain, type TrainingPart, unlessNotFinite, validationOf } from './search.js';
import type { Candidate, LossResult, Scored, StateDirectory } from './state.js';
import type { TablePart } from './table-plan.js';

export interface ExperimentData {
  train: Dataset;
  test: Dataset;
}

export interface ExperimentHooks {
  signal: AbortSignal;
  device: Device;
  /** A part begins. */
  onPart(part: TablePart): void;
  onProgress(progress: Progress): void;
  /** Something that is finished and worth a line. */
  onNote(note: string): void;
  /** What `fit` is to keep of a training. */
  recording?(part: TrainingPart): Recording;
}

function trainingOptions(loss: LossName, learningRate: number, recipe: Recipe, trainExamples: number) {
  const { batchSize, momentum, weightDecay, decay, augment, seed } = recipe;
  const everySteps = decay && Math.max(1, Math.round((decay.everyEpochs * trainExamples) / batchSize));
  return {
    loss: losses.byName(loss, lossOptions[loss]),
    optimizer: optimizers.sgd({ learningRate, momentum, weightDecay }),
    schedule: decay ? schedules.step({ every: everySteps!, factor: decay.factor }) : schedules.constant(),
    batchSize,
    ...(augment ? { augment } : {}),
    seed,
  };
}

async function tryCandidate(
  loss: LossName,
  learningRate: number,
  data: ExperimentData,
  recipe: Recipe,
  hooks: ExperimentHooks,
): Promise<Candidate> {
  hooks.onPart(`search ${learningRate}`);
  const model = newNetwork(data.train, recipe, hooks.device);
  try {
    const outcome = await unlessNotFinite(() =>
      model.fit(data.train, {
        ...trainingOptions(loss, learningRate, recipe, data.train.length),
        steps: recipe.searchSteps,
        ...hooks.recording?.('search'),
        validation: { fraction: recipe.validationFraction, seed: recipe.seed },
        signal: hooks.signal,
        onProgress: hooks.onProgress,
      }),
    );
    if ('reason' in outcome) return { learningRate, out: outcome.reason };
    return { learningRate, accuracy: validationOf(outcome.value, hooks.signal).accuracy };
  } finally {
    model.dispose();
  }
}

function scored(evaluation: Evaluation): Scored {
  const { accuracy, misorderedPairs, oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99 } = evaluation;
  return { accuracy, misorderedPairs, oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99 };
}

/** A minute or so of training on a CPU is what a killed process may lose; writing the large networks takes a part of a second. */
function checkpointSteps({ network, batchSize }: Recipe, device: 'cpu' | 'cuda'): number {
  return network === 'mlp' || device === 'cuda' ? 2_000 : Math.max(1, Math.round((network === 'cnn' ? 4_000 : 400) / batchSize));
}

/** The final training, continued from its checkpoint if there is one; undefined with the reason when the loss stops being finite. */
async function trainChosen(
  loss: LossName,
  learningRate: number,
  data: ExperimentData,
  state: StateDirectory,
  hooks: ExperimentHooks,
): Promise<Outcome<Omit<LossResult, 'candidates'>>> {
  const { recipe } = state;
  const checkpoint = state.checkpoint(loss);
  const resumed = existsSync(checkpoint);
  hooks.onPart('train');
  const model = newNetwork(data.train, recipe, hooks.device);
  try {
    const outcome = await unlessNotFinite(() =>
      model.fit(data.train, {
        ...trainingOptions(loss, learningRate, recipe, data.train.length),
        steps: recipe.steps,
        ...hooks.recording?.('train'),
        checkpoint: { path: checkpoint, everySteps: checkpointSteps(recipe, model.device) },
        ...(resumed ? { resumeFrom: checkpoint } : {}),
        signal: hooks.signal,
        onProgress: hooks.onProgress,
      }),
    );
    if ('reason' in outcome) return outcome;
    await model.save(state.model(loss));
    const { steps, seconds, examplesPerSecond, finalLoss } = outcome.value;
    hooks.onPart('evaluate');
    const evaluated = async (scores: Evaluation['scores']) => scored(await model.evaluate(data.test, { scores, signal: hooks.signal }));
    return {
      value: {
        learningRate,
        steps,
        seconds,
        resumed,
        examplesPerSecond,
        finalLoss,
        biasInit: model.biasInit ?? 'zeros',
        parameters: model.parameterCount,
        device: model.device,
        singleLogit: await evaluated('single-logit'),
        softmax: await evaluated('softmax'),
      },
    };
  } finally {
    model.dispose();
  }
}

/**
 * Runs, or finishes, one loss. Rejects when interrupted; what was done is in `state` and the next call goes on from there.
 */
export async function runLoss(loss: LossName, data: ExperimentData, state: StateDirectory, hooks: ExperimentHooks): Promise<LossResult> {
  const progress = await state.read(loss);
  if (progress.result) return progress.result;
  const trained = await searchAndTrain(loss, state, progress, {
    tryCandidate: (learningRate) => tryCandidate(loss, learningRate, data, state.recipe, hooks),
    train: (learningRate) => trainChosen(loss, learningRate, data, state, hooks),
    onNote: hooks.onNote,
  });
  progress.result = { ...trained, candidates: progress.candidates };
  await state.write(loss, progress);
  await state.dropCheckpoint(loss);
  return progress.result;
}
