#!/usr/bin/env node
// What a class matrix in bfloat16 or int8 costs in average precision: two models are trained by the command line, converted by it, and evaluated before
// and after on test data.
//
//   npm run build && node bench/storage.mjs [--quick] [--data DIR] [--temporary DIR] [--check] [--no-write]
//
// --data: where mnist/ and knowledge-graphs/FB15K237/ are (default: $ONELOGIT_DATA, ../shared/data). --quick: a few steps, to see that it runs; prints
// only. --check: exit status 1 unless int8 loses at most 0.002. A complete run (some minutes) writes results/storage.{json,md}.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendInfo } from '../dist/index.js';
import { parseCommandLine } from './lib/arguments.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { provenance, table } from './lib/report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const options = parseCommandLine(import.meta.url, {
  quick: { type: 'boolean', default: false },
  data: { type: 'string', default: process.env.ONELOGIT_DATA ?? join(root, '../shared/data') },
  temporary: { type: 'string', default: tmpdir() },
  check: { type: 'boolean', default: false },
  'no-write': { type: 'boolean', default: false },
});
const most = 0.002;
const tasks = [
  {
    name: 'MNIST',
    directory: 'mnist',
    training: ['--steps', '6000', '--learning-rate', '0.05', '--schedule', 'cosine', '--weight-decay', '0.0001'],
  },
  {
    name: 'FB15K-237',
    directory: 'knowledge-graphs/FB15K237',
    training: [
      '--embedding',
      '64',
      '--hidden',
      '64',
      '--steps',
      '3200',
      '--batch-size',
      '512',
      '--optimizer',
      'adamw',
      '--learning-rate',
    ].concat('0.01', '--schedule', 'cosine'),
  },
];

/** Runs a command of the package; resolves to what it prints with --json. */
function onelogit(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output));
      else reject(new Error(`onelogit ${args.join(' ')} ended with ${status}: ${output}`));
    });
  });
}

const where = machine();
const directory = mkdtempSync(join(options.temporary, 'onelogit-storage-'));
const measured = [];
try {
  for (const { name, directory: from, training } of tasks) {
    const data = join(options.data, from);
    if (!existsSync(data)) {
      console.error(`${name}: not measured, there is no ${data}`);
      continue;
    }
    const model = join(directory, 'model.safetensors');
    const train = [
      'train',
      data,
      '--loss',
      'batch-cross-entropy',
      ...training,
      ...(options.quick ? ['--steps', '30'] : []),
      '--out',
      model,
    ];
    const { steps } = await onelogit(...train);
    for (const storage of ['bfloat16', 'int8']) {
      const out = join(directory, storage);
      const converted = await onelogit('convert', model, '--storage', storage, '--out', out, '--data', data, '--split', 'test');
      const { classes, features, bytesBefore, bytesAfter, before, after } = converted;
      measured.push({ name, classes, features, steps, training, storage, bytesBefore, bytesAfter, before, after });
    }
  }
} finally {
  rmSync(directory, { recursive: true });
}

/** Average precision lost, macro average over the classes of the test data. */
const lost = ({ before, after }) => after.oneMinusAuprc - before.oneMinusAuprc;
const result = {
  benchmark: 'storage',
  date: new Date().toISOString(),
  command: ['node bench/storage.mjs', ...process.argv.slice(2)].join(' '),
  commit: commit(),
  machine: where,
  versions: { onelogit: version, node: process.versions.node, cpu: backendInfo().cpu },
  wanted: { averagePrecisionLostByInt8: most },
  measured: measured.map((row) => ({ ...row, averagePrecisionLost: lost(row) })),
};
const report = [
  '# What bfloat16 and int8 cost',
  '',
  ...provenance(result),
  '',
  'Average precision of single logits, macro average over the classes that occur in the test data, of a model trained with batch-cross-entropy in',
  `float32 and of the same model with its class matrix converted. int8 has a float32 scale for each class. Wanted of int8: at most ${most} lost.`,
  '',
  ...table(
    ['data', 'classes × features', 'storage', 'file', 'average precision', 'lost', '1-P@0.9 lost'],
    measured.map((row) => [
      `${row.name}, ${row.steps} steps`,
      `${row.classes} × ${row.features}`,
      row.storage,
      `${(row.bytesAfter / row.bytesBefore).toFixed(2)} of ${(row.bytesBefore / 1e6).toFixed(2)} MB`,
      (1 - row.after.oneMinusAuprc).toFixed(5),
      lost(row)
        .toFixed(5)
        .replace(/^-(?=0\.0*$)/, ''),
      (row.after.oneMinusPrecisionAt90 - row.before.oneMinusPrecisionAt90).toFixed(5).replace(/^-(?=0\.0*$)/, ''),
    ]),
    3,
  ),
  '',
].join('\n');
console.log(report);
if (!options.quick && !options['no-write'] && measured.length === 4) {
  writeFileSync(join(root, 'bench/results/storage.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(join(root, 'bench/results/storage.md'), report);
}
if (options.check && !measured.every((row) => row.storage !== 'int8' || lost(row) <= most)) process.exitCode = 1;
