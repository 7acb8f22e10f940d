/** How the true and the false logits of a network are distributed: what the paper's Figure 2 illustrates. */
import { metrics } from '../index.js';

export interface LogitDistribution {
  /** Bounds of the bins, ascending, one more than there are bins; equal widths from the least to the greatest logit. */
  edges: number[];
  /** Logits in each bin: of an example's own class, and of every other class. A bin has its lower bound; the last one both. */
  trueCounts: number[];
  falseCounts: number[];
  trueLogits: number;
  falseLogits: number;
  leastTrue: number;
  greatestFalse: number;
  /** Share of all pairs of a true and a false logit, of whatever examples, whose true one is not the greater. */
  misorderedPairs: number;
}

/**
 * @param logits examples × classes, row-major
 * @param labels class of each example
 */
export function logitDistribution(logits: Float32Array, labels: Int32Array, classes: number, bins: number): LogitDistribution {
  let [least, greatest] = [Infinity, -Infinity];
  for (const logit of logits) {
    least = Math.min(least, logit);
    greatest = Math.max(greatest, logit);
  }
  const width = (greatest - least) / bins;
  const trueCounts = new Array<number>(bins).fill(0);
  const falseCounts = new Array<number>(bins).fill(0);
  let [leastTrue, greatestFalse] = [Infinity, -Infinity];
  for (const [example, label] of labels.entries())
    for (let c = 0; c < classes; c++) {
      const logit = logits[example * classes + c]!;
      const bin = width > 0 ? Math.min(bins - 1, Math.floor((logit - least) / width)) : 0;
      if (c === label) {
        trueCounts[bin]!++;
        leastTrue = Math.min(leastTrue, logit);
      } else {
        falseCounts[bin]!++;
        greatestFalse = Math.max(greatestFalse, logit);
      }
    }
  return {
    edges: Array.from({ length: bins + 1 }, (_, i) => (i === bins ? greatest : least + i * width)),
    trueCounts,
    falseCounts,
    trueLogits: labels.length,
    falseLogits: labels.length * (classes - 1),
    leastTrue,
    greatestFalse,
    misorderedPairs: metrics.separation(logits, labels, classes).misordered,
  };
}
