// The log of a run: what its lines say, that it neither loses nor repeats a step, and that nothing about the file stops training.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type FitOptions, type LogRecord, layers, losses, Model, optimizers, schedules } from '../src/index.js';
import { version } from '../src/version.js';
import { readLog, startsOf, stepsOf, validationsOf, withoutTime } from './helpers/log.js';
import { clouds, streamed } from './helpers/problems.js';
import { packageRoot, packageUrl } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

const network = (seed = 7) =>
  Model.sequential({
    inputShape: [16],
    layers: [layers.dense(24), layers.batchNorm(), layers.relu(), layers.dense(5)],
    seed,
    device: 'cpu',
  });

const usual = (options: Partial<FitOptions> = {}): FitOptions => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
  batchSize: 32,
  steps: 60,
  logEverySteps: 10,
  ...options,
});

/** The log of a fit of a new network. */
async function logOf(path: string, options: Partial<FitOptions>) {
  using model = network();
  const result = await model.fit(clouds(), usual({ log: path, ...options }));
  return { result, records: readLog(path) };
}

/** Fits until about `steps` steps are done, then aborts. */
async function abortAt(steps: number, options: Partial<FitOptions>): Promise<void> {
  using model = network();
  const controller = new AbortController();
  const source = streamed(clouds());
  const read = async (indices: Int32Array) => {
    if (source.calls.length >= steps) {
      controller.abort();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return source.read(indices);
  };
  await expect(model.fit({ ...source, read }, usual({ ...options, signal: controller.signal }))).rejects.toMatchObject({
    code: 'ERR_ONELOGIT_ABORTED',
  });
}

/** Every step after `first` is in exactly one record; returns the last. */
function lastOfSteps(records: readonly LogRecord[], first = 0): number {
  let done = first;
  for (const { step, overSteps } of stepsOf(records)) {
    expect(step - overSteps).toBe(done);
    done = step;
  }
  return done;
}

describe('a log', () => {
  test('says what was asked for, how the loss went, every validation and how it ended', async () => {
    using file = temporaryFile('run.jsonl');
    const { result, records } = await logOf(file.name, {
      steps: 65,
      schedule: schedules.cosine(),
      validation: { fraction: 0.1 },
      validateEverySteps: 25,
      notes: { experiment: 'first', list: [1, 2] },
    });
    expect(records.map(({ record, step }) => `${record} ${step}`)).toEqual([
      'start 0',
      'step 10',
      'step 20',
      'validation 25',
      'step 30',
      'step 40',
      'step 50',
      'validation 50',
      'step 60',
      'step 65',
      'validation 65',
      'end 65',
    ]);
    expect(records[0]).toMatchObject({
      record: 'start',
      format: 1,
      version,
      options: {
        loss: { name: 'batch-cross-entropy' },
        optimizer: { name: 'sgd', learningRate: 0.05, momentum: 0.9 },
        schedule: { name: 'cosine' },
        steps: 65,
        batchSize: 32,
        seed: 7,
        validation: { fraction: 0.1, seed: 7 },
        validateEverySteps: 25,
        logEverySteps: 10,
      },
      model: { inputShape: [16], classes: 5, parameters: 16 * 24 + 24 + 48 + 24 * 5 + 5, layers: 4, device: 'cpu' },
      dataset: { examples: 450, validationExamples: 50, classes: 5 },
      machine: { cores: expect.any(Number), node: process.versions.node },
      notes: { experiment: 'first', list: [1, 2] },
    });
    const [start] = startsOf(records);
    expect(Math.abs(Date.parse(start!.time) - Date.now())).toBeLessThan(60_000);
    const steps = stepsOf(records);
    // Weighted by its steps, the mean of all records is that of the run: it has fewer than 100 steps.
    const mean = (of: 'loss' | 'accuracy') => steps.reduce((sum, record) => sum + (record[of]! * record.overSteps) / 65, 0);
    expect(mean('loss')).toBeCloseTo(result.finalLoss, 10);
    expect(mean('accuracy')).toBeCloseTo(result.finalAccuracy, 10);
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss);
    for (const { step, learningRate, examplesPerSecond } of steps) {
      expect(learningRate).toBeCloseTo((0.05 * (1 + Math.cos((Math.PI * (step - 1)) / 64))) / 2, 2);
      expect(examplesPerSecond).toBeGreaterThan(0);
    }
    expect(validationsOf(records).at(-1)).toMatchObject(result.validation!);
    expect(records.at(-1)).toMatchObject({
      record: 'end',
      outcome: 'done',
      step: 65,
      finalLoss: result.finalLoss,
      finalAccuracy: result.finalAccuracy,
      examplesPerSecond: result.examplesPerSecond,
    });
  });

  test('has the same numbers in every run, and training the same weights as without', async () => {
    using first = temporaryFile('run.jsonl');
    using second = temporaryFile('run.jsonl');
    const [a, b] = [await logOf(first.name, {}), await logOf(second.name, {})];
    expect(withoutTime(stepsOf(a.records))).toEqual(withoutTime(stepsOf(b.records)));
    using logged = network();
    using plain = network();
    await logged.fit(clouds(), usual({ log: first.name }));
    await plain.fit(clouds(), usual({ logEverySteps: undefined }));
    for (const { name } of plain.tensors) expect(logged.tensor(name)).toEqual(plain.tensor(name));
  });

  test('is appended to: each run begins with its start', async () => {
    using file = temporaryFile('run.jsonl');
    await logOf(file.name, {});
    const { records } = await logOf(file.name, { steps: 20 });
    expect(records.map(({ record }) => record).filter((record) => record === 'start' || record === 'end')).toEqual([
      'start',
      'end',
      'start',
      'end',
    ]);
    expect(stepsOf(records).map(({ step }) => step)).toEqual([10, 20, 30, 40, 50, 60, 10, 20]);
  });

  test('is written while training goes on, and loses nothing when the event loop is busy', async () => {
    using file = temporaryFile('run.jsonl');
    using model = network();
    let seen = 0;
    const never = new Int32Array(new SharedArrayBuffer(4));
    await model.fit(clouds(), {
      ...usual({ steps: 100_000, log: file.name }),
      onProgress: ({ step }) => {
        Atomics.wait(never, 0, 0, 40);
        if (step < 100_000) seen = readFileSync(file.name, 'utf8').split('\n').length;
      },
    });
    expect(seen).toBeGreaterThan(100);
    const records = readLog(file.name);
    expect(stepsOf(records)).toHaveLength(10_000);
    expect(lastOfSteps(records)).toBe(100_000);
  });

  test('has null where the accuracy is not known', async () => {
    using file = temporaryFile('run.jsonl');
    const { records } = await logOf(file.name, { loss: losses.nce({ numSampled: 2 }), memory: 'recompute', steps: 10 });
    expect(stepsOf(records)[0]).toMatchObject({ accuracy: null, overSteps: 10 });
    expect(records.at(-1)).toMatchObject({ finalAccuracy: null });
  });

  test('does not hold weights of noise, however many classes there are', async () => {
    using file = temporaryFile('run.jsonl');
    const { records } = await logOf(file.name, { loss: losses.nce({ noise: Float32Array.of(1, 2, 3, 4, 5) }), steps: 10 });
    expect(startsOf(records)[0]!.options.loss).toMatchObject({ name: 'nce', noise: { weights: 5 } });
  });
});

describe('how a run ended', () => {
  test('interrupted, with all steps that were done', async () => {
    using file = temporaryFile('run.jsonl');
    await abortAt(34, { log: file.name });
    const records = readLog(file.name);
    const last = lastOfSteps(records);
    expect(last).toBeGreaterThan(20);
    expect(records.at(-1)).toMatchObject({ record: 'end', outcome: 'interrupted', step: last });
    expect(records.at(-1)).not.toHaveProperty('error');
  });

  test('failed: with the code, and the steps before', async () => {
    using file = temporaryFile('run.jsonl');
    const dataset = clouds();
    dataset.inputs[16 * 123] = Number.NaN;
    using model = network();
    await expect(model.fit(dataset, usual({ log: file.name, logEverySteps: 1000 }))).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_LOSS_NOT_FINITE',
    });
    const records = readLog(file.name);
    expect(records.at(-1)).toMatchObject({
      record: 'end',
      outcome: 'failed',
      error: { code: 'ERR_ONELOGIT_LOSS_NOT_FINITE', message: expect.stringContaining('example 123') },
      step: lastOfSteps(records),
    });
  });

  test.each([new Error('mine'), 'a string', undefined])('failed by what onProgress threw: %s', async (thrown) => {
    using file = temporaryFile('run.jsonl');
    using model = network();
    const onProgress = () => {
      throw thrown;
    };
    await model.fit(clouds(), usual({ log: file.name, onProgress })).then(
      () => expect.unreachable(),
      (error) => expect(error).toBe(thrown),
    );
    const end = readLog(file.name).at(-1) as { outcome: string; error: object };
    expect(end).toMatchObject({ outcome: 'failed', error: { message: thrown instanceof Error ? 'mine' : String(thrown) } });
    expect(end.error).not.toHaveProperty('code');
  });

  test('a run that never began leaves nothing behind', async () => {
    using file = temporaryFile('run.jsonl');
    const checkpoint = join(file.directory, 'checkpoint.safetensors');
    await logOf(file.name, { checkpoint: { path: checkpoint } });
    const before = readFileSync(file.name);
    const events = join(file.directory, 'events');
    using model = network();
    const other = join(file.directory, 'other.jsonl');
    for (const log of [file.name, other])
      await expect(model.fit(clouds(), usual({ log, tensorboard: events, resumeFrom: checkpoint, seed: 8 }))).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_CHECKPOINT',
      });
    expect(readFileSync(file.name)).toEqual(before);
    expect(existsSync(other)).toBe(false);
    expect(execFileSync('ls', [events]).toString()).toBe('');
  });
});

describe('a run that is continued', () => {
  const checkpointed = (directory: string) => ({ checkpoint: { path: join(directory, 'checkpoint.safetensors'), everySteps: 20 } });

  test('after an interruption goes on in the log, and has the steps of one that was never stopped', async () => {
    using file = temporaryFile('run.jsonl');
    using whole = temporaryFile('run.jsonl');
    const { records: straight } = await logOf(whole.name, checkpointed(whole.directory));
    await abortAt(34, { ...checkpointed(file.directory), log: file.name });
    const stopped = lastOfSteps(readLog(file.name));
    const { records } = await logOf(file.name, {
      ...checkpointed(file.directory),
      resumeFrom: join(file.directory, 'checkpoint.safetensors'),
    });
    expect(lastOfSteps(records)).toBe(60);
    expect(startsOf(records)[1]).toMatchObject({ step: stopped, resumedFrom: join(file.directory, 'checkpoint.safetensors') });
    expect(records.filter(({ record }) => record === 'end')).toMatchObject([{ outcome: 'interrupted' }, { outcome: 'done' }]);
    // The stop ended a record of its own; the others are the same to the last bit.
    const same = (all: readonly LogRecord[]) => withoutTime(stepsOf(all)).filter(({ step }) => step <= 30 || step > 40);
    expect(same(records)).toEqual(same(straight));
  });

  test('after kill -9 repeats no step, from whichever checkpoint', async () => {
    using file = temporaryFile('run.jsonl');
    using whole = temporaryFile('run.jsonl');
    const { records: straight } = await logOf(whole.name, checkpointed(whole.directory));
    const checkpoint = join(file.directory, 'checkpoint.safetensors');
    const early = join(file.directory, 'early.safetensors');
    await logOf(file.name, { ...checkpointed(file.directory), steps: 20 });
    renameSync(checkpoint, early);
    await logOf(file.name, { ...checkpointed(file.directory), steps: 60, resumeFrom: early });
    // What the kill left: no end, a record of steps after the checkpoint, half a line.
    const lines = readFileSync(file.name, 'utf8').split('\n');
    writeFileSync(file.name, `${lines.slice(0, -2).join('\n')}\n${lines[1]!.slice(0, 30)}`);
    const { records } = await logOf(file.name, { resumeFrom: early });
    expect(lastOfSteps(records)).toBe(60);
    expect(withoutTime(stepsOf(records))).toEqual(withoutTime(stepsOf(straight)));
    // The first two runs ended at step 20; the one from there that was killed has been taken out as a whole but for its start.
    expect(startsOf(records).map(({ step }) => step)).toEqual([0, 20, 20]);
  });

  test('takes nothing out of the log of another run', async () => {
    using file = temporaryFile('run.jsonl');
    const checkpoint = join(file.directory, 'checkpoint.safetensors');
    const other = join(file.directory, 'other.jsonl');
    await logOf(other, { checkpoint: { path: checkpoint }, steps: 30 });
    await logOf(file.name, { seed: 99 });
    const before = readFileSync(file.name, 'utf8');
    const { records } = await logOf(file.name, { resumeFrom: checkpoint });
    expect(readFileSync(file.name, 'utf8').startsWith(before)).toBe(true);
    expect(startsOf(records)).toMatchObject([{ step: 0 }, { step: 30, resumedFrom: checkpoint }]);
    // And not of an earlier run with the same options in the same file.
    const twice = join(file.directory, 'twice.jsonl');
    await logOf(twice, {});
    const { length } = readFileSync(twice);
    await logOf(twice, { checkpoint: { path: checkpoint }, steps: 30 });
    await logOf(twice, { resumeFrom: checkpoint, steps: 40 });
    expect(stepsOf(readLog(twice)).map(({ step }) => step)).toEqual([10, 20, 30, 40, 50, 60, 10, 20, 30, 40]);
    expect(readFileSync(twice).length).toBeGreaterThan(length);
  });

  test('that was finished is validated again, which the log tells once', async () => {
    using file = temporaryFile('run.jsonl');
    const options = { ...checkpointed(file.directory), validation: { fraction: 0.1 }, validateEverySteps: 25 };
    const resumed = { ...options, resumeFrom: join(file.directory, 'checkpoint.safetensors') };
    const { records: first } = await logOf(file.name, options);
    for (let times = 1; times <= 2; times++) {
      const { records, result } = await logOf(file.name, resumed);
      expect(result.validation).toBeDefined();
      expect(validationsOf(records)).toEqual(validationsOf(first));
      expect(records.slice(first.length).map(({ record, step }) => `${record} ${step}`)).toEqual(
        Array.from({ length: times }, () => ['start 60', 'end 60']).flat(),
      );
    }
    // One that was killed before its validation makes up for it.
    const lines = readFileSync(file.name, 'utf8').split('\n');
    writeFileSync(
      file.name,
      lines
        .slice(
          0,
          first.findIndex(({ record, step }) => record === 'validation' && step === 60),
        )
        .join('\n'),
    );
    const { records } = await logOf(file.name, resumed);
    expect(validationsOf(records).map(({ step }) => step)).toEqual([25, 50, 60]);
  });

  test('that was finished and is validated on other examples has both measurements', async () => {
    using file = temporaryFile('run.jsonl');
    const on = (sample: number) => ({ ...checkpointed(file.directory), validation: clouds({ length: 40, sample, spread: 2 }) });
    await logOf(file.name, on(1));
    for (const sample of [1, 2]) await logOf(file.name, { ...on(sample), resumeFrom: join(file.directory, 'checkpoint.safetensors') });
    expect(validationsOf(readLog(file.name)).map(({ step }) => step)).toEqual([60, 60]);
  });

  test('may begin a log', async () => {
    using file = temporaryFile('run.jsonl');
    const checkpoint = join(file.directory, 'checkpoint.safetensors');
    await network().fit(clouds(), usual({ checkpoint: { path: checkpoint }, steps: 30, logEverySteps: undefined }));
    const { records } = await logOf(file.name, { resumeFrom: checkpoint });
    expect(lastOfSteps(records, 30)).toBe(60);
    expect(records[0]).toMatchObject({ record: 'start', step: 30, resumedFrom: checkpoint });
  });
});

describe('kill -9', () => {
  const trainer = (path: string, checkpoint: string) => `
    import { existsSync } from 'node:fs';
    import { layers, losses, Model, optimizers } from '${packageUrl}';
    const { inputs, labels } = JSON.parse(process.env.EXAMPLES);
    const data = { inputs: Float32Array.from(inputs), labels: Int32Array.from(labels), inputShape: [16], classes: 5, length: labels.length };
    const model = Model.sequential({ inputShape: [16], layers: [layers.dense(24), layers.relu(), layers.dense(5)], seed: 1 });
    const checkpoint = ${JSON.stringify(checkpoint)};
    await model.fit(data, {
      loss: losses.batchCrossEntropy(),
      optimizer: optimizers.sgd({ learningRate: 0.01 }),
      steps: 1e9,
      batchSize: 32,
      checkpoint: { path: checkpoint, everySteps: 700 },
      log: ${JSON.stringify(path)},
      logEverySteps: 3,
      ...(existsSync(checkpoint) ? { resumeFrom: checkpoint } : {}),
    });`;

  test('leaves at most half a line, and the next run goes on from its checkpoint', { timeout: 300_000 }, async () => {
    using file = temporaryFile('run.jsonl');
    const checkpoint = join(file.directory, 'checkpoint.safetensors');
    const { inputs, labels } = clouds({ length: 100 });
    const env = { ...process.env, EXAMPLES: JSON.stringify({ inputs: Array.from(inputs), labels: Array.from(labels) }) };
    for (let round = 0; round < 5; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', trainer(file.name, checkpoint)], { cwd: packageRoot, env });
      let stderr = '';
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      const ended = new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)));
      // Until it has begun to write, and some time more.
      const begun = () => existsSync(file.name) && readFileSync(file.name, 'utf8').split('"record":"start"').length > round + 1;
      await vi.waitFor(() => expect(begun() && existsSync(checkpoint)).toBe(true), { timeout: 60_000, interval: 20 });
      await new Promise((resolve) => setTimeout(resolve, 600 * Math.random()));
      child.kill('SIGKILL');
      expect([await ended, stderr]).toEqual(['SIGKILL', '']);
      const text = readFileSync(file.name, 'utf8');
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      const records = whole
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as LogRecord);
      // No step twice, none out of order. What the process had not yet written is missing before the next start, and only there.
      let done = 0;
      for (const record of records) {
        if (record.record === 'start') {
          expect(record.step).toBeGreaterThanOrEqual(done);
          done = record.step;
        } else if (record.record === 'step') {
          expect(record.step - record.overSteps).toBe(done);
          done = record.step;
        }
      }
      expect(startsOf(records)).toHaveLength(round + 1);
      expect(done).toBeGreaterThan(startsOf(records)[round]!.step);
    }
  });
});

describe('the file', () => {
  const refused = (message: RegExp) => ({ code: 'ERR_ONELOGIT_FILE', message: expect.stringMatching(message) });
  const trainWith = (log: string) => network().fit(clouds(), usual({ log }));

  test('cannot be what is something else already', async () => {
    using file = temporaryFile('run.jsonl');
    const at = (name: string) => join(file.directory, name);
    writeFileSync(at('text'), 'dear diary');
    writeFileSync(at('json'), '{"record":"stop"}\n');
    mkdirSync(at('directory'));
    await expect(trainWith(at('text'))).rejects.toMatchObject(refused(/text: it holds something else than a log/));
    await expect(trainWith(at('json'))).rejects.toMatchObject(refused(/something else/));
    await expect(trainWith(at('directory'))).rejects.toMatchObject(refused(/it is a directory/));
    await expect(trainWith(at('no/such/run.jsonl'))).rejects.toMatchObject(refused(/its directory does not exist/));
    await expect(trainWith(at('text/run.jsonl'))).rejects.toMatchObject(refused(/a part of its path is a file/));
    await expect(trainWith(at(`long${'g'.repeat(300)}`))).rejects.toMatchObject(refused(/its name is too long/));
    await expect(trainWith(at('a\0b'))).rejects.toMatchObject(refused(/null byte/));
    execFileSync('mkfifo', [at('pipe')]);
    await expect(trainWith(at('pipe'))).rejects.toMatchObject(refused(/a pipe that nobody reads/));
    expect(readFileSync(at('text'), 'utf8')).toBe('dear diary');
  });

  test('may have any name, be empty, be reached through a link, or be a pipe', async () => {
    using file = temporaryFile('run.jsonl');
    const at = (name: string) => join(file.directory, name);
    for (const name of ['with a\nnewline.jsonl', '-', 'ünï “quoted”']) {
      await trainWith(at(name));
      expect(lastOfSteps(readLog(at(name)))).toBe(60);
    }
    writeFileSync(at('empty'), '');
    await trainWith(at('empty'));
    symlinkSync(at('empty'), at('link'));
    await trainWith(at('link'));
    expect(startsOf(readLog(at('empty')))).toHaveLength(2);
    execFileSync('mkfifo', [at('pipe')]);
    const reader = spawn('cat', [at('pipe')]);
    let text = '';
    reader.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const closed = new Promise((resolve) => reader.on('close', resolve));
    // The reader has to have opened it.
    await vi.waitFor(() => trainWith(at('pipe')), { timeout: 20_000, interval: 100 });
    await closed;
    expect(text.trim().split('\n')).toHaveLength(8);
  });

  test.each([
    ['half a line', (name: string) => truncateSync(name, readFileSync(name).length - 20), 6],
    ['half of the first line', (name: string) => truncateSync(name, 9), 0],
    ['a line without its end', (name: string) => truncateSync(name, readFileSync(name).length - 1), 6],
    ['lines that are no records', (name: string) => appendFileSync(name, 'null\n[]\n{"record":5}\nwhat?\n'), undefined],
  ])('that ends with %s is put right', async (_, damage, steps) => {
    using file = temporaryFile('run.jsonl');
    await trainWith(file.name);
    damage(file.name);
    await trainWith(file.name);
    if (steps === undefined) {
      expect(readFileSync(file.name, 'utf8')).toContain('what?\n{"record":"start"');
      return;
    }
    expect(stepsOf(readLog(file.name))).toHaveLength(steps + 6);
  });

  test.skipIf(!existsSync('/dev/full'))('that cannot be written to stops nothing: one warning, and the model', async () => {
    const warnings: (Error & { code?: string })[] = [];
    const listener = (warning: Error) => warnings.push(warning);
    process.on('warning', listener);
    using model = network();
    const result = await model.fit(clouds(), usual({ log: '/dev/full', logEverySteps: 1 }));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listener);
    expect(result.steps).toBe(60);
    expect(warnings.filter(({ code }) => code === 'ONELOGIT_LOG_NOT_WRITTEN')).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/^Expected to go on writing \/dev\/full but received: ENOSPC/) }),
    ]);
  });

  test('whose directory goes away stops nothing', async () => {
    using file = temporaryFile('inner');
    mkdirSync(file.name);
    const log = join(file.name, 'run.jsonl');
    using model = network();
    let removed = false;
    const onProgress = () => {
      if (!removed) execFileSync('rm', ['-r', file.name]);
      removed = true;
    };
    expect((await model.fit(clouds(), usual({ log, steps: 20_000, onProgress }))).steps).toBe(20_000);
    expect(removed).toBe(true);
  });
});

describe('options', () => {
  const trainWith = (options: object) => network().fit(clouds(), { ...usual({ logEverySteps: undefined }), ...options });
  const circular: Record<string, unknown> = {};
  circular.self = circular;

  test.each([
    [{ log: '' }, 'ERR_ONELOGIT_ARGUMENT', /a string for log of model.fit/],
    [{ log: 5 }, 'ERR_ONELOGIT_ARGUMENT', /a string for log/],
    [{ tensorboard: {} }, 'ERR_ONELOGIT_ARGUMENT', /a string for tensorboard/],
    [{ logEverySteps: 5 }, 'ERR_ONELOGIT_ARGUMENT', /log or tensorboard with logEverySteps of model.fit but received neither/],
    [{ notes: {} }, 'ERR_ONELOGIT_ARGUMENT', /log or tensorboard with notes/],
    [{ log: '/dev/null', logEverySteps: 0 }, 'ERR_ONELOGIT_RANGE', /an integer of at least 1 for logEverySteps/],
    [
      { log: '/dev/null', notes: circular },
      'ERR_ONELOGIT_ARGUMENT',
      /JSON values for notes of model.fit but received one that JSON cannot hold/,
    ],
    [{ log: '/dev/null', notes: { big: 1n } }, 'ERR_ONELOGIT_ARGUMENT', /BigInt/],
    [{ log: '/dev/null', notes: [1] }, 'ERR_ONELOGIT_ARGUMENT', /an array/],
    [{ log: '/dev/null', notes: 'text' }, 'ERR_ONELOGIT_ARGUMENT', /a string|'text'/],
    [{ log: '/dev/null', notes: () => 1 }, 'ERR_ONELOGIT_ARGUMENT', /a function/],
    [
      { log: 'x', checkpoint: { path: './x' } },
      'ERR_ONELOGIT_ARGUMENT',
      /two files for log and checkpoint of model.fit but received x for both/,
    ],
    [{ log: '/dev/null', logEvery: 5 }, 'ERR_ONELOGIT_UNKNOWN_OPTION', /logEvery/],
  ])('%o is refused', async (options, code, message) => {
    await expect(trainWith(options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
