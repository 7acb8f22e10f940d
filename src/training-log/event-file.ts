/** An event file for TensorBoard, one for every time that a run is started or continued. */
import { constants, existsSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Appender } from './appender.js';
import { type EventTime, scalarsEvent, startEvent, textEvent, versionEvent } from './events.js';
import { type LogRecord, type LogStart, repeatedValidation } from './records.js';
import { refusal } from './refusal.js';
import { hasEvent } from './same-event.js';
import type { RecordSink } from './sink.js';

/** Makes the directory if there is none. */
export function checkEventDirectory(directory: string, what: string): void {
  try {
    makeDirectory(resolve(directory));
  } catch (cause) {
    throw refusal('directory', directory, what, cause);
  }
}

/** With the directories that it is in. Node's own `recursive` never returns where a file system refuses with ENOENT, as /proc does. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    makeDirectory(dirname(path));
    mkdirSync(path);
  }
}

export function openEventFile(directory: string, what: string): RecordSink {
  checkEventDirectory(directory, what);
  let opened: { file: number; path: string };
  try {
    opened = createFile(directory);
  } catch (cause) {
    throw refusal('directory', directory, what, cause);
  }
  const appender = new Appender(opened.file, opened.path);
  let began = 0; // milliseconds since 1970
  let repeated: number | undefined;
  return {
    write(records) {
      for (const record of records)
        if (record.record === 'start') {
          began = Date.parse(record.time);
          repeated = repeatedValidation(record);
        }
      const write = (some: readonly LogRecord[]) => appender.append(Buffer.concat(some.map((record) => eventsOf(record, began))));
      const again = records.findIndex(({ record, step }) => record === 'validation' && step === repeated);
      if (again < 0) return write(records);
      write(records.slice(0, again));
      const event = eventsOf(records[again]!, began);
      appender.appendMade(async () => ((await hasEvent(directory, event, opened.path)) ? undefined : event));
      write(records.slice(again + 1));
    },
    close: () => appender.close(),
    abandon() {
      appender.abandon();
      rmSync(opened.path, { force: true });
    },
  };
}

const namePattern = /^events\.out\.tfevents\.(\d{10})\./;

/** Readers go through a directory's files in the order of their names: the new one has to be the last. */
function createFile(directory: string): { file: number; path: string } {
  const times = readdirSync(directory).map((name) => Number(namePattern.exec(name)?.[1] ?? 0));
  const host = hostname().replace(/[^\w.-]/g, '_');
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL;
  for (let seconds = times.reduce((latest, time) => Math.max(latest, time + 1), Math.floor(Date.now() / 1000)); ; seconds++) {
    const path = join(directory, `events.out.tfevents.${String(seconds).padStart(10, '0')}.${host}.${process.pid}.onelogit`);
    try {
      return { file: openSync(path, flags, 0o666), path };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function eventsOf(record: LogRecord, began: number): Uint8Array {
  const at: EventTime = { seconds: (began + (record.record === 'start' ? 0 : 1000 * record.seconds)) / 1000, step: record.step };
  switch (record.record) {
    case 'start':
      return Buffer.concat([versionEvent(at), startEvent({ ...at, step: at.step + 1 }), textEvent(at, 'run', tableOf(record))]);
    case 'step':
      return scalarsEvent(at, [
        ['train/loss', record.loss],
        ...(record.accuracy === null ? [] : [['train/accuracy', record.accuracy] as const]),
        ['train/learning_rate', record.learningRate],
        ...(record.examplesPerSecond === null ? [] : [['train/examples_per_second', record.examplesPerSecond] as const]),
      ]);
    case 'validation':
      return scalarsEvent(at, [
        ['validation/loss', record.loss],
        ['validation/accuracy', record.accuracy],
      ]);
    case 'end':
      return textEvent(at, 'end', record.error ? `${record.outcome}: ${record.error.message}` : record.outcome);
  }
}

/** What is known of a run, as a table in Markdown with a row for each value. */
function tableOf({ record: _, format: __, ...about }: LogStart): string {
  const rows: string[] = [];
  const add = (name: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [part, inner] of Object.entries(value)) add(name === '' ? part : `${name}.${part}`, inner);
    else rows.push(`| ${cell(name)} | ${cell(typeof value === 'string' ? value : JSON.stringify(value))} |`);
  };
  add('', about);
  return ['| | |', '| --- | --- |', ...rows].join('\n');
}

const cell = (text: string | undefined) => (text ?? '').replace(/[\\|`*_<[]/g, '\\$&').replace(/\s+/g, ' ');
