/**
 * Datasets as native code reads them. Data in memory is copied when a job starts: what JavaScript does to its arrays afterwards
 * (a transfer to a worker, say) cannot reach the thread that trains. A reader is called on this thread and awaited by that one.
 */
import { checkInt32Array, describe } from './check.js';
import { checkInputs, type Dataset, type InputKind, type Inputs, type InputType, type StreamedDataset } from './dataset.js';
import { rangeError, typeError } from './errors.js';
import type { NativeSource } from './native-model.js';
import { shapeSize } from './shape.js';

/** One batch from a reader, checked: `count` examples of `size` elements. */
function checkBatch(
  batch: unknown,
  count: number,
  size: number,
  name: string,
  kind: InputKind,
): { inputs: Inputs; labels: Int32Array; type: InputType } {
  if (typeof batch !== 'object' || batch === null)
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected { inputs, labels } from read of ${name} but received ${describe(batch)}`);
  const given = batch as Record<string, unknown>;
  const { inputs, type, length } = checkInputs(given.inputs, `inputs from read of ${name}`, kind);
  if (length !== count * size)
    throw rangeError(
      'ERR_ONELOGIT_LENGTH',
      `Expected ${count} × ${size} elements for inputs from read of ${name} but received ${describe(inputs)}`,
    );
  return { inputs, type, labels: checkInt32Array(given.labels, `labels from read of ${name}`, count) };
}

/** The readers of one job: their common signal, and the first thing that went wrong in one of them. */
export class Sources {
  readonly #controller = new AbortController();
  readonly #kind: InputKind;
  #failure: { error: unknown } | undefined;

  constructor(kind: InputKind) {
    this.#kind = kind;
  }

  /** Rethrows the error of a reader, if one failed. */
  throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Tells readers at work that nobody waits any more. */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** A dataset for native code; `name` is for messages. */
  native(dataset: Dataset, name: string): NativeSource {
    const { length, classes } = dataset;
    if (!('read' in dataset)) return { name, length, classes, inputs: dataset.inputs, labels: dataset.labels };
    return {
      name,
      length,
      classes,
      read: (indices, deliver) => {
        this.#read(dataset, indices, name).then(
          ({ inputs, labels }) => deliver(inputs, labels),
          (error: unknown) => {
            this.#failure ??= { error };
            deliver();
          },
        );
      },
    };
  }

  /** The element type of a dataset in memory. */
  inputTypeInMemory(dataset: Dataset): InputType | undefined {
    return 'read' in dataset ? undefined : checkInputs(dataset.inputs, 'inputs', this.#kind).type;
  }

  /** The element type of what a reader gives: asks it for its first example. */
  async readInputType(dataset: Dataset, name: string): Promise<InputType> {
    return (await this.#read(dataset as StreamedDataset, Int32Array.of(0), name)).type;
  }

  async #read(dataset: StreamedDataset, indices: Int32Array, name: string) {
    // A copy: what the reader does to it is its own affair.
    const batch = await dataset.read(indices.slice(), this.#controller.signal);
    return checkBatch(batch, indices.length, shapeSize(dataset.inputShape), name, this.#kind);
  }
}
