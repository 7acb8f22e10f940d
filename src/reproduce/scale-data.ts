/** The data of {@link scaleTasks}: found, loaded, and cut to what is evaluated. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findData } from '../data/find.js';
import { subset } from '../data/subset.js';
import type { InMemoryDataset } from '../dataset.js';
import { datasets } from '../index.js';
import { type ScaleDataset, scaleDefaults, scaleTasks } from './scale-recipe.js';

export interface ScaleData {
  train: InMemoryDataset;
  /** Size of the embedding table. */
  vocabulary: number;
  /** What chooses the learning rate, and out of how many examples it was taken. */
  validation: InMemoryDataset;
  validationOf: number;
  test: InMemoryDataset;
  testOf: number;
}

/** Its directory: in `directory`, which then is the only place, or where data sets are looked for. */
export function findScaleData(name: ScaleDataset, directory: string | undefined): string | undefined {
  const { directory: own } = scaleTasks[name];
  if (directory === undefined) return findData(own);
  const path = join(directory, own);
  return existsSync(path) ? path : undefined;
}

/** At most `most` examples, at even distances over all: the same ones every time, from every book. */
function spread(dataset: InMemoryDataset, most: number): InMemoryDataset {
  if (most >= dataset.length) return dataset;
  const indices = Int32Array.from({ length: most }, (_, i) => Math.floor((i * dataset.length) / most));
  return subset(dataset, indices) as InMemoryDataset;
}

/** Reads all parts; at most `testExamples` of the test part. `load` is `datasets.load`, or shows how far it is. */
export async function loadScaleData(
  path: string,
  testExamples: number,
  signal?: AbortSignal,
  load: typeof datasets.load = datasets.load,
): Promise<ScaleData> {
  // One after the other: each needs memory of its own for all of the texts.
  const train = await load(path, { split: 'train', signal });
  const validation = await load(path, { split: 'validation', signal });
  const test = await load(path, { split: 'test', signal });
  return {
    train,
    vocabulary: train.vocabulary!,
    validation: spread(validation, scaleDefaults.validationExamples),
    validationOf: validation.length,
    test: spread(test, testExamples),
    testOf: test.length,
  };
}
