/** A part of a dataset as a dataset. */
import type { Dataset } from '../dataset.js';

/**
 * The examples at `indices`, in that order. Examples in memory are copied; a streamed dataset stays one.
 *
 * @param dataset - where they are taken from
 * @param indices - each in [0, dataset.length); may repeat
 */
export function subset(dataset: Dataset, indices: Int32Array): Dataset {
  const { inputShape, classes, classNames } = dataset;
  const common = { inputShape, classes, ...(classNames === undefined ? {} : { classNames }), length: indices.length };
  if ('read' in dataset)
    return {
      ...common,
      read: (asked, signal) =>
        dataset.read(
          asked.map((index) => indices[index]!),
          signal,
        ),
    };
  const size = dataset.inputs.length / dataset.length;
  const inputs = new (dataset.inputs.constructor as Uint8ArrayConstructor)(indices.length * size);
  indices.forEach((from, to) => {
    inputs.set(dataset.inputs.subarray(from * size, (from + 1) * size) as Uint8Array, to * size);
  });
  return { ...common, inputs, labels: indices.map((index) => dataset.labels[index]!) };
}
