// Embeddings with labels, from files to a dataset of the package.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatError, MatrixFile } from './matrix-file.mjs';

/**
 * Opens embeddings.npy and labels.npy of a directory, or a .safetensors file with tensors `embeddings` (float32, examples × features) and
 * `labels` (integers); `names.txt` in the directory, or beside the file, has one line for each class.
 *
 * @param {string} path
 * @param {{ memoryBytes?: number }} options what is larger stays in its file, from which rows are read as training asks for them
 * @returns {Promise<{ dataset: import('onelogit').Dataset, close: () => Promise<void> }>}
 */
export async function openEmbeddings(path, { memoryBytes = 2 ** 30 } = {}) {
  const one = path.endsWith('.safetensors');
  const embeddings = await MatrixFile.open(one ? path : join(path, 'embeddings.npy'), 'embeddings');
  try {
    const [length, features] = embeddings.shape;
    if (embeddings.type !== 'float32' || embeddings.shape.length !== 2 || !length || !features)
      throw formatError('float32 of two axes, examples × features,', embeddings.path, `${embeddings.type} of shape [${embeddings.shape}]`);
    const labels = await readLabels(one ? path : join(path, 'labels.npy'), length);
    const largest = labels.reduce((most, label) => Math.max(most, label), 0);
    const names = await readNames(one ? join(path, '..') : path);
    if (names && names.length <= largest) throw formatError(`a name for each of ${largest + 1} classes`, 'names.txt', `${names.length}`);
    const common = {
      inputShape: [features],
      classes: names?.length ?? largest + 1,
      length,
      ...(names ? { classNames: names } : {}),
    };
    if (length * embeddings.rowBytes <= memoryBytes) {
      const inputs = floats(await embeddings.rows(0, length));
      await embeddings.close();
      return { dataset: { ...common, inputs, labels }, close: async () => {} };
    }
    const read = async (/** @type {Int32Array} */ indices) => ({
      inputs: floats(await embeddings.rowsAt(indices)),
      labels: indices.map((index) => /** @type {number} */ (labels[index])),
    });
    return { dataset: { ...common, read }, close: () => embeddings.close() };
  } catch (error) {
    await embeddings.close().catch(() => {});
    throw error;
  }
}

const floats = (/** @type {Uint8Array} */ bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

async function readLabels(path, length) {
  const file = await MatrixFile.open(path, 'labels');
  try {
    if (file.shape.length !== 1 || file.shape[0] !== length || file.type === 'float32')
      throw formatError(`${length} integers, one for each embedding,`, path, `${file.type} of shape [${file.shape}]`);
    const { buffer } = await file.rows(0, length);
    const numbers =
      file.type === 'int64' ? new BigInt64Array(buffer) : file.type === 'int32' ? new Int32Array(buffer) : new Uint8Array(buffer);
    return Int32Array.from({ length }, (_, i) => {
      const label = Number(numbers[i]);
      if (label >= 0 && label < 2 ** 31 - 1) return label;
      throw formatError('labels from 0 on', path, `${label} at index ${i}`);
    });
  } finally {
    await file.close();
  }
}

/** One name a line; null without such a file. */
async function readNames(directory) {
  if (!(await readdir(directory)).includes('names.txt')) return null;
  const lines = (await readFile(join(directory, 'names.txt'), 'utf8')).split(/\r?\n/);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

/**
 * A part of a dataset.
 *
 * @param {import('onelogit').Dataset} dataset
 * @param {Int32Array} indices
 * @returns {import('onelogit').Dataset}
 */
export function part(dataset, indices) {
  const { inputShape, classes, classNames } = dataset;
  const common = { inputShape, classes, length: indices.length, ...(classNames ? { classNames } : {}) };
  const at = (/** @type {Int32Array} */ asked) => asked.map((index) => /** @type {number} */ (indices[index]));
  if ('read' in dataset) return { ...common, read: (asked, signal) => dataset.read(at(asked), signal) };
  const [features] = /** @type {[number]} */ (inputShape);
  const inputs = new Float32Array(indices.length * features);
  indices.forEach((from, to) => {
    inputs.set(/** @type {Float32Array} */ (dataset.inputs).subarray(from * features, (from + 1) * features), to * features);
  });
  return { ...common, inputs, labels: indices.map((index) => /** @type {number} */ (dataset.labels[index])) };
}
