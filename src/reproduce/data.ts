/** The data that the tables are made from. */

import { findMnist } from '../data/find.js';
import { datasets, OneLogitError } from '../index.js';
import type { ExperimentData } from './experiment.js';

export const tableDatasets = ['mnist', 'glyphs'] as const;
export type TableDataset = (typeof tableDatasets)[number];

/** Both splits of a data set; glyphs are generated, the same ones every time. */
export async function loadData(name: TableDataset, directory: string | undefined): Promise<ExperimentData> {
  if (name === 'glyphs') {
    const glyphs = { classes: 26, seed: 1 };
    return {
      train: datasets.glyphs({ ...glyphs, examplesPerClass: 500, split: 'train' }),
      test: datasets.glyphs({ ...glyphs, examplesPerClass: 100, split: 'test' }),
    };
  }
  const found = directory ?? findMnist();
  if (found === undefined)
    throw new OneLogitError(
      'ERR_ONELOGIT_NO_DATA',
      `Expected the ${name} files in --data, $ONELOGIT_DATA, ../shared/data or the download cache but found none; onelogit download ${name} fetches them`,
    );
  return { train: await datasets.load(found, { split: 'train' }), test: await datasets.load(found, { split: 'test' }) };
}
