/** The thresholds in a model's file, read without its weights: they may be gigabytes, and the model has been loaded already. */
import { checkRecord } from '../calibration.js';
import { readSafetensorsHeader, readSafetensorsTensor } from '../safetensors.js';
import type { ReportOptions } from './report.js';

/** Null for what the file does not have. Names are those of native/addon/classifier.cc. */
export async function readThresholds(path: string): Promise<Pick<ReportOptions, 'thresholds' | 'calibration'>> {
  const { metadata, tensors } = await readSafetensorsHeader(path);
  const read = async (name: string) => (tensors.some((tensor) => tensor.name === name) ? await readSafetensorsTensor(path, name) : null);
  const [thresholds, examples] = [await read('thresholds'), await read('thresholds.examples')];
  const target = metadata.onelogit_calibration;
  return {
    thresholds: thresholds as Float32Array | null,
    calibration:
      thresholds === null || examples === null || target === undefined ? null : checkRecord({ target, examples: examples as Int32Array }),
  };
}
