// Loading and unloading: what goes wrong when threads, environments and the process end while native work goes on. Everything runs
// in a process of its own, so that a crash is a failed test and not a dead runner.
import { expect, test } from 'vitest';
import { nativeUrl, packageUrl, runModule } from './helpers/process.js';

// Source text shared by the modules below. `work` needs the pool's threads.
const prelude = `
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { once } from 'node:events';
const inWorker = (body, options) => new Worker('(async () => {' + body + '})()', { eval: true, ...options });
const ended = async (worker) => (await once(worker, 'exit'))[0];
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
`;
const load = `
  const { parentPort } = await import('node:worker_threads');
  const onelogit = await import('${packageUrl}');
  const { native } = await import('${nativeUrl}');`;
const work = `native.benchmarkProducts([{ m: 256, n: 256, k: 256 }], 20);`;

async function expectCleanExit(source: string, options?: Parameters<typeof runModule>[1]) {
  const { status, signal, stdout, stderr } = await runModule(prelude + source, options);
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return stdout;
}

test('a worker that alone loaded the addon ends: the pool outlives it, and later workers can use it', async () => {
  await expectCleanExit(`
    for (let round = 0; round < 5; round++) {
      const worker = inWorker(\`${load} ${work}\`);
      if (await ended(worker) !== 0) process.exit(1);
      await sleep(20); // the pool's threads go to sleep in code that must still be mapped
    }`);
});

test('many workers load, work and end at the same time', async () => {
  await expectCleanExit(`
    const workers = Array.from({ length: 12 }, () => inWorker(\`${load} ${work}\`));
    const statuses = await Promise.all(workers.map(ended));
    if (statuses.some((status) => status !== 0)) process.exit(1);`);
});

test('workers are terminated while they load and work', async () => {
  await expectCleanExit(`
    for (let round = 0; round < 20; round++) {
      const worker = inWorker(\`${load} for (;;) { ${work} parentPort.postMessage(0); }\`);
      await sleep(round * 8);
      await worker.terminate();
    }`);
});

test('the process exits while a worker works', async () => {
  await expectCleanExit(`
    const worker = inWorker(\`${load} for (;;) { ${work} parentPort.postMessage(0); }\`);
    await once(worker, 'message');
    process.exit(0);`);
});
