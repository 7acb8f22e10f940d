#!/usr/bin/env node
// Configures and builds the addon incrementally by cmake, quietly: what was chosen (matrix products, CUDA), everything on failure. `npm install`
// runs it where no prebuilt addon fits, so it is in the package and needs nothing but Node, cmake and a compiler.
//
//   node scripts/build-native.mjs                 build/Release/onelogit.node
//   node scripts/build-native.mjs --out DIRECTORY DIRECTORY/Release/onelogit.node
//   node scripts/build-native.mjs --sanitize      build-sanitize/build/Release/onelogit.node, with AddressSanitizer and
//                                                 UndefinedBehaviorSanitizer (run by scripts/test-sanitized.sh)
//   node scripts/build-native.mjs --cuda-host     build-cuda-host/build/Release/onelogit.node, whose GPU is a stand-in on the CPU
//                                                 (run by scripts/test-cuda-host.sh)
//   node scripts/build-native.mjs --prebuild      build-prebuild/build/Release/onelogit.node, for prebuilds/ (run by scripts/prebuild.mjs)
//
// Configuring every time is what makes a changed $ONELOGIT_BLAS or $ONELOGIT_CUDA, or an OpenBLAS or nvcc installed since, take effect.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildStamp } from './build-stamp.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
/** What differs between the kinds of builds: where, and with which options of CMakeLists.txt. */
const kinds = {
  sanitize: { out: 'build-sanitize/build', define: ['ONELOGIT_SANITIZE=ON'] },
  'cuda-host': { out: 'build-cuda-host/build', define: ['ONELOGIT_CUDA=host'] },
  prebuild: { out: 'build-prebuild/build', define: ['ONELOGIT_PREBUILD=ON'] },
};
const { values: options } = parseArgs({
  options: { out: { type: 'string' }, sanitize: { type: 'boolean' }, 'cuda-host': { type: 'boolean' }, prebuild: { type: 'boolean' } },
});
const { out: ordinary, define } = Object.entries(kinds).find(([kind]) => options[kind])?.[1] ?? { out: 'build', define: [] };
const out = resolve(root, options.out ?? ordinary);
const nodeApi = [require('node-api-headers').include_dir, dirname(require.resolve('node-addon-api'))];

/** Runs cmake; resolves to its exit status and everything it printed. */
function cmake(args) {
  return new Promise((settle) => {
    let output = '';
    const child = spawn('cmake', args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk;
      });
    child.on('error', (error) => settle({ status: 1, output: `onelogit: cmake could not be started: ${error.message}\n` }));
    child.on('close', (status) => settle({ status, output }));
  });
}

function fail(step, output) {
  process.stderr.write(
    `${output}\nThe native part of onelogit could not be ${step}; what the tools said is above. It needs a C++20 compiler, make and cmake 3.18 or newer.\n`,
  );
  process.exit(1);
}

function configure() {
  // A tree that is there keeps its generator. ninja finds out faster that nothing is to be done.
  const ninja = !existsSync(join(out, 'CMakeCache.txt')) && spawnSync('ninja', ['--version']).status === 0;
  const definitions = [
    'CMAKE_BUILD_TYPE=Release',
    `ONELOGIT_NODE_API=${nodeApi.join(';')}`,
    `ONELOGIT_BUILD_STAMP=${buildStamp(root)}`,
    ...define,
  ];
  return cmake(['-S', root, '-B', out, ...(ninja ? ['-G', 'Ninja'] : []), ...definitions.map((definition) => `-D${definition}`)]);
}

let configured = await configure();
if (configured.status !== 0 && existsSync(out) && !configured.output.includes('onelogit: ')) {
  // Not one of our own messages: a build tree made by another generator (ninja removed since) or copied from
  // elsewhere cannot be configured again.
  rmSync(out, { recursive: true, force: true });
  configured = await configure();
}
if (configured.status !== 0) fail('configured', configured.output);
const choices = Array.from(configured.output.matchAll(/onelogit: (.*)/g), ([, choice]) => choice);
process.stderr.write(`onelogit: building the native part; ${choices.join('; ')}\n`);
const built = await cmake(['--build', out, '--parallel', String(availableParallelism())]);
if (built.status !== 0) fail('built', built.output);
if (/warning:/.test(built.output)) process.stderr.write(built.output.replace(/^\[[ \d%/]+\].*\n/gm, ''));
