#!/usr/bin/env node
// What the binary costs: bytes, what it needs to be loaded, and the time that takes, each time in a new process.
//
//   npm run build && node bench/addon.mjs [--rounds N] [--check] [--no-write]
//
// --check: exit status 1 unless it has at most 20 MB, needs no library of CUDA and is loaded within 10 ms (median). Writes results/addon.{json,md}, for the
// build that lies in build/Release. That of the file: ONELOGIT_BLAS=portable ONELOGIT_CUDA_ARCHITECTURES='75;80;86;89;90;100;120' npm run build
import { execFileSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendInfo } from '../dist/index.js';
import { parseCommandLine } from './lib/arguments.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { provenance, table } from './lib/report.mjs';
import { format, spread } from './lib/statistics.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const options = parseCommandLine(import.meta.url, {
  rounds: { type: 'string', default: '41' },
  check: { type: 'boolean', default: false },
  'no-write': { type: 'boolean', default: false },
});
const path = join(root, 'build/Release/onelogit.node');
const before = machine();
const { cpu, cuda } = backendInfo();

const script = `
  const start = process.hrtime.bigint();
  process.dlopen({ exports: {} }, ${JSON.stringify(path)});
  const loaded = process.hrtime.bigint();
  console.log(Number(loaded - start) / 1e6);`;
const milliseconds = [];
// The first one reads the file into memory.
for (let round = -1; round < Number(options.rounds); ++round) {
  const time = Number(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
  if (round >= 0) milliseconds.push(time);
}
const needed = execFileSync('readelf', ['-d', path], { encoding: 'utf8' })
  .match(/\(NEEDED\).*\[(.*)\]/g)
  .map((line) => line.replace(/.*\[(.*)\]/, '$1'));

const result = {
  date: new Date().toISOString(),
  commit: commit(),
  command: 'node bench/addon.mjs',
  machine: before,
  versions: { onelogit: version, node: process.versions.node, cpu },
  cuda,
  bytes: statSync(path).size,
  needed,
  milliseconds: { ...spread(milliseconds), rounds: milliseconds },
};
const holds = result.bytes <= 20e6 && !needed.some((library) => /^libcu|nvidia/i.test(library)) && result.milliseconds.median <= 10;
const report = [
  '# What the binary costs',
  '',
  ...provenance(result),
  '',
  `CUDA kernels for ${cuda.architectures.join(', ') || 'nothing'}; GPU: ${cuda.available ? cuda.devices[0].name : cuda.reason}.`,
  '',
  ...table(
    ['', 'measured', 'wanted'],
    [
      ['size', `${(result.bytes / 1e6).toFixed(2)} MB`, 'at most 20 MB'],
      ['loaded in, ms: median (least–most)', format(result.milliseconds, 2), 'at most 10 ms'],
      ['libraries', needed.join(', '), 'none of CUDA'],
    ],
  ),
  '',
].join('\n');
console.log(report);
if (!options['no-write']) {
  writeFileSync(join(root, 'bench/results/addon.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(join(root, 'bench/results/addon.md'), report);
}
if (options.check && !holds) process.exitCode = 1;
