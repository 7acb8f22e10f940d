/** `model.evaluate`: single-logit ranking metrics as in the paper's tables. */
import { checkCallback, checkInteger, checkOneOf, checkOptions } from './check.js';
import { decodeNames } from './class-names.js';
import { checkDataset, type Dataset, inputKind } from './dataset.js';
import { checkSignal, runJob, type ShareCallback, withProgress } from './job.js';
import { idleNativeOf, type ModelState } from './model-state.js';
import type { NativeClassMetrics, NativeRanking } from './native-model.js';
import type { ReportOptions } from './report/report.js';
import { checkSameClasses } from './same-classes.js';
import { Sources } from './source.js';

/** What examples are ranked by, for each class: its logit alone (the paper's Table I), or its softmax probability (Table II). */
export type Scores = 'single-logit' | 'softmax';

/** Options of {@link Model.evaluate}. */
export interface EvaluateOptions {
  /** Default `'single-logit'`. */
  scores?: Scores | undefined;
  /**
   * For `pooled`: how many wrong classes of each example are ranked, drawn with replacement, each standing for as many as it takes to
   * estimate the ranking of all. Default `'all'`, which is exact and costs nothing more.
   */
  negatives?: number | 'all' | undefined;
  /** Of the draws. Default 1. */
  seed?: number | undefined;
  /**
   * Also writes a report as one HTML file to this path: distributions of scores with a threshold to move, precision-recall curves, the hardest
   * classes, the most confused pairs. Needs the package uplot.
   */
  report?: string | ReportOptions | undefined;
  /** Called a few times a second. What it throws ends the evaluation and rejects. */
  onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  /** Rejects with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** What {@link EvaluateOptions.onProgress} receives. */
export interface EvaluationProgress {
  /** From 0 to 1, by examples that the network and each pass over the scores have seen. */
  readonly share: number;
}

/** The ranking of all examples by the score of one class. The measures are null for a class without examples. */
export interface ClassEvaluation {
  readonly class: number;
  /** If the model has names, or the dataset one for each of its classes. */
  readonly name?: string;
  /** Examples of the class. */
  readonly positives: number;
  readonly averagePrecision: number | null;
  /** Precision at the highest threshold whose recall is at least 0.9; the next one: 0.99. */
  readonly precisionAt90: number | null;
  readonly precisionAt99: number | null;
}

/** Measures of a ranking, subtracted from 1: lower is better. */
export interface RankingErrors<T = number> {
  /** 1 − average precision (the area under the precision-recall curve). */
  readonly oneMinusAuprc: T;
  /** 1 − precision at the highest threshold whose recall is at least 0.9. */
  readonly oneMinusPrecisionAt90: T;
  /** The same at a recall of 0.99. */
  readonly oneMinusPrecisionAt99: T;
}

/**
 * What {@link Model.evaluate} resolves to. Its own averages are macro averages over the classes that occur. Classes in `alsoCorrect` of the
 * dataset are neither right nor wrong in any of it.
 */
export interface Evaluation extends RankingErrors {
  readonly examples: number;
  readonly classes: number;
  /** The training loss's name; null for a model that was never fitted. */
  readonly loss: string | null;
  /** What was ranked by. */
  readonly scores: Scores;
  /** Share of examples whose largest score is the label's. */
  readonly accuracy: number;
  /** Classes that occur in these examples, and so are in the averages. */
  readonly classesWithPositives: number;
  readonly classesWithoutPositives: number;
  /** Share of (true score, false score) pairs, over all examples, with true ≤ false: 0 if the scores separate. */
  readonly misorderedPairs: number;
  /** Whether the Principle of Logit Separation holds: every true score above every false one. */
  readonly separationHolds: boolean;
  /** Macro averages over the classes with at least five examples; null if there are none. */
  readonly atLeastFivePositives: RankingErrors<number | null> & { readonly classes: number };
  /** All (example, class) pairs in one ranking: whether one threshold serves all classes. */
  readonly pooled: RankingErrors & {
    readonly negativesPerExample: number | 'all';
    /** Wrong pairs that were ranked. */
    readonly negatives: number;
  };
  /** One element for each class, in their order. */
  readonly perClass: readonly ClassEvaluation[];
}

/** The draws of a block of examples are in memory at once. */
const largestNegatives = 1 << 16;

const noRankingErrors = { oneMinusAuprc: null, oneMinusPrecisionAt90: null, oneMinusPrecisionAt99: null };

function rankingErrors({ averagePrecision, precisionAt90, precisionAt99 }: NativeRanking): RankingErrors {
  return {
    oneMinusAuprc: 1 - averagePrecision,
    oneMinusPrecisionAt90: 1 - precisionAt90,
    oneMinusPrecisionAt99: 1 - precisionAt99,
  };
}

/** Evaluates; see {@link Model.evaluate}. */
export async function evaluateModel(state: ModelState, dataset: Dataset, options: EvaluateOptions | undefined): Promise<Evaluation> {
  const what = 'model.evaluate';
  const native = idleNativeOf(state, what);
  const given = checkOptions(options, ['scores', 'negatives', 'seed', 'report', 'onProgress', 'signal'], what);
  const scores = given.scores === undefined ? 'single-logit' : checkOneOf(given.scores, ['single-logit', 'softmax'], `scores of ${what}`);
  const negatives =
    given.negatives === undefined || given.negatives === 'all'
      ? 'all'
      : checkInteger(given.negatives, `negatives of ${what}`, 1, largestNegatives);
  const seed = given.seed === undefined ? 1 : checkInteger(given.seed, `seed of ${what}`);
  const kind = inputKind(state.layers);
  const checked = checkDataset(dataset, 'dataset', { inputShape: state.inputShape, classes: native.classes, kind });
  const sources = new Sources(kind);
  const signal = checkSignal(given.signal, what);
  const onProgress = checkCallback<ShareCallback>(given.onProgress, `onProgress of ${what}`);
  const loss = state.loss?.name ?? null;
  const modelNames = state.encodedNames && decodeNames(state.encodedNames);
  checkSameClasses(modelNames, checked);
  // As they are now: the caller may change the dataset while this goes on.
  const names = modelNames ?? (checked.classes === native.classes ? checked.classNames?.slice() : undefined);
  // Now: what is missing should not be learnt after the work.
  const report =
    given.report === undefined
      ? undefined
      : await (await import('./report/report.js')).prepareReport(given.report, native.classes, `report of ${what}`);
  const wanted = report && {
    details: true,
    // They are thresholds on logits.
    ...(report.thresholds && scores === 'single-logit' ? { thresholds: report.thresholds } : {}),
  };
  const start = () =>
    idleNativeOf(state, what).evaluate(
      { ...sources.native(checked, 'dataset'), ...(checked.alsoCorrect ? { alsoCorrect: checked.alsoCorrect } : {}) },
      { scores: scores === 'softmax' ? 'softmax' : 'logits', seed, ...(negatives === 'all' ? {} : { negatives }), ...wanted },
    );
  const result = await runJob(() => withProgress(start(), onProgress), sources, signal, what);
  const evaluation: Evaluation = {
    examples: result.examples,
    classes: result.classes,
    loss,
    scores,
    accuracy: result.accuracy,
    ...rankingErrors(result.occurring),
    classesWithPositives: result.occurring.classes,
    classesWithoutPositives: result.classesWithoutPositives,
    misorderedPairs: result.misordered,
    separationHolds: result.separationHolds,
    atLeastFivePositives: {
      classes: result.atLeastFivePositives.classes,
      ...(result.atLeastFivePositives.classes > 0 ? rankingErrors(result.atLeastFivePositives) : noRankingErrors),
    },
    pooled: { negativesPerExample: negatives, negatives: result.pooled.negatives, ...rankingErrors(result.pooled) },
    perClass: perClass(result.perClass, names),
  };
  await report?.write(evaluation, result.details!, { state, native, seed });
  return evaluation;
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
