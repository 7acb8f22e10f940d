// What scripts/test-leaks.sh runs under LeakSanitizer: classifiers made, asked, replaced, disposed of or forgotten, in this thread and in workers
// that end or are terminated. Prints how much it did. Run by hand: node --expose-gc test/leaks/classifiers.mjs
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { layers, Model, SingleLogitClassifier } from '../../dist/index.js';

const directory = await mkdtemp(join(tmpdir(), 'onelogit-leaks-'));
const [one, two, broken] = ['one', 'two', 'broken'].map((name) => join(directory, name));
const make = async (path, seed, classes) => {
  const model = Model.sequential({
    inputShape: [8],
    layers: [layers.dense(16), layers.batchNorm(), layers.relu(), layers.dense(classes)],
    seed,
  });
  await model.save(path);
  model.dispose();
};
await make(one, 1, 100);
await make(two, 2, 100);
await make(broken, 3, 101);

const input = new Float32Array(8).fill(0.5);
const data = { inputs: new Float32Array(8 * 50), labels: new Int32Array(50).map((_, i) => i), inputShape: [8], classes: 100, length: 50 };
const storages = [undefined, 'float32', 'bfloat16', 'int8'];

for (let round = 0; round < 1000; round++) {
  const storage = storages[round % 4];
  const slc = await SingleLogitClassifier.load(round % 2 ? one : two, storage === undefined ? { memoryMap: round % 8 === 0 } : { storage });
  const bound = slc.bind(input);
  slc.score(input, round % 100);
  slc.scoreBound(1);
  slc.scoreMany(input, [1, 2, 3]);
  if (round % 3 === 0) await slc.reload(round % 2 ? two : one);
  if (round % 5 === 0) await slc.reload(broken).catch(() => {});
  if (round % 7 === 0) {
    await slc.calibrate(data, { recall: 0.5 });
    await slc.evaluateThresholds(data);
    await slc.save(join(directory, 'saved'));
  }
  if (round % 11 === 0) (await slc.bindAsync(input)).score(3);
  bound.score(2);
  if (round % 2) slc.dispose();
  if (round % 50 === 0) globalThis.gc();
}

const workers = 10;
for (let round = 0; round < workers; round++) {
  const worker = new Worker(
    `(async () => {
      const { parentPort, workerData } = await import('node:worker_threads');
      const { SingleLogitClassifier } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
      const slc = await SingleLogitClassifier.load(workerData.path);
      const input = new Float32Array(8);
      slc.bind(input).score(1);
      await slc.reload(workerData.other);
      parentPort.postMessage('ready');
      if (workerData.endless) for (let i = 0; ; i++) { slc.score(input, i % 100); slc.bind(input); }
    })()`,
    { eval: true, workerData: { path: one, other: two, endless: round % 2 === 0 } },
  );
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
}

globalThis.gc();
await rm(directory, { recursive: true });
console.log(`1000 classifiers, ${workers} workers`);
