/** A file that grows while a model trains. What goes wrong with it is told once and never stops the training. */
import { close, closeSync, write } from 'node:fs';
import { promisify } from 'node:util';

const [closeFile, writeFile] = [promisify(close), promisify(write)];

export class Appender {
  readonly #file: number;
  readonly #path: string;
  #tail = Promise.resolve();
  #failed = false;

  /** `file` must have been opened for appending; it is closed by `close` or `abandon`. */
  constructor(file: number, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Runs `task` after everything asked for before. After the first failure nothing is done any more: no line may follow half of one. */
  run(task: (file: number) => Promise<void>): void {
    this.#tail = this.#tail.then(async () => {
      if (this.#failed) return;
      try {
        await task(this.#file);
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  append(data: Uint8Array): void {
    if (data.length > 0) this.run((file) => writeWhole(file, data));
  }

  /** What `make` gives when everything before has been written, which may be nothing. */
  appendMade(make: () => Promise<Uint8Array | undefined>): void {
    this.run(async (file) => {
      const data = await make();
      if (data) await writeWhole(file, data);
    });
  }

  /** Resolves when everything has been written. */
  async close(): Promise<void> {
    await this.#tail;
    try {
      await closeFile(this.#file);
    } catch (error) {
      if (!this.#failed) this.#fail(error);
    }
  }

  /** Closes a file that nothing was written to. */
  abandon(): void {
    closeSync(this.#file);
  }

  #fail(error: unknown): void {
    this.#failed = true;
    process.emitWarning(
      `Expected to go on writing ${this.#path} but received: ${(error as Error).message}. Training goes on without it; what was written before stays.`,
      { type: 'OneLogitWarning', code: 'ONELOGIT_LOG_NOT_WRITTEN' },
    );
  }
}

async function writeWhole(file: number, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await writeFile(file, data, done, data.length - done, null);
    done += bytesWritten;
  }
}
