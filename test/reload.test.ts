// Weights that several classifiers share, and that are replaced while they serve.
import { copyFile, readdir, rename, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type ClassifierOptions, layers, Model, SingleLogitClassifier } from '../src/index.js';
import { packageUrl, runModule } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

const scratch = temporaryFile('model.safetensors');
afterAll(() => scratch[Symbol.dispose]());
const path = scratch.name;
const at = (name: string) => join(scratch.directory, name);
const input = new Float32Array(3).fill(1);
const code = (name: string) => expect.objectContaining({ code: name, name: 'OneLogitError' });

interface Kind {
  classes?: number;
  features?: number;
  hidden?: number;
}

/** A model whose logits are all `value`, whatever the example. */
function constant(value: number, { classes = 4, features = 3, hidden }: Kind = {}): Model {
  const model = Model.sequential({
    inputShape: [features],
    layers: [...(hidden ? [layers.dense(hidden), layers.relu()] : []), layers.dense(classes)],
  });
  const last = hidden ? 2 : 0;
  model.setTensor(`${last}.weight`, new Float32Array(classes * (hidden ?? features)));
  model.setTensor(`${last}.bias`, new Float32Array(classes).fill(value));
  return model;
}

/** A file of it, calibrated to a threshold just below its logits. */
async function write(value: number, name: string, kind?: Kind): Promise<string> {
  const slc = await SingleLogitClassifier.load(constant(value, kind));
  const classes = kind?.classes ?? 4;
  const features = kind?.features ?? 3;
  await slc.calibrate(
    {
      inputs: new Float32Array(features * classes),
      labels: Int32Array.from({ length: classes }, (_, c) => c),
      inputShape: [features],
      classes,
      length: classes,
    },
    { recall: 0.5 },
  );
  await slc.save(at(name));
  return at(name);
}

/** Puts a file of another model in the place of the one that is served. */
const replaceBy = async (value: number, kind?: Kind) => rename(await write(value, 'next', kind), path);

beforeEach(async () => {
  await replaceBy(1);
});

describe('reload', () => {
  it('replaces the weights by those of the file that is there now, with all that belongs to them', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const { generation } = slc;
    expect(slc.score(input, 0)).toBe(1);
    await replaceBy(2);
    expect(slc.score(input, 0)).toBe(1);
    await expect(slc.reload()).resolves.toBeUndefined();
    expect([slc.score(input, 0), slc.scoreBound(3), slc.bind(input).score(1), slc.scoreMany(input, [2])[0]]).toEqual([2, 2, 2, 2]);
    expect(slc.scoreBatch(input, 1)[0]).toBe(2);
    expect((await slc.scoreBatchAsync(input, 1))[0]).toBe(2);
    expect((await slc.bindAsync(input)).score(1)).toBe(2);
    expect(slc.generation).not.toBe(generation);
    expect(slc.thresholds![0]).toBeCloseTo(2, 3);
    expect(slc.matches(input, 0)).toBe(true);
    await slc.save(at('saved'));
    expect((await SingleLogitClassifier.load(at('saved'))).score(input, 0)).toBe(2);
  });

  it('takes any file, and by default the one that was loaded', async () => {
    const slc = await SingleLogitClassifier.load(path);
    await slc.reload(await write(5, 'elsewhere'));
    expect(slc.score(input, 0)).toBe(5);
    await slc.reload();
    expect(slc.score(input, 0)).toBe(1);
  });

  it('moves names, storage and preprocessing', async () => {
    const named = async (value: number, names: string[]) => {
      const model = Model.sequential({ inputShape: [3], layers: [layers.dense(2)] });
      model.setTensor('0.weight', new Float32Array(6).fill(value));
      await model.save(at('plain'));
      const slc = await SingleLogitClassifier.fromSafetensors(at('plain'), { weight: '0.weight', classNames: names });
      await slc.save(at('names'));
      model.dispose();
      return at('names');
    };
    await rename(await named(1, ['a', 'b']), path);
    const slc = await SingleLogitClassifier.load(path);
    expect(slc.classNames).toEqual(['a', 'b']);
    const bfloat16 = await SingleLogitClassifier.load(await named(2, ['c', 'ä']), { storage: 'bfloat16' });
    await bfloat16.save(at('half'));
    await slc.reload(at('half'));
    expect(slc.classNames).toEqual(['c', 'ä']);
    expect(slc.storage).toBe('bfloat16');

    const scaled = Model.sequential({ inputShape: [3], layers: [layers.dense(2)], preprocessing: { scale: 10 } });
    scaled.setTensor('0.weight', new Float32Array(6).fill(1));
    await scaled.save(at('scaled'));
    await slc.reload(at('scaled'));
    expect(slc.score(input, 0)).toBe(30);
    expect(slc.classNames).toBeNull();
  });

  it('keeps the storage that was asked for', async () => {
    const slc = await SingleLogitClassifier.load(path, { storage: 'int8' });
    await replaceBy(3);
    await slc.reload();
    expect([slc.storage, slc.score(input, 0)]).toEqual(['int8', 3]);
    const mapped = await SingleLogitClassifier.load(path, { memoryMap: true });
    await replaceBy(4);
    await mapped.reload();
    expect(mapped.score(input, 0)).toBe(4);
  });

  it('replaces thresholds that were calibrated here, and their absence', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const strict = new Float32Array(6);
    await slc.calibrate({ inputs: strict, labels: new Int32Array(2), inputShape: [3], classes: 4, length: 2 }, { recall: 0.5 });
    await constant(7).save(at('uncalibrated'));
    expect(slc.matches(input, 0)).toBe(true);
    await slc.reload(at('uncalibrated'));
    expect(slc.thresholds).toBeNull();
    expect(() => slc.matches(input, 0)).toThrow(code('ERR_ONELOGIT_NOT_CALIBRATED'));
    expect(() => slc.bind(input).matches(0)).toThrow(code('ERR_ONELOGIT_NOT_CALIBRATED'));
    await slc.reload();
    expect(slc.matches(input, 0)).toBe(true);
  });

  it('leaves bound inputs what they were bound with', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const bound = slc.bind(input);
    const binding = slc.bindAsync(input);
    await replaceBy(-2);
    await slc.reload();
    // Threshold −2: were it used for the old logit, or the old one for the new, one of these would be wrong.
    expect([bound.score(0), bound.matches(0), bound.scoreMany([1])[0]]).toEqual([1, true, 1]);
    expect((await binding).score(0)).toBe(1);
    expect([slc.score(input, 0), slc.matches(input, 0)]).toEqual([-2, true]);
    slc.dispose();
    for (const ask of [() => bound.score(0), () => bound.matches(0)]) expect(ask).toThrow(code('ERR_ONELOGIT_DISPOSED'));
  });

  it('leaves bound inputs their thresholds, asked for before or not', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const bound = slc.bind(input);
    await constant(7).save(at('uncalibrated'));
    await slc.reload(at('uncalibrated'));
    expect(bound.matches(0)).toBe(true);
  });

  it('keeps the memory of bound inputs where every object has setters of any name', async () => {
    const next = await write(2, 'next-one');
    const result = await runModule(
      `for (const name of ['owner', 'memory']) Object.defineProperty(Object.prototype, name, { set() {}, get: () => undefined });
       const { SingleLogitClassifier } = await import('${packageUrl}');
       const [path, next] = ${JSON.stringify([path, next])};
       const input = new Float32Array(3).fill(1);
       const slc = await SingleLogitClassifier.load(path);
       const bound = Array.from({ length: 300 }, () => slc.bind(input));
       const others = [];
       for (let i = 0; i < 10; i++) {
         await slc.reload(i % 2 ? path : next);
         slc.score(input, 0);
         globalThis.gc();
         await new Promise((resolve) => setTimeout(resolve, 5));
         for (let j = 0; j < 300; j++) others.push(new Float32Array(50).fill(7));
       }
       console.log(JSON.stringify([...new Set(bound.map((each) => each.score(1)))]));`,
      { flags: ['--expose-gc'] },
    );
    expect(result).toMatchObject({ status: 0, signal: null, stderr: '', stdout: '[1]\n' });
  });

  it('leaves no descriptors to the garbage collector', async () => {
    const descriptors = async () => (await readdir('/proc/self/fd')).length;
    const slc = await SingleLogitClassifier.load(path);
    const other = await write(2, 'other-one');
    await constant(3, { classes: 5 }).save(at('wider'));
    const before = await descriptors();
    for (let i = 0; i < 50; i++) {
      await slc.reload();
      await slc.reload(i % 2 ? other : path);
      await slc.reload(at('wider')).catch(() => {});
      (await SingleLogitClassifier.load(other)).dispose();
      (await Model.load(other)).dispose();
    }
    expect((await descriptors()) - before).toBeLessThan(20);
  });

  it('does nothing for the file in use, under whatever name', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const { generation } = slc;
    await symlink(path, at('link'));
    await slc.reload();
    await slc.reload(at('link'));
    expect(slc.generation).toBe(generation);
  });

  it.each<[string, Kind]>([
    ['classes', { classes: 5 }],
    ['features', { features: 4 }],
    ['layers', { hidden: 3 }],
  ])('refuses a model of other %s, and serves on', async (_, kind) => {
    const slc = await SingleLogitClassifier.load(path);
    const { generation } = slc;
    await replaceBy(2, kind);
    await expect(slc.reload()).rejects.toEqual(code('ERR_ONELOGIT_RELOAD'));
    expect([slc.score(input, 0), slc.generation]).toEqual([1, generation]);
    // And recovers.
    await replaceBy(3);
    await slc.reload();
    expect(slc.score(input, 0)).toBe(3);
  });

  it('refuses a model of other examples, which slc.input could not hold', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const embedded = Model.sequential({ inputShape: [3], layers: [layers.embedding(4, 1), layers.flatten(), layers.dense(4)] });
    await embedded.save(at('embedded'));
    await expect(slc.reload(at('embedded'))).rejects.toEqual(code('ERR_ONELOGIT_RELOAD'));
    expect(slc.score(input, 0)).toBe(1);
  });

  it('refuses files that do not load, and serves on', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const good = await write(2, 'good');
    await copyFile(good, at('short'));
    await truncate(at('short'), 200);
    await writeFile(at('text'), 'not a model');
    await writeFile(at('empty'), '');
    for (const name of ['short', 'text', 'empty']) await expect(slc.reload(at(name))).rejects.toEqual(code('ERR_ONELOGIT_FORMAT'));
    for (const name of ['absent', '.']) await expect(slc.reload(at(name))).rejects.toEqual(code('ERR_ONELOGIT_FILE'));
    await rm(path);
    await expect(slc.reload()).rejects.toEqual(code('ERR_ONELOGIT_FILE'));
    await expect(slc.reload(5 as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    expect(slc.score(input, 0)).toBe(1);
  });

  it('refuses a file without thresholds where they are required', async () => {
    const slc = await SingleLogitClassifier.load(path);
    await constant(7).save(at('uncalibrated'));
    await expect(slc.reload(at('uncalibrated'), { requireThresholds: true })).rejects.toEqual(code('ERR_ONELOGIT_RELOAD'));
    // Also when others have that file in memory.
    const other = await SingleLogitClassifier.load(at('uncalibrated'));
    await expect(slc.reload(at('uncalibrated'), { requireThresholds: true })).rejects.toEqual(code('ERR_ONELOGIT_RELOAD'));
    other.dispose();
    expect([slc.score(input, 0), slc.matches(input, 0)]).toEqual([1, true]);
    await replaceBy(2);
    await slc.reload(undefined, { requireThresholds: true });
    expect(slc.score(input, 0)).toBe(2);
    await expect(slc.reload(path, { thresholds: true } as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    // Also when it is in use already.
    await slc.reload(at('uncalibrated'));
    await expect(slc.reload(at('uncalibrated'), { requireThresholds: true })).rejects.toEqual(code('ERR_ONELOGIT_RELOAD'));
    const head = await SingleLogitClassifier.fromSafetensors(at('uncalibrated'), { weight: '0.weight' });
    await expect(head.reload(undefined, { requireThresholds: true })).rejects.toEqual(code('ERR_ONELOGIT_RELOAD'));
  });

  it('needs a path for a classifier of a model in memory', async () => {
    const slc = await SingleLogitClassifier.load(constant(9));
    await expect(slc.reload()).rejects.toEqual(code('ERR_ONELOGIT_ARGUMENT'));
    await slc.reload(path);
    expect(slc.score(input, 0)).toBe(1);
  });

  it('reads the file that was loaded, whatever the working directory has become', async () => {
    const before = process.cwd();
    process.chdir(scratch.directory);
    const loaded = await Promise.all([
      SingleLogitClassifier.load('model.safetensors'),
      SingleLogitClassifier.fromSafetensors('model.safetensors', { weight: '0.weight', bias: '0.bias' }),
    ]).finally(() => process.chdir(before));
    await replaceBy(2);
    for (const slc of loaded) {
      await slc.reload();
      expect(slc.score(input, 0)).toBe(2);
    }
  });

  it('reads heads that were trained elsewhere again', async () => {
    const head = async (value: number, classes = 4) => {
      await constant(value, { classes }).save(at('head'));
      return at('head');
    };
    const options = { weight: '0.weight', bias: '0.bias', classNames: ['a', 'b', 'c', 'd'] };
    const slc = await SingleLogitClassifier.fromSafetensors(await head(1), options);
    await head(2);
    await slc.reload();
    expect(slc.score(input, 0)).toBe(2);
    expect(slc.classNames).toEqual(options.classNames);
    await head(3, 5);
    await expect(slc.reload()).rejects.toEqual(code('ERR_ONELOGIT_RELOAD'));
    expect(slc.score(input, 0)).toBe(2);
  });

  it('tells heads apart that have the size, the time and the place of another', async () => {
    // As files of reproducible builds have: all of the same time. The number of a deleted file is the next one's, on many systems.
    const head = async (value: number) => {
      await rm(at('timeless'), { force: true });
      await constant(value).save(at('timeless'));
      await utimes(at('timeless'), 1, 1);
      return (await stat(at('timeless'))).ino;
    };
    const numbers = new Set([await head(1)]);
    const slc = await SingleLogitClassifier.fromSafetensors(at('timeless'), { weight: '0.weight', bias: '0.bias' });
    for (const value of [2, 3, 4]) {
      numbers.add(await head(value));
      await slc.reload();
      expect(slc.score(input, 0)).toBe(value);
    }
    expect(numbers.size).toBeGreaterThan(1);
  });

  it('tells a calibration that its weights are gone', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const next = await write(2, 'next-one');
    let asked = () => {};
    const reading = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const calibration = slc.calibrate(
      {
        inputShape: [3],
        classes: 4,
        length: 4,
        read: async () => {
          asked();
          await gate;
          return { inputs: new Float32Array(12), labels: new Int32Array(4) };
        },
      },
      { recall: 0.5 },
    );
    await reading;
    await slc.reload(next);
    go();
    await expect(calibration).rejects.toEqual(code('ERR_ONELOGIT_RELOADED'));
    expect(slc.thresholds![0]).toBeCloseTo(2, 3);
  });

  it('survives a link that points elsewhere at every moment', async () => {
    const good = [await write(1, 'good-1'), await write(2, 'good-2')];
    await copyFile(good[0]!, at('cut'));
    await truncate(at('cut'), 300);
    await constant(3, { classes: 7 }).save(at('other'));
    const targets = [...good, at('cut'), at('other'), scratch.directory, at('absent'), '/dev/null'];
    const link = at('moving');
    let moving = true;
    const mover = (async () => {
      for (let turn = 0; moving; turn++) {
        await symlink(targets[turn % targets.length]!, at('moving-next'));
        await rename(at('moving-next'), link);
      }
    })();
    const slc = await SingleLogitClassifier.load(path);
    const outcomes = { good: 0, refused: 0 };
    const refused = (error: { code?: string }) => {
      expect(error).toMatchObject({ name: 'OneLogitError', code: expect.stringMatching(/^ERR_ONELOGIT_(FILE|FORMAT|RELOAD)$/) });
      outcomes.refused++;
    };
    for (let round = 0; round < 300; round++) {
      await Promise.all([
        slc.reload(link).then(() => outcomes.good++, refused),
        SingleLogitClassifier.fromSafetensors(link, { weight: '0.weight', bias: '0.bias' }).then((head) => {
          expect([1, 2, 3]).toContain(head.score(input, 0));
          head.dispose();
        }, refused),
      ]);
      expect([1, 2]).toContain(slc.score(input, 0));
      expect(slc.matches(input, 0)).toBe(true);
    }
    moving = false;
    await mover;
    expect(outcomes.good).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });

  it('is refused after dispose, and harmless across it', async () => {
    const slc = await SingleLogitClassifier.load(path);
    await replaceBy(2);
    const reloading = slc.reload();
    slc.dispose();
    await reloading.catch((error) => expect(error).toEqual(code('ERR_ONELOGIT_DISPOSED')));
    await expect(slc.reload()).rejects.toEqual(code('ERR_ONELOGIT_DISPOSED'));
  });

  it('of many at once leaves one of them whole', async () => {
    const slc = await SingleLogitClassifier.load(path);
    const files = await Promise.all([2, 3, 4, 5, 6].map((value) => write(value, `many-${value}`)));
    for (let round = 0; round < 20; round++) {
      await Promise.all(files.map((file) => slc.reload(file)));
      expect(slc.thresholds![0]).toBeCloseTo(slc.score(input, 0), 3);
    }
  });
});

describe('sharing', () => {
  it('is by file and options: one reload moves all', async () => {
    const first = await SingleLogitClassifier.load(path);
    const second = await SingleLogitClassifier.load(path);
    const other = await SingleLogitClassifier.load(path, { storage: 'bfloat16' });
    await symlink(path, at('alias'));
    const alias = await SingleLogitClassifier.load(at('alias'));
    expect(second.generation).toBe(first.generation);
    expect(alias.generation).toBe(first.generation);
    expect(other.generation).not.toBe(first.generation);
    await replaceBy(2);
    await second.reload();
    expect([first, second, alias, other].map((slc) => slc.score(input, 0))).toEqual([2, 2, 2, 1]);
    // Who opens the new file joins them.
    const third = await SingleLogitClassifier.load(path);
    expect(third.generation).toBe(first.generation);
    // Each is disposed of for itself.
    first.dispose();
    expect(second.score(input, 0)).toBe(2);
  });

  it('leaves calibration to each', async () => {
    const first = await SingleLogitClassifier.load(path);
    const second = await SingleLogitClassifier.load(path);
    const fromFile = second.thresholds;
    await first.calibrate(
      { inputs: new Float32Array(12), labels: Int32Array.from([0, 0, 0, 0]), inputShape: [3], classes: 4, length: 4 },
      { recall: 0.9 },
    );
    expect(second.thresholds).toEqual(fromFile);
  });

  it('unites those who come to use the same file', async () => {
    const old = await SingleLogitClassifier.load(path);
    await replaceBy(2);
    const young = await SingleLogitClassifier.load(path);
    await old.reload();
    expect(old.generation).toBe(young.generation);
    await replaceBy(3);
    await old.reload();
    expect(young.score(input, 0)).toBe(3);
  });

  const worker = (body: string) =>
    `new Worker(${JSON.stringify(`
    const { parentPort, workerData } = await import('node:worker_threads');
    const { SingleLogitClassifier } = await import('${packageUrl}');
    const input = new Float32Array(3).fill(1);
    ${body}`)}.replace(/^/, '(async () => {') + '})()', { eval: true, workerData: path })`;
  const run = async (source: string, flags: string[] = []) => {
    const result = await runModule(
      `const { Worker } = await import('node:worker_threads');
       const { once } = await import('node:events');
       const { SingleLogitClassifier } = await import('${packageUrl}');
       const input = new Float32Array(3).fill(1);
       const path = ${JSON.stringify(path)};
       ${source}`,
      { flags },
    );
    expect({ status: result.status, signal: result.signal, stderr: result.stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    return JSON.parse(result.stdout);
  };

  it('leaves thresholds that were calibrated here to what was being bound when another thread reloaded', async () => {
    await constant(1).save(at('uncalibrated'));
    const next = await write(-2, 'next-one');
    const result = await run(`
      const slc = await SingleLogitClassifier.load(${JSON.stringify(at('uncalibrated'))});
      const labels = Int32Array.of(0, 1, 2, 3);
      await slc.calibrate({ inputs: new Float32Array(12), labels, inputShape: [3], classes: 4, length: 4 }, { recall: 0.5 });
      const worker = ${worker(`
        const slc = await SingleLogitClassifier.load(${JSON.stringify(at('uncalibrated'))});
        parentPort.on('message', async (flag) => {
          await slc.reload(${JSON.stringify(next)});
          Atomics.store(flag, 0, 1);
          Atomics.notify(flag, 0);
        });
        parentPort.postMessage('ready');`)};
      await once(worker, 'message');
      const flag = new Int32Array(new SharedArrayBuffer(4));
      const binding = slc.bindAsync(input);
      worker.postMessage(flag);
      Atomics.wait(flag, 0, 0);
      const score = slc.score(input, 0);
      const bound = await binding;
      console.log(JSON.stringify([score, bound.score(0), bound.matches(0)]));
      process.exit();`);
    expect(result).toEqual([-2, 1, true]);
  });

  it('reaches all workers, never a mixed answer among them', async () => {
    const [one, two] = [await write(1, 'one'), await write(-2, 'two')];
    const result = await run(`
      const workers = Array.from({ length: 3 }, () => ${worker(`
        const slc = await SingleLogitClassifier.load(workerData);
        const counts = { asked: 0, mixed: 0, positive: 0, negative: 0 };
        parentPort.on('message', () => { parentPort.postMessage(counts); process.exit(); });
        parentPort.postMessage('ready');
        const ids = [0, 1, 2, 3];
        const ask = () => {
          for (let i = 0; i < 200; i++) {
            const scores = slc.scoreMany(input, ids);
            const bound = slc.bind(input);
            if (scores.some((score) => score !== scores[0]) || !slc.matches(input, i & 3) || !bound.matches(0) || bound.score(0) !== bound.score(3))
              counts.mixed++;
            counts.asked++;
            counts[slc.score(input, 1) > 0 ? 'positive' : 'negative']++;
          }
          setImmediate(ask);
        };
        ask();`)});
      await Promise.all(workers.map((each) => once(each, 'message')));
      const slc = await SingleLogitClassifier.load(path);
      const files = [${JSON.stringify(two)}, ${JSON.stringify(one)}];
      for (let i = 0; i < 200; i++) {
        await slc.reload(files[i % 2]);
        if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const answers = workers.map((each) => once(each, 'message'));
      for (const each of workers) each.postMessage('stop');
      console.log(JSON.stringify((await Promise.all(answers)).map(([counts]) => counts)));`);
    expect(result).toHaveLength(3);
    for (const counts of result) {
      expect(counts.mixed).toBe(0);
      expect(counts.positive).toBeGreaterThan(0);
      expect(counts.negative).toBeGreaterThan(0);
    }
  });

  // The sanitizers keep freed memory for a while.
  const itMemory = it.skipIf(process.env.ONELOGIT_SANITIZED);

  itMemory('keeps one copy for all workers', async () => {
    // 64 MB.
    await constant(1, { classes: 4, features: 3 }).save(path);
    const wide = Model.sequential({ inputShape: [1024], layers: [layers.dense(16384)] });
    await wide.save(at('wide'));
    wide.dispose();
    const megabytes = await run(`
      const wide = ${JSON.stringify(at('wide'))};
      const anonymous = async () => Number(/RssAnon:\\s+(\\d+)/.exec(await (await import('node:fs/promises')).readFile('/proc/self/status', 'utf8'))[1]) / 1024;
      const start = () => ${worker(`
        let slc;
        parentPort.on('message', async (wide) => {
          slc = await SingleLogitClassifier.load(wide);
          parentPort.postMessage(slc.score(new Float32Array(1024).fill(1), 5));
        });
        parentPort.postMessage('ready');`)};
      const workers = Array.from({ length: 4 }, start);
      await Promise.all(workers.map((each) => once(each, 'message')));
      const before = await anonymous();
      const answers = workers.map((each) => once(each, 'message'));
      for (const each of workers) each.postMessage(wide);
      await Promise.all(answers);
      console.log(await anonymous() - before);
      process.exit();`);
    expect(megabytes).toBeGreaterThan(50);
    expect(megabytes).toBeLessThan(110);
  });

  itMemory('gives the memory of replaced weights back', async () => {
    const files: string[] = [];
    for (const seed of [1, 2]) {
      const wide = Model.sequential({ inputShape: [1024], layers: [layers.dense(8192)], seed });
      await wide.save(at(`wide-${seed}`));
      wide.dispose();
      files.push(at(`wide-${seed}`));
    }
    const megabytes = await run(
      `
      const files = ${JSON.stringify(files)};
      const slc = await SingleLogitClassifier.load(files[0]);
      const wide = new Float32Array(1024).fill(1);
      let before = 0;
      for (let i = 1; i <= 40; i++) { // 32 MB each
        await slc.reload(files[i % 2]);
        slc.bind(wide).score(i);
        if (i === 10) { globalThis.gc(); before = process.memoryUsage().rss; }
        if (i % 5 === 0) globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      console.log((process.memoryUsage().rss - before) / 2 ** 20);`,
      ['--expose-gc'],
    );
    expect(megabytes).toBeLessThan(100);
  });
});

describe('options of a shared file', () => {
  it.each<[ClassifierOptions, boolean]>([
    [{}, true],
    [{ device: 'cpu' }, true],
    [{ storage: 'float32' }, false],
    [{ memoryMap: true }, false],
  ])('%j: %s', async (options, shared) => {
    const plain = await SingleLogitClassifier.load(path);
    const other = await SingleLogitClassifier.load(path, options);
    expect(other.generation === plain.generation).toBe(shared);
    expect(other.score(input, 0)).toBe(1);
  });
});
