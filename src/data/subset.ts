/** A part of a dataset as a dataset. */
import type { AlsoCorrect, Dataset } from '../dataset.js';

/**
 * The examples at `indices`, in that order. Examples in memory are copied; a streamed dataset stays one.
 *
 * @param dataset - where they are taken from
 * @param indices - each in [0, dataset.length); may repeat
 */
export function subset(dataset: Dataset, indices: Int32Array): Dataset {
  const { inputShape, classes, classNames, alsoCorrect } = dataset;
  const common = {
    inputShape,
    classes,
    ...(classNames === undefined ? {} : { classNames }),
    ...(alsoCorrect === undefined ? {} : { alsoCorrect: rowsAt(alsoCorrect, indices) }),
    length: indices.length,
  };
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

/** The rows at `indices`. */
function rowsAt({ first, classes }: AlsoCorrect, indices: Int32Array): AlsoCorrect {
  const chosen = { first: new Int32Array(indices.length + 1), classes: new Int32Array(0) };
  indices.forEach((index, to) => {
    chosen.first[to + 1] = chosen.first[to]! + first[index + 1]! - first[index]!;
  });
  chosen.classes = new Int32Array(chosen.first[indices.length]!);
  indices.forEach((index, to) => {
    chosen.classes.set(classes.subarray(first[index], first[index + 1]), chosen.first[to]);
  });
  return chosen;
}
