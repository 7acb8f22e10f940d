// `train --log --tensorboard`, and what a terminal shows meanwhile.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventFilesOf, scalarsOf } from './helpers/event-files.js';
import { readLog, startsOf, stepsOf } from './helpers/log.js';
import { program, runCli, startCli } from './helpers/run-cli.js';
import { screenOf } from './helpers/screen.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'onelogit-log-'));
  await writeTinyIdx(join(directory, 'data'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const at = (name: string) => join(directory, name);
const train = (...args: string[]) => ['train', 'data', '--hidden', '16', '--batch-size', '32', '--out', 'model.safetensors', ...args];
const cli = (...args: string[]) => runCli(args, { cwd: directory });

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(condition()).toBe(true);
}

describe('train --log --tensorboard', () => {
  it('writes both, and prints one object with --json', async () => {
    const { code, stdout, stderr } = await cli(
      ...train('--steps', '120', '--log', 'run.jsonl', '--tensorboard', 'runs/1', '--log-every', '25', '--validation', '0.2', '--json'),
    );
    expect([code, stderr.includes('tail -f')]).toEqual([0, false]);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ steps: 120, log: 'run.jsonl', tensorboard: 'runs/1' });
    const records = readLog(at('run.jsonl'));
    expect(records.map(({ record, step }) => `${record} ${step}`)).toEqual([
      'start 0',
      ...[25, 50, 75, 100, 120].map((step) => `step ${step}`),
      'validation 120',
      'end 120',
    ]);
    expect(startsOf(records)[0]!.notes).toMatchObject({
      command: 'onelogit train',
      data: 'data',
      options: { arch: 'mlp', loss: 'batch-cross-entropy', steps: 120, validation: 0.2, out: 'model.safetensors' },
    });
    expect(
      scalarsOf(at('runs/1'))
        .get('train/loss')!
        .map(([step]) => step),
    ).toEqual([25, 50, 75, 100, 120]);
  });

  it('tells how to watch, and that a log is appended to', async () => {
    const first = await cli(...train('--steps', '20', '--log', "it's.jsonl", '--tensorboard', 'runs/2'));
    expect(first.stderr).toContain(`Writing it's.jsonl: tail -f 'it'\\''s.jsonl'\n`);
    expect(first.stderr).toContain('Writing events to runs/2: tensorboard --logdir runs/2\n');
    const second = await cli(...train('--steps', '20', '--log', "it's.jsonl"));
    expect(second.stderr).toContain("Appending to it's.jsonl");
    expect(startsOf(readLog(at("it's.jsonl")))).toHaveLength(2);
  });

  it('an interrupted run says so, and goes on in the same files', async () => {
    const args = ['--log', 'long.jsonl', '--tensorboard', 'runs/long', '--checkpoint', 'long.safetensors', '--checkpoint-every', '100'];
    const { child, finished } = startCli(train('--steps', '100000000', ...args), { cwd: directory });
    await until(() => existsSync(at('long.jsonl')) && readFileSync(at('long.jsonl'), 'utf8').split('\n').length > 20);
    child.kill('SIGINT');
    expect((await finished).code).toBe(130);
    const interrupted = readLog(at('long.jsonl'));
    const { step } = interrupted.at(-1)!;
    expect(interrupted.at(-1)).toMatchObject({ record: 'end', outcome: 'interrupted' });
    expect(stepsOf(interrupted).at(-1)!.step).toBe(step);
    const { code } = await cli(...train('--steps', String(step + 130), ...args, '--resume', 'long.safetensors'));
    expect(code).toBe(0);
    const records = readLog(at('long.jsonl'));
    expect(records.slice(0, interrupted.length)).toEqual(interrupted);
    let done = 0;
    for (const record of stepsOf(records)) {
      expect(record.step - record.overSteps).toBe(done);
      done = record.step;
    }
    expect(done).toBe(step + 130);
    expect(eventFilesOf(at('runs/long'))).toHaveLength(2);
    expect(
      scalarsOf(at('runs/long'))
        .get('train/loss')!
        .map(([at]) => at),
    ).toEqual(stepsOf(records).map(({ step: at }) => at));
  });

  it('refuses at the start what cannot be written', async () => {
    writeFileSync(at('diary.txt'), 'dear diary');
    for (const [args, code, message] of [
      [['--log', 'no/such/run.jsonl'], 'ERR_ONELOGIT_FILE', /--log but received .*the directory no\/such does not exist/],
      [['--log', 'data'], 'ERR_ONELOGIT_FILE', /--log but received data: it is a directory/],
      [['--log', 'diary.txt'], 'ERR_ONELOGIT_FILE', /--log but received diary.txt: it holds something else than a log/],
      [['--tensorboard', 'diary.txt'], 'ERR_ONELOGIT_FILE', /--tensorboard but received diary.txt/],
      [['--log-every', '5'], 'ERR_ONELOGIT_USAGE', /--log FILE or --tensorboard DIR with --log-every but received neither/],
      [['--log', './model.safetensors'], 'ERR_ONELOGIT_USAGE', /two files for --log and --out but received .\/model.safetensors for both/],
      [['--log', ''], 'ERR_ONELOGIT_USAGE', /FILE for --log/],
    ] as const) {
      const { code: exit, stdout } = await cli(...train('--steps', '20', ...args, '--json'));
      expect(exit).toBe(code === 'ERR_ONELOGIT_USAGE' ? 2 : 1);
      expect(JSON.parse(stdout).error).toMatchObject({ code, message: expect.stringMatching(message) });
    }
    expect(readFileSync(at('diary.txt'), 'utf8')).toBe('dear diary');
  });

  it.skipIf(!existsSync('/dev/full'))('says once that the disk is full, and saves the model', async () => {
    const { code, stderr } = await cli(...train('--steps', '3000', '--log', '/dev/full', '--log-every', '1', '--out', 'saved.safetensors'));
    expect(code).toBe(0);
    expect(stderr.match(/ENOSPC/g)).toHaveLength(1);
    expect(stderr).toMatch(/^onelogit: Expected to go on writing \/dev\/full but received: ENOSPC: .*Training goes on without it/m);
    expect(existsSync(at('saved.safetensors'))).toBe(true);
  });
});

/** What the command writes to a terminal of so many columns: by util-linux's `script`. */
function onTerminal(args: readonly string[], columns: number, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const command = [`stty cols ${columns} rows 24;`, 'exec', process.execPath, program, ...args].join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: directory,
    env: { ...process.env, TERM: 'xterm-256color', LANG: 'C.UTF-8', LC_ALL: '', NO_COLOR: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let written = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    written += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(written) : reject(new Error(`exit code ${code}: ${written}`))));
  });
}

describe.skipIf(process.platform !== 'linux')('a real terminal', () => {
  const steps = '150000';

  it.each([40, 80, 200])('of %i columns shows the bar and the course of the loss', async (columns) => {
    const screen = screenOf(await onTerminal(train('--steps', steps, '--log', 'terminal.jsonl'), columns), columns);
    const bar = screen.findIndex((row) => row.startsWith('train'));
    expect(screen[bar]).toMatch(columns === 40 ? /^train {2}100 % {2}loss / : /^train {2}━{6,30} {2}100 % {2}loss \S+ {2}/);
    expect(screen[bar]).toMatch(/0:00 left$/);
    expect(screen[bar]!.length).toBeLessThan(columns);
    expect(screen[bar + 1]).toMatch(/^loss {3}[▁-█]{3,60}( {2}\S+ → \S+)?$/);
    expect(screen[bar + 1]!.length).toBeLessThan(columns);
    expect(screen[bar + 2]).toMatch(/^Trained 150,000 steps/);
    // Drawn over and over, and in the end once.
    expect(screen.filter((row) => row.startsWith('train  ')).length).toBe(1);
  });

  it('with LANG=C has neither the course nor any character beyond ASCII', async () => {
    const written = await onTerminal(train('--steps', steps), 80, { LANG: 'C', NO_COLOR: '1' });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII
    expect(written).toMatch(/^[\x00-\x7f]+$/);
    expect(written).toMatch(/train {2}#{6,30} {2}100 %/);
  });

  it('has warnings above the bar', async () => {
    const screen = screenOf(await onTerminal(train('--steps', steps, '--log', '/dev/full'), 200), 200);
    const warning = screen.findIndex((row) => row.startsWith('onelogit: Expected to go on writing /dev/full'));
    expect(warning).toBeGreaterThan(0);
    expect(screen[warning + 1]).toMatch(/^train {2}━/);
  });
});
