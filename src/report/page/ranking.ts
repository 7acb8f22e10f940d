/** A ranking as figures need it: what reaches each threshold. */
import type { HistogramData, RankingData } from './report-data.js';

/** A threshold, and what has a score of at least that. */
export interface Reading {
  readonly threshold: number;
  readonly truePositives: number;
  readonly falsePositives: number;
}

export interface CurvePoint extends Reading {
  readonly recall: number;
  readonly precision: number;
}

export class Ranking {
  readonly positives: number;
  readonly negatives: number;
  /** Of each bin. */
  readonly right: readonly number[];
  readonly wrong: readonly number[];
  /** Recall ascends. */
  readonly curve: readonly CurvePoint[];
  readonly #readings: readonly Reading[];

  constructor(
    readonly data: RankingData,
    readonly edges: readonly number[],
  ) {
    this.positives = data.positives;
    this.negatives = data.negatives;
    this.right = this.#allBins(data.right);
    this.wrong = this.#allBins(data.wrong);
    const [thresholds, right, wrong] = data.curve;
    let [truePositives, falsePositives] = [0, 0];
    this.curve = thresholds.map((threshold, i) => {
      truePositives += right[i]!;
      falsePositives += wrong[i]!;
      const precision = truePositives / (truePositives + falsePositives);
      return { threshold, truePositives, falsePositives, recall: truePositives / this.positives, precision };
    });
    const readings: Reading[] = [];
    let [rightAbove, wrongAbove] = [0, 0];
    for (let bin = edges.length - 1; bin >= 0; bin--) {
      rightAbove += this.right[bin] ?? 0;
      wrongAbove += this.wrong[bin] ?? 0;
      readings[bin] = { threshold: edges[bin]!, truePositives: rightAbove, falsePositives: wrongAbove };
    }
    this.#readings = readings;
  }

  #allBins([first, counts]: HistogramData): number[] {
    const bins = new Array<number>(this.edges.length - 1).fill(0);
    for (const [i, count] of counts.entries()) bins[first + i] = count;
    return bins;
  }

  /** At the lower bound of bin `index`; of as many as there are bins: at the upper bound of the last. */
  reading(index: number): Reading {
    return this.#readings[index]!;
  }

  /** At the highest threshold that reaches this recall. */
  atRecall(recall: number): CurvePoint {
    return this.curve.find((point) => point.recall >= recall) ?? this.curve.at(-1)!;
  }

  recall({ truePositives }: Reading): number {
    return truePositives / this.positives;
  }

  /** Null where nothing reaches the threshold. */
  precision({ truePositives, falsePositives }: Reading): number | null {
    return truePositives + falsePositives > 0 ? truePositives / (truePositives + falsePositives) : null;
  }

  /** Share of the wrong ones that reach the threshold; null without any. */
  falsePositiveRate({ falsePositives }: Reading): number | null {
    return this.negatives > 0 ? falsePositives / this.negatives : null;
  }
}
