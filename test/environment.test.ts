// Loading and unloading: what goes wrong when threads, environments and the process end while native work goes on. Everything runs
// in a process of its own, so that a crash is a failed test and not a dead runner.
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { internalsUrl, packageRoot, packageUrl, runModule } from './helpers/process.js';

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
  const { native } = await import('${internalsUrl}');`;
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

// A fit that would go on for hours.
const model = `
  const { datasets, layers, losses, Model, optimizers, schedules } = onelogit;
  const network = (units = 64) => Model.sequential({ inputShape: [32], layers: [layers.dense(units), layers.batchNorm(), layers.relu(), layers.dense(10)] });
  const dataset = { inputs: new Float32Array(32 * 1000).map((_, i) => Math.sin(i)), labels: new Int32Array(1000).map((_, i) => i % 10),
    inputShape: [32], classes: 10, length: 1000 };
  const options = { loss: losses.batchCrossEntropy(), optimizer: optimizers.sgd({ learningRate: 0.01 }), steps: 1_000_000, batchSize: 64 };
  const started = (fit) => new Promise((resolve) => fit({ onProgress: resolve }));`;
const imports = `const onelogit = await import('${packageUrl}');`;

test('the process exits during a fit', async () => {
  await expectCleanExit(`${imports} ${model}
    const fitted = network();
    await started((hooks) => fitted.fit(dataset, { ...options, ...hooks }));
    process.exit(0);`);
});

test('an uncaught error during a fit ends the process with its own message', async () => {
  const { status, signal, stderr } = await runModule(`${imports} ${model}
    network().fit(dataset, options);
    setTimeout(() => { throw new Error('mine'); }, 50);`);
  expect({ status, signal }).toEqual({ status: 1, signal: null });
  expect(stderr).toContain('Error: mine');
});

test('a worker is terminated during a fit, at any moment of it', async () => {
  await expectCleanExit(`
    for (let round = 0; round < 12; round++) {
      const worker = inWorker(\`${load} ${model}
        const fitted = network();
        parentPort.postMessage(0);
        await fitted.fit(dataset, { ...options, onProgress: () => {} }).catch(() => {});\`);
      await once(worker, 'message');
      await sleep(round * 5);
      await worker.terminate();
    }`);
});

test('a worker is terminated while its fit waits for a reader that never answers', async () => {
  await expectCleanExit(`
    const worker = inWorker(\`${load} ${model}
      const { inputs, labels, ...rest } = dataset;
      let asked = 0;
      const read = async (indices) => {
        if (asked++ > 3) { parentPort.postMessage(0); return new Promise(() => {}); }
        return { inputs: new Float32Array(indices.length * 32), labels: new Int32Array(indices.length) };
      };
      parentPort.ref();
      await network().fit({ ...rest, read }, options);\`);
    await once(worker, 'message');
    await worker.terminate();`);
});

test('fits of several workers run at the same time and end by themselves', async () => {
  const stdout = await expectCleanExit(`
    const workers = Array.from({ length: 4 }, () => inWorker(\`${load} ${model}
      const { finalLoss } = await network().fit(dataset, { ...options, steps: 50 });
      parentPort.postMessage(finalLoss);\`));
    const ends = workers.map(ended);
    const losses = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
    await Promise.all(ends);
    console.log(JSON.stringify(losses));`);
  const [first, ...others] = JSON.parse(stdout) as number[];
  expect(Number.isFinite(first)).toBe(true);
  for (const loss of others) expect(loss).toBeCloseTo(first as number, 5);
});

// The sanitizers keep freed memory for a while.
const testMemory = test.skipIf(process.env.ONELOGIT_SANITIZED);

testMemory('models that nobody holds are collected, and their memory with them', async () => {
  const stdout = await expectCleanExit(
    `${imports} ${model}
    const rss = () => process.memoryUsage().rss / 2 ** 20;
    // 64 × 10,000 and 10,000 × 10 weights: 3.3 MB a model, 330 MB in all.
    const make = () => { network(10_000); };
    for (let i = 0; i < 20; i++) make();
    globalThis.gc();
    await sleep(20);
    const before = rss();
    for (let i = 0; i < 100; i++) { make(); if (i % 20 === 19) { globalThis.gc(); await sleep(1); } }
    console.log(JSON.stringify(rss() - before));`,
    { flags: ['--expose-gc'] },
  );
  expect(JSON.parse(stdout)).toBeLessThan(100);
});

testMemory('without a call of the garbage collector, memory held by models makes it run', async () => {
  const stdout = await expectCleanExit(`${imports} ${model}
    let most = 0;
    for (let i = 0; i < 150; i++) {
      network(20_000); // 6.6 MB: 1 GB in all
      if (i % 10 === 9) { await sleep(0); most = Math.max(most, process.memoryUsage().rss / 2 ** 20); }
    }
    console.log(JSON.stringify(most));`);
  expect(JSON.parse(stdout)).toBeLessThan(600);
});

test('a model is collected while its fit runs: the fit ends all the same', async () => {
  const stdout = await expectCleanExit(
    `${imports} ${model}
    const promise = (() => network().fit(dataset, { ...options, steps: 300 }))();
    for (let i = 0; i < 20; i++) { globalThis.gc(); await sleep(5); }
    console.log(JSON.stringify((await promise).steps));`,
    { flags: ['--expose-gc'] },
  );
  expect(JSON.parse(stdout)).toBe(300);
});

test('two copies of the package in one process have errors and models of their own', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'onelogit-copy-'));
  try {
    const addon = process.env.ONELOGIT_PREBUILD ?? packageRoot;
    cpSync(join(packageRoot, 'dist'), join(copy, 'dist'), { recursive: true });
    cpSync(join(packageRoot, 'package.json'), join(copy, 'package.json'));
    cpSync(join(addon, 'build/Release/onelogit.node'), join(copy, 'build/Release/onelogit.node'));
    symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'));
    await expectCleanExit(
      `const one = await import('${packageUrl}');
      const other = await import('${pathToFileURL(join(copy, 'dist/index.js')).href}');
      if (one.OneLogitError === other.OneLogitError) throw new Error('expected two copies');
      for (const onelogit of [one, other]) {
        ${model}
        const fitted = network();
        await fitted.fit(dataset, { ...options, steps: 5 });
        const error = await Model.load('/nonexistent').catch((reason) => reason);
        if (!(error instanceof onelogit.OneLogitError)) throw error;
        fitted.dispose();
      }`,
      { environment: { ONELOGIT_PREBUILD: '' } },
    );
  } finally {
    rmSync(copy, { recursive: true });
  }
});

// OpenBLAS, left alone, asks for ever. The sanitizer's own memory has no limit that could be set.
const limitsAddressSpace = process.platform === 'linux' && !process.env.ONELOGIT_SANITIZED;
test.skipIf(!limitsAddressSpace).each([20, 100, 1000])(
  'a limit on the address space, %i MiB away: an error or an answer',
  async (spare) => {
    const output = await expectCleanExit(
      `
    import { execFileSync } from 'node:child_process';
    import { readFileSync } from 'node:fs';
    const { layers, Model } = await import('${packageUrl}');
    const model = Model.sequential({ inputShape: [512], layers: [layers.dense(512), layers.dense(512)], device: 'cpu' });
    const inputs = new Float32Array(256 * 512);
    const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]);
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (pages * 4096 + ${spare} * 2 ** 20)]);
    const outcome = await model.predict(inputs).then(({ length }) => length, ({ code }) => code);
    console.log(outcome);`,
      { environment: { ONELOGIT_THREADS: '4' } },
    );
    expect(output.trim()).toMatch(spare === 1000 ? /^131072$/ : /^(131072|ERR_ONELOGIT_OUT_OF_MEMORY)$/);
  },
);
