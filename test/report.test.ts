import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layers, Model, metrics, SingleLogitClassifier } from '../src/index.js';
import { readThresholds } from '../src/report/file-thresholds.js';
import { escapeHtml, html, jsonInScript } from '../src/report/html.js';
import { Ranking } from '../src/report/page/ranking.js';
import { shortest } from '../src/report/report-data.js';
import { shortName } from '../src/short-name.js';
import { countReaching, datasetOf, generator, identityModel, randomLogits, readReport } from './helpers/report.js';
import { runCli } from './helpers/run-cli.js';
import { readParts, writeParts } from './helpers/safetensors.js';
import { temporaryFile } from './helpers/temporary.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

describe('the numbers of a report', () => {
  for (const [length, classes] of [
    [400, 5],
    [600, 60],
  ] as const)
    it(`are those of all logits, of ${length} examples and ${classes} classes`, async () => {
      using file = temporaryFile('report.html');
      using model = await identityModel(classes);
      const problem = randomLogits(length, classes);
      const evaluation = await model.evaluate(datasetOf(problem), { report: file.name });
      expect(await model.evaluate(datasetOf(problem))).toEqual(evaluation);
      const { data, html: text } = readReport(file.name);

      const rankings = [[data.pooled, undefined] as const, ...data.perClass.map((one) => [one, one.class] as const)];
      for (const [one, classId] of rankings) {
        const ranking = new Ranking(one, data.edges);
        const { positives, negatives } = countReaching(problem, -Infinity, classId);
        expect(one).toMatchObject({ positives, negatives });
        // Every position of the slider; the first one takes all.
        for (const [index, edge] of data.edges.entries())
          if (index > 0)
            expect({ ...ranking.reading(index), positives, negatives }).toEqual({
              threshold: edge,
              ...countReaching(problem, edge, classId),
            });
        for (const { threshold, truePositives, falsePositives } of ranking.curve)
          expect(countReaching(problem, threshold, classId)).toMatchObject({ truePositives, falsePositives });
        expect(ranking.curve.at(-1)!.truePositives).toBe(positives);
        expect(ranking.atRecall(0.9).precision).toBeCloseTo(one.precisionAt90, 12);
        expect(ranking.atRecall(0.99).precision).toBeCloseTo(one.precisionAt99, 12);
      }
      for (const one of data.perClass) {
        const column = problem.labels.map((label) => (label === one.class ? 1 : 0));
        const scores = Float32Array.from(problem.labels, (_, i) => problem.logits[i * classes + one.class]!);
        expect(one.averagePrecision).toBeCloseTo(metrics.averagePrecision(scores, Uint8Array.from(column)), 12);
        expect(one.averagePrecision).toBe(evaluation.perClass[one.class]!.averagePrecision);
        for (const [wrong, examples] of one.confusions)
          expect(examples).toBe(
            [...problem.labels].filter(
              (label, i) => label === one.class && problem.logits[i * classes + wrong]! > problem.logits[i * classes + label]!,
            ).length,
          );
      }
      expect(data.perClass.map((one) => one.averagePrecision)).toEqual(
        data.perClass.map((one) => one.averagePrecision).sort((a, b) => a - b),
      );
      expect(data.perClass).toHaveLength(evaluation.classesWithPositives);
      for (const value of [evaluation.oneMinusAuprc, evaluation.pooled.oneMinusAuprc, evaluation.oneMinusPrecisionAt90])
        expect(text).toContain(value.toFixed(4));
      expect(text).toContain(`${(100 * evaluation.accuracy).toFixed(2)} %`);
      expect(text).toContain(evaluation.misorderedPairs.toExponential(2));
      expect(text).toMatch(/1 of \d+ classes do not occur/);
    });

  it('draws a long curve with fewer points, each of them exact, and keeps its ends', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(2);
    const problem = randomLogits(6000, 2, 3);
    for (let i = 0; i < problem.logits.length; i++) problem.logits[i]! /= 3;
    await model.evaluate(datasetOf(problem), { report: file.name });
    const { data } = readReport(file.name);
    const { curve } = new Ranking(data.pooled, data.edges);
    expect(curve.length).toBeLessThanOrEqual(1000);
    expect(curve.length).toBeGreaterThan(300);
    for (const { threshold, truePositives, falsePositives } of curve)
      expect(countReaching(problem, threshold)).toMatchObject({ truePositives, falsePositives });
    expect(curve.at(-1)!.recall).toBe(1);
  });

  it('takes softmax probabilities, and leaves thresholds on logits out of it', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(4);
    const thresholds = new Float32Array(4).fill(1);
    await model.evaluate(datasetOf(randomLogits(100, 4)), { scores: 'softmax', report: { path: file.name, thresholds } });
    const { data, html: text } = readReport(file.name);
    expect(data.scores).toBe('softmax');
    expect(data.edges[0]).toBe(0);
    expect(data.edges.at(-1)).toBeGreaterThanOrEqual(1);
    expect(data.edges.at(-1)).toBeLessThan(1.01);
    expect(data.perClass[0]!.threshold).toBeUndefined();
    expect(text).toContain('these scores are softmax probabilities');
  });

  it('shows what thresholds do', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(6);
    const problem = randomLogits(500, 6);
    const thresholds = Float32Array.from({ length: 6 }, (_, j) => 3 + j / 3);
    await model.evaluate(datasetOf(problem), { report: { path: file.name, thresholds } });
    const { data, html: text } = readReport(file.name);
    let [matches, right] = [0, 0];
    for (const one of data.perClass) {
      const { truePositives, falsePositives } = countReaching(problem, thresholds[one.class]!, one.class);
      expect(one.threshold).toEqual({ value: shortest(thresholds[one.class]!), truePositives, falsePositives });
    }
    for (let j = 0; j < 6; j++) {
      const { truePositives, falsePositives } = countReaching(problem, thresholds[j]!, j);
      right += truePositives;
      matches += truePositives + falsePositives;
    }
    expect(text).toContain(`<td>${(right / 500).toFixed(4)}</td><td>${(right / matches).toFixed(4)}</td><td>${matches}</td>`);
  });

  it.each([
    ['one example, one class', 1, 1],
    ['two classes', 3, 2],
  ])('are there for %s', async (_, length, classes) => {
    using file = temporaryFile('report.html');
    using model = await identityModel(classes);
    const labels = Int32Array.from({ length }, (_, i) => i % classes);
    await model.evaluate(datasetOf({ logits: new Float32Array(length * classes).fill(2), labels, classes }), { report: file.name });
    const { data } = readReport(file.name);
    expect(data.pooled.positives).toBe(length);
    expect(data.perClass).toHaveLength(classes);
  });

  it('are of the hardest classes, as many as 2 MB hold, where there are many', async () => {
    using file = temporaryFile('report.html');
    const classes = 2600;
    using model = Model.sequential({ inputShape: [8], layers: [layers.dense(classes)], seed: 1 });
    const random = generator(5);
    const length = classes + 100;
    const inputs = Float32Array.from({ length: length * 8 }, () => 4 * random() - 2);
    const labels = Int32Array.from({ length }, (_, i) => i % (classes - 1));
    const evaluation = await model.evaluate({ inputs, labels, inputShape: [8], classes, length }, { report: file.name });
    const { data, html: text } = readReport(file.name);
    expect(statSync(file.name).size).toBeLessThan(3_000_000);
    expect(data.perClass.length).toBeLessThanOrEqual(2000);
    expect(data.perClass.length).toBeGreaterThan(500);
    const easiest = data.perClass.at(-1)!.averagePrecision;
    const hardest = evaluation.perClass.filter((one) => one.averagePrecision !== null && one.averagePrecision < easiest);
    expect(hardest.length).toBeLessThanOrEqual(data.perClass.length);
    expect(text).toContain('Not all classes are listed.');
    expect(text).toMatch(
      new RegExp(
        `2,599 classes occur in these examples; .* have the ${data.perClass.length.toLocaleString('en-US')} of the lowest average precision`,
      ),
    );
    expect(data.classesWithPositives).toBe(2599);
  });
});

const hostileNames = [
  '</script><img src=x onerror="window.hacked = 1">',
  '<!--<script>',
  '"\'><b>&amp;',
  '\u202eright to left \u05e9\u05dc\u05d5\u05dd',
  '👩‍👩‍👧‍👦 \ud800 lone',
  `very long ${'name '.repeat(300)}`,
  '\u2028\u2029\0\x1b[31m',
  '',
];

describe('a report’s file', () => {
  it('escapes names, wherever they come from', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(hostileNames.length, { classNames: hostileNames });
    const problem = randomLogits(200, hostileNames.length);
    await model.evaluate(datasetOf(problem), {
      report: { path: file.name, model: '<script>alert(1)</script>', data: '<img onerror=x>', command: '</dd><script>' },
    });
    const { html: text, data } = readReport(file.name);
    expect(text.match(/<script/g)).toHaveLength(3);
    expect(text).not.toContain('<img');
    expect(text).not.toContain('<b>&amp;');
    const names = new Map(data.perClass.map((one) => [one.class, one.name]));
    for (const [i, name] of hostileNames.entries()) if (names.has(i)) expect(names.get(i)).toBe(shortName(Buffer.from(name).toString())); // UTF-8 has no lone surrogates
    // Nothing in it is loaded from anywhere.
    expect(text).not.toMatch(/(src|href)="?(https?:|\/\/)/);
  });

  it.each([
    ['letters', 'x'],
    ['three bytes each', '貓'],
    ['two UTF-16 units each', '👩'],
    ['what HTML and JSON escape', '<"&\u2028'],
    ['control characters', '\x01'],
  ])('stays small with names of 10,000 characters: %s', async (_, character) => {
    using file = temporaryFile('report.html');
    const classes = 2600;
    using model = Model.sequential({ inputShape: [8], layers: [layers.dense(classes)], seed: 1 });
    const random = generator(5);
    const length = 2200;
    const inputs = Float32Array.from({ length: length * 8 }, () => 4 * random() - 2);
    const labels = Int32Array.from({ length }, (_, i) => i % 2100);
    const classNames = Array.from({ length: classes }, (_, j) => `${j} ${character.repeat(10_000 / character.length)}`);
    const { perClass } = await model.evaluate({ inputs, labels, inputShape: [8], classes, length, classNames }, { report: file.name });
    expect(perClass[7]!.name).toBe(classNames[7]);
    expect(statSync(file.name).size).toBeLessThan(3_000_000);
    const { data } = readReport(file.name);
    expect(data.perClass.length).toBeGreaterThan(200);
    for (const { name } of data.perClass) {
      expect(Array.from(name!)).toHaveLength(100);
      expect(name).toMatch(/^\d+ .*…$/su);
      expect(Buffer.from(name!).toString()).toBe(name);
    }
    // Those of classes that are only mentioned.
    expect(Object.keys(data.names).length).toBeGreaterThan(0);
    for (const name of Object.values(data.names)) expect(Array.from(name).length).toBeLessThanOrEqual(100);
  });

  it('allows its own programs and style by what they are, and nothing else', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(3);
    await model.evaluate(datasetOf(randomLogits(30, 3)), { report: file.name });
    const { html: text } = readReport(file.name);
    const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text)!;
    const hash = (content: string) => `&#39;sha256-${createHash('sha256').update(content).digest('base64')}&#39;`;
    const programs = [...text.matchAll(/<script(?: type="module")?>([\s\S]*?)<\/script>/g)].map(([, program]) => hash(program!));
    const styles = [...text.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, style]) => hash(style!));
    expect(programs).toHaveLength(2);
    expect(styles).toHaveLength(2);
    expect(policy!.split(/(?<!&#39); /)).toEqual([
      'default-src &#39;none&#39;',
      `script-src ${programs.join(' ')}`,
      `style-src ${styles.join(' ')}`,
      'img-src data:',
      'base-uri &#39;none&#39;',
      'form-action &#39;none&#39;',
    ]);
    // The page's modules have become one.
    expect(text).not.toMatch(/^(import|export) /m);
  });

  it('says how the model was trained, as far as its file tells', async () => {
    using file = temporaryFile('report.html');
    using path = temporaryFile('model.safetensors');
    using model = await identityModel(3);
    const facts = async (of: Model) => {
      await of.evaluate(datasetOf(randomLogits(30, 3)), { report: file.name });
      const { html: text } = readReport(file.name);
      const section = text.slice(text.indexOf('id="model-title"'), text.indexOf('id="run-title"'));
      return Object.fromEntries(
        [...section.matchAll(/<dt>(.*?)<\/dt><dd dir="auto">(.*?)<\/dd>/g)].map(([, name, value]) => [name, value]),
      );
    };
    expect(await facts(model)).toMatchObject({
      Optimizer: 'sgd, learningRate 0.1, weightDecay 0, momentum 0, nesterov false',
      Schedule: 'constant',
      Steps: '1, of 4 examples each: 1 epoch of 4 examples',
      Augmentation: 'none',
      'Seed of the fit': '0',
      'Computed on': 'cpu, float32',
      'Trained by': `onelogit ${model.training!.version}`,
    });
    // A file from before this was recorded has none of it.
    await model.save(path.name);
    const parts = readParts(path.name);
    writeParts(path.name, {
      ...parts,
      metadata: { onelogit: parts.metadata.onelogit!.replace(/"training":\{.*\}\}?/, '"training":null}') },
    });
    using older = await Model.load(path.name, { device: 'cpu' });
    expect(older.training).toBeNull();
    const known = await facts(older);
    expect(known).toMatchObject({ Loss: 'batch-cross-entropy' });
    for (const name of ['Optimizer', 'Schedule', 'Steps', 'Trained by']) expect(known).not.toHaveProperty(name);
  });

  it('warns in words where the loss is not aligned', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(3, { loss: 'cross-entropy' });
    await model.evaluate(datasetOf(randomLogits(30, 3)), { report: file.name });
    expect(readReport(file.name).html).toContain('not aligned with the Principle of Logit Separation');
    using aligned = await identityModel(3);
    await aligned.evaluate(datasetOf(randomLogits(30, 3)), { report: file.name });
    expect(readReport(file.name).html).not.toContain('not aligned with the Principle');
  });

  it('replaces an older one, and is not begun where something is wrong', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(3);
    const dataset = datasetOf(randomLogits(30, 3));
    writeFileSync(file.name, 'older');
    const refused = async (report: unknown, code: string) =>
      expect(model.evaluate(dataset, { report: report as never })).rejects.toMatchObject({ code });
    await refused({ path: file.name, title: 'x' }, 'ERR_ONELOGIT_UNKNOWN_OPTION');
    await refused({ path: file.name, thresholds: new Float32Array(2) }, 'ERR_ONELOGIT_LENGTH');
    await refused({ path: file.name, thresholds: [1, 2, 3] }, 'ERR_ONELOGIT_ARGUMENT');
    // Nothing reaches it, and the page could not draw it.
    await refused({ path: file.name, thresholds: Float32Array.of(1, Number.NaN, 3) }, 'ERR_ONELOGIT_NOT_FINITE');
    await refused({ path: file.name, model: 7 }, 'ERR_ONELOGIT_ARGUMENT');
    await refused({}, 'ERR_ONELOGIT_ARGUMENT');
    await refused('', 'ERR_ONELOGIT_ARGUMENT');
    await refused(7, 'ERR_ONELOGIT_ARGUMENT');
    await refused(join(file.directory, 'none', 'report.html'), 'ERR_ONELOGIT_FILE');
    await refused(file.directory, 'ERR_ONELOGIT_FILE');
    const controller = new AbortController();
    const evaluating = model.evaluate(dataset, { report: file.name, signal: controller.signal });
    controller.abort();
    await expect(evaluating).rejects.toMatchObject({ name: 'AbortError' });
    const labels = dataset.labels.slice();
    await expect(
      model.evaluate({ ...dataset, inputs: new Float32Array(90).fill(Number.NaN), labels }, { report: file.name }),
    ).rejects.toMatchObject({ code: 'ERR_ONELOGIT_NOT_FINITE' });
    expect(readFileSync(file.name, 'utf8')).toBe('older');
    await model.evaluate(dataset, { report: file.name });
    expect(readFileSync(file.name, 'utf8')).toContain('<!doctype html>');
    expect(readdirSync(file.directory)).toEqual(['report.html']);
  });

  it('goes where a link points, and never in the place of a pipe or a device', async () => {
    using file = temporaryFile('report.html');
    using model = await identityModel(3);
    const dataset = datasetOf(randomLogits(30, 3));
    const link = join(file.directory, 'latest.html');
    symlinkSync('report.html', link);
    await model.evaluate(dataset, { report: link });
    expect(readlinkSync(link)).toBe('report.html');
    expect(readFileSync(file.name, 'utf8')).toContain('<!doctype html>');
    const pipe = join(file.directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(model.evaluate(dataset, { report: pipe })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringContaining('it is not a regular file'),
    });
  });
});

describe('onProgress of model.evaluate', () => {
  it('ascends, and ends the evaluation when it throws', async () => {
    using model = await identityModel(400);
    const dataset = datasetOf(randomLogits(20_000, 400));
    const shares: number[] = [];
    using file = temporaryFile('report.html');
    await model.evaluate(dataset, { report: file.name, onProgress: ({ share }) => shares.push(share) });
    expect(shares.length).toBeGreaterThan(0);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    for (const share of shares) expect(share >= 0 && share <= 1).toBe(true);
    const failing = model.evaluate(dataset, {
      report: file.name,
      onProgress: () => {
        throw new RangeError('enough');
      },
    });
    await expect(failing).rejects.toThrow('enough');
    await expect(model.evaluate(dataset, { onProgress: 1 as never })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
  });
});

describe('onelogit evaluate --report', () => {
  it('writes what --json prints, and says how to calibrate, or what thresholds do', async () => {
    using file = temporaryFile('report.html');
    const { directory } = file;
    const data = join(directory, 'data');
    await writeTinyIdx(data);
    const cli = async (...args: string[]) => {
      const { code, stdout, stderr } = await runCli(args, { cwd: directory });
      expect(stderr).not.toContain('onelogit:');
      expect(code).toBe(0);
      return stdout;
    };
    await cli('train', data, '--steps', '60', '--validation', '0.2', '--out', 'm.safetensors', '--json');
    const printed = JSON.parse(await cli('evaluate', 'm.safetensors', data, '--report', file.name, '--json'));
    expect(printed.report).toBe(file.name);
    const before = readReport(file.name);
    expect(before.data.pooled.averagePrecision).toBe(1 - printed.pooled.oneMinusAuprc);
    expect(before.html).toContain(`onelogit calibrate m.safetensors ${data} --recall 0.9`);
    expect(before.html).toContain(`onelogit evaluate m.safetensors ${data} --report ${file.name} --json`);
    expect(before.html).toContain('batch-cross-entropy');
    await cli('calibrate', 'm.safetensors', data, '--recall', '0.9', '--json');
    expect(await cli('evaluate', 'm.safetensors', data, '--report', 'second.html')).toContain('Report: second.html');
    const { data: after } = readReport(join(directory, 'second.html'));
    const classifier = await SingleLogitClassifier.load(join(directory, 'm.safetensors'));
    const thresholds = classifier.thresholds!;
    expect(await readThresholds(join(directory, 'm.safetensors'))).toEqual({ thresholds, calibration: classifier.calibration });
    classifier.dispose();
    const model = readFileSync(join(directory, 'm.safetensors'));
    const refused = await runCli(['evaluate', 'm.safetensors', data, '--report', './m.safetensors'], { cwd: directory });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('Expected another file than MODEL for --report');
    expect(readFileSync(join(directory, 'm.safetensors')).equals(model)).toBe(true);
    for (const one of after.perClass) expect(Math.fround(one.threshold!.value)).toBe(thresholds[one.class]);
    // 80 examples of four classes were set aside; 9 of each are needed.
    const { html: text } = readReport(join(directory, 'second.html'));
    expect(text).toContain(
      'They were chosen for a recall of 0.9, by 80 examples. Every class had enough examples for a threshold of its own.',
    );
    await cli('calibrate', 'm.safetensors', data, '--recall', '0.99', '--json');
    await cli('evaluate', 'm.safetensors', data, '--report', 'third.html');
    expect(readReport(join(directory, 'third.html')).data.perClass.every((one) => one.threshold!.fallback)).toBe(true);
    expect(readReport(join(directory, 'third.html')).html).toContain(
      '4 classes had fewer than the 99 examples that a threshold of their own needs (0 had none)',
    );
  });

  it('says what to install, before a model is looked for', async () => {
    using file = temporaryFile('without-uplot.cjs');
    writeFileSync(
      file.name,
      `const Module = require('node:module');
       const resolve = Module._resolveFilename;
       Module._resolveFilename = (request, ...others) => {
         if (request.startsWith('uplot')) throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
         return resolve(request, ...others);
       };`,
    );
    const { code, stderr } = await runCli(['evaluate', 'none.safetensors', 'none', '--report', 'report.html'], {
      cwd: file.directory,
      env: { NODE_OPTIONS: `--require=${file.name}` },
    });
    expect(stderr).toContain('npm install uplot');
    expect(code).toBe(1);
  });

  it('refuses a place where nothing can be written, before a model is looked for', async () => {
    using file = temporaryFile('x');
    mkdirSync(file.name);
    for (const path of [file.name, join(file.directory, 'none', 'report.html')]) {
      const { code, stderr } = await runCli(['evaluate', 'none.safetensors', 'none', '--report', path]);
      expect(stderr).toContain('for --report');
      expect(code).toBe(1);
      expect(existsSync(join(path, 'report.html'))).toBe(false);
    }
  });
});

describe('text in HTML', () => {
  it('stays text', () => {
    expect(escapeHtml(`<a href="x" title='y'>&\0`)).toBe('&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;\ufffd');
    expect(String(html`<p title="${'"'}">${['<', html`<b>${1}</b>`, undefined, false]}</p>`)).toBe('<p title="&quot;">&lt;<b>1</b></p>');
    const value = { a: '</script><!--', b: '\u2028' };
    expect(jsonInScript(value)).not.toMatch(/[<\u2028]/);
    expect(JSON.parse(jsonInScript(value))).toEqual(value);
  });

  it('has floats as short as they can be', () => {
    for (const value of [0.1, 1 / 3, -1e-20, 3.4028234663852886e38, 16_777_217, 0, 12.35].map(Math.fround)) {
      expect(Math.fround(shortest(value))).toBe(value);
      expect(String(shortest(value)).length).toBeLessThan(16);
    }
    expect(shortest(Math.fround(0.1))).toBe(0.1);
    expect(Math.fround(shortest(Infinity))).toBe(3.4028234663852886e38);
  });
});
