#!/usr/bin/env node
// Images per second of the five networks on the CPU, forward, 1,000 classes, batches of 1 and 32: ours, PyTorch with torchvision's, ONNX Runtime.
//
//   npm run build && npm ci --prefix bench && node bench/forward.mjs [--architectures resnet50,…] [--batches 1,32] [--rounds 7] [--threads 2]
//     [--seconds 1] [--check] [--no-write]
//
// Contestants take turns, one running at a time, at least one forward pass and about --seconds each; ratios are taken within a round. A process per
// contestant and network, all of one network alive at once. The product of 1024 × 1024 × 1024 matrices is timed in every round as well: a
// network's share is its operations a second relative to that.
// PyTorch takes part when `python3` or /usr/bin/python3 has torch and torchvision, with the fastest of several thread settings for the first network
// (lib/pytorch.mjs) and the faster memory format; frozen TorchScript is a contestant of its own. ONNX Runtime takes part when it is installed in
// bench/ and PyTorch can export the network.
// --check: exit status 1 unless ResNet-50 is at least as fast as PyTorch at both batch sizes. Complete runs write results/forward.{json,md}.
// Run it on a quiet machine.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { architectures } from './forward/architectures.mjs';
import { parseCommandLine } from './lib/arguments.mjs';
import { Contestant } from './lib/contestant.mjs';
import { commit, machine, version } from './lib/machine.mjs';
import { describeSetting, findPython, startPyTorch } from './lib/pytorch.mjs';
import { digits, provenance, table } from './lib/report.mjs';
import { ratios, spread } from './lib/statistics.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const options = parseCommandLine(import.meta.url, {
  architectures: { type: 'string', default: Object.keys(architectures).join() },
  batches: { type: 'string', default: '1,32' },
  rounds: { type: 'string', default: '7' },
  threads: { type: 'string', default: '2' },
  seconds: { type: 'string', default: '1' },
  check: { type: 'boolean', default: false },
  'no-write': { type: 'boolean', default: false },
});
const names = options.architectures.split(',');
const batches = options.batches.split(',').map(Number);
const [rounds, threads, seconds] = [options.rounds, options.threads, options.seconds].map(Number);
const unknown = names.find((name) => !architectures[name]);
if (unknown !== undefined)
  throw new RangeError(`Expected some of ${Object.keys(architectures)} for --architectures but received ${unknown}`);
if (![...batches, rounds, threads].every((value) => Number.isInteger(value) && value >= 1) || !(seconds >= 0))
  throw new RangeError('Expected positive integers for --batches, --rounds and --threads and a number for --seconds');
process.env.ONELOGIT_THREADS = String(threads);
const where = machine();
if (where.loadAverageBefore > 0.5) console.error(`The load average is ${where.loadAverageBefore}: other programs distort these timings.`);
const progress = (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);

const python = findPython('torchvision');
const withOnnx = existsSync(here('node_modules/onnxruntime-node'));
const directory = mkdtempSync(join(tmpdir(), 'onelogit-forward-'));
const notRun = [];
if (!python) notRun.push('PyTorch: no python3 with torch and torchvision');
if (!withOnnx) notRun.push('ONNX Runtime: not installed in bench/ (npm ci --prefix bench)');
else if (!python) notRun.push('ONNX Runtime: PyTorch has to export the networks');

/** Starts everybody for one network. */
async function startAll(name, pytorchSetting) {
  const { torchvision, size } = architectures[name];
  const contestants = {
    onelogit: new Contestant('onelogit', process.execPath, [
      here('contestants/forward_onelogit.mjs'),
      JSON.stringify({ architecture: name, batches }),
    ]),
  };
  const introductions = { onelogit: await contestants.onelogit.next() };
  let setting = pytorchSetting;
  if (python) {
    const given = { torchvision, size, batches, threads, options: name === 'inceptionV3' ? { init_weights: false } : {} };
    const args = [here('contestants/forward_pytorch.py'), JSON.stringify(given)];
    if (setting) {
      contestants.pytorch = new Contestant('pytorch', python, args, setting.environment);
      introductions.pytorch = await contestants.pytorch.next();
    } else {
      progress(`${name}: settings of PyTorch`);
      const started = await startPyTorch(python, args, threads, { batch: batches.at(-1), forwards: 1 });
      contestants.pytorch = started.contestant;
      introductions.pytorch = started.introduction;
      setting = { environment: started.environment, tried: started.tried };
    }
    if (introductions.pytorch.parameters !== introductions.onelogit.parameters && name !== 'inceptionV3')
      throw new Error(
        `${name} has ${introductions.onelogit.parameters} parameters here and ${introductions.pytorch.parameters} in torchvision`,
      );
  }
  if (python && withOnnx) {
    const model = join(directory, `${name}.onnx`);
    const { failed } = await contestants.pytorch.ask({ export: model });
    if (failed) notRun.push(`ONNX Runtime, ${name}: ${failed}`);
    else {
      contestants.onnxruntime = new Contestant('onnxruntime', process.execPath, [
        here('contestants/forward_onnxruntime.mjs'),
        JSON.stringify({ model, size, batches, threads }),
      ]);
      introductions.onnxruntime = await contestants.onnxruntime.next();
    }
  }
  return { contestants, introductions, setting };
}

/** The turns of one network at one batch size: [name, contestant, request], each asked once to see how many forward passes fit into its time. */
async function turnsOf(contestants, name, batch) {
  const turns = [];
  const timed = async (turn, contestant, request) => {
    const { milliseconds, failed } = await contestants[contestant].ask({ batch, forwards: 1, ...request });
    if (failed) {
      notRun.push(`${turn}, ${name}, batch ${batch}: ${failed}`);
      return undefined;
    }
    const forwards = Math.max(1, Math.round((seconds * 1000) / milliseconds));
    return { turn: [turn, contestant, { batch, forwards, ...request }], milliseconds };
  };
  turns.push((await timed('onelogit', 'onelogit', {})).turn);
  if (contestants.pytorch) {
    // Of the memory formats of eager mode the faster one; each twice, the first time makes its memory.
    let best;
    for (const method of ['eager', 'channels_last']) {
      await timed('pytorch', 'pytorch', { method });
      const measured = await timed('pytorch', 'pytorch', { method });
      if (measured && (!best || measured.milliseconds < best.milliseconds)) best = measured;
    }
    if (best) turns.push(best.turn);
    const frozen = await timed('frozen', 'pytorch', { method: 'frozen' });
    if (frozen) turns.push(frozen.turn);
  }
  if (contestants.onnxruntime) turns.push((await timed('onnxruntime', 'onnxruntime', {})).turn);
  return turns;
}

const results = [];
let setting;
let introductions;
const begin = performance.now();
try {
  for (const name of names) {
    progress(`${name}: starting`);
    const started = await startAll(name, setting);
    ({ setting } = started);
    introductions = { ...introductions, ...started.introductions };
    const { contestants } = started;
    for (const batch of batches) {
      const turns = await turnsOf(contestants, name, batch);
      const times = Object.fromEntries(turns.map(([turn]) => [turn, []]));
      const products = [];
      for (let round = 0; round < rounds; round++) {
        progress(`${name}, batch ${batch}: round ${round + 1} of ${rounds}`);
        for (const [turn, contestant, request] of turns) times[turn].push((await contestants[contestant].ask(request)).milliseconds);
        products.push((await contestants.onelogit.ask({ products: 10 })).milliseconds);
      }
      const peak = 2 * 1024 ** 3 * 1e-6; // GFLOP/s of a product that takes a millisecond
      const { multiplyAdds } = architectures[name];
      const shares = times.onelogit.map((time, round) => (2 * multiplyAdds * batch * 1e-6) / time / (peak / products[round]));
      results.push({
        architecture: name,
        batch,
        method: turns.find(([turn]) => turn === 'pytorch')?.[2].method,
        imagesPerSecond: Object.fromEntries(
          Object.entries(times).map(([turn, values]) => [turn, spread(values.map((time) => (1000 * batch) / time))]),
        ),
        milliseconds: times,
        sgemmGflops: spread(products.map((time) => peak / time)),
        share: spread(shares),
        ratios: Object.fromEntries(
          Object.entries(times)
            .filter(([turn]) => turn !== 'onelogit')
            .map(([turn, values]) => [turn, ratios(values, times.onelogit)]),
        ),
      });
    }
    await Promise.all(Object.values(contestants).map((contestant) => contestant.close()));
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
progress('');

const result = {
  benchmark: 'forward',
  date: new Date().toISOString(),
  command: ['node bench/forward.mjs', ...process.argv.slice(2)].join(' '),
  commit: commit(),
  machine: where,
  versions: {
    onelogit: version,
    node: introductions.onelogit.version,
    cpu: introductions.onelogit.backend.cpu,
    pytorch: introductions.pytorch?.version ?? 'not installed',
    torchvision: introductions.pytorch?.torchvision ?? 'not installed',
    pytorchUsesOneDnn: introductions.pytorch?.onednn ?? false,
    onnxruntime: introductions.onnxruntime?.version ?? 'not run',
  },
  ...(setting && { pytorchSettings: setting.tried }),
  task: { classes: 1000, batches, rounds, threads, seconds },
  minutes: (performance.now() - begin) / 60000,
  notRun,
  results,
};
const range = (value) => (value ? `${digits(value.median)} (${digits(value.least)}–${digits(value.most)})` : '–');
const wanted = results.filter(({ architecture }) => architecture === 'resnet50');
const lines = [
  '# Forward pass of networks for images',
  '',
  ...provenance(result),
  '',
  `${threads} threads; ${rounds} rounds of about ${seconds} s for each contestant, taking turns; ${result.minutes.toFixed(1)} minutes. 1,000 classes, random weights,`,
  'float32. Ours is `model.predict`, the copies of images and logits included. PyTorch: torchvision’s networks in inference mode, eager, in the faster of two',
  'memory formats; frozen: `torch.jit.optimize_for_inference`. Images per second, and how many times as many ours are: median (least–most) of the',
  'rounds. Share: operations a second of ours relative to those of a product of 1024 × 1024 × 1024 matrices timed in the same round.',
  '',
  ...table(
    ['network', 'batch', 'onelogit', 'share', 'PyTorch', 'PyTorch frozen', 'ONNX Runtime', '÷ PyTorch', '÷ frozen', '÷ ONNX Runtime'],
    results.map(({ architecture, batch, imagesPerSecond, share, ratios: times }) => [
      architecture,
      batch,
      range(imagesPerSecond.onelogit),
      `${(100 * share.median).toFixed(0)} %`,
      range(imagesPerSecond.pytorch),
      range(imagesPerSecond.frozen),
      range(imagesPerSecond.onnxruntime),
      range(times.pytorch),
      range(times.frozen),
      range(times.onnxruntime),
    ]),
  ),
  '',
  `Matrix products: ${digits(Math.min(...results.map(({ sgemmGflops }) => sgemmGflops.median)))}–${digits(Math.max(...results.map(({ sgemmGflops }) => sgemmGflops.median)))} GFLOP/s.`,
  ...(setting
    ? [
        `PyTorch’s memory formats: ${results.map(({ architecture, batch, method }) => `${architecture} ${batch}: ${method}`).join(', ')}; its settings: ${describeSetting(setting.environment)}, of ${setting.tried
          .map((one) => `${one.setting}: ${digits(one.milliseconds)} ms`)
          .join('; ')}. oneDNN: ${introductions.pytorch.onednn ? 'yes' : 'no'}.`,
      ]
    : []),
  ...notRun.map((what) => `Not run: ${what}.`),
  '',
];
console.log(lines.join('\n'));
const complete = names.length === Object.keys(architectures).length && options.batches === '1,32';
if (complete && !options['no-write']) {
  mkdirSync(here('results'), { recursive: true });
  writeFileSync(here('results/forward.json'), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(here('results/forward.md'), lines.join('\n'));
}
if (options.check) {
  const met = ({ ratios: times }) => times.pytorch !== undefined && times.pytorch.median >= 1;
  if (wanted.length === 0) throw new Error('Expected resnet50 among --architectures for --check');
  for (const one of wanted.filter((measured) => !met(measured))) {
    const { architecture, batch, ratios: times } = one;
    console.error(
      `${architecture}, batch ${batch}: expected at least as many images as PyTorch but measured ${times.pytorch ? `${digits(times.pytorch.median)} times as many` : 'without it'}`,
    );
    process.exitCode = 1;
  }
}
