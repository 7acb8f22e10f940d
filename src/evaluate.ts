/** `model.evaluate`: single-logit ranking metrics as in the paper's tables. */
import { checkOneOf, checkOptions } from './check.js';
import { decodeNames } from './class-names.js';
import { checkDataset, type Dataset } from './dataset.js';
import { checkSignal, runJob } from './job.js';
import { idleNativeOf, type ModelState } from './model-state.js';
import type { NativeClassMetrics } from './native-model.js';
import { Sources } from './source.js';

/** What examples are ranked by, for each class: its logit alone (the paper's Table I), or its softmax probability (Table II). */
export type Scores = 'single-logit' | 'softmax';

/** Options of {@link Model.evaluate}. */
export interface EvaluateOptions {
  /** Default `'single-logit'`. */
  scores?: Scores | undefined;
  /** Rejects with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** The ranking of all examples by the score of one class. The measures are null for a class without examples. */
export interface ClassEvaluation {
  readonly class: number;
  readonly name?: string;
  readonly positives: number;
  readonly averagePrecision: number | null;
  readonly precisionAt90: number | null;
  readonly precisionAt99: number | null;
}

/** What {@link Model.evaluate} resolves to. Averages are macro averages over the classes that occur. */
export interface Evaluation {
  readonly examples: number;
  readonly classes: number;
  /** The training loss's name; null for a model that was never fitted. */
  readonly loss: string | null;
  readonly scores: Scores;
  /** Share of examples whose largest score is the label's. */
  readonly accuracy: number;
  /** 1 − average precision (the area under the precision-recall curve). */
  readonly oneMinusAuprc: number;
  /** 1 − precision at the highest threshold whose recall is at least 0.9. */
  readonly oneMinusPrecisionAt90: number;
  /** The same at a recall of 0.99. */
  readonly oneMinusPrecisionAt99: number;
  readonly classesWithoutPositives: number;
  /** Share of (true score, false score) pairs, over all examples, with true ≤ false: 0 if the scores separate. */
  readonly misorderedPairs: number;
  /** Whether the Principle of Logit Separation holds: every true score above every false one. */
  readonly separationHolds: boolean;
  readonly perClass: readonly ClassEvaluation[];
}

/** Evaluates; see {@link Model.evaluate}. */
export async function evaluateModel(state: ModelState, dataset: Dataset, options: EvaluateOptions | undefined): Promise<Evaluation> {
  const what = 'model.evaluate';
  const native = idleNativeOf(state, what);
  const given = checkOptions(options, ['scores', 'signal'], what);
  const scores = given.scores === undefined ? 'single-logit' : checkOneOf(given.scores, ['single-logit', 'softmax'], `scores of ${what}`);
  const checked = checkDataset(dataset, 'dataset', { inputShape: state.inputShape, classes: native.classes });
  const sources = new Sources();
  const loss = state.loss?.name ?? null;
  const result = await runJob(
    () => native.evaluate(sources.native(checked, 'dataset'), scores === 'softmax' ? 'softmax' : 'logits'),
    sources,
    checkSignal(given.signal, what),
    what,
  );
  return {
    examples: result.examples,
    classes: result.classes,
    loss,
    scores,
    accuracy: result.accuracy,
    oneMinusAuprc: 1 - result.averagePrecision,
    oneMinusPrecisionAt90: 1 - result.precisionAt90,
    oneMinusPrecisionAt99: 1 - result.precisionAt99,
    classesWithoutPositives: result.classesWithoutPositives,
    misorderedPairs: result.misordered,
    separationHolds: result.separationHolds,
    perClass: perClass(result.perClass, state.encodedNames ? decodeNames(state.encodedNames) : undefined),
  };
}

function perClass(metrics: NativeClassMetrics, names: readonly string[] | undefined): ClassEvaluation[] {
  return Array.from(metrics.positives, (positives, index) => {
    const measure = (values: Float64Array): number | null => (positives > 0 ? (values[index] as number) : null);
    return {
      class: index,
      ...(names ? { name: names[index] as string } : {}),
      positives,
      averagePrecision: measure(metrics.averagePrecision),
      precisionAt90: measure(metrics.precisionAt90),
      precisionAt99: measure(metrics.precisionAt99),
    };
  });
}
