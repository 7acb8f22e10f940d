// How far the writing of a file is: of models, classifiers and graphs; and that the file is whole whatever the function does.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { exportOnnx, layers, Model, SingleLogitClassifier, type WriteProgress } from '../src/index.js';
import { frequentTimers } from './helpers/frequent-timers.js';
import { temporaryFile } from './helpers/temporary.js';

const [features, classes] = [1024, 100_000];
const bytes = 4 * classes * (features + 1); // 410 MB

beforeEach(frequentTimers);
afterEach(() => vi.restoreAllMocks());

let model: Model;
beforeAll(() => {
  model = Model.sequential({ inputShape: [features], layers: [layers.dense(classes)], seed: 1 });
  return () => model.dispose();
});

/** Reports that only grow, up to what is in the files. */
function check(reports: readonly WriteProgress[], files: readonly string[]) {
  expect(reports.length).toBeGreaterThan(0);
  const total = files.reduce((sum, file) => sum + statSync(file).size, 0);
  expect(total).toBeGreaterThan(bytes);
  for (const report of reports) {
    expect(report.total).toBe(total);
    expect(report.done).toBeLessThanOrEqual(total);
  }
  const done = reports.map((report) => report.done);
  expect(done).toEqual([...done].sort((a, b) => a - b));
  expect(done.at(-1)).toBeGreaterThan(0);
}

describe('onProgress', { timeout: 120_000 }, () => {
  it('of model.save, slc.save and exportOnnx tells bytes written of all', async () => {
    using file = temporaryFile('model.safetensors');
    const reports: WriteProgress[] = [];
    const onProgress = (progress: WriteProgress) => reports.push(progress);
    await model.save(file.name, { onProgress });
    check(reports.splice(0), [file.name]);

    using classifier = await SingleLogitClassifier.load(file.name, { memoryMap: true });
    const copy = join(file.directory, 'copy.safetensors');
    await classifier.save(copy, { onProgress });
    check(reports.splice(0), [copy]);

    const { files } = await exportOnnx(file.name, join(file.directory, 'model.onnx'), { externalData: true, onProgress });
    expect(files).toHaveLength(2);
    check(reports, files);
  });

  it('rejects with what it throws, and the file is there', async () => {
    using file = temporaryFile('model.safetensors');
    const thrown = new Error('mine');
    let calls = 0;
    const onProgress = () => {
      calls++;
      throw thrown;
    };
    await expect(model.save(file.name, { onProgress })).rejects.toBe(thrown);
    expect(calls).toBe(1);
    expect(statSync(file.name).size).toBeGreaterThan(bytes);
  });

  it('is refused where it is no function, and nothing is written', async () => {
    using file = temporaryFile('model.safetensors');
    const message = (of: string) => ({
      code: 'ERR_ONELOGIT_ARGUMENT',
      message: `Expected a function for onProgress of ${of} but received 1`,
    });
    await expect(model.save(file.name, { onProgress: 1 as never })).rejects.toMatchObject(message('model.save'));
    await expect(exportOnnx(model, file.name, { onProgress: 1 as never })).rejects.toMatchObject(message('exportOnnx'));
    await expect(model.save(file.name, { progress: 1 } as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    expect(existsSync(file.name)).toBe(false);
  });
});
