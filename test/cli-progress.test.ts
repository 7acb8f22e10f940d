import { describe, expect, it } from 'vitest';
import { barLine, fitState, Progress, significant } from '../src/cli/progress.js';

const state = fitState({
  step: 12_400,
  steps: 20_000,
  loss: 0.012345,
  accuracy: 0.9961,
  examplesPerSecond: 14_321.5,
  secondsLeft: 31.6,
  validation: { accuracy: 0.9812 },
});
const plain = { colour: false, unicode: false };

/** A terminal that remembers what was written, and whose size can change. */
function terminal({ columns = 80, isTTY = true } = {}) {
  const listeners = new Set<() => void>();
  return {
    isTTY,
    columns,
    written: '',
    write(text: string) {
      this.written += text;
    },
    on: (_: 'resize', listener: () => void) => listeners.add(listener),
    off: (_: 'resize', listener: () => void) => listeners.delete(listener),
    resize(to: number) {
      this.columns = to;
      for (const listener of listeners) listener();
    },
    listeners,
  };
}

describe('barLine', () => {
  it('says everything where there is room', () => {
    expect(barLine('train', state, { width: 160, ...plain })).toBe(
      'train  ###################-----------  62 %  loss 0.0123  accuracy 99.6 %  validation 98.12 %  14,322 examples/s  step 12,400/20,000  0:32 left'.replace(
        '-  62',
        '-   62',
      ),
    );
  });

  it.each(Array.from({ length: 150 }, (_, i) => i + 5))('never takes more than %i columns', (width) => {
    expect(barLine('train', state, { width, ...plain }).length).toBeLessThanOrEqual(width);
  });

  it('keeps what matters most on a narrow terminal', () => {
    const line = barLine('train', state, { width: 49, ...plain });
    expect(line).toContain('62 %');
    expect(line).toContain('loss 0.0123');
    expect(line).toContain('0:32 left');
  });

  it('is empty at 0 and full at the end', () => {
    expect(barLine('', { done: 0, total: 5, details: [] }, { width: 60, ...plain })).toBe(`${'-'.repeat(30)}    0 %`);
    expect(barLine('', { done: 5, total: 5, details: [] }, { width: 60, ...plain })).toBe(`${'#'.repeat(30)}  100 %`);
  });

  it('has no bar where the total is unknown', () => {
    expect(barLine('download', { done: 3, total: 0, details: ['3 MB'] }, { width: 60, ...plain })).toBe('download  3 MB');
  });
});

describe('Progress', () => {
  it('redraws in place on a terminal, at most a dozen times a second, and leaves the last state standing', () => {
    const stream = terminal();
    let now = 0;
    const progress = new Progress('train', { stream, env: { NO_COLOR: '1' }, now: () => now });
    for (; now < 1000; now++) progress.update({ done: now, total: 1000, details: [] });
    const drawn = stream.written.split('\r').length - 1;
    expect(drawn).toBeGreaterThan(8);
    expect(drawn).toBeLessThan(16);
    expect(stream.written).not.toContain('\n');
    progress.finish();
    expect(stream.written.split('\r').at(-1)).toMatch(/ 99 %\n$/);
    expect(stream.listeners.size).toBe(0);
  });

  it('uses colour only where it is wanted', () => {
    for (const [env, colour] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
      [{ NO_COLOR: '' }, true],
      [{ TERM: 'dumb' }, false],
    ] as const) {
      const stream = terminal();
      const progress = new Progress('train', { stream, env });
      progress.update({ done: 1, total: 2, details: [] });
      progress.finish();
      expect(stream.written.includes('\x1b[32m')).toBe(colour);
    }
  });

  it('fits itself to a terminal made narrower, erasing the rows that the old line was broken over', () => {
    const stream = terminal({ columns: 100 });
    const progress = new Progress('train', { stream, env: { NO_COLOR: '1' } });
    progress.update(state);
    const before = stream.written.length;
    stream.resize(40);
    const redrawn = stream.written.slice(before);
    const erased = '\r\x1b[2A\x1b[J';
    expect(redrawn.startsWith(erased)).toBe(true);
    expect(redrawn.length - erased.length).toBeLessThan(40);
    progress.finish({ keep: false });
    expect(stream.written.endsWith('\x1b[J')).toBe(true);
  });

  it('prints a plain line now and then where there is no terminal, and the last state once', () => {
    const stream = terminal({ isTTY: false });
    let now = 0;
    const progress = new Progress('train', { stream, env: {}, now: () => now, lineEvery: 10_000 });
    for (; now <= 25_000; now += 100) progress.update({ done: now, total: 25_000, details: ['loss 1'] });
    progress.finish();
    expect(stream.written).toBe('train   40 %  loss 1\ntrain   80 %  loss 1\ntrain  100 %  loss 1\n');
  });

  it('puts notes above the live line', () => {
    const stream = terminal();
    const progress = new Progress('train', { stream, env: { NO_COLOR: '1' } });
    progress.update({ done: 1, total: 2, details: [] });
    progress.note('candidate 0.1: 98.0 %');
    progress.finish();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal would show
    const shown = stream.written.replace(/[^\n]*\r(\x1b\[J)?/g, '');
    expect(shown.split('\n')[0]).toBe('candidate 0.1: 98.0 %');
    expect(shown.split('\n')[1]).toContain(' 50 %');
  });

  it('says nothing when nothing was reported', () => {
    for (const isTTY of [true, false]) {
      const stream = terminal({ isTTY });
      new Progress('train', { stream, env: {} }).finish();
      expect(stream.written).toBe('');
    }
  });
});

describe('significant', () => {
  it.each([
    [0, '0'],
    [0.012345, '0.0123'],
    [1.23456, '1.23'],
    [123.456, '123'],
    [9999, '9999'],
    [12345, '1.23e+4'],
    [0.00001234, '1.23e-5'],
    [-0.5, '-0.500'],
    [Number.NaN, 'NaN'],
  ])('%d → %s', (value, shown) => {
    expect(significant(value)).toBe(shown);
  });
});
