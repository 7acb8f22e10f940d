/**
 * One loss of a table: search the learning rate on a validation part of the training data, train with the best, evaluate on the
 * test data. The test data is looked at once, after everything has been chosen.
 */
import { existsSync } from 'node:fs';
import type { InMemoryDataset } from '../dataset.js';
import { type Evaluation, losses, type Model, optimizers, type Progress, schedules, zoo } from '../index.js';
import type { LossName } from './paper.js';
import { lossOptions, type Recipe } from './recipe.js';
import { type Outcome, searchAndTrain, unlessNotFinite } from './search.js';
import type { Candidate, LossResult, Scored, StateDirectory } from './state.js';

export interface ExperimentData {
  train: InMemoryDataset;
  test: InMemoryDataset;
}

export interface ExperimentHooks {
  signal: AbortSignal;
  /** What is being done: 'cross-entropy, learning rate 0.1'. */
  onPhase(phase: string): void;
  onProgress(progress: Progress): void;
  /** Something that is finished and worth a line. */
  onNote(note: string): void;
}

function newModel(data: ExperimentData, recipe: Recipe): Model {
  const { classes, inputShape } = data.train;
  return zoo.mlp({ classes, inputShape, hidden: [...recipe.hidden], seed: recipe.seed });
}

function trainingOptions(loss: LossName, learningRate: number, recipe: Recipe) {
  return {
    loss: losses.byName(loss, lossOptions[loss]),
    optimizer: optimizers.sgd({ learningRate, weightDecay: recipe.weightDecay }),
    schedule: schedules.constant(),
    batchSize: recipe.batchSize,
    seed: recipe.seed,
  };
}

async function tryCandidate(
  loss: LossName,
  learningRate: number,
  data: ExperimentData,
  recipe: Recipe,
  hooks: ExperimentHooks,
): Promise<Candidate> {
  const model = newModel(data, recipe);
  try {
    const outcome = await unlessNotFinite(() =>
      model.fit(data.train, {
        ...trainingOptions(loss, learningRate, recipe),
        steps: recipe.searchSteps,
        validation: { fraction: recipe.validationFraction, seed: recipe.seed },
        signal: hooks.signal,
        onProgress: hooks.onProgress,
      }),
    );
    return 'reason' in outcome ? { learningRate, out: outcome.reason } : { learningRate, accuracy: outcome.value.validation!.accuracy };
  } finally {
    model.dispose();
  }
}

function scored(evaluation: Evaluation): Scored {
  const { accuracy, misorderedPairs, oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99 } = evaluation;
  return { accuracy, misorderedPairs, oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99 };
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
  const model = newModel(data, recipe);
  try {
    const outcome = await unlessNotFinite(() =>
      model.fit(data.train, {
        ...trainingOptions(loss, learningRate, recipe),
        steps: recipe.steps,
        checkpoint: { path: checkpoint, everySteps: 2_000 },
        ...(existsSync(checkpoint) ? { resumeFrom: checkpoint } : {}),
        signal: hooks.signal,
        onProgress: hooks.onProgress,
      }),
    );
    if ('reason' in outcome) return outcome;
    await model.save(state.model(loss));
    const { steps, seconds, examplesPerSecond, finalLoss } = outcome.value;
    return {
      value: {
        learningRate,
        steps,
        seconds,
        examplesPerSecond,
        finalLoss,
        biasInit: model.biasInit ?? 'zeros',
        parameters: model.parameterCount,
        singleLogit: scored(await model.evaluate(data.test, { scores: 'single-logit' })),
        softmax: scored(await model.evaluate(data.test, { scores: 'softmax' })),
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
    tryCandidate(learningRate) {
      hooks.onPhase(`${loss}, trying learning rate ${learningRate}`);
      return tryCandidate(loss, learningRate, data, state.recipe, hooks);
    },
    train(learningRate) {
      hooks.onPhase(`${loss}, learning rate ${learningRate}`);
      return trainChosen(loss, learningRate, data, state, hooks);
    },
    onNote: hooks.onNote,
  });
  progress.result = { ...trained, candidates: progress.candidates };
  await state.write(loss, progress);
  await state.dropCheckpoint(loss);
  return progress.result;
}
