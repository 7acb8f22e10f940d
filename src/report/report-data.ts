/** What a report's page is told, from what was evaluated. */
import type { Evaluation } from '../evaluate.js';
import type { NativeCurve, NativeEvaluationDetails, NativeHistogram } from '../native-model.js';
import { jsonInScript } from './html.js';
import type { ClassData, CurveData, HistogramData, ReportData } from './page/report-data.js';

/** Bytes in the file for all classes together: what does not fit is left out, the hardest classes come first. */
const mostBytes = 2_000_000;

const bytesOf = (value: unknown) => Buffer.byteLength(jsonInScript(value));

const largestFloat = 3.4028234663852886e38;

/** The shortest decimal that is this float32 again. JSON has no infinities: the largest float stands for them. */
export function shortest(value: number): number {
  const float = Math.max(-largestFloat, Math.min(largestFloat, value));
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) return short;
  }
  return Number(float.toPrecision(9));
}

const differences = (values: Float64Array) => Array.from(values, (value, i) => value - (i > 0 ? values[i - 1]! : 0));

function curveData({ thresholds, truePositives, falsePositives }: NativeCurve): CurveData {
  return [Array.from(thresholds, shortest), differences(truePositives), differences(falsePositives)];
}

function histogramData(counts: Float64Array): HistogramData {
  const first = counts.findIndex((count) => count > 0);
  if (first < 0) return [0, []];
  return [first, Array.from(counts.subarray(first, counts.findLastIndex((count) => count > 0) + 1))];
}

const sum = (counts: Float64Array) => counts.reduce((total, count) => total + count, 0);

function distributions({ trueCounts, falseCounts }: NativeHistogram) {
  return { positives: sum(trueCounts), negatives: sum(falseCounts), right: histogramData(trueCounts), wrong: histogramData(falseCounts) };
}

/**
 * @param thresholds - of each class, if the model has been calibrated and they are about these scores
 * @param fallback - whether it leans on all classes together, for each class; undefined if that is not known
 */
export function reportData(
  evaluation: Evaluation,
  details: NativeEvaluationDetails,
  thresholds: Float32Array | undefined,
  fallback: readonly boolean[] | undefined,
): ReportData {
  const { perClass, pooled } = evaluation;
  const { atThresholds } = details;
  const classes: ClassData[] = [];
  let bytes = 0;
  const counted = new Set<number>();
  for (const one of details.classes) {
    const { name, averagePrecision, precisionAt90, precisionAt99 } = perClass[one.class]!;
    const data: ClassData = {
      class: one.class,
      ...(name === undefined ? {} : { name }),
      ...distributions(one.histogram),
      averagePrecision: averagePrecision!,
      precisionAt90: precisionAt90!,
      precisionAt99: precisionAt99!,
      curve: curveData(one.curve),
      confusions: one.confusions.map(({ wrong, examples }) => [wrong, examples] as const),
      ...(thresholds && atThresholds
        ? {
            threshold: {
              value: shortest(thresholds[one.class]!),
              truePositives: atThresholds.truePositives[one.class]!,
              falsePositives: atThresholds.falsePositives[one.class]!,
              ...(fallback?.[one.class] ? { fallback: true as const } : {}),
            },
          }
        : {}),
    };
    bytes += bytesOf(data);
    // The names of classes that beat it, unless they are there already.
    for (const [wrong] of data.confusions)
      if (!counted.has(wrong)) {
        counted.add(wrong);
        bytes += bytesOf({ [wrong]: perClass[wrong]!.name });
      }
    if (bytes > mostBytes) break;
    classes.push(data);
  }
  const included = new Set(classes.map((one) => one.class));
  const mentioned = classes.flatMap(({ confusions }) => confusions.map(([wrong]) => wrong));
  const names = Object.fromEntries(
    mentioned.flatMap((one) => (included.has(one) || perClass[one]!.name === undefined ? [] : [[String(one), perClass[one]!.name]])),
  );
  return {
    scores: evaluation.scores,
    examples: evaluation.examples,
    classes: evaluation.classes,
    classesWithPositives: evaluation.classesWithPositives,
    edges: Array.from(details.edges, shortest),
    pooled: {
      ...distributions(details.pooled.histogram),
      averagePrecision: 1 - pooled.oneMinusAuprc,
      precisionAt90: 1 - pooled.oneMinusPrecisionAt90,
      precisionAt99: 1 - pooled.oneMinusPrecisionAt99,
      curve: curveData(details.pooled.curve),
    },
    perClass: classes,
    names,
  };
}
