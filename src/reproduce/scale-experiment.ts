/**
 * One loss of a task with very many classes: as in {@link runLoss} search the learning rate, train with the best, evaluate; but each of
 * these is remembered by itself, since each takes minutes.
 */
import { existsSync } from 'node:fs';
import { type Evaluation, losses, Model, optimizers, type Progress, type Scores, schedules, zoo } from '../index.js';
import type { LossName } from './paper.js';
import type { ScaleData } from './scale-data.js';
import { type Part, partsOf } from './scale-plan.js';
import { type ScaleRecipe, scaleLossOptions } from './scale-recipe.js';
import { type Outcome, type Recording, searchAndTrain, type TrainingPart, unlessNotFinite, validationOf } from './search.js';
import { type Candidate, type LossState, StateDirectory } from './state.js';

export interface ScaleCandidate extends Candidate {
  seconds: number;
}

/** What `evaluate` says, but for the single classes. */
export type ScaleScored = Omit<Evaluation, 'perClass'> & { seconds: number };

/** What is remembered of a training before it is evaluated. */
export interface ScaleTraining {
  learningRate: number;
  steps: number;
  /** Of the final training, its parts before interruptions included as far as they ended by themselves. */
  seconds: number;
  examplesPerSecond: number;
  /** How often it went on from a checkpoint. */
  resumed: number;
  finalLoss: number;
  biasInit: string;
  parameters: number;
  /** The sources that trained it. */
  commit: string | undefined;
}

export interface ScaleResult extends ScaleTraining {
  candidates: ScaleCandidate[];
  singleLogit: ScaleScored;
  softmax: ScaleScored;
}

/** Kept in a state file; the evaluations of other examples than were asked for count as absent. */
export interface ScaleProgress {
  training?: ScaleTraining;
  /** Of a final training that was interrupted. */
  before?: { seconds: number; resumed: number };
  singleLogit?: ScaleScored;
  softmax?: ScaleScored;
}

export type ScaleState = StateDirectory<ScaleRecipe, ScaleProgress>;

export interface ScaleHooks {
  signal: AbortSignal;
  commit: string | undefined;
  /** A part begins. */
  onPart(part: Part): void;
  onProgress(progress: Progress): void;
  onNote(note: string): void;
  /** What `fit` is to keep of a training. */
  recording?(part: TrainingPart): Recording;
}

export function scaleState(path: string, recipe: ScaleRecipe, data?: string): ScaleState {
  return new StateDirectory<ScaleRecipe, ScaleProgress>(path, recipe, data);
}

const measured = [
  ['single-logit', 'singleLogit'],
  ['softmax', 'softmax'],
] as const satisfies readonly (readonly [Scores, keyof ScaleProgress])[];

/** What is worth keeping of a state: no training without its model, no evaluation of other examples. */
async function readProgress(loss: LossName, state: ScaleState, testExamples: number): Promise<LossState<ScaleRecipe, ScaleProgress>> {
  const progress = await state.read(loss);
  progress.result ??= {};
  const { result } = progress;
  if (result.training && !existsSync(state.model(loss))) delete result.training;
  for (const [, key] of measured) if (!result.training || result[key]?.examples !== testExamples) delete result[key];
  return progress;
}

/** The parts that are not done yet. */
export async function partsLeft(loss: LossName, state: ScaleState, testExamples: number): Promise<Part[]> {
  const { candidates, result } = await readProgress(loss, state, testExamples);
  const done = new Set<Part>(candidates.map(({ learningRate }): Part => `search ${learningRate}`));
  if (result!.training) done.add('train');
  for (const [scores, key] of measured) if (result![key]) done.add(scores);
  return partsOf(loss, state.recipe, testExamples)
    .map(([part]) => part)
    .filter((part) => !done.has(part));
}

function newModel(data: ScaleData, { features, hidden, seed }: ScaleRecipe): Model {
  const { classes, inputShape } = data.train;
  return zoo.mlp({ classes, inputShape, embedding: { vocabulary: data.vocabulary, features }, hidden: [...hidden], seed });
}

function trainingOptions(loss: LossName, learningRate: number, recipe: ScaleRecipe, { signal, onProgress }: ScaleHooks) {
  return {
    loss: losses.byName(loss, scaleLossOptions(loss, recipe)),
    optimizer: optimizers.adamW({ learningRate, weightDecay: recipe.weightDecay }),
    schedule: schedules.cosine(),
    batchSize: recipe.batchSize,
    seed: recipe.seed,
    signal,
    onProgress,
  };
}

async function tryCandidate(
  loss: LossName,
  learningRate: number,
  data: ScaleData,
  recipe: ScaleRecipe,
  hooks: ScaleHooks,
): Promise<ScaleCandidate> {
  hooks.onPart(`search ${learningRate}`);
  const began = performance.now();
  const model = newModel(data, recipe);
  try {
    const outcome = await unlessNotFinite(() =>
      model.fit(data.train, {
        ...trainingOptions(loss, learningRate, recipe, hooks),
        steps: recipe.searchSteps,
        ...hooks.recording?.('search'),
        validation: data.validation,
      }),
    );
    const seconds = (performance.now() - began) / 1000;
    if ('reason' in outcome) return { learningRate, out: outcome.reason, seconds };
    return { learningRate, accuracy: validationOf(outcome.value, hooks.signal).accuracy, seconds };
  } finally {
    model.dispose();
  }
}

/** The final training, continued from its checkpoint if there is one; its model is saved. */
async function trainChosen(
  loss: LossName,
  learningRate: number,
  data: ScaleData,
  state: ScaleState,
  progress: LossState<ScaleRecipe, ScaleProgress>,
  hooks: ScaleHooks,
): Promise<Outcome<ScaleTraining>> {
  hooks.onPart('train');
  const { recipe } = state;
  const checkpoint = state.checkpoint(loss);
  const resumes = existsSync(checkpoint);
  const before = resumes ? (progress.result!.before ?? { seconds: 0, resumed: 0 }) : { seconds: 0, resumed: -1 };
  const resumed = before.resumed + 1;
  const began = performance.now();
  const model = newModel(data, recipe);
  try {
    const outcome = await unlessNotFinite(() =>
      model.fit(data.train, {
        ...trainingOptions(loss, learningRate, recipe, hooks),
        steps: recipe.steps,
        ...hooks.recording?.('train'),
        checkpoint: { path: checkpoint, everySteps: 500 },
        ...(resumes ? { resumeFrom: checkpoint } : {}),
      }),
    );
    delete progress.result!.before;
    if ('reason' in outcome) return outcome;
    await model.save(state.model(loss));
    const { steps, seconds, examplesPerSecond, finalLoss } = outcome.value;
    return {
      value: {
        learningRate,
        steps,
        seconds: before.seconds + seconds,
        examplesPerSecond,
        resumed,
        finalLoss,
        biasInit: model.biasInit ?? 'zeros',
        parameters: model.parameterCount,
        commit: hooks.commit,
      },
    };
  } catch (error) {
    if (hooks.signal.aborted) {
      progress.result!.before = { seconds: before.seconds + (performance.now() - began) / 1000, resumed };
      await state.write(loss, progress);
    }
    throw error;
  } finally {
    model.dispose();
  }
}

/** Runs, or finishes, one loss. Rejects when interrupted; what was done is in `state` and the next call goes on from there. */
export async function runScaleLoss(loss: LossName, data: ScaleData, state: ScaleState, hooks: ScaleHooks): Promise<ScaleResult> {
  const progress = await readProgress(loss, state, data.test.length);
  const result = progress.result!;
  if (!result.training) {
    result.training = await searchAndTrain(loss, state, progress, {
      tryCandidate: (learningRate) => tryCandidate(loss, learningRate, data, state.recipe, hooks),
      train: (learningRate) => trainChosen(loss, learningRate, data, state, progress, hooks),
      onNote: hooks.onNote,
    });
    await state.write(loss, progress);
    await state.dropCheckpoint(loss);
  }
  if (measured.some(([, key]) => !result[key])) {
    const model = await Model.load(state.model(loss));
    try {
      for (const [scores, key] of measured) {
        if (result[key]) continue;
        hooks.onPart(scores);
        const began = performance.now();
        const { perClass: _, ...evaluation } = await model.evaluate(data.test, { scores, signal: hooks.signal });
        result[key] = { ...evaluation, seconds: (performance.now() - began) / 1000 };
        await state.write(loss, progress);
      }
    } finally {
      model.dispose();
    }
  }
  return {
    ...result.training,
    candidates: progress.candidates as ScaleCandidate[],
    singleLogit: result.singleLogit!,
    softmax: result.softmax!,
  };
}
