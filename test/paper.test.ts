import { describe, expect, it } from 'vitest';
import { lossNames as allLosses, losses } from '../src/losses.js';
import {
  aligned,
  lossNames,
  meanMeasures,
  meanRelativeImprovement,
  measureNames,
  type PaperDataset,
  table1,
  table2,
} from '../src/reproduce/paper.js';

it('knows every loss, and which are aligned', () => {
  expect([...lossNames].sort()).toEqual([...allLosses].sort());
  expect(aligned).toEqual(lossNames.filter((name) => losses.byName(name).aligned));
});

const datasets = Object.keys(table1) as PaperDataset[];

describe('the paper’s tables', () => {
  it('have a row for every loss', () => {
    for (const dataset of datasets.filter((name) => name !== 'imagenet'))
      expect(Object.keys(table1[dataset].losses)).toEqual([...lossNames]);
    expect(Object.keys(table1.imagenet.losses)).toEqual(['cross-entropy', 'batch-cross-entropy']);
  });

  // The printed rows are rounded to three decimals, so the row derived from them is only near the printed one.
  it.each(datasets)('%s: our definition of the mean relative improvement gives the printed row', (dataset) => {
    const { losses, printedImprovement } = table1[dataset];
    const ours = meanRelativeImprovement(losses)!;
    for (const name of measureNames) expect(Math.abs(ours[name] - printedImprovement[name])).toBeLessThan(0.005);
  });

  it.each(datasets)('%s: Table II repeats Table I’s batch cross-entropy and the mean of its aligned losses', (dataset) => {
    const { losses } = table1[dataset];
    expect(table2[dataset].batchCrossEntropy).toEqual(losses['batch-cross-entropy']);
    const { meanAligned } = table2[dataset];
    if (!meanAligned) return;
    const mean = meanMeasures(aligned.map((name) => losses[name]!));
    for (const name of measureNames) expect(Math.abs(mean[name] - meanAligned[name])).toBeLessThan(0.001);
  });
});

describe('meanRelativeImprovement', () => {
  it('needs a loss of either kind', () => {
    const row = table1.mnist.losses.nce!;
    expect(meanRelativeImprovement({ nce: row })).toBeUndefined();
    expect(meanRelativeImprovement({ 'max-margin': row })).toBeUndefined();
    expect(meanRelativeImprovement({ 'max-margin': row, nce: row })).toEqual({
      oneMinusAuprc: 0,
      oneMinusPrecisionAt90: 0,
      oneMinusPrecisionAt99: 0,
    });
  });
});
