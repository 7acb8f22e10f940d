/**
 * What training and evaluation read: labelled examples in memory, or behind a reader.
 */

/** What examples are made of. `Int32Array` where the first layer is an embedding. */
export type Inputs = Float32Array | Uint8Array | Int32Array;

/** Examples in memory: `inputs` holds `length` × the product of `inputShape` elements, row-major. */
export interface InMemoryDataset {
  inputs: Inputs;
  /** Class of each example, in [0, classes). */
  labels: Int32Array;
  /** Shape of one example: height × width × channels for images. */
  inputShape: number[];
  classes: number;
  classNames?: string[];
  length: number;
}

/** Examples that do not fit in memory. `fit` owns the order and asks for the indices it wants. */
export interface StreamedDataset {
  inputShape: number[];
  classes: number;
  classNames?: string[];
  length: number;
  read(indices: Int32Array, signal: AbortSignal): Promise<{ inputs: Inputs; labels: Int32Array }>;
}

export type Dataset = InMemoryDataset | StreamedDataset;
