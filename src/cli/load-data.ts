/** `datasets.load` as commands call it: a large directory is seen to be read. */
import type { LoadedDataset, LoadedStream } from '../data/format.js';
import type { LoadOptions } from '../data/load.js';
import { watched } from './steady.js';

export function loadData(directory: string, options: LoadOptions & { memoryBytes: number }): Promise<LoadedDataset | LoadedStream>;
export function loadData(directory: string, options?: LoadOptions): Promise<LoadedDataset>;
export async function loadData(directory: string, options: LoadOptions = {}): Promise<LoadedDataset | LoadedStream> {
  const { datasets } = await import('../index.js');
  return watched(`reading ${options.split ?? 'train'}`, (onProgress) => datasets.load(directory, { ...options, onProgress }));
}
