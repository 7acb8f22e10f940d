import { mkdtemp, readFile, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { figureDrawer } from '../src/reproduce/figure.js';
import { type Figure2, figure2Markdown, figure2Specification } from '../src/reproduce/figure2.js';
import { logitDistribution } from '../src/reproduce/logit-distribution.js';
import { tableRecipe } from '../src/reproduce/recipe.js';
import { runCli } from './helpers/run-cli.js';
import { svgElements, svgTexts } from './helpers/svg.js';

describe('logitDistribution', () => {
  it('counts right and wrong logits in common bins', () => {
    // Two examples of three classes.
    const logits = Float32Array.of(4, 0, 1, 0.5, 2, 3);
    expect(logitDistribution(logits, Int32Array.of(0, 1), 3, 4)).toEqual({
      edges: [0, 1, 2, 3, 4],
      trueCounts: [0, 0, 1, 1], // 2 and 4: the greatest belongs to the last bin
      falseCounts: [2, 1, 0, 1], // 0, 1, 0.5 and 3
      trueLogits: 2,
      falseLogits: 4,
      leastTrue: 2,
      greatestFalse: 3,
      misorderedPairs: 1 / 8, // 2 below 3
    });
  });

  it('has one bin for logits that are all the same', () => {
    const { trueCounts, falseCounts, misorderedPairs } = logitDistribution(new Float32Array(4).fill(7), Int32Array.of(1, 0), 2, 3);
    expect([trueCounts, falseCounts, misorderedPairs]).toEqual([[2, 0, 0], [2, 0, 0], 1]);
  });
});

describe('figure 2', () => {
  const result = (labels: Int32Array) => ({
    ...logitDistribution(Float32Array.of(5, 1, 0, 2, 3, 1), labels, 3, 10),
    learningRate: 0.1,
    steps: 1,
    finalLoss: 1,
    accuracy: 0.5,
  });
  const figure: Figure2 = {
    figure: 'figure2',
    command: 'onelogit reproduce figure2',
    date: '2026-01-01T00:00:00.000Z',
    version: '0.0.0',
    commit: 'abc',
    machine: { cpu: 'a CPU', cores: 2, memoryGiB: 1, system: 'linux', node: '20', blas: 'portable', simd: 'avx2', threads: 2 },
    recipe: tableRecipe('mnist', 60_000),
    dataset: 'a < b & c',
    trainExamples: 2,
    testExamples: 2,
    classes: 3,
    results: { 'cross-entropy': result(Int32Array.of(0, 0)), 'batch-cross-entropy': result(Int32Array.of(0, 1)) },
  };

  it('is one svg of two panels, with colours for light and for dark ground', async () => {
    const draw = await figureDrawer();
    const svg = await draw(figure2Specification(figure));
    expect(svgElements(svg)[0]).toBe('svg');
    const texts = svgTexts(svg);
    for (const text of [
      'a &lt; b &amp; c: logits of 2 test examples',
      'cross-entropy',
      'batch-cross-entropy',
      'right class',
      'wrong classes',
    ])
      expect(texts).toContain(text);
    expect(texts).toContain('misordered pairs: 13 %'); // of eight pairs, 2 is below 3
    expect(texts).toContain('misordered pairs: 0.0 %');
    expect(texts.filter((text) => text === 'logit')).toHaveLength(2);
    // What has another colour on dark ground is named by the colour that it has.
    for (const attribute of ['fill="#ffffff"', 'fill="#333333"', 'fill="#595959"', 'stroke="#dddddd"'])
      expect(svg.split(attribute).length - 1).toBeGreaterThan(1);
    expect(svg).toContain('prefers-color-scheme: dark');
  });

  it('says in words what it shows and how it was made', () => {
    const markdown = figure2Markdown(figure, 'figure2.svg');
    for (const part of [
      '![',
      '(figure2.svg)',
      '| cross-entropy | 0.1 | 0.5000 | 2.00 | 3.00 | 1.25e-1 |',
      'onelogit reproduce figure2',
      'a CPU',
    ])
      expect(markdown).toContain(part);
  });
});

describe('onelogit reproduce figure2', () => {
  let out: string;
  beforeEach(async () => {
    out = await mkdtemp(join(tmpdir(), 'onelogit-figure2-'));
  });
  afterEach(() => rm(out, { recursive: true }));

  it('trains what is missing, and takes the networks that a table left', async () => {
    const options = ['--datasets', 'glyphs', '--steps', '30', '--search-steps', '3', '--out', out];
    const table = await runCli(['reproduce', 'table1', '--losses', 'cross-entropy', ...options, '--json']);
    expect(table.code).toBe(0);
    const { code, stdout, stderr } = await runCli(['reproduce', 'figure2', ...options, '--json']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [figure] = JSON.parse(stdout).figures;
    expect(Object.keys(figure.results)).toEqual(['cross-entropy', 'batch-cross-entropy']);
    const measured = JSON.parse(table.stdout).datasets.glyphs.results['cross-entropy'];
    expect(figure.results['cross-entropy'].misorderedPairs).toBeCloseTo(measured.singleLogit.misorderedPairs, 12);
    expect(figure.results['cross-entropy'].trueCounts.reduce((sum: number, n: number) => sum + n)).toBe(figure.testExamples);
    expect(svgElements(await readFile(figure.files.svg, 'utf8'))).toContain('path');
    const { files, ...written } = figure;
    expect(JSON.parse(await readFile(files.json, 'utf8'))).toEqual(written);
    // What is gone is trained again, to the same.
    await unlink(join(out, 'state', 'glyphs', 'cross-entropy.safetensors'));
    const again = await runCli(['reproduce', 'figure2', ...options]);
    expect(again.stdout).toMatch(/^Figure 2/);
    expect(JSON.parse(await readFile(files.json, 'utf8')).results).toEqual(figure.results);
  });

  it('says what to install before it trains', async () => {
    const hooks =
      "export const resolve = (name, context, next) => { if (name === 'vega') throw Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' }); return next(name, context); }";
    const register = `import { register } from 'node:module'; register('data:text/javascript,${encodeURIComponent(hooks).replaceAll("'", '%27')}');`;
    const { code, stderr } = await runCli(['reproduce', 'figure2', '--out', out], {
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(register)}` },
    });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'onelogit: Expected the packages vega and vega-lite, which draw figures (npm install vega vega-lite), but received: they are not installed\n',
    );
  });

  it('refuses options of other targets', async () => {
    const { code, stderr } = await runCli(['reproduce', 'figure2', '--examples', '5']);
    expect(code).toBe(2);
    expect(stderr).toContain('Expected --examples only with scale but received it with figure2');
  });
});
