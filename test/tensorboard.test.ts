// Event files for TensorBoard, read back by a reader of their own (helpers/event-files.ts).
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FitOptions, layers, losses, Model, optimizers } from '../src/index.js';
import { crc32c } from '../src/training-log/crc32c.js';
import { scalarsEvent, startEvent, textEvent, versionEvent } from '../src/training-log/events.js';
import { bitwiseCrc32c, decodeEvent, eventFilesOf, readEvents, readRecords, scalarsOf } from './helpers/event-files.js';
import { readLog, stepsOf, validationsOf } from './helpers/log.js';
import { clouds } from './helpers/problems.js';
import { temporaryFile } from './helpers/temporary.js';

const network = () => Model.sequential({ inputShape: [16], layers: [layers.dense(24), layers.relu(), layers.dense(5)], seed: 7 });

const usual = (options: Partial<FitOptions> = {}): FitOptions => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
  batchSize: 32,
  steps: 60,
  logEverySteps: 10,
  ...options,
});

async function trainWith(options: Partial<FitOptions>) {
  using model = network();
  return await model.fit(clouds(), usual(options));
}

describe('crc32c', () => {
  // RFC 3720, appendix B.4, and the check value of CRC catalogues.
  const command = Buffer.from(
    '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000',
    'hex',
  );
  test.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 ascending', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['32 descending', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['an iSCSI command', command, 0xd9963a56],
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
  ])('of %s', (_, data, crc) => {
    expect(crc32c(data)).toBe(crc);
    expect(bitwiseCrc32c(data)).toBe(crc);
  });

  test('of anything', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (data) => crc32c(data) === bitwiseCrc32c(data)));
  });
});

describe('events', () => {
  /** As a file would have it. */
  function roundTrip(framed: Uint8Array) {
    using file = temporaryFile('events');
    writeFileSync(file.name, framed);
    return readRecords(file.name).map(decodeEvent);
  }

  test('of every kind are read as they were written', () => {
    const at = { seconds: 1_700_000_000.25, step: 12 };
    const events = roundTrip(
      Buffer.concat([
        versionEvent(at),
        startEvent({ ...at, step: 13 }),
        textEvent(at, 'run', 'naïve | “text”\n'),
        scalarsEvent(at, [
          ['train/loss', 0.1],
          ['train/accuracy', 1],
        ]),
      ]),
    );
    expect(events).toMatchObject([
      { wall_time: at.seconds, step: 12, what: 'file_version', file_version: 'brain.Event:2' },
      { what: 'session_log', step: 13, session_log: { status: 'START' } },
      { what: 'summary', step: 12, summary: { value: [{ tag: 'run', metadata: { plugin_data: { plugin_name: 'text' } } }] } },
      { what: 'summary', step: 12, summary: { value: [{ tag: 'train/loss', simple_value: Math.fround(0.1) }, { simple_value: 1 }] } },
    ]);
    const [text] = events[2]!.summary!.value;
    expect(text).toMatchObject({
      tensor: { dtype: 'DT_STRING', tensor_shape: { dim: [{ size: 1 }] } },
      metadata: { data_class: 'DATA_CLASS_TENSOR' },
    });
    expect(Buffer.from(text!.tensor!.string_val[0]!).toString()).toBe('naïve | “text”\n');
  });

  test('hold any step and any number', () => {
    const scalar = fc.tuple(fc.string({ unit: 'grapheme' }), fc.float());
    const steps = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1));
    fc.assert(
      fc.property(steps, fc.array(scalar, { maxLength: 4 }), fc.double({ noNaN: true, min: 0 }), (step, scalars, seconds) => {
        const [event] = roundTrip(scalarsEvent({ seconds, step }, scalars));
        expect(event).toMatchObject({ wall_time: seconds, step: Number.isSafeInteger(step) ? step : 0 });
        expect((event!.summary?.value ?? []).map(({ tag, simple_value }) => [tag, simple_value])).toEqual(scalars);
      }),
    );
  });
});

describe('fit with a directory for TensorBoard', () => {
  test('writes what the log has, under the tags of train and validation, and the options as text', async () => {
    using file = temporaryFile('run.jsonl');
    const directory = join(file.directory, 'runs', 'first');
    const before = Date.now() / 1000;
    await trainWith({
      log: file.name,
      tensorboard: directory,
      validation: { fraction: 0.1 },
      validateEverySteps: 25,
      notes: { experiment: 'a | b\n`c` [link](x) <b>' },
    });
    const [path, ...others] = eventFilesOf(directory);
    expect(others).toEqual([]);
    const [, seconds] = /^events\.out\.tfevents\.(\d{10})\./.exec(basename(path!))!;
    expect(Math.abs(Number(seconds) - before)).toBeLessThan(60);
    expect(basename(path!)).toContain(hostname());
    const events = readEvents(path!);
    expect(events[0]).toMatchObject({ file_version: 'brain.Event:2' });
    expect(events[1]).toMatchObject({ step: 1, session_log: { status: 'START' } });
    for (const { wall_time } of events) expect(Math.abs(wall_time - before)).toBeLessThan(60);

    const records = readLog(file.name);
    const scalars = scalarsOf(directory);
    expect([...scalars.keys()].sort()).toEqual([
      'train/accuracy',
      'train/examples_per_second',
      'train/learning_rate',
      'train/loss',
      'validation/accuracy',
      'validation/loss',
    ]);
    const float = (value: number | null) => Math.fround(value!);
    const steps = stepsOf(records);
    expect(scalars.get('train/loss')).toEqual(steps.map(({ step, loss }) => [step, float(loss)]));
    expect(scalars.get('train/accuracy')).toEqual(steps.map(({ step, accuracy }) => [step, float(accuracy)]));
    expect(scalars.get('train/learning_rate')).toEqual(steps.map(({ step, learningRate }) => [step, float(learningRate)]));
    expect(scalars.get('train/examples_per_second')).toEqual(steps.map(({ step, examplesPerSecond }) => [step, float(examplesPerSecond)]));
    const validations = validationsOf(records);
    expect(validations).toHaveLength(3);
    expect(scalars.get('validation/loss')).toEqual(validations.map(({ step, loss }) => [step, float(loss)]));
    expect(scalars.get('validation/accuracy')).toEqual(validations.map(({ step, accuracy }) => [step, float(accuracy)]));

    const texts = events.flatMap(({ summary }) => summary?.value ?? []).filter(({ tensor }) => tensor);
    const textOf = (tag: string) => Buffer.from(texts.find((value) => value.tag === tag)!.tensor!.string_val[0]!).toString();
    expect(textOf('run')).toContain('| options.loss.name | batch-cross-entropy |\n');
    expect(textOf('run')).toContain('| options.optimizer.learningRate | 0.05 |\n');
    expect(textOf('run')).toContain('| model.inputShape | \\[16] |\n');
    expect(textOf('run')).toContain('| notes.experiment | a \\| b \\`c\\` \\[link](x) \\<b> |');
    expect(textOf('end')).toBe('done');
  });

  test('a continued run has a file of its own that comes after, and no step twice', async () => {
    using whole = temporaryFile('events');
    using parts = temporaryFile('events');
    const checkpoint = join(parts.directory, 'checkpoint.safetensors');
    await trainWith({ tensorboard: whole.name });
    await trainWith({ tensorboard: parts.name, steps: 30, checkpoint: { path: checkpoint } });
    // Further than the checkpoint, as a run that was killed later: replaced by the last one.
    await trainWith({ tensorboard: parts.name, steps: 50, resumeFrom: checkpoint });
    await trainWith({ tensorboard: parts.name, resumeFrom: checkpoint });
    const files = eventFilesOf(parts.name);
    expect(files).toHaveLength(3);
    expect(readEvents(files[2]!)[1]).toMatchObject({ step: 31, session_log: { status: 'START' } });
    for (const tag of ['train/loss', 'train/accuracy', 'train/learning_rate'])
      expect(scalarsOf(parts.name).get(tag)).toEqual(scalarsOf(whole.name).get(tag));
  });

  test('a finished run that is continued has its last validation once', async () => {
    using directory = temporaryFile('events');
    const checkpoint = join(directory.directory, 'checkpoint.safetensors');
    const options = { tensorboard: directory.name, validation: { fraction: 0.1 }, validateEverySteps: 25 };
    await trainWith({ ...options, checkpoint: { path: checkpoint } });
    const validations = scalarsOf(directory.name).get('validation/loss');
    expect(validations!.map(([step]) => step)).toEqual([25, 50, 60]);
    // What is no event file, or a damaged one, hinders nothing.
    const damaged = join(directory.name, 'events.out.tfevents.0000000001.x.1.onelogit');
    writeFileSync(damaged, Buffer.alloc(20, 0xff));
    const first = eventFilesOf(directory.name).at(-1)!;
    for (let times = 0; times < 2; times++) await trainWith({ ...options, resumeFrom: checkpoint });
    const files = eventFilesOf(directory.name).slice(1);
    expect(files[0]).toBe(first);
    const shown = files.flatMap(readEvents).flatMap(({ step, summary }) => (summary?.value ?? []).map(({ tag }) => `${tag} ${step}`));
    expect(shown.filter((tag) => tag === 'validation/loss 60')).toHaveLength(1);
    expect(shown.filter((tag) => tag === 'end 60')).toHaveLength(3);
    rmSync(damaged);
    // A start before that step takes it away: the next run has it again.
    appendFileSync(files.at(-1)!, startEvent({ seconds: 0, step: 31 }));
    await trainWith({ ...options, resumeFrom: checkpoint });
    expect(
      scalarsOf(directory.name)
        .get('validation/loss')!
        .map(([step]) => step),
    ).toEqual([25, 60]);
    // And so it has without the other files.
    for (const file of eventFilesOf(directory.name)) rmSync(file);
    await trainWith({ ...options, resumeFrom: checkpoint });
    const last = readEvents(eventFilesOf(directory.name).at(-1)!).flatMap(({ summary }) => summary?.value ?? []);
    expect(last.map(({ tag }) => tag)).toContain('validation/loss');
  });

  test('is written while training goes on', async () => {
    using directory = temporaryFile('events');
    let seen = 0;
    await trainWith({
      tensorboard: directory.name,
      steps: 100_000,
      logEverySteps: 100,
      onProgress: ({ step }) => {
        if (step < 100_000) seen = statSync(eventFilesOf(directory.name)[0]!).size;
      },
    });
    expect(seen).toBeGreaterThan(5000);
    expect(readEvents(eventFilesOf(directory.name)[0]!)).toHaveLength(1000 + 4);
  });

  test('works at the same time in one directory', async () => {
    using directory = temporaryFile('events');
    await Promise.all([trainWith({ tensorboard: directory.name }), trainWith({ tensorboard: directory.name })]);
    expect(eventFilesOf(directory.name)).toHaveLength(2);
  });

  test('a directory that cannot be is refused, and a log beside it is not begun', async () => {
    using file = temporaryFile('run.jsonl');
    const at = (name: string) => join(file.directory, name);
    writeFileSync(at('file'), 'something');
    for (const [tensorboard, message] of [
      [at('file'), /it is a file/],
      [at('file/inner'), /a part of its path is a file/],
      ['/proc/nowhere/events', /its directory does not exist/],
      [at('a\0b'), /null byte/],
      [at('x'.repeat(300)), /its name is too long/],
    ] as const)
      await expect(trainWith({ log: file.name, tensorboard })).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FILE',
        message: expect.stringMatching(message),
      });
    expect(readdirSync(file.directory)).toEqual(['file']);
    expect(readFileSync(at('file'), 'utf8')).toBe('something');
  });

  test('may have any name, and hold other things', async () => {
    using file = temporaryFile('inner');
    const directory = join(file.directory, 'with a\nnewline “ü”');
    mkdirSync(directory);
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    writeFileSync(join(directory, 'events.out.tfevents.9999999998.host'), '');
    await trainWith({ tensorboard: directory });
    expect(eventFilesOf(directory).map((path) => basename(path).slice(0, 30))).toEqual([
      'events.out.tfevents.9999999998',
      'events.out.tfevents.9999999999',
    ]);
  });

  test('can be read by protoc, where there is one', async (context) => {
    using directory = temporaryFile('events');
    await trainWith({ tensorboard: directory.name, steps: 10 });
    const [, , , event] = readRecords(eventFilesOf(directory.name)[0]!);
    let text: string;
    try {
      text = execFileSync('protoc', ['--decode_raw'], { input: event }).toString();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return context.skip('needs protoc (protobuf-compiler)');
      throw error;
    }
    expect(text).toMatch(/^1: 0x[0-9a-f]{16}\n2: 10\n5 \{\n {2}1 \{\n {4}1: "train\/loss"\n {4}2: 0x[0-9a-f]{8}\n/);
  });
});
