import type { LogRecord } from './records.js';

/** Where the records of a run go. The first one written is its `start`, the last one its `end`. */
export interface RecordSink {
  write(records: readonly LogRecord[]): void;
  /** Resolves when everything has been written. Never rejects. */
  close(): Promise<void>;
  /** In place of `close` where nothing was written: leaves what was there before. */
  abandon(): void;
}
