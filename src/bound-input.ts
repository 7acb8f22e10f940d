/** {@link BoundInput}: one example, prepared for many questions. */
import { typedArrayLength } from './check.js';
import { OneLogitError } from './errors.js';
import type { NativeBound } from './native-classifier.js';
import { checkClassId, checkClassIds, type ScoredShape, scoresArray, toClassIds, unexplained } from './scores.js';

/** What a bound input needs of its classifier. */
export interface BoundOwner extends ScoredShape {
  readonly disposed: boolean;
  /** Whether somebody has asked for matches before. */
  readonly matching: boolean;
  /** At the first answer to whether something matches: warns if the loss was not made for it. */
  startMatching(): void;
}

/**
 * One example whose features were computed once: each question after that is one dot product. Made by `slc.bind`, it keeps the weights
 * and thresholds it was made with, whatever is reloaded.
 */
export class BoundInput {
  readonly #score: NativeBound;
  readonly #owner: BoundOwner;

  /** @internal */
  constructor(score: NativeBound, owner: BoundOwner) {
    this.#score = score;
    this.#owner = owner;
  }

  /**
   * The logit of one class.
   *
   * @throws TypeError or RangeError for anything but an integer in [0, classes); `ERR_ONELOGIT_DISPOSED` after the classifier's `dispose`
   */
  score(classId: number): number {
    const logit = this.#score(classId);
    if (logit !== undefined) return logit;
    throw this.#refused('score', () => checkClassId(classId, this.#owner, 'score'));
  }

  /**
   * Whether the logit reaches the class's calibrated threshold.
   *
   * @throws as {@link BoundInput.score}; `ERR_ONELOGIT_NOT_CALIBRATED` without thresholds
   */
  matches(classId: number): boolean {
    const matches = this.#score(classId, true);
    if (matches !== undefined) {
      if (!this.#owner.matching) this.#owner.startMatching();
      return matches;
    }
    throw this.#refused('matches', () => {
      checkClassId(classId, this.#owner, 'matches');
      throw notCalibratedError('matches');
    });
  }

  /** The logits of several classes, written to `out` (as long as `classIds`) or a new array. */
  scoreMany(classIds: Int32Array | readonly number[], out?: Float32Array): Float32Array {
    const ids = toClassIds(classIds, this.#owner, 'scoreMany');
    const scores = scoresArray(out, typedArrayLength(ids), 'scoreMany');
    if (this.#score(ids, scores)) return scores;
    throw this.#refused('scoreMany', () => checkClassIds(ids, this.#owner, 'scoreMany'));
  }

  #refused(what: string, check: () => unknown): Error {
    if (this.#owner.disposed) return disposedError(what);
    check();
    return unexplained(what);
  }
}

/** For a question that needs thresholds. */
export function notCalibratedError(what: string): OneLogitError {
  return new OneLogitError(
    'ERR_ONELOGIT_NOT_CALIBRATED',
    `Expected a calibrated classifier for ${what} but received one without thresholds: call calibrate(dataset, { recall: 0.9 }) first`,
  );
}

/** For a call on a classifier that is no more. */
export function disposedError(what: string): OneLogitError {
  return new OneLogitError('ERR_ONELOGIT_DISPOSED', `Expected a classifier in use for ${what} but received one that was disposed of`);
}
