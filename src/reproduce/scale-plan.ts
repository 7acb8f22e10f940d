/**
 * How far a whole run is: its parts with the seconds that they take on a machine like the one the constants were measured on. What
 * they take here is learnt from the parts that have ended.
 */
import type { LossName } from './paper.js';
import { type ScaleRecipe, scaleTasks } from './scale-recipe.js';

/** `search 0.001` and so on, then `train`, then one for each way to score. */
export type Part = `search ${number}` | 'train' | 'single-logit' | 'softmax';

const operationsPerSecond = 1.6e11;
/** Seconds of a step beside its last layer. */
const restOfStep = 0.003;
/** Of evaluation, for each example and class: the score, and where it falls among the thresholds. Softmax takes about twice that. */
const secondsPerScore = 8e-9;
/** Cost of a step's last layer as multiples of 6mkd operations. */
const lastLayer: Record<LossName, number> = {
  'cross-entropy': 1.3,
  'max-margin': 0.35,
  'self-normalization': 1.3,
  nce: 0.02,
  'binary-cross-entropy': 1,
  'batch-cross-entropy': 1,
  'batch-max-margin': 0.35,
};

/** The parts of one loss of one task, in order, with their seconds. */
export function partsOf(loss: LossName, recipe: ScaleRecipe, testExamples: number): [Part, number][] {
  const { about } = scaleTasks[recipe.dataset];
  const width = recipe.hidden.at(-1)!;
  const step = (lastLayer[loss] * 6 * recipe.batchSize * about.classes * width) / operationsPerSecond + restOfStep;
  const scores = Math.min(testExamples, about.testExamples) * about.classes * secondsPerScore;
  return [
    ...recipe.learningRates.map((rate): [Part, number] => [`search ${rate}`, step * recipe.searchSteps]),
    ['train', step * recipe.steps],
    ['single-logit', scores],
    ['softmax', 2 * scores],
  ];
}

export class Plan {
  readonly #left = new Map<string, number>();
  #total = 0;
  /** Of the parts that have ended in this run: expected and real seconds. */
  #expected = 0;
  #real = 0;
  #current: { key: string; expected: number; began: number } | undefined;

  constructor(readonly now: () => number = () => performance.now() / 1000) {}

  add(key: string, seconds: number): void {
    this.#left.set(key, seconds);
    this.#total += seconds;
  }

  /** What is done by an earlier run; it teaches nothing. */
  skip(key: string): void {
    this.#left.delete(key);
  }

  begin(key: string): void {
    this.end();
    this.#current = { key, expected: this.#left.get(key) ?? 0, began: this.now() };
  }

  end(): void {
    if (!this.#current) return;
    const { key, expected, began } = this.#current;
    if (expected > 0) {
      this.#expected += expected;
      this.#real += this.now() - began;
    }
    this.#left.delete(key);
    this.#current = undefined;
  }

  /**
   * Share of the run that is done, and seconds that are left of it.
   *
   * @param part how far the current part is, if that is known: its share that is done, and the seconds that it says are left
   */
  state(part?: { share: number; secondsLeft: number }): { done: number; total: number; secondsLeft: number } {
    const { key, expected, began } = this.#current ?? { key: '', expected: 0, began: this.now() };
    let others = 0;
    for (const [other, seconds] of this.#left) if (other !== key) others += seconds;
    const elapsed = this.now() - began;
    // The current part teaches as far as it is: the first one of a run is the only one there is.
    const [expectedSoFar, realSoFar] = part ? [this.#expected + part.share * expected, this.#real + elapsed] : [this.#expected, this.#real];
    const pace = expectedSoFar > 0 && realSoFar > 0 ? realSoFar / expectedSoFar : 1;
    const { share, secondsLeft } = part ?? {
      share: expected > 0 ? Math.min(1, elapsed / (expected * pace)) : 0,
      secondsLeft: Math.max(0, expected * pace - elapsed),
    };
    return { done: this.#total - others - (1 - share) * expected, total: this.#total, secondsLeft: others * pace + secondsLeft };
  }
}
