#!/usr/bin/env node
// What OpenBLAS inside the addon costs and gives: bytes that linking it adds, with the kernels of all families of processors and with those that a
// prebuild keeps (cmake/prebuild.cmake), and the rate of matrix products beside the portable kernels'. Linux on x86-64, needs libopenblas.a.
//
//   npm run prebuild && node bench/openblas.mjs [--rounds N] [--no-write]
//
// Products are those of training steps, on one thread each as the package calls OpenBLAS, OpenBLAS and portable kernels taking turns; the rate of a
// processor with AVX2 only is measured by turning the wider kernels of both off.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { inspect } from '../scripts/package/inspect.mjs';
import { prebuild, root } from '../scripts/package/paths.mjs';
import { parseCommandLine } from './lib/arguments.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { provenance, table } from './lib/report.mjs';
import { format, median, ratios, spread } from './lib/statistics.mjs';

const options = parseCommandLine(import.meta.url, {
  rounds: { type: 'string', default: '7' },
  'no-write': { type: 'boolean', default: false },
});
const before = machine();
const { cpu, openblas } = inspect(prebuild);
if (openblas === undefined) throw new Error('Expected an addon with OpenBLAS in prebuilds/ but received one without: npm run prebuild');

// ---- bytes: a library with one function that calls cblas_sgemm ----
const archive = execFileSync('g++', ['-print-file-name=libopenblas.a'], { encoding: 'utf8' }).trim();
const aliases = [
  ...readFileSync(join(root, 'cmake/prebuild.cmake'), 'utf8').matchAll(
    /foreach\(family ([^)]*)\)\n.*--defsym=gotoblas_\$\{family\}=(\w+)\)/g,
  ),
].flatMap(([, families, kept]) => families.split(' ').map((family) => `-Wl,--defsym=gotoblas_${family}=${kept}`));
if (aliases.length === 0) throw new Error('Expected aliases in cmake/prebuild.cmake but received none');
const directory = mkdtempSync(join(tmpdir(), 'onelogit-openblas-'));
function linked(flags) {
  const source = join(directory, 'product.c');
  const library = join(directory, 'product.so');
  writeFileSync(source, 'void* use(void) { extern void cblas_sgemm(); return (void*)cblas_sgemm; }\n');
  execFileSync('gcc', [
    '-shared',
    '-fPIC',
    '-s',
    '-o',
    library,
    source,
    '-Wl,--exclude-libs,ALL',
    '-Wl,--gc-sections',
    ...flags,
    archive,
    '-lm',
    '-lpthread',
  ]);
  return { bytes: statSync(library).size, compressed: gzipSync(readFileSync(library), { level: 9 }).length };
}
let sizes;
try {
  sizes = { all: linked([]), kept: linked(aliases) };
} finally {
  rmSync(directory, { recursive: true, force: true });
}

// ---- rates ----
const shapes = {
  'a dense layer of 500, forward': { m: 128, n: 500, k: 500, transposeB: true },
  'its weight gradient': { m: 500, n: 500, k: 128, transposeA: true },
  'a block of 4,096 classes': { m: 128, n: 4096, k: 512, transposeB: true },
  'square, 1,024': { m: 1024, n: 1024, k: 1024 },
  'square, 256': { m: 256, n: 256, k: 256 },
};
const program = `
  const { exports } = process.argv.slice(1, 2).reduce((module, path) => (process.dlopen(module, path), module), { exports: {} });
  const times = JSON.parse(process.argv[2]).map((shape) => {
    const repetitions = Math.ceil(2e9 / (shape.m * shape.n * shape.k));
    exports.benchmarkProducts([shape], repetitions);
    return [...exports.benchmarkProducts([shape], repetitions)].sort((a, b) => a - b)[repetitions >> 1];
  });
  console.log(JSON.stringify(times));`;
/** Billions of operations a second of each shape. */
function rates(environment) {
  const env = { ...process.env, ONELOGIT_THREADS: '1', ...environment };
  const times = JSON.parse(
    execFileSync(process.execPath, ['-e', program, prebuild, JSON.stringify(Object.values(shapes))], { env, encoding: 'utf8' }),
  );
  return Object.values(shapes).map(({ m, n, k }, i) => (2e-6 * m * n * k) / times[i]);
}
const levels = { avx512: { OPENBLAS_CORETYPE: 'SkylakeX' }, avx2: { OPENBLAS_CORETYPE: 'Haswell', ONELOGIT_SIMD: 'avx2' } };
const products = [];
for (const [level, environment] of Object.entries(levels)) {
  if (level === 'avx512' && !before.instructionSets.includes('avx512f')) continue;
  const turns = Array.from({ length: Number(options.rounds) }, () => ({
    openblas: rates({ ...environment, ONELOGIT_BLAS: '' }),
    portable: rates({ ...environment, ONELOGIT_BLAS: 'portable' }),
  }));
  Object.entries(shapes).forEach(([shape, size], i) => {
    const [fast, portable] = ['openblas', 'portable'].map((name) => turns.map((turn) => turn[name][i]));
    products.push({ level, shape, ...size, openblas: median(fast), portable: median(portable), ratio: ratios(fast, portable) });
  });
}

const result = {
  date: new Date().toISOString(),
  commit: commit(),
  command: 'node bench/openblas.mjs',
  machine: before,
  versions: { onelogit: version, node: process.versions.node, cpu, openblas },
  sizes,
  products,
  ratio: Object.fromEntries(
    Object.keys(levels).flatMap((level) => {
      const values = products.filter((product) => product.level === level).map(({ ratio }) => ratio.median);
      return values.length === 0 ? [] : [[level, spread(values)]];
    }),
  ),
};
const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
const report = [
  '# OpenBLAS inside the addon',
  '',
  ...provenance(result),
  '',
  ...table(
    [`${openblas}, a library with \`cblas_sgemm\``, 'MB', 'MB, gzip'],
    [
      ['kernels of all families of processors', megabytes(sizes.all.bytes), megabytes(sizes.all.compressed)],
      ['what a prebuild keeps: any x86-64, AVX2, AVX-512', megabytes(sizes.kept.bytes), megabytes(sizes.kept.compressed)],
    ],
  ),
  '',
  'Products on one thread, 10⁹ operations a second, and how many times as fast OpenBLAS is: median (least–most) of ratios of neighbouring measurements.',
  '',
  ...table(
    ['processor', 'product', 'm × n × k', 'OpenBLAS', 'portable', 'ratio'],
    products.map(({ level, shape, m, n, k, openblas: fast, portable, ratio }) => [
      level,
      shape,
      `${m} × ${n} × ${k}`,
      fast.toFixed(1),
      portable.toFixed(1),
      format(ratio, 2),
    ]),
    3,
  ),
  '',
].join('\n');
console.log(report);
if (!options['no-write']) {
  writeFileSync(join(root, 'bench/results/openblas.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(join(root, 'bench/results/openblas.md'), report);
}
