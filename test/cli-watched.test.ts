// What commands show of work at a steady pace: nothing of what is done in a second, then how far, how fast and how long still.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadData } from '../src/cli/load-data.js';
import { steadyState, watched } from '../src/cli/steady.js';
import { layers, Model, SingleLogitClassifier } from '../src/index.js';
import { frequentTimers } from './helpers/frequent-timers.js';
import { screenOf } from './helpers/screen.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

afterEach(() => vi.restoreAllMocks());

function terminal(isTTY: boolean) {
  return {
    isTTY,
    columns: 80,
    written: '',
    write(text: string) {
      this.written += text;
    },
  };
}

describe('watched', () => {
  /** 100 MB at 10 MB a second, looked at after so many seconds. */
  async function shownAfter(seconds: number, { isTTY = true, fails = false } = {}) {
    const stream = terminal(isTTY);
    let now = 0;
    let seen = '';
    const work = async (tell: (state: { done: number; total: number; unit: string }) => void) => {
      for (; now <= 1000 * seconds; now += 50) tell({ done: 1e4 * now, total: 1e8, unit: 'bytes' });
      seen = stream.written;
      if (fails) throw new Error('broken');
    };
    const ended = await watched('reading train', work, { stream, env: { NO_COLOR: '1' }, now: () => now }).catch(
      (error: Error) => error.message,
    );
    return { seen, stream, ended };
  }

  it('says nothing about what is done within a second', async () => {
    const { stream } = await shownAfter(0.9);
    expect(stream.written).toBe('');
  });

  it('then tells how far it is, how fast and how long still, and takes that away at the end', async () => {
    const { seen, stream } = await shownAfter(4);
    expect(screenOf(seen, 80)).toEqual([
      expect.stringMatching(/^reading train {2}━+─+ {3}\d+ % {2}\d+\.\d\/100\.0 MB {2}10\.0 MB\/s {2}0:06 left$/),
    ]);
    expect(screenOf(stream.written, 80)).toEqual(['']);
  });

  it('takes it away also when the work fails', async () => {
    const { ended, stream } = await shownAfter(4, { fails: true });
    expect(ended).toBe('broken');
    expect(screenOf(stream.written, 80)).toEqual(['']);
  });

  it('writes a line every ten seconds where there is no terminal', async () => {
    expect((await shownAfter(9, { isTTY: false })).stream.written).toBe('');
    expect((await shownAfter(15, { isTTY: false })).stream.written).toBe('reading train  100 %  100.0/100.0 MB  10.0 MB/s  0:00 left\n');
  });

  it('reckons each part at its own pace', () => {
    expect(steadyState({ done: 50, total: 100, unit: 'images' }, 2, 10)).toEqual({
      done: 50,
      total: 100,
      secondsLeft: 2.5,
      details: ['50/100 images', '20 images/s'],
    });
    expect(steadyState({ done: 0.5, total: 1 }, 0, 0.5)).toEqual({ done: 0.5, total: 1, details: [] });
  });
});

describe('loadData', () => {
  it('tells of what is read', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-watched-'));
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const isTTY = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
    Object.defineProperty(process.stderr, 'isTTY', { value: true, configurable: true });
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 700));
    try {
      await writeTinyIdx(directory);
      await loadData(directory, { split: 'test' });
      expect(write.mock.calls.join('')).toMatch(/reading test.* MB/);
    } finally {
      vi.restoreAllMocks();
      if (isTTY) Object.defineProperty(process.stderr, 'isTTY', isTTY);
      else Reflect.deleteProperty(process.stderr, 'isTTY');
      await rm(directory, { recursive: true });
    }
  });
});

describe('calibrate and evaluateThresholds', () => {
  // Long enough to be looked at a few times; the sanitizers make it twenty times as long.
  const [features, classes, length] = [64, process.env.ONELOGIT_SANITIZED ? 4000 : 20_000, 2000];
  const value = (i: number) => ((i * 2654435761) % 1000) / 500 - 1;
  const dataset = {
    inputs: Float32Array.from({ length: length * features }, (_, i) => value(i)),
    labels: Int32Array.from({ length }, (_, i) => i % classes),
    inputShape: [features],
    classes,
    length,
  };

  it('tell how far they are, and end with what the function throws', { timeout: 120_000 }, async () => {
    frequentTimers();
    using model = Model.sequential({ inputShape: [features], layers: [layers.dense(classes)], seed: 1 });
    using classifier = await SingleLogitClassifier.load(model);
    const shares: number[] = [];
    const onProgress = ({ share }: { share: number }) => shares.push(share);
    const check = () => {
      expect(shares.length).toBeGreaterThan(0);
      expect(shares).toEqual([...shares].sort((a, b) => a - b));
      expect(shares[0]).toBeGreaterThanOrEqual(0);
      expect(shares.at(-1)).toBeGreaterThan(0);
      expect(shares.at(-1)).toBeLessThanOrEqual(1);
      shares.length = 0;
    };
    await classifier.calibrate(dataset, { precision: 0.9, onProgress });
    check();
    await classifier.evaluateThresholds(dataset, { precision: 0.9, onProgress });
    check();
    const thrown = new Error('mine');
    const before = classifier.thresholds;
    const fails = () => {
      throw thrown;
    };
    await expect(classifier.calibrate(dataset, { precision: 0.5, onProgress: fails })).rejects.toBe(thrown);
    expect(classifier.thresholds).toEqual(before);
    await expect(classifier.calibrate(dataset, { recall: 0.5, onProgress: 1 as never })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_ARGUMENT',
      message: 'Expected a function for onProgress of calibrate but received 1',
    });
  });
});
