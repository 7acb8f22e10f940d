/**
 * The part that all reproductions share: try every learning rate for a few steps, train with the best, and when that ends in a loss that
 * is not finite, with the next best. What was tried is in the state; an interrupted search repeats at most one candidate.
 */
import { type FitOptions, type FitResult, OneLogitError } from '../index.js';
import type { LossName } from './paper.js';
import type { Candidate, LossState, StateDirectory } from './state.js';

const notFinite = 'ERR_ONELOGIT_LOSS_NOT_FINITE';

/** Which training of a loss: one that tries a learning rate, or the one with the chosen rate. */
export type TrainingPart = 'search' | 'train';
/** What `fit` is told to keep of a training. */
export type Recording = Pick<FitOptions, 'log' | 'notes'>;

export type Outcome<T> = { value: T } | { reason: string };

/** Runs a fit; the reason when the loss stopped being finite. */
export async function unlessNotFinite<T>(train: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await train() };
  } catch (error) {
    if ((error as { code?: string }).code !== notFinite) throw error;
    return { reason: (error as Error).message };
  }
}

/** What a fit with a validation part says of it; it does not where the signal was raised after its last step. */
export function validationOf({ validation }: FitResult, signal: AbortSignal): NonNullable<FitResult['validation']> {
  if (validation === undefined) signal.throwIfAborted();
  return validation!;
}

/** The candidates still in the running, best first; between equals, the one that was tried first. A single one was not tried. */
function ranked(candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ out }) => out === undefined).sort((a, b) => (b.accuracy ?? 0) - (a.accuracy ?? 0));
}

export interface SearchSteps<T> {
  tryCandidate(learningRate: number): Promise<Candidate>;
  train(learningRate: number): Promise<Outcome<T>>;
  onNote(note: string): void;
}

/** What `train` gave with the best learning rate that it ends well with. Changes `progress` and writes it to `state`. */
export async function searchAndTrain<R extends { learningRates: readonly number[] }, T, Result>(
  loss: LossName,
  state: StateDirectory<R, Result>,
  progress: LossState<R, Result>,
  { tryCandidate, train, onNote }: SearchSteps<T>,
): Promise<T> {
  const { learningRates } = state.recipe;
  if (progress.candidates.length === 0) await state.dropCheckpoint(loss); // of another recipe
  const [only, ...others] = learningRates;
  if (only !== undefined && others.length === 0 && progress.candidates.length === 0) {
    progress.candidates = [{ learningRate: only }];
    await state.write(loss, progress);
  }
  for (const learningRate of learningRates) {
    if (progress.candidates.some((candidate) => candidate.learningRate === learningRate)) continue;
    progress.candidates.push(await tryCandidate(learningRate));
    await state.write(loss, progress);
  }
  for (;;) {
    const best = ranked(progress.candidates)[0];
    if (!best)
      throw new OneLogitError(
        notFinite,
        `Expected a learning rate that ${loss} can be trained with but each of ${learningRates.join(', ')} ended in a loss that is not finite`,
      );
    const outcome = await train(best.learningRate);
    if ('value' in outcome) return outcome.value;
    // Good enough in the short search, not in the long run: out as well, the next best takes its place.
    delete best.accuracy;
    best.out = outcome.reason;
    onNote(`${loss}: learning rate ${best.learningRate} is out (${outcome.reason})`);
    await state.dropCheckpoint(loss);
    await state.write(loss, progress);
  }
}
