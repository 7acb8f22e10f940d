/** Table III and Figure 1 from what was timed: ours beside the paper's. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import type { Machine } from '../machine.js';
import { type DrawFigure, figureColours } from './figure.js';
import { madeBy, markdownTable } from './report.js';
import type { Timing } from './timing-experiment.js';
import { architectures, paperClasses, table3, table3Speedups } from './timing-recipe.js';

export interface TimingReport {
  target: 'table3' | 'figure1';
  command: string;
  /** ISO 8601, UTC, when it was finished. */
  date: string;
  version: string;
  /** Of the sources when it was started. */
  commit: string | undefined;
  machine: Machine;
  device: 'cpu' | 'cuda';
  /** Of a GPU: its name. */
  gpu: string | null;
  loadAverageBefore: number;
  timings: readonly Timing[];
}

/** Of several repetitions. */
export interface Quartiles {
  median: number;
  lower: number;
  upper: number;
}

export function quartiles(values: readonly number[]): Quartiles {
  const sorted = values.toSorted((a, b) => a - b);
  // Between neighbours, in proportion: the definition of NumPy and R.
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    return sorted[below]! + (place - below) * ((sorted[below + 1] ?? sorted[below]!) - sorted[below]!);
  };
  return { median: at(0.5), lower: at(0.25), upper: at(0.75) };
}

export interface TimingRow {
  classes: number;
  /** Of one example. */
  milliseconds: Quartiles;
  /** Time with so many classes over that with one, round by round. */
  speedup: Quartiles;
}

export function timingRows({ recipe, rounds }: Timing): TimingRow[] {
  return recipe.classes.map((classes, column) => ({
    classes,
    milliseconds: quartiles(rounds.map((round) => round[column]! / recipe.batchSize)),
    speedup: quartiles(rounds.map((round) => round[column]! / round[0]!)),
  }));
}

/** Whether the speedups from `least` classes on never fall, within their quartiles. */
export function neverFalls(rows: readonly TimingRow[], least = 2 ** 14): boolean {
  const many = rows.filter(({ classes }) => classes >= least);
  return many.every(({ speedup }, i) => i === 0 || speedup.upper >= many[i - 1]!.speedup.lower);
}

/** 1, 2¹⁰, 2^18.5, and others as they are. */
export function classesTitle(classes: number): string {
  const exponent = Math.log2(classes);
  if (classes === 1) return '1 (SLC)';
  if (Number.isInteger(exponent)) return `2^${exponent}`;
  return classes === paperClasses.at(-1) ? '2^18.5' : classes.toLocaleString('en-US');
}

function digits(value: number): string {
  return value.toFixed(Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(value)))));
}
const range = ({ median, lower, upper }: Quartiles) => `${digits(median)} (${digits(lower)}–${digits(upper)})`;
const times = ({ median, lower, upper }: Quartiles) => `×${median.toFixed(2)} (${lower.toFixed(2)}–${upper.toFixed(2)})`;

/** One architecture at one batch size: time of an example, speedup, the trunk's share; the paper's columns, which are for batches of 32. */
export function timingCells(timing: Timing): { header: string[]; rows: string[][] } {
  const { architecture } = timing.recipe;
  return {
    header: ['classes', 'ms', 'SLC speedup', 'trunk’s share', 'paper ms', 'paper speedup'],
    rows: timingRows(timing).map(({ classes, milliseconds, speedup }, i) => {
      const column = paperClasses.indexOf(classes);
      return [
        classesTitle(classes),
        range(milliseconds),
        i === 0 ? '–' : times(speedup),
        `${(100 / speedup.median).toFixed(1)} %`,
        column < 0 ? '–' : (1000 * table3[architecture][column]!).toFixed(1),
        column <= 0 ? '–' : `×${table3Speedups[architecture][column]!.toFixed(2)}`,
      ];
    }),
  };
}

export const timingTitles = {
  table3: 'Table III: time of a forward pass by the number of classes',
  figure1: 'Figure 1: time of a forward pass by the number of classes',
} as const;

const inOrder = (timings: readonly Timing[]) =>
  timings.toSorted(
    (a, b) =>
      architectures.indexOf(a.recipe.architecture) - architectures.indexOf(b.recipe.architecture) ||
      a.recipe.batchSize - b.recipe.batchSize,
  );

/** What the numbers are, one item a line. */
export function describeTiming({ device, gpu, timings }: Pick<TimingReport, 'device' | 'gpu' | 'timings'>): string[] {
  const repetitions = inOrder(timings).map(
    ({ recipe: { architecture, batchSize }, rounds }) => `${architecture} batch ${batchSize}: ${rounds.length}`,
  );
  return [
    `whole forward passes (\`model.predict\`) of random weights on noise, ${device === 'cuda' ? `on ${gpu}, the copies of inputs and logits from and to main memory included` : 'on the CPU'}; a network for each number of classes, all in memory, taking turns`,
    `repetitions (each number of classes once in each), after one that was not counted: ${repetitions.join(', ')}; the paper: 100`,
    'ms: of one example (the time of the batch divided by its examples), median and quartiles over the repetitions',
    'SLC speedup: time with so many classes over the time with one, within a repetition; median and quartiles',
    'trunk’s share: of the time with so many classes, that of the network with one class, which is all but the last layer',
    'the paper’s columns: an NVIDIA Titan X (Maxwell), TensorFlow, batches of 32',
  ];
}

export function timingMarkdown(report: TimingReport, image?: string): string {
  const { target, timings, loadAverageBefore } = report;
  const parts = [`# ${timingTitles[target]}`];
  if (image !== undefined) parts.push(`![time by the number of classes](${image})`);
  parts.push(
    describeTiming(report)
      .map((item) => `- ${item}`)
      .join('\n'),
  );
  for (const timing of inOrder(timings)) {
    const { header, rows } = timingCells(timing);
    parts.push(`## ${timing.recipe.architecture}, batch ${timing.recipe.batchSize}`, markdownTable(header, rows));
  }
  const single = inOrder(timings).filter(({ recipe }) => recipe.batchSize === 1);
  if (single.length > 0)
    parts.push(
      `Batch 1, from 2^14 classes on, speedups never fall (within quartiles): ${single
        .map((timing) => `${timing.recipe.architecture} ${neverFalls(timingRows(timing)) ? 'yes' : 'no'}`)
        .join(', ')}.`,
    );
  parts.push(...madeBy(report, [`load average before: ${loadAverageBefore.toFixed(2)}`]));
  return `${parts.join('\n\n')}\n`;
}

const modes = ['all logits', 'one logit'];

/** A panel for each architecture and batch size: time of one example with all logits, and with one, which does not depend on their number. */
export function figure1Specification(timings: readonly Timing[]): TopLevelSpec {
  const ordered = inOrder(timings);
  const batchSizes = new Set(ordered.map(({ recipe }) => recipe.batchSize));
  const panels = ordered.map((timing) => {
    const rows = timingRows(timing);
    const one = rows[0]!.milliseconds;
    const values = rows.slice(1).flatMap(({ classes, milliseconds }) => [
      { classes, mode: modes[0], ...milliseconds },
      { classes, mode: modes[1], ...one },
    ]);
    const x = {
      field: 'classes',
      type: 'quantitative' as const,
      axis: { title: 'classes', format: '~s', tickCount: 5 },
    };
    const y = { type: 'quantitative' as const, title: 'ms for each example', scale: { zero: true } };
    const color = {
      field: 'mode',
      type: 'nominal' as const,
      scale: { domain: modes, range: [figureColours.orange, figureColours.blue] },
      legend: { orient: 'top' as const, title: null, symbolType: 'stroke' as const, symbolStrokeWidth: 3, symbolOpacity: 1 },
    };
    return {
      title: `${timing.recipe.architecture}, batch ${timing.recipe.batchSize}`,
      width: 340,
      height: 190,
      data: { values },
      layer: [
        { mark: { type: 'area' as const, opacity: 0.25 }, encoding: { x, y: { ...y, field: 'lower' }, y2: { field: 'upper' }, color } },
        { mark: { type: 'line' as const, strokeWidth: 2 }, encoding: { x, y: { ...y, field: 'median' }, color } },
        { mark: { type: 'point' as const, filled: true, size: 28, opacity: 1 }, encoding: { x, y: { ...y, field: 'median' }, color } },
      ],
    };
  });
  return {
    title: { text: 'Time of a forward pass by the number of classes', subtitle: 'median and quartiles' },
    columns: batchSizes.size,
    spacing: 24,
    concat: panels,
  };
}

/** Writes `<target>.json` and `.md`, and the figure where `draw` is given; returns their paths. */
export async function writeTimingReport(
  directory: string,
  report: TimingReport,
  draw: DrawFigure | undefined,
): Promise<{ json: string; markdown: string; svg?: string }> {
  await mkdir(directory, { recursive: true });
  const base = join(directory, report.target);
  if (draw) await writeFile(`${base}.svg`, await draw(figure1Specification(report.timings)));
  await writeFile(`${base}.md`, timingMarkdown(report, draw ? `${report.target}.svg` : undefined));
  const { timings, ...rest } = report;
  const measured = timings.map(({ recipe, rounds }) => ({ ...recipe, rows: timingRows({ recipe, repetitions: 0, rounds }), rounds }));
  await writeFile(`${base}.json`, `${JSON.stringify({ ...rest, timings: measured }, undefined, 2)}\n`);
  return { json: `${base}.json`, markdown: `${base}.md`, ...(draw ? { svg: `${base}.svg` } : {}) };
}
