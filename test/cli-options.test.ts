import { describe, expect, it, vi } from 'vitest';
import { commandHelp, programHelp, wrap } from '../src/cli/help.js';
import { type CommandSpec, choice, choices, flag, integer, integers, number, parseCommandLine, text } from '../src/cli/options.js';
import { Output, table, writeError } from '../src/cli/output.js';
import { nearest, UsageError } from '../src/cli/usage.js';

const spec = {
  name: 'train',
  summary: 'train a model',
  positionals: [
    { name: 'DATA', help: 'a directory' },
    { name: 'MORE', help: 'something else', optional: true },
  ],
  options: {
    steps: integer('how long', { least: 1, otherwise: 100 }),
    rate: number('how fast', { least: 0, above: true, most: 10 }),
    loss: choice('which loss', ['cross-entropy', 'max-margin', 'nce'], 'nce'),
    only: choices('some losses', ['cross-entropy', 'nce']),
    hidden: integers('units', { least: 1 }, [500, 500]),
    out: text('where to', 'FILE'),
    nesterov: flag('the other momentum'),
  },
  examples: [['onelogit train data/', 'the usual']],
} as const satisfies CommandSpec;

const parse = (...args: string[]) => parseCommandLine(spec, args);

describe('parseCommandLine', () => {
  it('gives every option a value: what was written, else the default', () => {
    expect(parse('data')).toEqual({
      positionals: ['data'],
      values: {
        steps: 100,
        rate: undefined,
        loss: 'nce',
        only: undefined,
        hidden: [500, 500],
        out: undefined,
        nesterov: false,
        json: false,
        help: false,
      },
    });
    const { values, positionals } = parse(
      'a',
      '--steps',
      '1e3',
      '--rate=.5',
      '--loss',
      'max-margin',
      '--only',
      'nce, cross-entropy,nce',
      'b',
      '--hidden=64',
      '--out',
      'x',
      '--nesterov',
      '--json',
    );
    expect(positionals).toEqual(['a', 'b']);
    expect(values).toMatchObject({
      steps: 1000,
      rate: 0.5,
      loss: 'max-margin',
      only: ['nce', 'cross-entropy'],
      hidden: [64],
      out: 'x',
      nesterov: true,
      json: true,
    });
  });

  it.each([
    [
      ['data', '--stpes', '3'],
      /^Expected an option of train but received the unknown option '--stpes' \(did you mean '--steps'\?\)\nKnown options: --steps, /,
    ],
    [['data', '--xyzzy'], /unknown option '--xyzzy'\nKnown options: /],
    [['data', '-q'], /unknown option '-q'/],
    [['data', '--steps', '0'], /^Expected an integer of at least 1 for --steps but received '0'$/],
    [['data', '--steps', '1.5'], /^Expected an integer of at least 1 for --steps but received '1.5'$/],
    [['data', '--steps', '0x10'], /'0x10'/],
    [['data', '--steps', '1,000'], /'1,000'/],
    [['data', '--steps='], /^Expected an integer of at least 1 for --steps but received ''$/],
    [['data', '--steps', '1e999'], /'1e999'/],
    [['data', '--steps', '9007199254740993'], /'9007199254740993'/],
    [['data', '--rate', '0'], /^Expected a number from above 0 to 10 for --rate but received '0'$/],
    [['data', '--rate', '11'], /'11'/],
    [['data', '--rate', 'NaN'], /'NaN'/],
    [['data', '--rate', 'Infinity'], /'Infinity'/],
    [['data', '--rate', '-1'], /^Expected a value for --rate but received '-1' \(write --rate=-1 if that is the value\)$/],
    [['data', '--rate=-1'], /'-1'/],
    [
      ['data', '--loss', 'croß-entropy'],
      /^Expected cross-entropy, max-margin, nce for --loss but received 'croß-entropy' \(did you mean 'cross-entropy'\?\)$/,
    ],
    [['data', '--only', 'nce,'], /--only but received ''/],
    [['data', '--hidden', '5,,5'], /--hidden but received ''/],
    [['data', '--out', ''], /^Expected FILE for --out but received ''$/],
    [['data', '--out'], /^Expected a value for --out but received nothing$/],
    [['data', '--out', '--nesterov'], /^Expected a value for --out but received '--nesterov'/],
    [['data', '--nesterov=yes'], /^Expected no value for --nesterov but received 'yes'$/],
    [[], /^Expected DATA \(a directory\) after 'onelogit train' but received nothing$/],
    [[''], /^Expected DATA/],
    [['a', 'b', 'c'], /^Expected 2 arguments for train but received also 'c'$/],
  ])('refuses %j', (args, message) => {
    expect(() => parse(...args)).toThrow(UsageError);
    expect(() => parse(...args)).toThrow(message);
  });

  it('answers --help and -h whatever else is missing', () => {
    expect(parse('--help').values.help).toBe(true);
    expect(parse('-h').values.help).toBe(true);
  });

  it('takes what follows -- as arguments', () => {
    expect(parse('--', '--steps').positionals).toEqual(['--steps']);
  });
});

describe('nearest', () => {
  it.each([
    ['stpes', 'steps'],
    ['step', 'steps'],
    ['learnig-rate', 'learning-rate'],
    ['learning', 'learning-rate'],
    ['foo', undefined],
    ['', undefined],
  ])('%j → %j', (typed, meant) => {
    expect(nearest(typed, ['steps', 'learning-rate', 'seed', 'out'])).toBe(meant);
  });
});

describe('help', () => {
  it.each([40, 50, 80, 110])('fits %i columns and names every option with its default', (width) => {
    const help = commandHelp(spec, width);
    for (const line of help.split('\n')) expect(line.startsWith('  $') ? 0 : line.length).toBeLessThanOrEqual(width);
    for (const name of [...Object.keys(spec.options), 'json', 'help']) expect(help).toContain(`--${name}`);
    expect(help).toContain('(default:');
    expect(help.replace(/\s+/g, ' ')).toContain('units (default: 500,500)');
    expect(help.replace(/\s+/g, ' ')).toContain('Usage: onelogit train DATA [MORE] [options]');
    expect(help).toContain('$ onelogit train data/');
    for (const line of programHelp([spec], width).split('\n')) expect(line.startsWith('  $') ? 0 : line.length).toBeLessThanOrEqual(width);
  });

  it('wraps at spaces and keeps words whole', () => {
    expect(wrap('aa bb cc\ndd', 5, '> ')).toBe('aa bb\n> cc\n> dd');
    expect(wrap('incomprehensibilities a', 5)).toBe('incomprehensibilities\na');
  });
});

describe('table', () => {
  it('puts numbers to the right, and has room for as many rows as there are', () => {
    expect(
      table(
        ['', 'n', 'name'],
        [
          ['a', 1, 'x'],
          ['bb', '22 %', 'yy'],
        ],
      ),
    ).toBe('       n  name\na      1  x\nbb  22 %  yy');
    const lines = table(
      ['example', 'matches'],
      Array.from({ length: 200_000 }, (_, i) => [i, i % 2 === 0 ? 'yes' : 'no']),
    ).split('\n');
    expect([lines.length, lines[1], lines.at(-1)]).toEqual([200_001, '      0  yes', ' 199999  no']);
  });
});

describe('output', () => {
  it('shows names without what a terminal would act on, and leaves them to programs as they are', () => {
    const name = '\x1b[31mred\r\u009b2J\tcat\n';
    const shown = '\ufffd[31mred\ufffd\ufffd2J\tcat\n';
    const [out, errors] = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true));
    try {
      new Output(false).result({ name }, () => name);
      new Output(false).line(name);
      new Output(true).result({ name }, () => '');
      writeError(name);
      new Output(true).note(name);
      expect(out!.mock.calls.slice(0, 2)).toEqual([[`${shown}\n`], [`${shown}\n`]]);
      expect(JSON.parse(String(out!.mock.calls[2]![0]))).toEqual({ name });
      expect(errors!.mock.calls).toEqual([[`${shown}\n`], [`${shown}\n`]]);
    } finally {
      vi.restoreAllMocks();
    }
  });
});
