/**
 * What a report's page is told: JSON inside the file. Counts and thresholds are exact; what was left out to keep the file small is said where
 * it is.
 */

/**
 * Points of a precision-recall curve from the highest threshold down. Of the examples with a score of at least `thresholds[i]`, as many are
 * of the class, or not, as the first i + 1 numbers of the other arrays are together.
 */
export type CurveData = readonly [thresholds: readonly number[], truePositives: readonly number[], falsePositives: readonly number[]];

/** Counts of the bins from `first` on; those before and after hold nothing. */
export type HistogramData = readonly [first: number, counts: readonly number[]];

/** A ranking of examples (or of example-class pairs): how the scores of right and wrong ones are distributed. */
export interface RankingData {
  readonly positives: number;
  readonly negatives: number;
  readonly averagePrecision: number;
  readonly precisionAt90: number;
  readonly precisionAt99: number;
  readonly curve: CurveData;
  readonly right: HistogramData;
  readonly wrong: HistogramData;
}

/** A threshold from the model's file, and what reaches it here. */
export interface ThresholdData {
  readonly value: number;
  readonly truePositives: number;
  readonly falsePositives: number;
  /** There were too few examples for one of its own: it leans on all classes together. */
  readonly fallback?: true;
}

export interface ClassData extends RankingData {
  readonly class: number;
  readonly name?: string;
  /** Wrong classes whose score is above the right one's, and in how many examples; the most frequent ones. */
  readonly confusions: readonly (readonly [wrong: number, examples: number])[];
  readonly threshold?: ThresholdData;
}

export interface ReportData {
  readonly scores: 'single-logit' | 'softmax';
  readonly examples: number;
  readonly classes: number;
  /** Of those, the ones that occur; `perClass` has so many at most. */
  readonly classesWithPositives: number;
  /** Bounds of the bins of all histograms, ascending: bin b holds scores from edges[b] to just below edges[b + 1]. */
  readonly edges: readonly number[];
  /** All (example, class) pairs in one ranking. */
  readonly pooled: RankingData & { readonly threshold?: undefined };
  /** Of the lowest average precision first; not all classes if there are many. */
  readonly perClass: readonly ClassData[];
  /** Names of other classes that are mentioned. */
  readonly names: Readonly<Record<string, string>>;
}
