#!/usr/bin/env node
// Time of one logit from JavaScript, by every way to ask for it: percentiles and throughput, hot rows and random ones, float32, bfloat16
// and int8; against a bare C addon (native/score_floor.c: the floor), SimSIMD, a JavaScript loop, ONNX Runtime, TensorFlow.js and all
// logits by matrix product. And a file of 10⁷ classes that is left where it is.
//
//   npm run build && npm ci --prefix bench && node bench/score.mjs [--quick] [--rounds 5] [--seconds 0.1] [--out DIR] [--json] [--check]
//
// --seconds: of a turn, that is of one contestant and call in a round. --size d,k: only these sizes; may be given several times.
// --temporary DIR: where model files of up to 3.1 GB go (default: the system's temporary directory). --json: print JSON instead of Markdown.
// --check: exit status 1 unless score/checks.mjs is content. A complete run writes results/score.{json,md,svg} and one-of-many.svg;
// --quick and --size only print, unless --out names a directory. Linux; a C compiler for the floor; 24 GiB for all sizes. Run it on a quiet machine.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseCommandLine } from './lib/arguments.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { digits, provenance } from './lib/report.mjs';
import { sizes as allSizes } from './score/cases.mjs';
import { checkScores } from './score/checks.mjs';
import { drawScores } from './score/draw.mjs';
import { compileFloor } from './score/floor.mjs';
import { measureMapped } from './score/mapped.mjs';
import { batch, measureScores } from './score/measure.mjs';
import { reportChecks, reportHot, reportMapped, reportNotMeasured, reportParts, reportRandom } from './score/report.mjs';

const options = parseCommandLine(import.meta.url, {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  size: { type: 'string', multiple: true, default: [] },
  temporary: { type: 'string', default: tmpdir() },
  out: { type: 'string' },
  json: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
});
const { quick } = options;
const rounds = Number(options.rounds ?? (quick ? 2 : 5));
const seconds = Number(options.seconds ?? (quick ? 0.05 : 0.1));
const given = options.size.map((text) => text.split(',').map(Number));
if (!Number.isInteger(rounds) || rounds < 1 || !(seconds >= 0))
  throw new RangeError('Expected a positive integer for --rounds and a number for --seconds');
if (!given.every((size) => size.length === 2 && size.every((n) => Number.isInteger(n) && n > 0)))
  throw new RangeError(`Expected two positive integers d,k for --size but received ${options.size.join(' ')}`);
const sizes = given.length ? given : allSizes({ quick });

const where = machine();
if (where.loadAverageBefore > 0.5) console.error(`The load average is ${where.loadAverageBefore}: other programs distort these timings.`);
const progress = (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
const begin = performance.now();
const directory = mkdtempSync(join(options.temporary, 'onelogit-score-'));
let scores;
let mapped;
let floor;
try {
  floor = compileFloor(directory);
  scores = await measureScores({ sizes, rounds, seconds, floor, directory, progress });
  if (!given.length) mapped = await measureMapped({ quick, rounds: Math.min(rounds, 3), directory, progress });
} finally {
  rmSync(directory, { recursive: true });
}
progress('');

const { introductions } = scores;
const of = (name) => introductions[name]?.version ?? 'not measured';
const checks = checkScores(scores, mapped);
const result = {
  benchmark: 'score',
  date: new Date().toISOString(),
  command: ['node bench/score.mjs', ...process.argv.slice(2)].join(' '),
  commit: commit(),
  machine: where,
  versions: {
    onelogit: version,
    node: process.versions.node,
    cpu: introductions['onelogit float32'].backend.cpu,
    simsimd: of('simsimd'),
    onnxruntime: of('onnxruntime'),
    tfjs: of('tfjs'),
  },
  floor: floor.command ?? floor.reason,
  task: { rounds, seconds, batch },
  minutes: (performance.now() - begin) / 60000,
  loadAverageAfter: loadavg()[0],
  checks,
  ...scores,
  mapped,
};
const { versions } = result;
const lines = [
  '# One logit from JavaScript',
  '',
  ...provenance(result),
  '',
  `SimSIMD ${versions.simsimd}, ONNX Runtime ${versions.onnxruntime}, TensorFlow.js ${versions.tfjs}. Kernels: ${versions.cpu.simd}.`,
  `Bare C addon: \`${result.floor}\`.`,
  '',
  `Each contestant is a process of its own with the matrix in its memory; they take turns, ${rounds} rounds of ${seconds} s for each call, and a ratio is that of`,
  `the p50 of the same round. A sample is the time of ${batch} calls, or of one call for ${batch} classes or examples, less the clock’s own time`,
  `(${digits(Math.max(...scores.results.map(({ clock }) => clock)))} ns at most), divided by ${batch}: percentiles are of such means, so that a single slow call shows as a ${batch}th of its`,
  'time. ONNX Runtime, TensorFlow.js and all logits are timed call by call. Ids are drawn and every row is read beforehand. A percentile is the median of the rounds’.',
  'Heads have a bias, in all contestants. The matrices of all but ONNX Runtime, TensorFlow.js and `Model.predict` lie in huge pages. The example',
  'begins at a cache line; *unaligned*: 16 bytes after one, where `malloc` places most arrays.',
  `${result.minutes.toFixed(1)} minutes; load average at the end of the sizes: ${digits(Math.min(...scores.loads.map((one) => one.loadAverage)))}–${digits(Math.max(...scores.loads.map((one) => one.loadAverage)))} (1 is the benchmark itself).`,
  '',
  ...reportChecks(checks),
  ...reportParts(scores.results),
  ...reportHot(scores.results),
  ...reportRandom(scores.results),
  ...reportMapped(mapped),
  ...reportNotMeasured(scores.notMeasured),
];
console.log(options.json ? JSON.stringify(result, null, 2) : lines.join('\n'));
const out = options.out ?? (quick || given.length ? undefined : fileURLToPath(new URL('results', import.meta.url)));
if (out !== undefined) {
  mkdirSync(out, { recursive: true });
  writeFileSync(`${out}/score.json`, `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(`${out}/score.md`, lines.join('\n'));
  await drawScores(out);
}
if (options.check) {
  const missed = checks.filter(({ met }) => met === false);
  for (const { what, measured, wanted } of missed)
    console.error(`${what}: expected ${wanted} but ${measured ? `measured ${digits(measured.median)}` : 'it was not measured'}`);
  if (missed.length) process.exitCode = 1;
}
