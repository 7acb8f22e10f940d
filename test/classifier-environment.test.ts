// Classifiers at the end of workers, of the process, and of their own lives. Everything runs in a process of its own, so that a crash is a
// failed test and not a dead runner.
import { beforeAll, expect, test } from 'vitest';
import { layers, Model } from '../src/index.js';
import { packageUrl, runModule } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

const file = temporaryFile('model.safetensors');
beforeAll(async () => {
  const model = Model.sequential({
    inputShape: [64],
    layers: [layers.dense(128), layers.batchNorm(), layers.relu(), layers.dense(1000)],
    seed: 1,
  });
  await model.save(file.name);
  return () => file[Symbol.dispose]();
});

const imports = `
const { parentPort, Worker } = await import('node:worker_threads');
const { once } = await import('node:events');
const { SingleLogitClassifier } = await import('${packageUrl}');
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const load = () => SingleLogitClassifier.load(path);
const input = new Float32Array(64).fill(0.5);
const data = { inputs: new Float32Array(64 * 2000).map((_, i) => Math.sin(i)), labels: new Int32Array(2000).map((_, i) => i % 1000),
  inputShape: [64], classes: 1000, length: 2000 };
`;

async function expectCleanExit(body: string, flags: string[] = []): Promise<string> {
  const path = `const path = ${JSON.stringify(file.name)};`;
  const source = `${path} ${imports}
    const inWorker = (text) => new Worker('(async () => {' + ${JSON.stringify(path + imports)} + text + '})()', { eval: true });
    ${body}`;
  const { status, signal, stdout, stderr } = await runModule(source, { flags });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return stdout;
}

// The sanitizers make a worker several times slower.
const rounds = process.env.ONELOGIT_SANITIZED ? 20 : 100;

test.skipIf(process.env.ONELOGIT_SANITIZED)('sixty calls at once take the memory of as many as there are threads', async () => {
  const { threads, peaks } = JSON.parse(
    await expectCleanExit(`
    const { readFileSync } = await import('node:fs');
    const { backendInfo, layers, Model } = await import('${packageUrl}');
    // A pass takes 16 MiB in the layers, and its features as much again.
    const wide = Model.sequential({ inputShape: [1], layers: [layers.dense(2 ** 22), layers.relu(), layers.dense(1)] });
    const slc = await SingleLogitClassifier.load(wide);
    await wide.predict(new Float32Array(1));
    const peak = () => Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
    const one = new Float32Array(1);
    await slc.scoreBatchAsync(one, 0);
    const before = peak();
    await Promise.all(Array.from({ length: 60 }, (_, i) => (i % 2 ? slc.scoreBatchAsync(one, 0) : wide.predict(one))));
    console.log(JSON.stringify({ threads: backendInfo().cpu.threads, peaks: [before, peak()] }));`),
  );
  // Twice over and a little more: threads keep some of what they gave back. All at once would be 1920 MiB.
  expect(peaks[1] - peaks[0]).toBeLessThan((2 * threads + 8) * 32);
});

test('the process and its workers end while calls wait for their turn', async () => {
  await expectCleanExit(`
    for (let round = 0; round < 5; round++) {
      const worker = inWorker(\`
        const slc = await load();
        for (let i = 0; i < 100; i++) i % 2 ? slc.scoreBatchAsync(data.inputs, 7) : slc.bindAsync(input);
        parentPort.postMessage(0);\`);
      await once(worker, 'message');
      await worker.terminate();
    }
    const slc = await load();
    for (let i = 0; i < 100; i++) slc.scoreBatchAsync(data.inputs, 7);
    const results = await Promise.all(Array.from({ length: 20 }, () => slc.scoreBatchAsync(input, 3)));
    if (results.some(([logit]) => logit !== slc.score(input, 3))) throw new Error('another logit');
    for (let i = 0; i < 100; i++) slc.scoreBatchAsync(data.inputs, 7);
    process.exit(0);`);
});

test(`workers are terminated while they score and others reload, ${rounds} times`, async () => {
  await expectCleanExit(`
    const { copyFile } = await import('node:fs/promises');
    const files = [path, path + '.copy'];
    await copyFile(...files);
    const shared = await load();
    for (let round = 0; round < ${rounds}; round++) {
      const worker = inWorker(\`
        const slc = await load();
        let bound = slc.bind(input);
        parentPort.postMessage(0);
        for (let i = 0; ; i = (i + 1) % 1000) {
          slc.score(input, i); slc.scoreBound(i); bound.score(i); slc.scoreMany(input, [i, 0]);
          if (i % 10 === 0) bound = slc.bind(input);
        }\`);
      await once(worker, 'message');
      await Promise.all([sleep(round % 40), shared.reload(files[round % 2]), shared.reload(files[(round + 1) % 2])]);
      await worker.terminate();
    }`);
}, 120_000);

test('workers are terminated while classifiers load, bind, score batches, calibrate and save', async () => {
  await expectCleanExit(`
    for (let round = 0; round < 20; round++) {
      const worker = inWorker(\`
        parentPort.postMessage(0);
        for (;;) {
          const slc = await load();
          await Promise.all([slc.bindAsync(input), slc.scoreBatchAsync(data.inputs, 7), slc.calibrate(data, { precision: 0.5 }),
            slc.save(path + '.' + \${round})]);
          if (\${round} % 2) slc.dispose();
        }\`);
      await once(worker, 'message');
      await sleep(round * 4);
      await worker.terminate();
    }`);
});

test('workers score at the same time and agree', async () => {
  const stdout = await expectCleanExit(`
    const scores = await Promise.all([0, 1, 2, 3].map(async () => {
      const worker = inWorker(\`
        const slc = await load();
        let sum = 0;
        for (let i = 0; i < 3000; i++) sum += slc.score(input, i % 1000) + slc.scoreBound(i % 1000);
        parentPort.postMessage(sum);\`);
      const [[sum]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
      return sum;
    }));
    console.log(JSON.stringify(scores));`);
  const scores = JSON.parse(stdout) as number[];
  expect(scores).toHaveLength(4);
  expect(new Set(scores).size).toBe(1);
});

test('the process exits while jobs of a classifier run', async () => {
  await expectCleanExit(`
    const slc = await load();
    slc.calibrate(data, { precision: 0.9 });
    slc.scoreBatchAsync(data.inputs, 3);
    slc.save(path + '.exit');
    setTimeout(() => process.exit(0), 3);`);
});

test('another thread fills the input that this one asks about', async () => {
  await expectCleanExit(`
    const slc = await load();
    const worker = inWorker("const [shared] = await once(parentPort, 'message'); shared.fill(0.5); parentPort.postMessage(0);");
    worker.postMessage(slc.input);
    await once(worker, 'message');
    if (slc.scoreBound(5) !== slc.score(input, 5)) throw new Error('another score');`);
});

test('functions and bound inputs outlive the objects they came from, in any order of collection', async () => {
  await expectCleanExit(
    `
    const bounds = [];
    for (let round = 0; round < 50; round++) {
      const slc = await load();
      bounds.push(slc.bind(input), await slc.bindAsync(input));
      const { input: memory } = slc;
      if (round % 4 === 0) slc.dispose();
      if (round % 10 === 9) { globalThis.gc(); await sleep(1); globalThis.gc(); }
      memory.fill(1);
    }
    let refused = 0;
    for (const bound of bounds) { try { if (!Number.isFinite(bound.score(999))) throw 0; } catch (error) {
      if (error.code !== 'ERR_ONELOGIT_DISPOSED') throw error; refused++; } }
    if (refused !== 26) throw new Error('refused ' + refused);
    bounds.length = 0;
    globalThis.gc(); await sleep(1); globalThis.gc();`,
    ['--expose-gc'],
  );
});

// The sanitizers keep freed memory for a while.
const testMemory = test.skipIf(process.env.ONELOGIT_SANITIZED);

testMemory('bound inputs are collected without waiting for the event loop', async () => {
  const stdout = await expectCleanExit(`
    const { layers, Model } = await import('${packageUrl}');
    const slc = await SingleLogitClassifier.load(Model.sequential({ inputShape: [4096], layers: [layers.dense(2)] }));
    const wide = new Float32Array(4096);
    const bindMany = (count) => { for (let i = 0; i < count; i++) slc.bind(wide).score(1); };
    bindMany(5_000);
    const before = process.memoryUsage().rss;
    bindMany(50_000); // 16 KB each: 800 MB
    console.log(JSON.stringify((process.memoryUsage().rss - before) / 2 ** 20));`);
  expect(JSON.parse(stdout)).toBeLessThan(200);
});

testMemory('1,000 loads, disposed of or not, leave no memory behind', async () => {
  const stdout = await expectCleanExit(
    `
    const rss = () => process.memoryUsage().rss / 2 ** 20;
    let before = 0;
    for (let i = 0; i < 1000; i++) {
      if (i === 200) before = rss();
      const slc = await load(); // 0.5 MB
      slc.bind(input).score(3);
      if (i % 2) slc.dispose();
      if (i % 50 === 49) { globalThis.gc(); await sleep(1); }
    }
    console.log(JSON.stringify(rss() - before));`,
    ['--expose-gc'],
  );
  expect(JSON.parse(stdout)).toBeLessThan(60);
});
