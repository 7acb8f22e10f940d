/** The log of training runs as JSON Lines. Runs are appended; a continued one first takes out what it is going to repeat. */
import { closeSync, constants, fstatSync, ftruncate, openSync, read, readSync, rmSync, type Stats, statSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { Appender } from './appender.js';
import { type LogRecord, type LogStart, type LogValidation, repeatedValidation } from './records.js';
import { refusal } from './refusal.js';
import type { RecordSink } from './sink.js';

const [truncateFile, readFile, writeFile] = [promisify(ftruncate), promisify(read), promisify(write)];

/** What every log begins with. */
const firstBytes = Buffer.from('{"record":"start"');
const newline = 0x0a;

/** @throws OneLogitError `ERR_ONELOGIT_FILE` if a log cannot be kept there */
export function checkLogFile(path: string, what: string): void {
  // Opening it for reading alone neither creates nor changes it.
  const existing = statOf(path);
  if (existing?.isFile() && existing.size > 0) closeSync(openChecked(path, constants.O_RDONLY, what));
}

/** Opens or creates a log. Nothing is written before the first record. */
export function openLogFile(path: string, what: string): RecordSink {
  const existing = statOf(path);
  const access = existing && !existing.isFile() ? constants.O_WRONLY : constants.O_RDWR;
  // A pipe that nobody reads would block for ever. Kept open until the other is: the reader would see the end between them.
  const probe = existing?.isFIFO() ? openChecked(path, constants.O_WRONLY | constants.O_NONBLOCK, what) : undefined;
  const file = openChecked(path, access | constants.O_APPEND | constants.O_CREAT, what);
  if (probe !== undefined) closeSync(probe);
  const regular = fstatSync(file).isFile();
  const appender = new Appender(file, path);
  let repeated: number | undefined;
  /** What the log has of that step already. */
  let validated: LogValidation | undefined;
  return {
    write(records) {
      const [first] = records;
      if (regular && first?.record === 'start') {
        repeated = repeatedValidation(first);
        appender.run(async (open) => {
          validated = await prepare(open, first);
        });
      }
      const again = (record: LogRecord) => record.record === 'validation' && record.step === repeated;
      if (!records.some(again)) return appender.append(linesFor(records));
      appender.appendMade(async () =>
        linesFor(records.filter((record) => !(again(record) && sameValidation(record as LogValidation, validated)))),
      );
    },
    close: () => appender.close(),
    abandon() {
      appender.abandon();
      if (!existing) rmSync(path, { force: true });
    },
  };
}

/** Undefined where there is none; what else is wrong with a path, opening it tells. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function openChecked(path: string, flags: number, what: string): number {
  let file: number;
  try {
    file = openSync(path, flags, 0o666);
  } catch (cause) {
    throw refusal('file', path, what, cause);
  }
  try {
    const about = fstatSync(file);
    if (about.isDirectory()) throw refusal('file', path, what, 'it is a directory');
    if (about.isFile() && about.size > 0) {
      const head = Buffer.alloc(Math.min(firstBytes.length, about.size));
      readSync(file, head, 0, head.length, 0);
      if (!firstBytes.subarray(0, head.length).equals(head))
        throw refusal('file', path, what, 'it holds something else than a log; choose another name');
    }
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return file;
}

const linesFor = (records: readonly LogRecord[]) => Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));

const sameValidation = (one: LogValidation, other: LogValidation | undefined) =>
  other !== undefined && one.loss === other.loss && one.accuracy === other.accuracy;

/** What tells a run from others: a continued one must agree in it. */
function identityOf({ options, model, dataset }: LogStart): string {
  return JSON.stringify([
    options?.loss,
    options?.optimizer,
    options?.batchSize,
    options?.seed,
    model?.inputShape,
    model?.classes,
    model?.parameters,
    dataset?.examples,
  ]);
}

/**
 * Makes the end of a log fit for the records that follow `start`: half a line, which a process that was killed has left, is taken out, and
 * so is everything after the step from which a run is continued. The log then tells of the steps that led to the model, each once. Resolves to
 * the validation of that step, if the run has one.
 */
async function prepare(file: number, start: LogStart): Promise<LogValidation | undefined> {
  let [size, keep] = [0, 0];
  /** Of the last run in the log: what tells it from others, and where its records begin that will be made anew. */
  let [run, superseded]: [string | undefined, number | undefined] = [undefined, undefined];
  let validated: LogValidation | undefined;
  let unended = false;
  for await (const { text, end, whole } of linesOf(file)) {
    const record = parse(text);
    if (record?.record === 'start') {
      const identity = identityOf(record);
      if (record.resumedFrom === undefined || identity !== run) [run, superseded, validated] = [identity, undefined, undefined];
    }
    if (record?.record === 'validation' && record.step === start.step) validated = record;
    if (record && record.step > start.step) superseded ??= size;
    if (record || whole) keep = end;
    unended = record !== undefined && !whole;
    size = end;
  }
  const continued = start.resumedFrom !== undefined && run === identityOf(start);
  if (continued && superseded !== undefined) [keep, unended] = [superseded, false];
  if (keep < size) await truncateFile(file, keep);
  if (unended) await writeFile(file, '\n');
  return continued ? validated : undefined;
}

interface Line {
  text: string;
  /** Where it ends in the file, in bytes. */
  end: number;
  /** Whether a newline ends it. */
  whole: boolean;
}

async function* linesOf(file: number): AsyncGenerator<Line> {
  const chunk = Buffer.alloc(1 << 16);
  let begun: Buffer[] = [];
  for (let offset = 0; ; ) {
    const { bytesRead } = await readFile(file, chunk, 0, chunk.length, offset);
    if (bytesRead === 0) {
      if (begun.length > 0) yield { text: Buffer.concat(begun).toString(), end: offset, whole: false };
      return;
    }
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0 && at < bytesRead; at = chunk.indexOf(newline, from)) {
      begun.push(chunk.subarray(from, at));
      yield { text: Buffer.concat(begun).toString(), end: offset + at + 1, whole: true };
      begun = [];
      from = at + 1;
    }
    if (from < bytesRead) begun.push(Buffer.from(chunk.subarray(from, bytesRead)));
    offset += bytesRead;
  }
}

/** A record, or undefined for a line that is none. */
function parse(text: string): LogRecord | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value?.record === 'string' && typeof value.step === 'number' ? value : undefined;
  } catch {
    return undefined;
  }
}
