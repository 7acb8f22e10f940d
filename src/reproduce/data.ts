/** The data that the tables are made from. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirectories, findData } from '../data/find.js';
import { subset } from '../data/subset.js';
import { datasets, OneLogitError } from '../index.js';
import type { ExperimentData } from './experiment.js';
import { type TableDataset, tableTasks } from './table-datasets.js';

/**
 * The directory of a data set: `directory` itself or, under its own name, in it, which then is the only place; or where data sets are looked
 * for. Undefined if there is none; of generated data an empty name.
 */
export function findTableData(name: TableDataset, directory: string | undefined): string | undefined {
  const { files } = tableTasks[name];
  if (files === undefined) return '';
  if (directory === undefined) return findData(name, files);
  const has = (place: string) => files.every((file) => existsSync(join(place, file)) || existsSync(join(place, `${file}.gz`)));
  return [directory, join(directory, name)].find(has);
}

/** In words, where {@link findTableData} looked. */
export function describePlaces(directory: string | undefined): string {
  return directory === undefined ? dataDirectories().join(', ') : directory;
}

/** Of images that are read while they are used: the most that are kept decoded. */
const imagenetMemoryBytes = 2 ** 30;
/** What inception-v3 takes. */
const imagenetSize = 299;

/** Both splits of the data set in the directory that {@link findTableData} found. `load` is `datasets.load`, or shows how far it is. */
export async function loadData(
  name: TableDataset,
  path: string,
  signal?: AbortSignal,
  load: typeof datasets.load = datasets.load,
): Promise<ExperimentData> {
  switch (name) {
    case 'glyphs': {
      // Generated, the same ones every time.
      const glyphs = { classes: 26, seed: 1 };
      return {
        train: datasets.glyphs({ ...glyphs, examplesPerClass: 500, split: 'train' }),
        test: datasets.glyphs({ ...glyphs, examplesPerClass: 100, split: 'test' }),
      };
    }
    case 'cifar10-first4000': {
      const all = await load(path, { split: 'train', signal });
      const tested = tableTasks[name].about.testExamples;
      if (all.length <= tested)
        throw new OneLogitError('ERR_ONELOGIT_FORMAT', `Expected more than ${tested} records in ${path} but received ${all.length}`);
      const part = (from: number, to: number) =>
        subset(
          all,
          Int32Array.from({ length: to - from }, (_, i) => from + i),
        );
      return { train: part(0, all.length - tested), test: part(all.length - tested, all.length) };
    }
    case 'imagenet': {
      const options = { format: 'image-folder', imageSize: imagenetSize, channels: 3, memoryBytes: imagenetMemoryBytes } as const;
      // Its test labels are not public: like everybody else, the paper can only have meant the validation part.
      return {
        train: await load(path, { ...options, split: 'train', ...(signal ? { signal } : {}) }),
        test: await load(path, { ...options, split: 'validation', ...(signal ? { signal } : {}) }),
      };
    }
    default: {
      const options = signal ? { signal } : {};
      return {
        train: await load(path, { ...options, split: 'train' }),
        test: await load(path, { ...options, split: 'test' }),
      };
    }
  }
}
