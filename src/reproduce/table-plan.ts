/** The parts of Tables I and II, with the seconds that they take at a rate of 10¹¹ operations a second. */
import type { Recipe } from './recipe.js';
import type { LossResult, LossState } from './state.js';

/** `search 0.1` and so on, then `train`, then `evaluate`: with one logit and with all. */
export type TablePart = `search ${number}` | 'train' | 'evaluate';

/** Multiply-adds of a forward pass of one example, about. */
const forward: Record<Recipe['network'], number> = { mlp: 0.65e6, cnn: 0.49e9, inceptionV3: 5.7e9 };
const operationsPerSecond = 1e11;
/** Of a step beside its products. */
const restOfStep = 0.0005;

/** The parts of one loss, in order, with their seconds. */
export function tablePartsOf(
  recipe: Recipe,
  { trainExamples, testExamples }: { trainExamples: number; testExamples: number },
): [TablePart, number][] {
  const example = (2 * forward[recipe.network]) / operationsPerSecond;
  // Backward takes twice as many operations as forward.
  const step = recipe.batchSize * 3 * example + restOfStep;
  const candidate = step * recipe.searchSteps + trainExamples * recipe.validationFraction * example;
  const searched = recipe.learningRates.length > 1 ? recipe.learningRates : [];
  return [
    ...searched.map((rate): [TablePart, number] => [`search ${rate}`, candidate]),
    ['train', step * recipe.steps],
    ['evaluate', 2 * testExamples * example],
  ];
}

/** The parts that are done. */
export function tablePartsDone({ candidates, result }: LossState<Recipe, LossResult>): TablePart[] {
  return [
    ...candidates.map(({ learningRate }): TablePart => `search ${learningRate}`),
    ...(result ? (['train', 'evaluate'] as const) : []),
  ];
}
