/** The phases of bench-gpu.mjs. */
import { join } from 'node:path';
import { Contestant } from '../../bench/lib/contestant.mjs';
import { findPython } from '../../bench/lib/pytorch.mjs';
import { spread } from '../../bench/lib/statistics.mjs';
import { program } from './programs.mjs';
import { PhaseError, root, run } from './run.mjs';

/** Lines of JSON among a program's output. */
function jsonLines(text) {
  return text.split('\n').flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line)] : [];
    } catch {
      return []; // cut short
    }
  });
}

/** Runs a program that prints results line by line; what it had printed when it failed is kept. */
async function lines(what, command, args, options) {
  const result = await run(command, args, options);
  const results = jsonLines(result.stdout);
  if (result.timedOut || result.status !== 0)
    throw new PhaseError(
      `${what} ${result.timedOut ? 'had too little time' : `ended with ${result.signal ?? `status ${result.status}`}`}`,
      {
        results,
        end: result.output.slice(-2000),
      },
    );
  return results;
}

async function environment({ device, seconds }) {
  const { backendInfo } = await import('../../dist/index.js');
  const backend = backendInfo();
  if (!backend.cuda.available) throw new PhaseError(`the addon does not use this GPU: ${backend.cuda.reason}`, { backend });
  const python = findPython();
  const script =
    'import json, torch; print(json.dumps({"version": torch.__version__, "cuda": torch.version.cuda, "available": torch.cuda.is_available()}))';
  const pytorch =
    python === undefined
      ? { available: false, reason: 'no python3 imports torch' }
      : jsonLines((await run(python, ['-c', script], { seconds: Math.min(120, seconds()), quiet: true })).stdout)[0];
  return { backend, pytorch, note: `${device.name}, driver ${device.driver}, PyTorch ${pytorch?.version ?? 'not available'}` };
}

/** A subcommand of onelogit_bench_cuda. */
const native =
  (name) =>
  async ({ seconds }) => {
    const results = await lines(`onelogit_bench_cuda ${name}`, await program('onelogit_bench_cuda', seconds), [name], {
      seconds: seconds(),
    });
    const errors = results.filter(({ error }) => error !== undefined);
    if (results.length === 0) throw new PhaseError('it printed no result');
    return { results, note: `${results.length - errors.length} results${errors.length ? `, ${errors.length} that could not be run` : ''}` };
  };

/** After ours, not in turns with it: either may take most of the GPU's memory. Each loss and shape is a process of its own. */
async function headContenders({ seconds }) {
  const python = findPython();
  if (python === undefined) return { available: false, results: [], note: 'not run: no python3 imports torch' };
  const results = [];
  for (const [m, k, d] of [
    [4096, 131_072, 4096],
    [4096, 1_000_000, 512],
  ])
    for (const loss of ['cross-entropy', 'batch-cross-entropy']) {
      const args = [join(root, 'bench/gpu/pytorch_head.py'), m, k, d, loss].map(String);
      try {
        results.push(...(await lines(`pytorch_head.py at k = ${k}`, python, args, { seconds: seconds() })));
      } catch (error) {
        throw new PhaseError(error.message, { ...error.details, results: [...results, ...(error.details?.results ?? [])] });
      }
    }
  return { results };
}

const mlp = { threads: 16, batchSize: 128, layers: [784, 500, 500, 10], learningRate: 0.01, momentum: 0.9, batches: 64, warmUp: 200 };
const rounds = 11;

async function train({ seconds }) {
  const python = findPython();
  const contestants = {};
  const notAvailable = {};
  /** What a contestant says next. One that hangs or ends is out, and costs the others nothing; nobody waits for one that cannot even end. */
  const answer = async (contestant, said) => {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('it had too little time')), 1000 * Math.max(1, seconds()));
    });
    try {
      return await Promise.race([said(), late]);
    } catch (error) {
      contestant.close();
      notAvailable[contestant.name] = error.message;
      delete contestants[contestant.name];
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  };
  const start = async (name, command, args) => {
    const contestant = new Contestant(name, command, args);
    const introduction = await answer(contestant, () => contestant.next());
    if (introduction?.ready) contestants[name] = contestant;
    else if (introduction) {
      notAvailable[name] = introduction.reason;
      await contestant.close();
    }
    return introduction;
  };
  const ours = await start('onelogit', process.execPath, [
    join(root, 'bench/contestants/train_mlp_onelogit.mjs'),
    JSON.stringify({ ...mlp, device: 'cuda' }),
  ]);
  const introductions = { onelogit: ours };
  for (const mode of ['eager', 'compile', 'graph'])
    if (python === undefined) notAvailable[mode] = 'no python3 imports torch';
    else introductions[mode] = await start(mode, python, [join(root, 'bench/gpu/pytorch_mlp.py'), JSON.stringify({ ...mlp, mode })]);
  const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let round = 0; round < rounds && seconds() > 5 && contestants.onelogit; round++)
    for (const [name, contestant] of Object.entries(contestants)) {
      // Fitting a model begins with its buffers: as many steps as make that small.
      const said = await answer(contestant, () => contestant.ask({ steps: 2000 }));
      if (said !== undefined) times[name].push(said.milliseconds);
    }
  await Promise.all(Object.values(contestants).map((contestant) => contestant.close()));
  const names = Object.keys(times).filter((name) => times[name].length > 0);
  if (!names.includes('onelogit')) throw new PhaseError('there was no round of onelogit', { notAvailable, times });
  return {
    task: mlp,
    introductions,
    notAvailable,
    milliseconds: Object.fromEntries(names.map((name) => [name, { ...spread(times[name]), rounds: times[name] }])),
    note: names.map((name) => `${name} ${spread(times[name]).median.toFixed(3)} ms`).join(', '),
  };
}

export const benchPhases = [
  { name: 'environment', about: 'GPU, driver, CUDA, PyTorch', run: environment },
  { name: 'copy', about: 'bytes a second of a copy on the device', run: native('copy') },
  { name: 'products', about: 'cuBLAS at the last layer’s shapes: float32, tf32, bfloat16', run: native('products') },
  { name: 'losses', about: 'the seven losses on logits, against a copy', run: native('losses') },
  { name: 'score', about: 'one column over a million examples, and one score', run: native('score') },
  { name: 'head', about: 'step of the last layer with its loss, in turns with cuBLAS', run: native('head') },
  { name: 'head-pytorch', about: 'the same in PyTorch after it, every way that is there', run: headContenders },
  { name: 'train', about: 'training step of a small network, in turns with PyTorch', run: train },
  { name: 'convolutions', about: 'ResNet-50’s convolutions, in turns with cuBLAS', run: native('convolutions') },
];
