import { readFileSync } from 'node:fs';
import type { LogRecord, LogStart, LogStep, LogValidation } from '../../src/index.js';

/** The records of a log; every line must be one. */
export function readLog(path: string): LogRecord[] {
  const text = readFileSync(path, 'utf8');
  if (text !== '' && !text.endsWith('\n')) throw new Error(`the last line is not complete: ${text.slice(-80)}`);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogRecord);
}

export const startsOf = (records: readonly LogRecord[]) => records.filter((record): record is LogStart => record.record === 'start');
export const stepsOf = (records: readonly LogRecord[]) => records.filter((record): record is LogStep => record.record === 'step');
export const validationsOf = (records: readonly LogRecord[]) =>
  records.filter((record): record is LogValidation => record.record === 'validation');

/** What is the same in every run: not the clock. */
export const withoutTime = (records: readonly LogStep[]) => records.map(({ seconds: _, examplesPerSecond: __, ...rest }) => rest);
