#!/usr/bin/env node
// npm run test:package [-- --source]: packs the package as it would be published, with the addon in prebuilds/, and looks at it as a user does: what is
// in it, whether types and entry points are found (publint, attw), an installation with no compiler and no install scripts, every supported version
// of Node. --source: also an installation whose prebuilt addon is gone, built from source. Needs npm run prebuild before, and npm's registry or cache.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageBuild, prebuild, root } from './package/paths.mjs';

const { values: options } = parseArgs({ options: { source: { type: 'boolean', default: false } } });

function run(program, args, options = {}) {
  process.stderr.write(`-- ${[program === process.execPath ? 'node' : program, ...args].join(' ').replaceAll(`${root}/`, '')}\n`);
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (status !== 0) {
    process.stderr.write(`failed: ${error?.message ?? `exit status ${status}`}\n`);
    process.exit(1);
  }
}
/** The program of an installed package. */
const npx = (name, ...args) => run(join(root, 'node_modules/.bin', name), args);

if (!existsSync(prebuild)) {
  process.stderr.write(`Expected a prebuilt addon to pack but received none at ${prebuild}; npm run prebuild makes it\n`);
  process.exit(1);
}
rmSync(packageBuild, { recursive: true, force: true });
mkdirSync(packageBuild, { recursive: true });
run('npm', ['pack', '--silent', '--pack-destination', packageBuild]);
const tarball = join(
  packageBuild,
  readdirSync(packageBuild).find((name) => name.endsWith('.tgz')),
);

npx('publint', 'run', tarball, '--strict');
// Only modules: `require` of them works from Node 20.19 on, which is what that profile leaves out.
npx('attw', tarball, '--profile', 'esm-only', '--no-emoji');

const runtimes = join(root, 'test/runtimes');
const released = process.platform === 'linux' && process.arch === 'x64';
if (released) run('npm', ['ci', '--prefix', runtimes, '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']);

run(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    'test/package.test.ts',
    'test/package-loading.test.ts',
    ...(options.source ? ['test/package-source.test.ts'] : []),
  ],
  { env: { ...process.env, ONELOGIT_TARBALL: tarball, ...(released ? { ONELOGIT_RUNTIMES: runtimes } : {}) } },
);
