/**
 * The rows of Tables I and II, ours beside the paper's.
 */
import {
  aligned,
  type LossName,
  lossNames,
  type Measures,
  meanMeasures,
  meanRelativeImprovement,
  measureNames,
  measureTitles,
  notAligned,
  type PaperDataset,
  table1,
  table2,
} from './paper.js';
import type { LossResult } from './state.js';
import { type TableDataset, tableTasks } from './table-datasets.js';

export type TableName = 'table1' | 'table2';
export type LossResults = Partial<Record<LossName, LossResult>>;

export interface TableRow {
  label: string;
  ours: Measures | undefined;
  /** Undefined where the paper has no such row, or no such data set. */
  paper: Measures | undefined;
  /** Relative improvements: shares, shown as percentages. */
  relative?: boolean;
}

/** Whose rows of the paper stand beside those of a data set. */
function paperDataset(name: string): PaperDataset | undefined {
  return Object.hasOwn(tableTasks, name) ? tableTasks[name as TableDataset].paper : undefined;
}

/** Table I: one row a loss, and the mean relative improvement. */
export function table1Rows(dataset: string, results: LossResults): TableRow[] {
  const own = paperDataset(dataset);
  const paper = own && table1[own];
  const ours = Object.fromEntries(Object.entries(results).map(([loss, result]) => [loss, result.singleLogit]));
  return [
    ...lossNames
      .filter((loss) => results[loss])
      .map((loss) => ({ label: loss, ours: results[loss]!.singleLogit as Measures, paper: paper?.losses[loss] })),
    { label: 'mean relative improvement', ours: meanRelativeImprovement(ours), paper: paper?.printedImprovement, relative: true },
  ];
}

/** Differences below this are called level: another seed changes as much, or more. */
const level = 0.01;

/** Whether the aligned losses beat the others on average, measure by measure. Undefined without a loss of either kind. */
export function table1Verdict(results: LossResults): string | undefined {
  const improvement = meanRelativeImprovement(
    Object.fromEntries(Object.entries(results).map(([loss, result]) => [loss, result.singleLogit])),
  );
  if (improvement === undefined) return undefined;
  const better = measureNames.filter((name) => improvement[name] >= level);
  const difference = (name: keyof Measures) => {
    const value = improvement[name];
    // NaN: nothing is wrong on either side. Infinite: nothing on that of the others.
    if (Number.isNaN(value) || Math.abs(value) < level) return 'level';
    const share = Number.isFinite(value) ? `${(100 * Math.abs(value)).toFixed(1)} % ` : '';
    return `${share}${value > 0 ? 'lower' : 'higher'}`;
  };
  const where =
    better.length === measureNames.length
      ? 'beat the others on average in every measure'
      : better.length === 0
        ? 'do not beat the others on average in any measure'
        : `beat the others on average in ${better.map((name) => measureTitles[name]).join(' and ')} only`;
  const number = Object.keys(results).length;
  return (
    `The aligned losses ${where}: ${measureNames.map((name) => `${measureTitles[name]} ${difference(name)}`).join(', ')}` +
    `${number === lossNames.length ? '' : ` (${number} of ${lossNames.length} losses)`}. One seed; less than ${100 * level} % apart is called level.`
  );
}

/** Table II: one logit of the aligned losses against all logits of cross-entropy. */
export function table2Rows(dataset: string, results: LossResults): TableRow[] {
  const own = paperDataset(dataset);
  const paper = own && table2[own];
  const alignedRows = aligned.flatMap((loss) => results[loss]?.singleLogit ?? []);
  return [
    {
      label: `mean of the aligned losses${alignedRows.length === aligned.length ? '' : ` (${alignedRows.length} of ${aligned.length})`}`,
      ours: alignedRows.length === 0 ? undefined : meanMeasures(alignedRows),
      paper: paper?.meanAligned,
    },
    { label: 'batch-cross-entropy', ours: results['batch-cross-entropy']?.singleLogit, paper: paper?.batchCrossEntropy },
    { label: 'cross-entropy, all logits', ours: results['cross-entropy']?.softmax, paper: paper?.crossEntropyAllLogits },
  ];
}

/** The losses that a table needs, of a data set. */
export function lossesOf(table: TableName, dataset: TableDataset): readonly LossName[] {
  return lossNames.filter(
    (loss) => (tableTasks[dataset].losses ?? lossNames).includes(loss) && (table === 'table1' || loss !== 'max-margin'),
  );
}

const titles: Record<TableName, string> = {
  table1: 'Table I: telling one class by its logit alone (lower is better)',
  table2: 'Table II: one logit against all logits (lower is better)',
};

export function tableTitle(table: TableName): string {
  return titles[table];
}

/** Header and cells: three measures of ours, then the paper's. */
export function tableCells(table: TableName, dataset: string, results: LossResults): { header: string[]; rows: string[][] } {
  const rows = table === 'table1' ? table1Rows(dataset, results) : table2Rows(dataset, results);
  const cell = (value: number | undefined, relative: boolean | undefined, digits: number) =>
    value === undefined || Number.isNaN(value) ? '–' : relative ? `${(100 * value).toFixed(1)} %` : value.toFixed(digits);
  return {
    header: ['method', ...measureNames.map((name) => measureTitles[name]), ...measureNames.map((name) => `paper ${measureTitles[name]}`)],
    rows: rows.map(({ label, ours, paper, relative }) => [
      label,
      ...measureNames.map((name) => cell(ours?.[name], relative, 4)),
      ...measureNames.map((name) => cell(paper?.[name], relative, 3)),
    ]),
  };
}

export { notAligned };
