#!/usr/bin/env node
// Time of one training step of a 784-500-500-10 network (batch normalisation and relu after each hidden layer, batch
// cross-entropy, sgd with momentum, batch 128, float32): ours against its own matrix products, PyTorch and TensorFlow.js.
//
//   npm run build && npm ci --prefix bench && node bench/train-mlp.mjs [--rounds 11] [--threads 2] [--check] [--no-write]
//
// Contestants take turns, one running at a time; ratios are taken within a round, then their median, smallest and largest.
// PyTorch takes part when `python3` or /usr/bin/python3 has torch, with the fastest of several thread settings (lib/pytorch.mjs);
// TensorFlow.js when it is installed in bench/.
// --check: exit status 1 unless products/step ≥ 0.75, ≥ 2× PyTorch and ≥ 40× TensorFlow.js. Run it on a quiet machine.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseCommandLine } from './lib/arguments.mjs';
import { Contestant } from './lib/contestant.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { findPython, startPyTorch } from './lib/pytorch.mjs';
import { format, ratios, spread } from './lib/statistics.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const options = parseCommandLine(import.meta.url, {
  rounds: { type: 'string', default: '11' },
  threads: { type: 'string', default: '2' },
  check: { type: 'boolean', default: false },
  'no-write': { type: 'boolean', default: false },
});
const threads = Number(options.threads);
const rounds = Number(options.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(threads) || threads < 1)
  throw new RangeError('Expected positive integers for --rounds and --threads');
process.env.ONELOGIT_THREADS = String(threads);

const task = { threads, batchSize: 128, layers: [784, 500, 500, 10], learningRate: 0.01, momentum: 0.9, batches: 64 };
const config = (warmUp) => JSON.stringify({ ...task, warmUp });
const where = machine();
if (where.loadAverageBefore > 0.5) console.error(`The load average is ${where.loadAverageBefore}: other programs distort these timings.`);

const contestants = {};
const introductions = {};
const python = findPython();
const pytorch = python && (await startPyTorch(python, [here('contestants/train_mlp.py'), config(50)], threads, { steps: 200 }));
if (pytorch) {
  contestants.pytorch = pytorch.contestant;
  introductions.pytorch = pytorch.introduction;
}
const start = async (name, script, warmUp) => {
  contestants[name] = new Contestant(name, process.execPath, [here(script), config(warmUp)]);
  introductions[name] = await contestants[name].next();
};
await start('onelogit', 'contestants/train_mlp_onelogit.mjs', 200);
if (existsSync(here('node_modules/@tensorflow/tfjs-backend-wasm'))) await start('tfjs', 'contestants/train_mlp_tfjs.mjs', 5);

// Steps a turn: about a second each.
const turns = [
  ['products', 'onelogit', { products: 300 }],
  ['onelogit', 'onelogit', { steps: 400 }],
  ['pytorch', 'pytorch', { steps: 120 }],
  ['tfjs', 'tfjs', { steps: 6 }],
].filter(([, contestant]) => contestants[contestant]);
const times = Object.fromEntries(turns.map(([name]) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, contestant, request] of turns) times[name].push((await contestants[contestant].ask(request)).milliseconds);
  process.stderr.write(`\rround ${round + 1} of ${rounds}`);
}
process.stderr.write('\n');
for (const contestant of Object.values(contestants)) contestant.close();

const comparisons = {
  'matrix products ÷ step': { ...ratios(times.products, times.onelogit), wanted: 0.75 },
  ...(times.pytorch && { 'PyTorch ÷ onelogit': { ...ratios(times.pytorch, times.onelogit), wanted: 2 } }),
  ...(times.tfjs && { 'TensorFlow.js WebAssembly ÷ onelogit': { ...ratios(times.tfjs, times.onelogit), wanted: 40 } }),
};
const titles = {
  products: 'its matrix products alone',
  onelogit: `onelogit ${version}, whole model.fit`,
  pytorch: `PyTorch ${introductions.pytorch?.version}, eager, ${threads} threads, ${pytorch?.setting}`,
  tfjs: `TensorFlow.js ${introductions.tfjs?.version}`,
};
const { cpu } = introductions.onelogit.backend;
const result = {
  benchmark: 'train-mlp',
  date: new Date().toISOString(),
  command: `node bench/train-mlp.mjs --rounds ${rounds} --threads ${threads}`,
  commit: commit(),
  machine: where,
  versions: {
    onelogit: version,
    node: process.versions.node,
    cpu,
    pytorch: introductions.pytorch?.version ?? 'not installed',
    tfjs: introductions.tfjs?.version ?? 'not installed',
  },
  ...(pytorch && { pytorchSettings: pytorch.tried }),
  task,
  milliseconds: Object.fromEntries(Object.entries(times).map(([name, values]) => [name, { ...spread(values), rounds: values }])),
  comparisons,
};
const lines = [
  '# Training step of a 784-500-500-10 network, batch 128',
  '',
  '| | ms per step: median (least–most) |',
  '| --- | ---: |',
  ...Object.entries(times).map(([name, values]) => `| ${titles[name]} | ${format(spread(values), 2)} |`),
  '',
  '| | ratio: median (least–most) | wanted |',
  '| --- | ---: | ---: |',
  ...Object.entries(comparisons).map(([name, ratio]) => `| ${name} | ${format(ratio, 2)} | ≥ ${ratio.wanted} |`),
  '',
  `Measured ${result.date.slice(0, 10)} at commit ${result.commit} on ${where.cpu} (${where.instructionSets.join(', ')}), ${where.threads} processors,`,
  `${where.memoryGiB} GiB, ${where.system}, Node ${process.versions.node}, matrix products by ${cpu.blas}; load average before: ${where.loadAverageBefore.toFixed(2)}.`,
  `${rounds} rounds, contestants taking turns; ratios within a round. Ours includes drawing and converting the examples; the others get`,
  'batches cut beforehand. TensorFlow.js has no threads in Node.',
  ...(pytorch
    ? [
        '',
        `PyTorch's settings tried: ${pytorch.tried.map(({ setting, milliseconds }) => `${setting}: ${milliseconds.toFixed(2)} ms`).join('; ')}.`,
      ]
    : []),
  '',
  `    ${result.command}`,
  '',
];
console.log(lines.join('\n'));
if (!options['no-write']) {
  mkdirSync(here('results'), { recursive: true });
  writeFileSync(here('results/train-mlp.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(here('results/train-mlp.md'), lines.join('\n'));
}
if (options.check) {
  const missed = Object.entries(comparisons).filter(([, ratio]) => !(ratio.median >= ratio.wanted));
  for (const [name, ratio] of missed) console.error(`${name}: expected at least ${ratio.wanted} but measured ${ratio.median.toFixed(2)}`);
  if (missed.length) process.exitCode = 1;
}
