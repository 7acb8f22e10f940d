#!/usr/bin/env node
// npm run check:prebuild [-- OPTION…]: whether a prebuilt addon is what a release may ship. One line for each property; exit status 1 if one does not hold.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { buildStamp } from './build-stamp.mjs';
import { compareVersions, exportedSymbols, isStripped, neededLibraries, neededVersions } from './package/binary.mjs';
import { addonBytes } from './package/budget.mjs';
import { inspect } from './package/inspect.mjs';
import { componentNames, noticesFile } from './package/notices.mjs';
import { prebuild, root } from './package/paths.mjs';

const usage = `usage: node scripts/check-prebuild.mjs [--addon FILE] [--glibc VERSION] [--openblas yes|no] [--architectures LIST]

  --addon FILE          default: the one in prebuilds/ for this platform
  --glibc VERSION       the newest C library that it may need (Linux; default: 2.36, Debian 12's; a release: 2.28)
  --openblas yes|no     whether OpenBLAS must be inside (default: yes on linux-x64)
  --architectures LIST  the compute capabilities it must hold kernels for, '75 90'; '' for no CUDA (default: those of a release on linux-x64, else '')
`;

const released = process.platform === 'linux' && process.arch === 'x64';
let options;
try {
  ({ values: options } = parseArgs({
    options: {
      addon: { type: 'string', default: prebuild },
      glibc: { type: 'string', default: '2.36' },
      openblas: { type: 'string', default: released ? 'yes' : 'no' },
      architectures: { type: 'string', default: released ? '75 80 86 89 90 100 120 120-virtual' : '' },
      help: { type: 'boolean', default: false },
    },
  }));
  if (!/^\d+\.\d+$/.test(options.glibc)) throw new Error(`Expected a version such as 2.28 for --glibc but received '${options.glibc}'`);
  if (!/^(yes|no)$/.test(options.openblas)) throw new Error(`Expected yes or no for --openblas but received '${options.openblas}'`);
} catch (error) {
  process.stderr.write(`${error.message}\n${usage}`);
  process.exit(2);
}
if (options.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const path = options.addon;
if (!existsSync(path)) {
  process.stderr.write(`Expected a prebuilt addon but received none at ${path}; npm run prebuild makes it\n`);
  process.exit(1);
}

/** What comes with every Linux with glibc, and with macOS. */
const system =
  process.platform === 'darwin'
    ? /^\/usr\/lib\/|^\/System\/|onelogit\.node$/
    : /^(lib(c|m|dl|rt|pthread)\.so\.\d|ld-linux-(x86-64|aarch64)\.so\.\d)$/;
const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const checks = [];
const check = (property, holds, found, wanted) => checks.push({ property, holds, found: String(found) || 'none', wanted });
/** A check of things of which none may be there. */
const none = (property, list, wanted) => check(property, list.length === 0, list.slice(0, 5).join(', '), wanted);

const { size } = statSync(path);
check('size', size <= addonBytes, `${(size / 1e6).toFixed(2)} MB`, `at most ${addonBytes / 1e6} MB`);
const libraries = neededLibraries(path);
none(
  'libraries beside the system',
  libraries.filter((library) => !system.test(library)),
  'none: no CUDA, BLAS or C++ library',
);
if (process.platform === 'linux') {
  const { GLIBC: glibc = '0', ...others } = neededVersions(path);
  check('C library', compareVersions(glibc, options.glibc) <= 0, `glibc ${glibc}`, `at most ${options.glibc}`);
  none(
    'C++ library',
    Object.entries(others).map(([kind, version]) => `${kind} ${version}`),
    'none: linked statically',
  );
  check('stripped', isStripped(path), isStripped(path) ? 'yes' : 'no', 'yes');
}
none(
  'symbols shown beside Node’s entry points',
  exportedSymbols(path).filter((name) => !entryPoints.includes(name)),
  'none',
);

const inspected = inspect(path);
check('threads started by loading', inspected.threads === 0, inspected.threads, '0');
const stamp = buildStamp(root);
check('build stamp', inspected.buildStamp === stamp, inspected.buildStamp?.slice(0, 16), `of these sources: ${stamp.slice(0, 16)}`);
check('OpenBLAS', (inspected.openblas !== undefined) === (options.openblas === 'yes'), inspected.openblas ?? 'no', options.openblas);
check(
  'kernels for',
  inspected.cuda.architectures.join(' ') === options.architectures,
  inspected.cuda.architectures.join(' '),
  options.architectures || 'none',
);
const notices = join(dirname(path), noticesFile);
const text = existsSync(notices) ? readFileSync(notices, 'utf8') : '';
none(
  'without a notice',
  componentNames(inspected).filter((name) => !text.includes(`- ${name}\n`)),
  'none',
);

console.log(relative(process.cwd(), path));
const width = (key) => Math.max(...checks.map((entry) => entry[key].length));
for (const { property, holds, found, wanted } of checks)
  console.log(`${holds ? 'ok  ' : 'FAIL'}  ${property.padEnd(width('property'))}  ${found.padEnd(width('found'))}  wanted: ${wanted}`);
if (checks.some(({ holds }) => !holds)) process.exitCode = 1;
