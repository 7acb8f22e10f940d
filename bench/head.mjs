#!/usr/bin/env node
// Time and memory of heads with many classes: the last layer and its loss (head/layer.mjs), fused without the logits, through the
// logits, and in PyTorch.
//
//   npm run build && npm ci --prefix bench && node bench/head.mjs [--quick] [--case loss,d,k] [--check]
//
// --case: only these cases, a part may be empty (`--case ,512,100000`); may be given several times. --large: also 10⁷ classes of 64
// bfloat16, and a fit of that size. --examples m, --threads n, --seconds s for the rounds of a case. --check: exit status 1 unless head/check.mjs is content.
// A complete run writes results/head.{json,md,svg}; --quick and --case only print, unless --out names a directory; --no-write: nothing.
// PyTorch takes part when `python3` or /usr/bin/python3 has torch. Linux only (peak memory is read from /proc). Run it on a quiet machine.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { allCases, caseFilter } from './head/cases.mjs';
import { checkLayer } from './head/check.mjs';
import { checkFit, measureFit, reportFit } from './head/fit.mjs';
import { measureLayer } from './head/layer.mjs';
import { plotLayer } from './head/plot.mjs';
import { reportLayer } from './head/report.mjs';
import { parseCommandLine } from './lib/arguments.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { findPython } from './lib/pytorch.mjs';
import { digits, provenance, table } from './lib/report.mjs';

const options = parseCommandLine(import.meta.url, {
  case: { type: 'string', multiple: true, default: [] },
  quick: { type: 'boolean', default: false },
  large: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
  examples: { type: 'string', default: '128' },
  threads: { type: 'string', default: '2' },
  seconds: { type: 'string' },
  out: { type: 'string' },
  'no-write': { type: 'boolean', default: false },
});
const m = Number(options.examples);
const threads = Number(options.threads);
const seconds = Number(options.seconds ?? (options.quick ? 0.4 : 1.5));
if (!Number.isInteger(m) || m < 1 || !Number.isInteger(threads) || threads < 1 || !(seconds >= 0))
  throw new RangeError('Expected positive integers for --examples and --threads and a number for --seconds');
process.env.ONELOGIT_THREADS = String(threads);

const filters = options.case.map(caseFilter);
const cases = allCases({ m, ...options }).filter((task) => !filters.length || filters.some((accepts) => accepts(task)));
if (!cases.length) throw new RangeError(`Expected --case to name at least one case but received ${options.case.join(' ')}`);
const where = machine();
if (where.loadAverageBefore > 0.5) console.error(`The load average is ${where.loadAverageBefore}: other programs distort these timings.`);
const progress = (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
const begin = performance.now();

// A section measures in a module of head/, has a key of its own in head.json and lines of its own in head.md.
const layer = await measureLayer({ cases, threads, python: findPython(), seconds, progress });
const partial = options.quick || filters.length > 0;
const inFit = filters.length ? undefined : await measureFit({ ...options, progress });
progress('');

const { introduction, ...lastLayer } = layer;
const result = {
  benchmark: 'head',
  date: new Date().toISOString(),
  command: ['node bench/head.mjs', ...process.argv.slice(2)].join(' '),
  commit: commit(),
  machine: where,
  versions: {
    onelogit: version,
    node: introduction.version,
    cpu: introduction.backend.cpu,
    pytorch: layer.pytorchVersion ?? 'not installed',
  },
  task: { m, threads, seconds },
  minutes: (performance.now() - begin) / 60000,
  lastLayer,
  ...(inFit && { inFit }),
};
const checks = [...checkLayer(lastLayer.results), ...(inFit ? checkFit(inFit) : [])];
const lines = [
  '# Heads with many classes',
  '',
  ...provenance(result),
  '',
  `${threads} threads; contestants taking turns, each a process of its own; ${result.minutes.toFixed(1)} minutes.`,
  '',
  ...reportLayer(lastLayer),
  ...(inFit ? reportFit(inFit) : []),
  '### Wanted',
  '',
  ...table(
    ['linear + loss at m = 128, d = 512, k = 10⁵', 'measured', 'wanted', ''],
    checks.map(({ what, measured, wanted, met }) => [
      what,
      measured === undefined ? 'not run' : digits(measured),
      wanted,
      met ? 'yes' : 'no',
    ]),
  ),
  '',
];
console.log(lines.join('\n'));
const directory = options.out ?? (partial ? undefined : fileURLToPath(new URL('results', import.meta.url)));
if (directory !== undefined && !options['no-write']) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/head.json`, `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(`${directory}/head.md`, lines.join('\n'));
  const svg = await plotLayer(lastLayer.results);
  if (svg) writeFileSync(`${directory}/head.svg`, svg);
}
if (options.check) {
  const missed = checks.filter(({ met }) => !met);
  for (const { what, measured, wanted } of missed)
    console.error(`${what}: expected ${wanted} but ${measured === undefined ? 'it was not run' : `measured ${digits(measured)}`}`);
  if (missed.length) process.exitCode = 1;
}
