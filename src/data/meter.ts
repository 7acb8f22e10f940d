/** How far the loading of a data set is, and whether it should go on. */
import { stat } from 'node:fs/promises';
import { millisecondsBetweenReports } from '../job.js';

/** What `onProgress` of `datasets.load` receives. */
export interface LoadProgress {
  /** Bytes of the files that have been read, compressed ones as they are, or images that have been decoded. */
  readonly done: number;
  /**
   * Of all. Both begin again where one thing follows another: an archive is read first and its images decoded then (`unit` changes), the ids of
   * other splits are read after those of the split.
   */
  readonly total: number;
  readonly unit: 'bytes' | 'images';
}

export class Meter {
  readonly #report: ((progress: LoadProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  #state: LoadProgress = { done: 0, total: 0, unit: 'bytes' };
  #reportedAt = -Infinity;
  /** What `onProgress` has thrown. */
  failure: { error: unknown } | undefined;

  constructor(report?: (progress: LoadProgress) => void, signal?: AbortSignal) {
    this.#report = report;
    this.signal = signal;
  }

  /** Begins anew: there is so much to do. */
  begin(total: number, unit: LoadProgress['unit']): void {
    this.#state = { done: 0, total, unit };
  }

  /** The files that are going to be read, each once; those that are not there are another error, which opening them tells. */
  async expectFiles(paths: readonly string[]): Promise<void> {
    const sizes = await Promise.all(
      paths.map((path) =>
        stat(path).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    this.begin(
      sizes.reduce((sum, size) => sum + size, 0),
      'bytes',
    );
  }

  /** So much more has been done. Throws what `onProgress` throws, and the reason of a signal that was raised. */
  add(amount: number): void {
    this.signal?.throwIfAborted();
    if (this.#report === undefined) return;
    const { done: before, total, unit } = this.#state;
    const done = Math.min(before + amount, total);
    this.#state = { done, total, unit };
    // All is read before all is decompressed: the end is told once, and pieces that come after it bring nothing new.
    if (done === before) return;
    const now = performance.now();
    if (done < total && now - this.#reportedAt < millisecondsBetweenReports) return;
    this.#reportedAt = now;
    try {
      this.#report(this.#state);
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}
