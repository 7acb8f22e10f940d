/** The package as it is published: `npm run test:package` packs it. In an ordinary `npm test` there is nothing to look at, and this skips. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answers, type Installation, install, tarball, trainAndScore } from './helpers/installation.js';
import { packageRoot } from './helpers/process.js';

const budget = (await import(`${packageRoot}scripts/package/budget.mjs`)) as { tarballBytes: number; installedPackages: number };

/** What may be in the tarball, and nothing else. */
const expected = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|CMakeLists\.txt)$/,
  /^dist\/[\w/-]+\.(js|d\.ts)$/,
  /^native\/[\w/-]+\.(cc|cu|h|cuh)$/,
  /^cmake\/\w+\.(cmake|map)$/,
  /^scripts\/(install|build-native|build-stamp)\.mjs$/,
  /^prebuilds\/README\.md$/,
  /^prebuilds\/(linux|darwin)-(x64|arm64)\/(onelogit(\.glibc)?\.node|NOTICES\.txt)$/,
];

const suite = describe.skipIf(tarball === undefined);

suite('the tarball', () => {
  const entries = () =>
    execFileSync('tar', ['-tvzf', tarball!], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => {
        const [mode, , size, , , ...path] = line.split(/\s+/);
        return { mode: mode!, size: Number(size), path: path.join(' ').replace(/^package\//, '') };
      });

  it('has dist, prebuilds, native sources and what builds them, and nothing else', () => {
    const paths = entries().map(({ path }) => path);
    expect(paths.filter((path) => !expected.some((pattern) => pattern.test(path)))).toEqual([]);
    for (const pattern of expected)
      expect(
        paths.some((path) => pattern.test(path)),
        String(pattern),
      ).toBe(true);
    expect(paths).not.toContain('dist/internals.js');
    // Every source that is in the repository.
    const sources = execFileSync('git', ['ls-files', 'native', 'cmake'], { cwd: packageRoot, encoding: 'utf8' }).trim().split('\n');
    expect(paths).toEqual(expect.arrayContaining(sources));
  });

  it('is within its budget', () => {
    expect(statSync(tarball!).size).toBeLessThanOrEqual(budget.tarballBytes);
  });
});

suite('installed without a compiler and without install scripts', () => {
  let installation: Installation;
  let answers: Answers;
  beforeAll(async () => {
    installation = install();
    answers = await installation.run(trainAndScore, { env: { ONELOGIT_THREADS: '1' } });
  });
  afterAll(() => installation?.remove());

  it('trains a small model and scores', () => {
    expect(answers.above).toBeGreaterThan(0.95);
  });

  it('loads the prebuilt addon; nothing was built', () => {
    expect(realpathSync(answers.addon)).toContain(join(installation.root, `prebuilds/${process.platform}-${process.arch}/onelogit`));
    expect(existsSync(join(installation.root, 'build'))).toBe(false);
  });

  it('has few dependencies', () => {
    const packages = readdirSync(join(installation.directory, 'node_modules')).filter((name) => !name.startsWith('.'));
    expect(packages).toContain('onelogit');
    expect(packages.length).toBeLessThanOrEqual(budget.installedPackages);
  });

  it('brings the command', () => {
    const { status, output } = installation.npm(['exec', '--offline', '--', 'onelogit', 'info', '--json']);
    expect({ status, output }).toMatchObject({ status: 0 });
    expect(JSON.parse(output)).toMatchObject({ version: expect.any(String), cpu: { blas: answers.blas } });
  });

  it('can be required, and loaded by a worker', async () => {
    expect(
      await installation.run<string[]>(`
        import { createRequire } from 'node:module';
        import { Worker } from 'node:worker_threads';
        const required = createRequire(import.meta.url)('onelogit');
        const worker = new Worker("import('onelogit').then(({ backendInfo }) => require('node:worker_threads').parentPort.postMessage(backendInfo().version))", { eval: true });
        worker.once('message', (version) => console.log(JSON.stringify([required.backendInfo().version, version])));
        worker.once('error', (error) => { throw error; });`),
    ).toEqual(Array(2).fill(JSON.parse(execFileSync('tar', ['-xOzf', tarball!, 'package/package.json'], { encoding: 'utf8' })).version));
  });

  it.each([
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler'],
  ])('has types that a strict program of modules %s, resolved by %s, compiles with', (module, moduleResolution) => {
    writeFileSync(
      join(installation.directory, 'program.ts'),
      `import { datasets, losses, Model, type FitResult, type LossName, SingleLogitClassifier, zoo } from 'onelogit';
      const name: LossName = 'batch-cross-entropy';
      const data = datasets.glyphs({ classes: 3, examplesPerClass: 2 });
      const model: Model = zoo.mlp({ inputShape: data.inputShape, classes: 3 });
      export const score = async (): Promise<number> => (await SingleLogitClassifier.load(model)).score(data.inputs.subarray(0, 784), 1);
      export const steps = ({ steps }: FitResult): number => steps;
      export const aligned: boolean = losses.byName(name).aligned;
      // @ts-expect-error an option that does not exist
      datasets.glyphs({ classes: 3, examplesPerClass: 2, colour: true });
      `,
    );
    const options = ['--strict', '--noEmit', '--target', 'ES2023', '--lib', 'ES2023,ESNext.Disposable', '--types', 'node'];
    execFileSync(
      process.execPath,
      [
        join(packageRoot, 'node_modules/typescript/bin/tsc'),
        ...options,
        ...['--typeRoots', join(packageRoot, 'node_modules/@types')],
        ...['--module', module, '--moduleResolution', moduleResolution, 'program.ts'],
      ],
      { cwd: installation.directory, encoding: 'utf8' },
    );
  });

  const runtimes = process.env.ONELOGIT_RUNTIMES;
  const versions = runtimes === undefined ? [] : readdirSync(join(runtimes, 'node_modules')).filter((name) => /^node-\d+$/.test(name));
  it.skipIf(runtimes === undefined)('is tried with Node 20, 22, 24 and a newer one', () => {
    const majors = versions.map((name) => Number(name.slice('node-'.length)));
    expect(majors.slice(0, 3)).toEqual([20, 22, 24]);
    expect(majors[3]).toBeGreaterThan(24);
  });

  it.each(versions)('gives the same answers, bit for bit, under %s', async (name) => {
    const node = join(runtimes!, 'node_modules', name, 'bin/node');
    const other = await installation.run<Answers>(trainAndScore, { node, env: { ONELOGIT_THREADS: '1' } });
    expect(other.node).toMatch(new RegExp(`^${name.slice('node-'.length)}\\.`));
    expect({ ...other, node: answers.node }).toEqual(answers);
  });

  it.each(versions)('refuses arrays of float16, which Node-API may not know, under %s', async (name) => {
    const program = `
      import v8 from 'node:v8';
      import vm from 'node:vm';
      import { layers, Model, SingleLogitClassifier } from 'onelogit';
      // There behind a flag; older versions have none.
      if (process.versions.node.startsWith('22.')) v8.setFlagsFromString('--js-float16array');
      const Float16 = vm.runInNewContext('globalThis.Float16Array');
      const slc = await SingleLogitClassifier.load(Model.sequential({ inputShape: [64], layers: [layers.dense(10)] }));
      const outcomes = new Set();
      for (let i = 0; Float16 && i < 1000; i++) {
        // So that a type which was not set is that of the array before.
        slc.score(new Uint8Array(64), 1);
        try {
          slc.score(new Float16(64), 1);
          outcomes.add('an answer');
        } catch (error) {
          outcomes.add(error.code);
        }
      }
      console.log(JSON.stringify({ known: Float16 !== undefined, outcomes: [...outcomes] }));
    `;
    const node = join(runtimes!, 'node_modules', name, 'bin/node');
    const known = name !== 'node-20';
    expect(await installation.run(program, { node })).toEqual({ known, outcomes: known ? ['ERR_ONELOGIT_ARGUMENT'] : [] });
  });
});

suite('installed with install scripts, without a compiler', () => {
  it('builds nothing and works', async () => {
    const installation = install({ scripts: true });
    try {
      const { addon } = await installation.run<Answers>(trainAndScore);
      expect(addon).toContain('prebuilds');
      expect(existsSync(join(installation.root, 'build'))).toBe(false);
    } finally {
      installation.remove();
    }
  });
});
