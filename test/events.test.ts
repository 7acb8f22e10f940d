// The event loop while native threads work: it stays free, can stop them, and can end under them. What may take the process down runs in
// one of its own.
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { type FitOptions, layers, losses, Model, optimizers } from '../src/index.js';
import { clouds, streamed } from './helpers/problems.js';
import { packageUrl, runModule } from './helpers/process.js';
import { readParts } from './helpers/safetensors.js';
import { temporaryFile } from './helpers/temporary.js';

const network = () =>
  Model.sequential({ inputShape: [64], layers: [layers.dense(256), layers.batchNorm(), layers.relu(), layers.dense(5)], seed: 1 });
const dataset = clouds({ features: 64, length: 1000 });
const endless = (options: Partial<FitOptions> = {}): FitOptions => ({
  loss: losses.batchCrossEntropy(),
  optimizer: optimizers.sgd({ learningRate: 0.01 }),
  steps: 1_000_000_000,
  batchSize: 128,
  ...options,
});
/** An instrumented build is slow, and keeps freed memory for a while. */
const sanitized = process.env.ONELOGIT_SANITIZED !== undefined;
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A fit without end: how to stop it, and when it has done some steps. */
function running(model: Model, options: Partial<FitOptions> = {}) {
  const controller = new AbortController();
  let report = () => {};
  const begun = new Promise<void>((resolve) => {
    report = resolve;
  });
  const onProgress: FitOptions['onProgress'] = (progress) => {
    options.onProgress?.(progress);
    report();
  };
  const fitting = model.fit(dataset, endless({ ...options, onProgress, signal: controller.signal }));
  fitting.catch(() => {});
  return { controller, fitting, begun };
}

describe('the event loop', () => {
  test.skipIf(sanitized)('stays free while a model is trained', async () => {
    const { controller, fitting, begun } = running(network());
    await begun;
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    let turns = 0;
    for (const end = Date.now() + 500; Date.now() < end; turns++) await new Promise(setImmediate);
    delay.disable();
    controller.abort();
    await expect(fitting).rejects.toMatchObject({ name: 'AbortError' });
    // Nothing of ours runs on this thread: what is left is the scheduler of a machine whose cores are all busy. Training on this thread
    // would allow not one turn.
    expect(turns).toBeGreaterThan(100);
    expect(delay.percentile(50) / 1e6).toBeLessThan(50);
  });

  test('gets on with other models meanwhile', async () => {
    const { controller, fitting } = running(network());
    const other = network();
    const { finalAccuracy } = await other.fit(dataset, endless({ steps: 50 }));
    expect(finalAccuracy).toBeGreaterThan(0);
    expect((await other.predict(dataset.inputs)).length).toBe(5000);
    controller.abort();
    await expect(fitting).rejects.toMatchObject({ name: 'AbortError' });
  });

  test.skipIf(sanitized)('receives the latest report, not a backlog, when it was busy', async () => {
    const steps: number[] = [];
    const { controller, fitting, begun } = running(network(), { onProgress: ({ step }) => steps.push(step) });
    await begun;
    const before = steps.length;
    const end = Date.now() + 600;
    while (Date.now() < end); // blocks
    const blocked = steps.length;
    await pause(0);
    await new Promise(setImmediate);
    const after = steps.length;
    controller.abort();
    await fitting.catch(() => {});
    expect(before).toBeGreaterThan(0);
    expect(blocked).toBe(before);
    expect(after - blocked).toBeLessThanOrEqual(2);
  });
});

describe('an aborted signal', () => {
  test('stops fit after the current step with an AbortError that carries the reason', async () => {
    const reason = new Error('enough');
    const model = network();
    const initial = model.tensor('0.weight');
    const { controller, fitting, begun } = running(model);
    await begun;
    controller.abort(reason);
    await expect(fitting).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ERR_ONELOGIT_ABORTED',
      cause: reason,
      message: expect.stringMatching(/^Expected model.fit to run 1000000000 steps but its signal was aborted after step \d+$/),
    });
    // The model holds the weights of that step, and is free again.
    expect(model.tensor('0.weight')).not.toEqual(initial);
    expect(model).toMatchObject({ busy: false, trained: true, loss: { name: 'batch-cross-entropy' } });
    await model.fit(dataset, endless({ steps: 2 }));
  });

  test('leaves a checkpoint if one was asked for', async () => {
    using path = temporaryFile('checkpoint.safetensors');
    const { controller, fitting, begun } = running(network(), { checkpoint: { path: path.name, everySteps: 1_000_000 } });
    await begun;
    controller.abort();
    const { message } = (await fitting.catch((error: Error) => error as Error & { message: string })) as Error;
    expect(message).toContain(path.name);
    expect(message).toContain(`after step ${readParts(path.name).metadata['training.step']};`);
    expect((await Model.load(path.name)).classes).toBe(5);
  });

  test('that was aborted before lets nothing begin', async () => {
    const model = network();
    const signal = AbortSignal.abort('early');
    await expect(model.fit(dataset, endless({ signal }))).rejects.toMatchObject({ name: 'AbortError', cause: 'early' });
    await expect(model.evaluate(dataset, { signal })).rejects.toMatchObject({ name: 'AbortError', cause: 'early' });
    expect(model).toMatchObject({ trained: false, busy: false });
  });

  test('ends the wait for a reader that never answers', async () => {
    const controller = new AbortController();
    let signals = 0;
    const source = streamed(dataset);
    let reads = 0;
    const read = (indices: Int32Array, signal: AbortSignal) => {
      if (++reads < 4) return source.read(indices);
      // One for the element type, two steps, and the next batch, read ahead.
      setTimeout(() => controller.abort(), 20);
      return new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => {
          signals++;
          reject(signal.reason);
        }),
      );
    };
    const model = network();
    const fitting = model.fit({ ...source, read }, endless({ signal: controller.signal }));
    await expect(fitting).rejects.toMatchObject({ name: 'AbortError', message: expect.stringMatching(/after step 2$/) });
    expect(signals).toBeGreaterThan(0);

    const again = new AbortController();
    const evaluating = model.evaluate({ ...source, read }, { signal: again.signal });
    setTimeout(() => again.abort('enough'), 50);
    await expect(evaluating).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' });
  });

  test('leaves no listener behind', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    await network().fit(dataset, endless({ steps: 1, signal }));
    expect(listeners).toBe(0);
  });
});

describe('a model that is being trained', () => {
  test('refuses everything that needs its weights, says so, and is free when fit has settled', async () => {
    const model = network();
    const { controller, fitting } = running(model);
    expect(model.busy).toBe(true);
    const busy = expect.objectContaining({
      name: 'OneLogitError',
      code: 'ERR_ONELOGIT_BUSY',
      message: expect.stringMatching(/^Expected .*trained.* but received/),
    });
    for (const turn of ['in the turn of the call', 'later']) {
      await expect(model.fit(dataset, endless()), turn).rejects.toEqual(busy);
      await expect(model.predict(dataset.inputs), turn).rejects.toEqual(busy);
      await expect(model.embed(dataset.inputs), turn).rejects.toEqual(busy);
      await expect(model.evaluate(dataset), turn).rejects.toEqual(busy);
      await expect(model.save('/tmp/never'), turn).rejects.toEqual(busy);
      expect(() => model.tensor('0.weight'), turn).toThrow(busy);
      expect(() => model.setTensor('0.bias', new Float32Array(256)), turn).toThrow(busy);
      expect(() => model.dispose(), turn).toThrow(busy);
      await pause(20);
    }
    expect(model.classes).toBe(5); // what never changes can be read
    expect(model.summary()).toContain('dense');
    controller.abort();
    await fitting.catch(() => {});
    expect(model.busy).toBe(false);
    await model.predict(dataset.inputs);
    model.dispose();
  });

  test('is not trained while it predicts, evaluates or saves', async () => {
    const model = network();
    const predicting = model.predict(clouds({ features: 64, length: 20_000 }).inputs);
    await expect(model.fit(dataset, endless({ steps: 1 }))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_BUSY' });
    await predicting;
    await model.fit(dataset, endless({ steps: 1 }));
  });
});

// Text of a module for a process or worker of its own.
const start = `
  const { layers, losses, Model, optimizers } = await import('${packageUrl}');
  const model = Model.sequential({ inputShape: [64], layers: [layers.dense(256), layers.batchNorm(), layers.relu(), layers.dense(5)] });
  const dataset = {
    inputs: Float32Array.from({ length: 64 * 1000 }, () => Math.random()),
    labels: Int32Array.from({ length: 1000 }, (_, i) => i % 5),
    inputShape: [64], classes: 5, length: 1000,
  };
  const options = { loss: losses.batchCrossEntropy(), optimizer: optimizers.adam(), steps: 1e9, batchSize: 128 };
  const reader = { inputShape: [64], classes: 5, length: 1000 };
  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
`;

async function expectCleanExit(source: string, status = 0) {
  const result = await runModule(`${start}${source}`);
  expect({ status: result.status, signal: result.signal, stderr: result.stderr }).toEqual({ status, signal: null, stderr: '' });
  return result.stdout;
}

describe('the end of the process', () => {
  test('by process.exit() during fit', async () => {
    await expectCleanExit(`model.fit(dataset, options); await sleep(100); process.exit(3);`, 3);
  });

  // On the main thread no clean-up hook runs: libraries are finalised under the threads unless an exit handler stops them first. Without
  // it one run in fifteen crashed.
  test('by process.exit() in onProgress, eight times', async () => {
    for (let round = 0; round < 8; round++)
      await expectCleanExit(`await model.fit(dataset, { ...options, onProgress: () => process.exit(3) });`, 3);
  });

  test('by process.exit() while a reader keeps fit and evaluate waiting', async () => {
    await expectCleanExit(
      `
      const never = { ...reader, read: () => new Promise(() => {}) };
      model.fit(never, options).catch(() => {});
      const slow = { ...reader, read: async (indices) => { await sleep(20); return { inputs: new Float32Array(64 * indices.length), labels: new Int32Array(indices.length) }; } };
      const other = Model.sequential({ inputShape: [64], layers: [layers.dense(5)] });
      other.fit(slow, options);
      const third = Model.sequential({ inputShape: [64], layers: [layers.dense(5)] });
      third.evaluate(never).catch(() => {});
      await sleep(150);
      process.exit(3);`,
      3,
    );
  });

  test('by process.exit() with many predictions and saves on their way', async () => {
    using path = temporaryFile('model.safetensors');
    await expectCleanExit(
      `for (let i = 0; i < 16; i++) { model.predict(dataset.inputs); model.save(${JSON.stringify(path.name)}); model.evaluate(dataset); }
      process.exit(3);`,
      3,
    );
  });

  test('by an uncaught error', async () => {
    const { status, signal, stderr } = await runModule(`${start} model.fit(dataset, options); await sleep(50); throw new Error('mine');`);
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(stderr).toContain('mine');
  });

  test('by itself: a fit that is done keeps nothing alive, one that runs does', async () => {
    const stdout = await expectCleanExit(
      `model.fit(dataset, { ...options, steps: 200, onProgress: () => {} }).then(({ steps }) => console.log(steps));`,
    );
    expect(stdout.trim()).toBe('200');
  });
});

describe('the end of a worker', () => {
  const inWorker = (body: string) => `
    const { Worker } = await import('node:worker_threads');
    const worker = () => new Worker(${JSON.stringify(`(async () => { const { parentPort } = await import('node:worker_threads'); ${start} ${body} })()`)}, { eval: true });
  `;

  test('by terminate() during fit, at any time', async () => {
    await expectCleanExit(`
      ${inWorker(`model.fit(dataset, { ...options, onProgress() {} }).catch(() => {}); parentPort.postMessage(0);`)}
      const { once } = await import('node:events');
      for (let round = 0; round < 12; round++) {
        const thread = worker();
        await once(thread, 'message');
        await sleep(round * 10);
        await thread.terminate();
      }
      // This thread's model is none the worse.
      await model.fit(dataset, { ...options, steps: 5 });`);
  });

  test('by terminate() while a reader keeps fit waiting', async () => {
    await expectCleanExit(`
      ${inWorker(`model.fit({ ...reader, read: () => { parentPort.postMessage(0); return new Promise(() => {}); } }, options);`)}
      const { once } = await import('node:events');
      for (let round = 0; round < 5; round++) {
        const thread = worker();
        await once(thread, 'message');
        await thread.terminate();
      }`);
  });

  test('by process.exit() in the worker and by its own end', async () => {
    await expectCleanExit(`
      ${inWorker(`model.fit(dataset, options); await sleep(50); process.exit(5);`)}
      const { once } = await import('node:events');
      const [code] = await once(worker(), 'exit');
      if (code !== 5) throw new Error(String(code));`);
  });

  test('models in several workers at once', async () => {
    const workers = Array.from(
      { length: 3 },
      () =>
        new Worker(
          `(async () => { ${start} const { parentPort } = require('node:worker_threads');
            const { finalLoss } = await model.fit({ ...dataset, inputs: new Float32Array(64000).map((_, i) => (i * 7919) % 101 / 100) }, { ...options, steps: 100 });
            parentPort.postMessage(finalLoss); })()`,
          { eval: true },
        ),
    );
    const results = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
    expect(results[0]).toBeGreaterThan(0);
    expect(new Set(results).size).toBe(1);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
});

describe('memory', () => {
  test.skipIf(sanitized)('of models, jobs and their results is given back', async () => {
    const stdout = await runModule(
      `${start}
      const resident = () => { globalThis.gc(); return process.memoryUsage().rss; };
      const round = async () => {
        const big = Model.sequential({ inputShape: [1000], layers: [layers.dense(4000, { initializer: 'zeros' }), layers.relu(), layers.dense(10)] }); // 16 MB
        await big.predict(new Float32Array(1000 * 100));
        if (globalThis.dispose) big.dispose();
      };
      globalThis.dispose = true;
      for (let i = 0; i < 10; i++) await round();
      const before = resident();
      for (let i = 0; i < 25; i++) await round();
      globalThis.dispose = false;
      for (let i = 0; i < 25; i++) { await round(); if (i % 5 === 4) { globalThis.gc(); await sleep(10); } }
      await sleep(50);
      console.log((resident() - before) / 2 ** 20);`,
      { flags: ['--expose-gc'] },
    );
    expect(stdout).toMatchObject({ status: 0, stderr: '' });
    // Fifty models are 800 MB.
    expect(Number(stdout.stdout)).toBeLessThan(200);
  });
});
