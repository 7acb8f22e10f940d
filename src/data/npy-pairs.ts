/** A pair of NumPy files for each split: inputs, their first axis that of the examples, and labels. */
import { join } from 'node:path';
import {
  absentClasses,
  type DataFormat,
  type FormatOptions,
  formatError,
  type LoadContext,
  type LoadedDataset,
  type Split,
} from './format.js';
import { integersOf } from './growing-integers.js';
import type { Meter } from './meter.js';
import { type NpyArray, readNpy } from './npy.js';

type Kind = 'inputs' | 'labels';
const splits: readonly Split[] = ['train', 'validation', 'test'];
const splitNames = new Map<string, Split>([...splits.map((split) => [split, split] as const), ['val', 'validation']]);
const kindNames = new Map<string, Kind>([
  ['x', 'inputs'],
  ['inputs', 'inputs'],
  ['images', 'inputs'],
  ['y', 'labels'],
  ['labels', 'labels'],
]);

/** What a name says: `x_train.npy`, `train-labels.npy`. */
function meaning(name: string): { split: Split; kind: Kind } | undefined {
  const [, a = '', b = ''] = /^([a-z]+)[-_]([a-z]+)\.npy$/.exec(name.toLowerCase()) ?? [];
  const split = splitNames.get(a) ?? splitNames.get(b);
  const kind = kindNames.get(a) ?? kindNames.get(b);
  return split && kind && { split, kind };
}

/** The path of that file; undefined if there is none. */
function find(directory: string, fileNames: readonly string[], split: Split, kind: Kind): string | undefined {
  const found = fileNames.filter((name) => {
    const said = meaning(name);
    return said?.split === split && said.kind === kind;
  });
  if (found.length > 1) throw formatError(`one file of ${kind} of the ${split} split`, directory, found.join(' and '));
  return found[0] === undefined ? undefined : join(directory, found[0]);
}

async function readLabels(path: string, meter: Meter): Promise<Int32Array> {
  const { shape, data } = await readNpy(path, meter);
  if (shape.length !== 1 && !(shape.length === 2 && shape[1] === 1))
    throw formatError('one axis of labels', path, `shape (${shape.join(', ')})`);
  if (data instanceof Float32Array) throw formatError('labels that are integers (int64, int32 or uint8)', path, 'float32');
  const labels = integersOf(data.length);
  labels.set(data);
  checkRange(labels, 'labels', path);
  return labels;
}

function checkRange(values: Int32Array, what: string, path: string): void {
  const most = 2 ** 31 - 2;
  const bad = values.findIndex((value) => value < 0 || value > most);
  if (bad >= 0) throw formatError(`${what} from 0 to ${most}`, path, `${values[bad]} at index ${bad}`);
}

/** Ids, of inputs that are integers: how many there are; other inputs have none. */
function vocabularyOf(inputs: NpyArray['data'], path: string): number {
  if (!(inputs instanceof Int32Array)) return 0;
  checkRange(inputs, 'ids', path);
  return largest(inputs) + 1;
}

function largest(values: Int32Array): number {
  let most = -1;
  for (const value of values) if (value > most) most = value;
  return most;
}

async function load(
  directory: string,
  fileNames: readonly string[],
  split: Split,
  _: FormatOptions,
  { meter }: LoadContext,
): Promise<LoadedDataset> {
  const inputsPath = find(directory, fileNames, split, 'inputs');
  const labelsPath = find(directory, fileNames, split, 'labels');
  if (inputsPath === undefined || labelsPath === undefined)
    throw formatError(`a pair of .npy files of the ${split} split (x_${split}.npy and y_${split}.npy)`, directory, 'no such pair');
  const others = splits.filter((other) => other !== split);
  const named = (kind: Kind) => others.flatMap((other) => find(directory, fileNames, other, kind) ?? []);
  await meter.expectFiles([inputsPath, labelsPath, ...named('labels')]);
  const labels = await readLabels(labelsPath, meter);
  const { shape, data: inputs } = await readNpy(inputsPath, meter);
  const [length, ...inputShape] = shape;
  if (inputShape.length === 0 || inputShape.length > 8 || inputs.length === 0)
    throw formatError('at least one example, and 2 to 9 axes', inputsPath, `shape (${shape.join(', ')})`);
  if (length !== labels.length)
    throw formatError(`as many labels as ${inputsPath} has examples (${length})`, labelsPath, String(labels.length));
  // All splits of a directory have the same classes and ids, so that a model of one fits the others.
  let classes = largest(labels) + 1;
  let vocabulary = vocabularyOf(inputs, inputsPath);
  for (const path of named('labels')) classes = Math.max(classes, largest(await readLabels(path, meter)) + 1);
  if (vocabulary > 0) {
    await meter.expectFiles(named('inputs'));
    for (const path of named('inputs')) vocabulary = Math.max(vocabulary, vocabularyOf((await readNpy(path, meter)).data, path));
  }
  return {
    inputs,
    labels,
    inputShape,
    classes,
    length,
    ...(vocabulary > 0 ? { vocabulary } : {}),
    format: 'npy',
    split,
    absentClasses: absentClasses(labels, classes, labelsPath),
  };
}

export const npy: DataFormat = {
  name: 'npy',
  files: 'x_train.npy and y_train.npy (or train-images, train-labels and so on), and the same for val and test',
  splits: ['train', 'validation', 'test'],
  options: [],
  detect: (fileNames) => fileNames.some((name) => meaning(name) !== undefined),
  load,
};
