import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { barLine, curveLine, fitState, fitStates, Progress, showsUnicode, significant } from '../src/cli/progress.js';
import { Course, sparkline, stretches } from '../src/cli/sparkline.js';
import { screenOf } from './helpers/screen.js';

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

  it('puts them in place of the ^C of an interruption, also before there is a line', () => {
    const stream = terminal();
    const progress = new Progress('reading', { stream, env: { NO_COLOR: '1' }, quietFor: 1000 });
    progress.update({ done: 1, total: 2, details: [] });
    stream.write('^C');
    progress.note('Stopping');
    progress.finish({ keep: false });
    expect(screenOf(stream.written, 80)).toEqual(['Stopping', '']);
  });

  it('says nothing when nothing was reported', () => {
    for (const isTTY of [true, false]) {
      const stream = terminal({ isTTY });
      new Progress('train', { stream, env: {} }).finish();
      expect(stream.written).toBe('');
    }
  });
});

describe('sparkline', () => {
  it('goes from the lowest to the highest value', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([3, -1, 3])).toBe('█▁█');
    expect(sparkline([5, 5, 5])).toBe('▁▁▁');
    expect(sparkline([])).toBe('');
  });

  it('shows positive values by their logarithms', () => {
    expect(sparkline([1, 0.1, 0.01, 0.001])).toBe('█▆▃▁');
  });

  it('has a dot for what is not finite, which has no part in the scale', () => {
    expect(sparkline([Number.NaN, 1, Infinity, 2, -Infinity])).toBe('·▁·█·');
    expect(sparkline([Number.NaN, Infinity])).toBe('··');
  });

  it('takes as many columns as there are values, whatever they are', () => {
    fc.assert(fc.property(fc.array(fc.double()), (values) => sparkline(values).length === values.length));
  });
});

describe('Course', () => {
  it('keeps the shape of any number of values in bounded memory', () => {
    const course = new Course(16);
    for (let i = 1; i <= 1000; i++) {
      course.add(i);
      expect(course.values.length).toBeLessThanOrEqual(16);
      if (i >= 16) expect(course.values.length).toBeGreaterThanOrEqual(8);
    }
    const { values } = course;
    expect([...values].sort((a, b) => a - b)).toEqual(values);
    expect(values[0]).toBeCloseTo((1 + 64) / 2);
    expect(values.at(-1)).toBeGreaterThan(960);
  });

  it('is every value while there are few', () => {
    const course = new Course(16);
    for (const value of [3, 1, 2]) course.add(value);
    expect(course.values).toEqual([3, 1, 2]);
  });

  it('is divided into stretches of about the same length', () => {
    expect(stretches([1, 2, 3, 4, 5, 6], 3)).toEqual([1.5, 3.5, 5.5]);
    expect(stretches([1, 2, 3, 4, 5], 2)).toEqual([2, 4.5]);
    expect(stretches([1, 2], 5)).toEqual([1, 2]);
  });
});

describe('curveLine', () => {
  const curve = { name: 'loss', values: Array.from({ length: 100 }, (_, i) => 2.3 / (1 + i)) };

  it('stands below the bar, with the first and the latest value', () => {
    expect(curveLine('train', curve, 100)).toMatch(/^loss {3}█[▁-█]{58}▁ {2}2\.30 → 0\.0230$/);
    expect(curveLine('batch-cross-entropy', curve, 100)).toMatch(/^loss {17}█/);
  });

  it.each(Array.from({ length: 200 }, (_, i) => i))('takes at most %i columns', (width) => {
    expect(curveLine('train', curve, width).length).toBeLessThanOrEqual(Math.min(width, 120));
  });

  it('is left out where there is no room, or no course yet', () => {
    expect(curveLine('train', curve, 14)).toBe('');
    expect(curveLine('train', curve, 15)).toMatch(/^loss {3}[▁-█]{8}$/);
    expect(curveLine('train', { name: 'loss', values: [1] }, 100)).toBe('');
    expect(curveLine('train', { name: 'loss', values: [] }, 100)).toBe('');
  });
});

describe('showsUnicode', () => {
  it.each([
    [{}, true],
    [{ LANG: 'en_GB.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'C' }, false],
    [{ LANG: 'POSIX' }, false],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{ LANG: 'en_GB.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'en_GB.UTF-8' }, true],
    [{ LANG: 'C', LC_ALL: '', LC_CTYPE: 'C.UTF-8' }, true],
    [{ TERM: 'linux', LANG: 'en_GB.UTF-8' }, false],
  ])('of %o is %s', (env, expected) => {
    expect(showsUnicode(env)).toBe(expected);
  });
});

describe('the course of the loss', () => {
  const report = (step: number) => ({
    step,
    steps: 1000,
    loss: 2.3 / step,
    accuracy: 0.5,
    examplesPerSecond: 1000,
    secondsLeft: 10,
    ...(step === 100 ? { validation: { accuracy: 0.75 } } : {}),
  });

  /** Reports of a run on a terminal. */
  function run(env: NodeJS.ProcessEnv, columns = 80, isTTY = true) {
    const stream = terminal({ columns, isTTY });
    let now = 0;
    const progress = new Progress('train', { stream, env, now: () => now });
    const stateOf = fitStates();
    for (let step = 50; step <= 1000; step += 50, now += 100) progress.update(stateOf(report(step)));
    return { stream, progress };
  }

  it('is drawn below the bar, in place, and left standing', () => {
    const { stream, progress } = run({ NO_COLOR: '1' });
    progress.note('a note');
    progress.finish();
    stream.write('$ ');
    expect(screenOf(stream.written, 80)).toEqual([
      'a note',
      expect.stringMatching(/^train {2}━{6,} {2}100 % {2}loss 0\.00230 {2}accuracy 50\.0 % .* left$/),
      expect.stringMatching(/^loss {3}█[▁-█]{18}▁ {2}0\.0460 → 0\.00230$/),
      '$',
    ]);
  });

  it('can be taken away without a trace', () => {
    const { stream, progress } = run({});
    progress.finish({ keep: false });
    expect(screenOf(stream.written, 80)).toEqual(['']);
  });

  it('fits itself to the terminal', () => {
    for (const columns of [10, 20, 40, 80, 200]) {
      const { stream, progress } = run({ NO_COLOR: '1' }, columns);
      progress.finish();
      const screen = screenOf(stream.written, columns);
      // One row for the bar, one for the course where there is room, one for the cursor.
      expect(screen).toHaveLength(columns < 20 ? 2 : 3);
      for (const row of screen) expect(row.length).toBeLessThan(columns);
      // A terminal writes ^C where the cursor is: it must not begin another row.
      expect(screen.at(-2)!.length).toBeLessThan(columns - 2);
    }
  });

  it('erases both lines, broken over several rows, when the terminal becomes narrower', () => {
    const { stream, progress } = run({ NO_COLOR: '1' }, 100);
    const before = stream.written.length;
    stream.resize(40);
    const [first, second] = screenOf(stream.written.slice(0, before), 100).map((row) => Math.ceil(row.length / 40));
    expect(stream.written.slice(before).startsWith(`\r\x1b[${first! + second! - 1}A\x1b[J`)).toBe(true);
    progress.finish();
  });

  it('has no colour of its own, and none at all with NO_COLOR', () => {
    const { stream, progress } = run({ NO_COLOR: '1' });
    progress.finish();
    expect(stream.written).not.toContain('\x1b[3');
    expect(stream.written).not.toContain('\x1b[2m');
  });

  it.each([{ LANG: 'C' }, { LC_ALL: 'POSIX' }, { TERM: 'linux' }, { TERM: 'dumb' }])(
    'is left out with %o, and so are all characters beyond ASCII',
    (env) => {
      const { stream, progress } = run(env);
      progress.finish();
      // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII
      expect(stream.written).toMatch(/^[\x00-\x7f]+$/);
    },
  );

  it('is left out where there is no terminal', () => {
    const { stream, progress } = run({}, 80, false);
    progress.finish();
    expect(stream.written).toBe(
      'train  100 %  loss 0.00230  accuracy 50.0 %  validation 75.00 %  1,000 examples/s  step 1,000/1,000  0:10 left\n',
    );
  });

  it('keeps the latest validation in sight', () => {
    const stateOf = fitStates();
    for (const step of [50, 100, 150]) stateOf(report(step));
    expect(stateOf(report(200)).details).toContain('validation 75.00 %');
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
