#!/usr/bin/env node
// npm run prebuild: the addon for this platform that the package ships, prebuilds/<platform>-<architecture>/onelogit[.glibc].node, stripped, with
// the notices of what is linked into it, checked (check-prebuild.mjs). $ONELOGIT_BLAS, $ONELOGIT_CUDA and $ONELOGIT_CUDA_ARCHITECTURES choose, as
// for every build; what a release must contain is for the check to say.
//
//   npm run prebuild [-- options of check-prebuild.mjs]
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { inspect } from './package/inspect.mjs';
import { writeNotices } from './package/notices.mjs';
import { npmScript } from './package/npm-script.mjs';
import { prebuild, prebuildDirectory, root } from './package/paths.mjs';

// npm also starts a script of this name before the one that is named build, which means nothing by it.
if (npmScript() === 'build') process.exit(0);

const prebuildify = join(dirname(createRequire(import.meta.url).resolve('prebuildify/package.json')), 'bin.js');

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`${[program, ...args].join(' ')} failed: ${error?.message ?? `exit status ${status}`}\n`);
    process.exit(1);
  }
}

// A tree of its own, so that a development build stays where it is: prebuildify moves what was built.
mkdirSync(join(root, 'build-prebuild'), { recursive: true });
rmSync(prebuildDirectory, { recursive: true, force: true });
run(process.execPath, [
  prebuildify,
  '--napi',
  '--strip',
  ...['--name', 'onelogit'],
  ...(process.platform === 'linux' ? ['--tag-libc'] : []),
  ...['--cwd', join(root, 'build-prebuild')],
  ...['--out', root],
  ...['--node-gyp', join(root, 'scripts/package/node-gyp.mjs')],
]);
writeNotices(prebuild, inspect(prebuild));
run(process.execPath, [join(root, 'scripts/check-prebuild.mjs'), ...process.argv.slice(2)]);
