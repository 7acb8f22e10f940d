/** Follows a native run of training and writes down what it records: see {@link LogRecord}. */
import { AbortError } from '../errors.js';
import type { NativeFitResult, NativeRecord } from '../native-model.js';
import { openEventFile } from './event-file.js';
import { openLogFile } from './log-file.js';
import type { RecordingPlan } from './options.js';
import type { LogEnd, LogRecord, LogStart } from './records.js';
import type { RecordSink } from './sink.js';

/** Milliseconds between two looks for records: what a process that is killed can lose of the log. */
const lookEvery = 250;

export class Recorder {
  readonly #sinks: readonly RecordSink[];
  readonly #about: Omit<LogStart, 'time' | 'step'>;
  #take: () => readonly NativeRecord[] = () => [];
  #timer: NodeJS.Timeout | undefined;
  /** When the native run began, by `performance.now()`. */
  #began: number | undefined;
  /** Steps done, as far as it has been written down. */
  #step = 0;

  /** Opens the files; nothing is written before training begins. `about` is what there is to say about the run then. */
  constructor(plan: RecordingPlan, about: Omit<LogStart, 'record' | 'format' | 'time' | 'step'>) {
    this.#about = { record: 'start', format: 1, ...about };
    const sinks: RecordSink[] = [];
    try {
      if (plan.log !== undefined) sinks.push(openLogFile(plan.log, 'log of model.fit'));
      if (plan.tensorboard !== undefined) sinks.push(openEventFile(plan.tensorboard, 'tensorboard of model.fit'));
    } catch (error) {
      for (const sink of sinks) sink.abandon();
      throw error;
    }
    this.#sinks = sinks;
  }

  /** Writes down what `take` gives from now on. */
  follow(take: () => readonly NativeRecord[]): void {
    this.#take = take;
    this.#timer = setInterval(() => this.#write(this.#taken()), lookEvery).unref();
  }

  #taken(): LogRecord[] {
    return this.#take().map((native) => this.#recordOf(native));
  }

  #recordOf(native: NativeRecord): LogRecord {
    this.#step = native.step;
    switch (native.kind) {
      case 'begin': {
        this.#began = performance.now();
        // The order of the fields is that of the type: a log is read by people, too.
        const { record, format, version, ...about } = this.#about;
        return { record, format, version, time: new Date().toISOString(), step: native.step, ...about };
      }
      case 'steps':
        return {
          record: 'step',
          step: native.step,
          overSteps: native.overSteps,
          loss: native.loss,
          accuracy: known(native.accuracy),
          learningRate: native.learningRate,
          examplesPerSecond: known(native.examplesPerSecond),
          seconds: seconds(native.seconds),
        };
      case 'validation':
        return {
          record: 'validation',
          step: native.step,
          loss: native.loss,
          accuracy: native.accuracy,
          seconds: seconds(native.seconds),
        };
    }
  }

  #write(records: readonly LogRecord[]): void {
    if (records.length > 0) for (const sink of this.#sinks) sink.write(records);
  }

  /** The run has ended, by an error if there is a `failure`. Resolves when all has been written. */
  async end(result: NativeFitResult | undefined, failure?: { error: unknown }): Promise<void> {
    clearInterval(this.#timer);
    const records = this.#taken();
    if (this.#began === undefined) {
      for (const sink of this.#sinks) sink.abandon();
      return;
    }
    this.#write([...records, this.#endOf(result, failure)]);
    await Promise.all(this.#sinks.map((sink) => sink.close()));
  }

  #endOf(result: NativeFitResult | undefined, failure: { error: unknown } | undefined): LogEnd {
    const interrupted = failure?.error instanceof AbortError;
    const { code, message = String(failure?.error) } = (failure?.error ?? {}) as { code?: unknown; message?: string };
    return {
      record: 'end',
      outcome: interrupted ? 'interrupted' : failure ? 'failed' : 'done',
      time: new Date().toISOString(),
      step: result?.steps ?? this.#step,
      seconds: seconds(result?.seconds ?? (performance.now() - this.#began!) / 1000),
      ...(failure && !interrupted
        ? { error: { ...(typeof code === 'string' ? { code } : {}), message } }
        : result && {
            examplesPerSecond: result.examplesPerSecond,
            finalLoss: result.finalLoss,
            finalAccuracy: known(result.finalAccuracy),
          }),
    };
  }
}

/** JSON has no NaN. */
const known = (value: number) => (Number.isFinite(value) ? value : null);

/** To the microsecond: more would be digits without meaning. */
const seconds = (value: number) => Math.round(1e6 * value) / 1e6;
