/** The package as it is published, installed as a user installs it. `npm run test:package` packs it and says where it is. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';

/** The tarball; undefined in an ordinary `npm test`, which has none. */
export const tarball = process.env.ONELOGIT_TARBALL;

/** npm's program, to be run by any Node. */
const npm = process.env.npm_execpath ?? realpathSync(join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js'));

export interface Installation {
  /** Where it was installed. */
  readonly directory: string;
  /** The package in it. */
  readonly root: string;
  /** Environment of a machine that has Node and a shell, and no compiler, make or cmake. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs npm in the directory. */
  npm(args: string[], env?: NodeJS.ProcessEnv): { status: number | null; output: string };
  /** Runs a module's source text in the directory; resolves to what it printed as JSON. */
  run<T>(source: string, options?: { node?: string; env?: NodeJS.ProcessEnv }): Promise<T>;
  /** Runs a module's source text, which fails: resolves to what it wrote to standard error. */
  fail(source: string, env?: NodeJS.ProcessEnv): Promise<string>;
  remove(): void;
}

/** Installs the tarball into an empty directory, from npm's cache where it has the dependencies. */
export function install({ scripts = false }: { scripts?: boolean } = {}): Installation {
  const directory = mkdtempSync(join(tmpdir(), 'onelogit-package-'));
  const bin = join(directory, '.bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync('/bin/sh', join(bin, 'sh'));
  const { HOME, npm_config_cache: cache } = process.env;
  // Nothing else of this machine: neither npm's settings of the run that we are part of nor choices for the build.
  const env = { PATH: bin, HOME, ...(cache === undefined ? {} : { npm_config_cache: cache }) };
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'user', version: '1.0.0', private: true, type: 'module' }));

  const run = async (source: string, { node = process.execPath, env: more = {} }: { node?: string; env?: NodeJS.ProcessEnv } = {}) => {
    // A file, because a module that is given as text resolves packages from elsewhere in some versions.
    writeFileSync(join(directory, 'program.mjs'), source);
    return promisify(execFile)(node, ['program.mjs'], { cwd: directory, env: { ...env, ...more }, timeout: 60_000 });
  };
  const installation: Installation = {
    directory,
    root: join(directory, 'node_modules/onelogit'),
    env,
    npm(args, more = {}) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [npm, ...args], {
        cwd: directory,
        env: { ...env, ...more },
        encoding: 'utf8',
        timeout: 1_100_000,
      });
      return { status, output: stdout + stderr };
    },
    async run(source, options) {
      const { stdout, stderr } = await run(source, options);
      expect(stderr).toBe('');
      return JSON.parse(stdout);
    },
    async fail(source, more = {}) {
      const error = await run(source, { env: more }).then(
        ({ stdout }) => new Error(`Expected a failure but received ${stdout}`),
        (reason: Error & { stderr: string; signal: string | null }) => reason,
      );
      if (!('stderr' in error)) throw error;
      expect(error.signal).toBeNull();
      return error.stderr as string;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
  const { status, output } = installation.npm([
    'install',
    tarball!,
    ...(scripts ? [] : ['--ignore-scripts']),
    ...['--prefer-offline', '--no-audit', '--no-fund', '--foreground-scripts'],
  ]);
  expect({ status, output }).toMatchObject({ status: 0 });
  return installation;
}

/** A program that trains a small model, saves it, and asks it questions, each from one logit. What it prints: {@link Answers}. */
export const trainAndScore = `
  import { backendInfo, datasets, layers, losses, Model, optimizers, SingleLogitClassifier } from 'onelogit';
  const classes = 6;
  const data = datasets.glyphs({ classes, examplesPerClass: 50, seed: 1 });
  const model = Model.sequential({
    inputShape: data.inputShape,
    layers: [layers.flatten(), layers.dense(48), layers.relu(), layers.dense(classes)],
    seed: 1,
    device: 'cpu',
  });
  const { finalLoss } = await model.fit(data, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
    steps: 150,
    batchSize: 50,
  });
  await model.save('model.safetensors');
  const slc = await SingleLogitClassifier.load('model.safetensors', { device: 'cpu' });
  const right = [], wrong = [];
  for (let n = 0; n < data.length; n++) {
    const input = data.inputs.slice(n * 784, (n + 1) * 784);
    for (let classId = 0; classId < classes; classId++) (data.labels[n] === classId ? right : wrong).push(slc.score(input, classId));
  }
  wrong.sort((a, b) => a - b);
  const { blas } = backendInfo().cpu;
  const addon = process.report.getReport().sharedObjects.find((path) => path.endsWith('.node'));
  // Of the pairs of a right and a wrong logit, compared with the wrong one that 99 % of them lie below.
  const above = right.filter((logit) => logit > wrong[Math.floor(0.99 * wrong.length)]).length / right.length;
  console.log(JSON.stringify({ node: process.versions.node, finalLoss, above, scores: right.slice(0, 5), blas, addon }));
`;

export interface Answers {
  /** Version of Node. */
  node: string;
  finalLoss: number;
  /** The share of right logits that are above 99 % of the wrong ones. */
  above: number;
  /** The first five right logits. */
  scores: number[];
  blas: string;
  /** The path of the addon that was loaded. */
  addon: string;
}
