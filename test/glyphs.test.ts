import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { datasets } from '../src/index.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('datasets.glyphs', () => {
  it('returns images in memory, classes interleaved', () => {
    const dataset = datasets.glyphs({ classes: 3, examplesPerClass: 2 });
    expect(dataset).toMatchObject({
      inputShape: [28, 28, 1],
      classes: 3,
      classNames: ['glyph 0', 'glyph 1', 'glyph 2'],
      length: 6,
      labels: Int32Array.of(0, 1, 2, 0, 1, 2),
    });
    expect(dataset.inputs).toBeInstanceOf(Uint8Array);
    expect(dataset.inputs.length).toBe(6 * 784);
  });

  it.each<[string, datasets.GlyphOptions, string]>([
    ['the defaults', { classes: 26, examplesPerClass: 20 }, '9d2b3c244841926e88a1459c2e1d08b377b43d72f884809f5ed211213b9eb9ad'],
    ['another seed', { classes: 26, examplesPerClass: 20, seed: 1 }, '58fcdefa9fe741347697302c8802678534410a11d67172c2e2cf2025e190d422'],
    [
      'the test split',
      { classes: 26, examplesPerClass: 20, split: 'test' },
      '0dae73b8f649698fd5ebea39001e9a5dbc78c5513b09539976197ad506e9fbe2',
    ],
    [
      'no distortion',
      { classes: 500, examplesPerClass: 1, distortion: 0 },
      '44e140c8f39fb811dc3fdd2487e706f1dc301c066b3d3a31f9c2a1401718a8bf',
    ],
    [
      'a large size, strongly distorted',
      { classes: 5, examplesPerClass: 2, size: 333, distortion: 2.5, seed: 2 ** 53 - 1 },
      'cf320a6b13c76a7162c71e55cbc928d495ae936f0b2a92cf8854a3b477c31403',
    ],
  ])('draws the same bytes everywhere: %s', (_, options, expected) => {
    expect(sha256(datasets.glyphs(options).inputs)).toBe(expected);
  });

  it('draws the same bytes with any number of threads', async () => {
    const script = `
      const binding = require('node-gyp-build')(process.cwd());
      const images = new Uint8Array(1000 * 784);
      binding.drawGlyphs({ classes: 100, seed: 3, split: 0, size: 28, distortion: 256 }, images);
      console.log(require('node:crypto').createHash('sha256').update(images).digest('hex'));`;
    const cwd = dirname(dirname(fileURLToPath(import.meta.url)));
    const hashes = await Promise.all(
      ['1', '2', '3', '7'].map(async (ONELOGIT_THREADS) => {
        const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd, env: { ...process.env, ONELOGIT_THREADS } });
        return stdout.trim();
      }),
    );
    expect(new Set(hashes)).toEqual(new Set([sha256(datasets.glyphs({ classes: 100, examplesPerClass: 10, seed: 3 }).inputs)]));
  });

  it('draws a different picture for each of 20,000 classes', () => {
    const { inputs } = datasets.glyphs({ classes: 20_000, examplesPerClass: 1, distortion: 0 });
    const seen = new Set<string>();
    for (let label = 0; label < 20_000; label++) seen.add(Buffer.from(inputs.buffer, label * 784, 784).toString('latin1'));
    expect(seen.size).toBe(20_000);
  });

  it('makes classes that differ visibly, and examples that differ within a class', () => {
    const { inputs } = datasets.glyphs({ classes: 300, examplesPerClass: 1, distortion: 0 });
    let least = Infinity;
    for (let a = 0; a < 300; a++)
      for (let b = 0; b < a; b++) {
        let differing = 0;
        for (let i = 0; i < 784; i++) if (Math.abs(inputs[a * 784 + i] - inputs[b * 784 + i]) > 128) differing++;
        least = Math.min(least, differing);
      }
    expect(least).toBeGreaterThan(8);
    const examples = datasets.glyphs({ classes: 1, examplesPerClass: 500 }).inputs;
    const seen = new Set<string>();
    for (let n = 0; n < 500; n++) seen.add(Buffer.from(examples.buffer, n * 784, 784).toString('latin1'));
    expect(seen.size).toBe(500);
  });

  it('gives an example that does not depend on how many others there are', () => {
    const few = datasets.glyphs({ classes: 10, examplesPerClass: 2, seed: 4 });
    const many = datasets.glyphs({ classes: 1000, examplesPerClass: 3, seed: 4 });
    // Example 1 of class 7.
    expect(few.inputs.subarray(17 * 784, 18 * 784)).toEqual(many.inputs.subarray(1007 * 784, 1008 * 784));
  });

  it('has the same glyphs and other examples in the test split', () => {
    const bare = (split: 'train' | 'test') => datasets.glyphs({ classes: 20, examplesPerClass: 1, split, distortion: 0 }).inputs;
    expect(bare('test')).toEqual(bare('train'));
    const drawn = (split: 'train' | 'test') => datasets.glyphs({ classes: 20, examplesPerClass: 1, split }).inputs;
    expect(drawn('test')).not.toEqual(drawn('train'));
  });

  it('refuses wrong options', () => {
    const glyphs = (options: object) => () => datasets.glyphs({ classes: 2, examplesPerClass: 1, ...options });
    for (const options of [
      { classes: 0 },
      { classes: 1.5 },
      { classes: 2 ** 24 + 1 },
      { examplesPerClass: 0 },
      { seed: -1 },
      { seed: 2 ** 53 },
      { size: 7 },
      { size: 1025 },
      { distortion: -0.1 },
      { distortion: 4.1 },
      { distortion: Number.NaN },
    ])
      expect(glyphs(options)).toThrow(expect.objectContaining({ name: 'RangeError', code: 'ERR_ONELOGIT_RANGE' }));
    expect(glyphs({ split: 'validation' })).toThrow("Expected 'train' or 'test' for split");
    expect(glyphs({ classes: '3' })).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_ARGUMENT' }));
    expect(glyphs({ examples: 3 })).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' }));
    expect(() => datasets.glyphs(undefined as never)).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_ARGUMENT' }));
    expect(glyphs({ classes: 2 ** 24, examplesPerClass: 2 ** 20 })).toThrow(
      expect.objectContaining({ code: 'ERR_ONELOGIT_OUT_OF_MEMORY' }),
    );
  });
});
