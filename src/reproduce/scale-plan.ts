/** The parts of a run with very many classes, with the seconds that they take on a machine like the one the constants were measured on. */
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
