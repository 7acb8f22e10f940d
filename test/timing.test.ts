import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { figureDrawer } from '../src/reproduce/figure.js';
import type { Timing } from '../src/reproduce/timing-experiment.js';
import {
  architectures,
  paperClasses,
  repetitionsWithin,
  table3,
  table3Speedups,
  timingBytes,
  timingShares,
} from '../src/reproduce/timing-recipe.js';
import {
  classesTitle,
  figure1Specification,
  neverFalls,
  quartiles,
  type TimingReport,
  timingCells,
  timingMarkdown,
  timingRows,
} from '../src/reproduce/timing-report.js';
import { runCli, startCli } from './helpers/run-cli.js';
import { svgElements, svgTexts } from './helpers/svg.js';

describe('the paper’s Table III', () => {
  it.each(architectures)('%s: the printed speedups are those of the printed times, to rounding', (architecture) => {
    expect(table3[architecture]).toHaveLength(paperClasses.length);
    table3[architecture].forEach((seconds, i) => {
      const one = table3[architecture][0]!;
      const rounding = 0.05e-3 * (1 / one + 1 / seconds) + 0.005; // relative; of the two times, and of the speedup
      expect(Math.abs(seconds / one / table3Speedups[architecture][i]! - 1)).toBeLessThan(rounding);
    });
  });

  it('has classes in powers of two, the last one with half an exponent', () => {
    expect(paperClasses.map(Math.log2).map((exponent) => Math.round(2 * exponent) / 2)).toEqual([0, 10, 14, 16, 18, 18.5]);
    expect(paperClasses.map(classesTitle)).toEqual(['1 (SLC)', '2^10', '2^14', '2^16', '2^18', '2^18.5']);
    expect(classesTitle(1000)).toBe('1,000');
  });
});

describe('how long it may take', () => {
  it('fits repetitions into the time, between 3 and 100', () => {
    expect([repetitionsWithin(60, 7), repetitionsWithin(60, 59), repetitionsWithin(60, 0.001)]).toEqual([8, 3, 100]);
  });

  it('divides the time by what a round takes', () => {
    const groups = [
      { architecture: 'vgg16', batchSize: 32 },
      { architecture: 'alexnet', batchSize: 32 },
      { architecture: 'alexnet', batchSize: 1 },
    ] as const;
    const shares = timingShares(groups, paperClasses);
    expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 12);
    expect(shares[0]).toBeGreaterThan(shares[1]!);
    expect(shares[1]).toBeGreaterThan(shares[2]!);
  });

  it('takes less memory than 24 GiB', () => {
    for (const architecture of architectures) {
      expect(timingBytes(architecture, paperClasses)).toBeLessThan(20 * 2 ** 30);
      expect(timingBytes(architecture, paperClasses)).toBeGreaterThan(4 * 2048 * 715_000);
    }
  });
});

const timing = (architecture: Timing['recipe']['architecture'], batchSize: number, rounds: number[][]): Timing => ({
  recipe: { architecture, batchSize, classes: [1, 2 ** 14, 2 ** 16], seed: 1, device: 'cpu', where: 'here' },
  repetitions: rounds.length,
  rounds,
});

describe('what is made of the times', () => {
  it('quartiles lie between neighbours, in proportion', () => {
    expect(quartiles([4, 1, 3, 2])).toEqual({ median: 2.5, lower: 1.75, upper: 3.25 });
    expect(quartiles([7])).toEqual({ median: 7, lower: 7, upper: 7 });
  });

  it('time is that of one example, and the speedup that within a round', () => {
    const rows = timingRows(
      timing('resnet50', 32, [
        [320, 640, 3200],
        [640, 1280, 6400], // a slow round does not change the ratio
        [320, 640, 3520],
      ]),
    );
    expect(rows.map(({ milliseconds }) => milliseconds.median)).toEqual([10, 20, 110]);
    expect(rows.map(({ speedup }) => speedup.median)).toEqual([1, 2, 10]);
    expect(rows[2]!.speedup).toEqual({ median: 10, lower: 10, upper: 10.5 });
    expect(neverFalls(rows)).toBe(true);
  });

  it('speedups may fall within their quartiles only', () => {
    const falling = (times: number[]) => neverFalls(timingRows(timing('resnet50', 1, [times, times])));
    expect(falling([1, 5, 4.9])).toBe(false);
    expect(
      neverFalls(
        timingRows(
          timing('resnet50', 1, [
            [1, 5, 4.9],
            [1, 4.8, 5.1],
          ]),
        ),
      ),
    ).toBe(true);
  });

  it('the paper’s columns stand beside ours', () => {
    const { header, rows } = timingCells(timing('vgg16', 1, [[94, 99, 171]]));
    expect(header).toEqual(['classes', 'ms', 'SLC speedup', 'trunk’s share', 'paper ms', 'paper speedup']);
    expect(rows).toEqual([
      ['1 (SLC)', '94.0 (94.0–94.0)', '–', '100.0 %', '9.4', '–'],
      ['2^14', '99.0 (99.0–99.0)', '×1.05 (1.05–1.05)', '94.9 %', '9.9', '×1.05'],
      ['2^16', '171 (171–171)', '×1.82 (1.82–1.82)', '55.0 %', '11.4', '×1.20'],
    ]);
  });

  const report: TimingReport = {
    target: 'table3',
    command: 'onelogit reproduce table3',
    date: '2026-01-01T00:00:00.000Z',
    version: '0.0.0',
    commit: 'abc',
    machine: { cpu: 'a CPU', cores: 2, memoryGiB: 1, system: 'linux', node: '20', blas: 'portable', simd: 'avx2', threads: 2 },
    device: 'cpu',
    gpu: null,
    loadAverageBefore: 0.25,
    timings: [timing('resnet50', 32, [[320, 640, 3200]]), timing('resnet50', 1, [[10, 30, 20]]), timing('alexnet', 1, [[10, 20, 30]])],
  };

  it('as Markdown, in the paper’s order, with how it was timed', () => {
    const markdown = timingMarkdown(report);
    expect(markdown.match(/^## .*$/gm)).toEqual(['## alexnet, batch 1', '## resnet50, batch 1', '## resnet50, batch 32', '## Made by']);
    for (const part of ['alexnet yes, resnet50 no', 'load average before: 0.25', 'alexnet batch 1: 1, resnet50 batch 1: 1', 'a CPU'])
      expect(markdown).toContain(part);
  });

  it('as a figure, a panel for each', async () => {
    const svg = await (await figureDrawer())(figure1Specification(report.timings));
    expect(svgElements(svg)[0]).toBe('svg');
    const texts = svgTexts(svg);
    for (const title of ['alexnet, batch 1', 'resnet50, batch 1', 'resnet50, batch 32', 'all logits', 'one logit'])
      expect(texts).toContain(title);
  });
});

describe('onelogit reproduce table3', () => {
  let out: string;
  beforeEach(async () => {
    out = await mkdtemp(join(tmpdir(), 'onelogit-timing-'));
  });
  afterEach(() => rm(out, { recursive: true }));

  const args = (target: string, repetitions: number) => [
    ...['reproduce', target, '--architectures', 'alexnet', '--classes', '10', '--batch-sizes', '1', '--device', 'cpu'],
    ...['--repetitions', String(repetitions), '--out', out, '--json'],
  ];

  const itTimes = it.skipIf(process.env.ONELOGIT_SANITIZED); // a hundred million parameters in an addon that is many times slower

  itTimes('times each number of classes in every round, and goes on where it stopped', async () => {
    const first = await runCli(args('table3', 2));
    expect({ code: first.code, stderr: first.stderr }).toMatchObject({ code: 0 });
    const { files, timings } = JSON.parse(first.stdout);
    expect(timings).toHaveLength(1);
    expect(timings[0].recipe).toMatchObject({ architecture: 'alexnet', batchSize: 1, classes: [1, 10], device: 'cpu' });
    expect(timings[0].rounds).toHaveLength(2);
    for (const time of timings[0].rounds.flat()) expect(time).toBeGreaterThan(1);
    expect(files).not.toHaveProperty('svg');
    expect(JSON.parse(await readFile(files.json, 'utf8')).timings[0].rounds).toEqual(timings[0].rounds);

    const drawn = JSON.parse((await runCli(args('figure1', 3))).stdout);
    expect(drawn.timings[0].rounds.slice(0, 2)).toEqual(timings[0].rounds);
    expect(drawn.timings[0].rounds).toHaveLength(3);
    expect(svgElements(await readFile(drawn.files.svg, 'utf8'))).toContain('path');
  });

  itTimes('stops when interrupted, with what it has timed', async () => {
    const { child, finished } = startCli(args('table3', 100_000));
    const state = join(out, 'state', 'timing', 'alexnet-1-cpu.json');
    const rounds = async () => JSON.parse(await readFile(state, 'utf8').catch(() => '{"rounds":[]}')).rounds.length;
    for (let i = 0; i < 6000 && (await rounds()) < 2; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    const { code, stdout } = await finished;
    expect(code).toBe(130);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'ERR_ONELOGIT_INTERRUPTED', state: join(out, 'state', 'timing') });
    expect(await rounds()).toBeGreaterThanOrEqual(2);
  });

  it('refuses options that would have no effect', async () => {
    for (const [options, message] of [
      [['table3', '--losses', 'nce'], 'Expected --losses only with table1, table2, figure2, scale but received it with table3'],
      [['table1', '--repetitions', '3'], 'Expected --repetitions only with table3, figure1 but received it with table1'],
      [['table3', '--repetitions', '3', '--minutes', '1'], 'Expected at most one of --repetitions and --minutes'],
    ] as const) {
      const { code, stderr } = await runCli(['reproduce', ...options]);
      expect(code).toBe(2);
      expect(stderr).toContain(message);
    }
  });
});
