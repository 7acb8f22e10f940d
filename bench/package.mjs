#!/usr/bin/env node
// What the package costs who installs it: bytes of the tarball and of the installation, time of `npm install` and of `import 'onelogit'`.
//
//   npm run prebuild && node bench/package.mjs [--rounds N] [--check] [--no-write]
//
// Packs the package into a temporary directory, installs it N times into empty ones (no install scripts, dependencies from npm's cache), and imports it
// N times, each time in a new process. --check: exit status 1 unless the budget of scripts/package/budget.mjs is met. Writes results/package.{json,md}.
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { neededLibraries, neededVersions } from '../scripts/package/binary.mjs';
import { addonBytes, importMilliseconds, installedPackages, installSeconds, tarballBytes } from '../scripts/package/budget.mjs';
import { inspect } from '../scripts/package/inspect.mjs';
import { prebuild, root } from '../scripts/package/paths.mjs';
import { parseCommandLine } from './lib/arguments.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { provenance, table } from './lib/report.mjs';
import { format, spread } from './lib/statistics.mjs';

const options = parseCommandLine(import.meta.url, {
  rounds: { type: 'string', default: '9' },
  check: { type: 'boolean', default: false },
  'no-write': { type: 'boolean', default: false },
});
const rounds = Number(options.rounds);
const before = machine();
const { cpu, cuda, openblas } = inspect(prebuild);

/** Bytes of the files below a directory. */
const bytesIn = (path) =>
  lstatSync(path).isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0) : lstatSync(path).size;

/** Runs `measure` once to have files and npm's cache in memory, then `rounds` times. */
function repeat(measure) {
  measure();
  const values = Array.from({ length: rounds }, measure);
  return { ...spread(values), rounds: values };
}

const directory = mkdtempSync(join(tmpdir(), 'onelogit-bench-'));
let result;
try {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', directory], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    }).replace(/^[^[]*/, ''),
  );
  const tarball = join(directory, packed.filename);

  const user = join(directory, 'user');
  const install = () => {
    rmSync(user, { recursive: true, force: true });
    mkdirSync(user);
    writeFileSync(join(user, 'package.json'), '{ "name": "user", "private": true, "type": "module" }');
    const start = performance.now();
    execFileSync('npm', ['install', tarball, '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--silent'], { cwd: user });
    return (performance.now() - start) / 1000;
  };
  const seconds = repeat(install);

  writeFileSync(
    join(user, 'import.mjs'),
    `const start = performance.now();
    await import('onelogit');
    console.log(performance.now() - start);`,
  );
  const milliseconds = repeat(() => Number(execFileSync(process.execPath, ['import.mjs'], { cwd: user, encoding: 'utf8' })));
  const packages = readdirSync(join(user, 'node_modules')).filter((name) => !name.startsWith('.'));

  result = {
    date: new Date().toISOString(),
    commit: commit(),
    command: 'node bench/package.mjs',
    machine: before,
    versions: {
      onelogit: version,
      node: process.versions.node,
      npm: execFileSync('npm', ['--version'], { encoding: 'utf8' }).trim(),
      cpu,
      openblas: openblas ?? null,
    },
    cuda,
    addon: { bytes: statSync(prebuild).size, libraries: neededLibraries(prebuild), symbolVersions: neededVersions(prebuild) },
    tarball: { bytes: statSync(tarball).size, files: packed.entryCount },
    installed: { bytes: bytesIn(join(user, 'node_modules')), packages, seconds },
    import: { milliseconds },
  };
} finally {
  rmSync(directory, { recursive: true, force: true });
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
const { addon, tarball, installed } = result;
const rows = [
  ['tarball', megabytes(tarball.bytes), `at most ${tarballBytes / 1e6} MB`, tarball.bytes <= tarballBytes],
  ['its addon, unpacked', megabytes(addon.bytes), `at most ${addonBytes / 1e6} MB`, addon.bytes <= addonBytes],
  ['installed', `${megabytes(installed.bytes)}, ${tarball.files} files`, '', true],
  ['packages', installed.packages.join(', '), `at most ${installedPackages}`, installed.packages.length <= installedPackages],
  [
    'npm install, s: median (least–most)',
    format(installed.seconds, 2),
    `at most ${installSeconds} s`,
    installed.seconds.median <= installSeconds,
  ],
  [
    "import 'onelogit', ms: median (least–most)",
    format(result.import.milliseconds, 1),
    `at most ${importMilliseconds} ms`,
    result.import.milliseconds.median <= importMilliseconds,
  ],
  ['libraries', addon.libraries.join(', '), 'the system’s', true],
  ['C library', `glibc ${addon.symbolVersions.GLIBC}`, '2.36 where built on Debian 12, 2.28 in a release', true],
];
const report = [
  '# What the package costs',
  '',
  ...provenance(result),
  '',
  `npm ${result.versions.npm}, \`--ignore-scripts --prefer-offline\`, dependencies in its cache. The addon has ${openblas ?? 'no OpenBLAS'} and CUDA kernels for`,
  `${cuda.architectures.join(', ') || 'nothing'}; other platforms' addons are not in this tarball.`,
  '',
  ...table(
    ['', 'measured', 'wanted'],
    rows.map((row) => row.slice(0, 3)),
  ),
  '',
].join('\n');
console.log(report);
if (!options['no-write']) {
  writeFileSync(join(root, 'bench/results/package.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(join(root, 'bench/results/package.md'), report);
}
if (options.check && rows.some(([, , , holds]) => !holds)) process.exitCode = 1;
