// Values that no option takes, over all commands: each is wrong usage, exit code 2, told by the option's name as it was typed.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { inOptionsWords } from '../src/cli/api-errors.js';
import { commands } from '../src/cli/commands.js';
import { parseCommandLine } from '../src/cli/options.js';
import { Output } from '../src/cli/output.js';
import { InterruptedError, UsageError } from '../src/cli/usage.js';
import { runCli } from './helpers/run-cli.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

const all = await Promise.all(commands.map(async ({ load }) => (await load()).command));
/** Options that take numbers, by what stands for their value in help. */
const numeric = all.flatMap(({ spec }) =>
  Object.entries(spec.options)
    .filter(([, { placeholder }]) => placeholder !== undefined && /^[NX](,…)?$/.test(placeholder))
    .map(([name, option]) => ({ command: spec.name, name, option })),
);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-ranges-'));
  await writeTinyIdx(join(directory, 'data'));
});
afterAll(() => rm(directory, { recursive: true }));

/** What a command line ends with, in this process; one that works is stopped after half a second. */
async function outcomeOf(args: readonly string[]): Promise<unknown> {
  const command = all.find(({ spec }) => spec.name === args[0])!;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new InterruptedError('enough')), 500);
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, 'write').mockReturnValue(true);
  try {
    const { values, positionals } = parseCommandLine(command.spec, args.slice(1));
    await command.run({ values, positionals, output: new Output(true), signal: controller.signal });
    return undefined;
  } catch (error) {
    return error;
  } finally {
    clearTimeout(timer);
    vi.restoreAllMocks();
  }
}

describe('an option that takes a number', () => {
  it('is found in every command that has one', () => {
    expect(numeric.length).toBeGreaterThan(60);
    for (const name of ['quickstart', 'train', 'evaluate', 'calibrate', 'convert', 'score', 'download', 'reproduce'])
      expect(numeric.map(({ command }) => command)).toContain(name);
  });

  it.each(numeric)('$command --$name refuses what is no number of its kind', ({ name, option }) => {
    const hostile = ['', 'nan', 'NaN', 'Infinity', '-Infinity', '1e400', 'ten', '0x10', '1,000.5', '-1', '١'];
    for (const text of hostile) {
      expect(() => option.parse(text, name), text).toThrow(UsageError);
      expect(() => option.parse(text, name), text).toThrow(`--${name}`);
    }
    if (option.placeholder!.startsWith('N')) expect(() => option.parse('1.5', name)).toThrow(`--${name}`);
  });
});

/** What an option needs beside it to be one of the run. */
const companions: Record<string, readonly string[]> = {
  margin: ['--loss', 'max-margin'],
  alpha: ['--loss', 'self-normalization'],
  'num-sampled': ['--loss', 'nce'],
  'noise-ratio': ['--loss', 'nce'],
  beta1: ['--optimizer', 'adam'],
  beta2: ['--optimizer', 'adam'],
  epsilon: ['--optimizer', 'adam'],
  'schedule-every': ['--schedule', 'step'],
  'schedule-factor': ['--schedule', 'step', '--schedule-every', '1'],
  'schedule-minimum': ['--schedule', 'cosine'],
  'validate-every': ['--validation', '0.1'],
  'checkpoint-every': ['--checkpoint', 'checkpoint.safetensors'],
  'log-every': ['--log', 'run.jsonl'],
};
const train = ['train', 'data', '--hidden', '8', '--batch-size', '16', '--out', 'out.safetensors'] as const;
/** Numbers that every option would read: very large and very small ones. */
const extremes = numeric
  .filter(({ command }) => command === 'train')
  .flatMap(({ name, option }) =>
    (option.placeholder!.startsWith('N') ? ['9007199254740991'] : ['1e300', '1e-300']).map((text) => [name, text] as const),
  );

describe('train', () => {
  it.each(extremes)('--%s %s is taken, or refused as wrong usage', async (name, text) => {
    const inDirectory = (args: readonly string[]) =>
      args.map((arg) => (/^data$|\.(safetensors|jsonl)$/.test(arg) ? join(directory, arg) : arg));
    const length = ['steps', 'epochs'].includes(name) ? [] : ['--steps', '3'];
    const own = [...train].filter((_, i, args) => args[i] !== `--${name}` && args[i - 1] !== `--${name}`);
    const error = await outcomeOf(
      inDirectory([...own, ...length, ...(companions[name] ?? []), `--${name}=${text}`, '--out', 'tried.safetensors']),
    );
    const fine = error === undefined || error instanceof InterruptedError;
    const { code, message } = (error ?? {}) as { code?: string; message?: string };
    // Of another format; or training that does not converge: neither is a range.
    if (fine || ['ERR_ONELOGIT_UNKNOWN_OPTION', 'ERR_ONELOGIT_LOSS_NOT_FINITE'].includes(code!)) return;
    expect(error, message).toBeInstanceOf(UsageError);
    expect(message).toContain(`--${name}`);
  });

  it.each([
    [['--epochs', '0'], /^onelogit: Expected a number above 0 for --epochs but received '0'$/],
    [['--batch-size=-1'], /from 1 to 2147483647 for --batch-size but received '-1'$/],
    [['--learning-rate', 'nan'], /for --learning-rate but received 'nan'$/],
    [['--epochs', '1e300'], /^onelogit: Expected an integer of at least 1 for --epochs but received /],
    [['--augment', 'pad-crop=6'], /^onelogit: Expected an integer from 0 to 5 for --augment but received 6$/],
    [['--nesterov', '--momentum', '0'], /^onelogit: Expected a number above 0 for --momentum with nesterov but received 0$/],
    [['--clip-norm', '1e-300'], /^onelogit: Expected a number that float32 tells from 0 for --clip-norm but received 1e-300$/],
    [
      ['--memory', 'recompute', '--clip-norm', '1'],
      /^onelogit: Expected 'auto' or 'store' for --memory with --clip-norm .* but received 'recompute'$/,
    ],
    [['--split', 'test', '--image-size', '20000'], /from 1 to 16384 for --image-size/],
  ])('%j exits with 2', async (args, message) => {
    const { code, stdout, stderr } = await runCli([...train, ...args], { cwd: directory });
    const [said, help] = stderr.trim().split('\n').slice(-2);
    expect(said).toMatch(message);
    expect(help).toBe('Help: onelogit train --help');
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(existsSync(join(directory, 'out.safetensors'))).toBe(false);
  });

  it('names --augment where examples are no images', async () => {
    await writeFile(join(directory, 'words.txt'), Array.from({ length: 200 }, (_, i) => `${Math.floor(i / 20)} ${(i % 7) + 1}\n`).join(''));
    const args = ['train', directory, '--format', 'sequences', '--augment', 'flip', '--steps', '1', '--out', join(directory, 'none')];
    const { code, stderr } = await runCli(args);
    expect(stderr).toContain('Expected examples of height × width × channels for --augment but received integers');
    expect(code).toBe(2);
  });

  it('is advised in the options’ names', async () => {
    const { code, stderr } = await runCli([...train, '--loss', 'self-normalization', '--alpha', '1e300', '--steps', '5'], {
      cwd: directory,
    });
    expect(stderr).toContain('lower --learning-rate (0.1 at this step), set --clip-norm, or check');
    expect(code).toBe(1);
  });

  it('says so in its one object with --json', async () => {
    const { code, stdout } = await runCli([...train, '--augment', 'pad-crop=6', '--json'], { cwd: directory });
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'ERR_ONELOGIT_USAGE', message: 'Expected an integer from 0 to 5 for --augment but received 6' },
    });
    expect(code).toBe(2);
  });
});

describe('other commands', () => {
  it('name the option, too', async () => {
    const { code } = await runCli([...train, '--steps', '5'], { cwd: directory });
    expect(code).toBe(0);
    for (const [args, message] of [
      [
        ['score', 'out.safetensors', '--class', '0', '--data', 'data', '--index', '100'],
        "Expected an integer from 0 to 99 for --index but received '100'",
      ],
      [
        ['score', 'out.safetensors', '--class', '4', '--data', 'data', '--index', '1'],
        'Expected a class id from 0 to 3 for --class but received 4',
      ],
      [['evaluate', 'out.safetensors', 'data', '--negatives', '65537'], 'for --negatives but received'],
      [
        ['evaluate', 'out.safetensors', 'data', '--split', 'validation'],
        "Expected 'train' or 'test' for --split of idx data but received the string 'validation': it has no validation part of its own, train --validation sets one aside",
      ],
      [['calibrate', 'out.safetensors', 'data', '--recall', '1'], 'for --recall but received'],
    ] as const) {
      const result = await runCli(args, { cwd: directory });
      expect(result.stderr).toContain(message);
      expect(result.code).toBe(2);
    }
  });
});

describe('an error that no option can help', () => {
  it('stays what it is', () => {
    const { options } = all.find(({ spec }) => spec.name === 'train')!.spec;
    const about = (message: string, code = 'ERR_ONELOGIT_RANGE') => Object.assign(new RangeError(message), { code });
    const values = { steps: 5, 'batch-size': 128 };
    for (const error of [
      about('Expected an integer of at least 1 for classes of dataset but received 0'),
      // The default: nobody has typed it.
      about('Expected an integer from 1 to 64 for batchSize of model.fit but received 128'),
      about('Expected an integer of at least 1 for steps of model.fit but received 5', 'ERR_ONELOGIT_FORMAT'),
      new Error('something else'),
      'a string',
      undefined,
    ])
      expect(inOptionsWords(error, options, values)).toBe(error);
    expect(inOptionsWords(about('Expected 1 for steps of model.fit but received 5'), options, values)).toBeInstanceOf(UsageError);
  });
});
