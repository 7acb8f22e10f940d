/** The values of the losses in plain float64, from their definitions, for finite differences. */
import type { Loss } from '../../src/index.js';

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const logSumExp = (z: number[]) => {
  const top = Math.max(...z);
  return top + Math.log(z.reduce((sum, x) => sum + Math.exp(x - top), 0));
};

/** nce's q, where it is a formula. */
export function noiseDistribution(noise: 'uniform' | 'log-uniform', k: number): number[] {
  return Array.from({ length: k }, (_, j) => (noise === 'uniform' ? 1 / k : Math.log((j + 2) / (j + 1)) / Math.log(k + 1)));
}

function largestFalse(row: number[], label: number): number {
  return Math.max(...row.filter((_, j) => j !== label));
}

function exampleValue(loss: Loss, row: number[], label: number): number {
  const truth = row[label]!;
  switch (loss.name) {
    case 'cross-entropy':
      return logSumExp(row) - truth;
    case 'self-normalization':
      return logSumExp(row) - truth + loss.alpha * logSumExp(row) ** 2;
    case 'max-margin':
    case 'batch-max-margin':
      return Math.max(0, loss.margin - truth + largestFalse(row, label));
    case 'binary-cross-entropy':
      return row.reduce((sum, z, j) => sum + softplus(j === label ? -z : z), 0);
    case 'nce': {
      const t = loss.noiseRatio ?? row.length;
      const q = noiseDistribution(loss.noise as 'uniform' | 'log-uniform', row.length);
      const x = row.map((z, j) => z - Math.log(t * q[j]!));
      return softplus(-x[label]!) + t * x.reduce((sum, shifted, j) => sum + q[j]! * softplus(shifted), 0);
    }
    default:
      throw new Error(loss.name);
  }
}

/** Value of a loss (not sampled) on logits m×k in float64. */
export function lossValue(loss: Loss, logits: number[], labels: ArrayLike<number>, classes: number): number {
  const rows = Array.from(labels, (_, i) => logits.slice(i * classes, (i + 1) * classes));
  const truths = rows.map((row, i) => row[labels[i]!]!);
  const m = rows.length;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / m;
  if (loss.name === 'batch-cross-entropy') return logSumExp(logits) - mean(truths) - Math.log(m);
  const perExample = rows.map((row, i) => exampleValue(loss, row, labels[i]!));
  if (loss.name === 'batch-max-margin') {
    const highest = Math.max(...rows.map((row, i) => largestFalse(row, labels[i]!)));
    return mean(perExample) + Math.max(0, loss.margin - Math.min(...truths) + highest) / m;
  }
  return loss.reduction === 'sum' ? m * mean(perExample) : mean(perExample);
}
