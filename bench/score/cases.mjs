// What score.mjs measures: sizes, contestants, ways to ask, and who cannot take part where.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { digits, power } from '../lib/report.mjs';

/** [d, k]: float32 matrices of up to 3.2 GB. Hot rows are asked for with 1,000 classes. */
export function sizes({ quick }) {
  if (quick)
    return [
      [512, 1_000],
      [2048, 1_000],
      [512, 100_000],
    ];
  const largest = 3.2e9;
  const powers = [64, 512, 2048, 4096].flatMap((d) => [1e3, 1e4, 1e5, 1e6, 1e7].map((k) => [d, k]));
  return [...powers.filter(([d, k]) => 4 * d * k <= largest), [2048, 375_000]];
}

export const matrixBytes = ({ d, k }) => 4 * d * k;

const storages = ['float32', 'bfloat16', 'int8'];
const half = 2 ** 29;
const small = (task) => (matrixBytes(task) > half ? 'above 0.5 GiB the matrix is not what its calls wait for' : undefined);
const needsFloor = (_task, floor) => floor.reason;

/**
 * `turns`: the calls asked for, in [hot, random] rows. `bytes`: of the class matrix in the process. `refuses`: a reason not to take part.
 * In the order of importance: what does not fit into memory is left out from the end.
 */
export const contestants = [
  ...storages.map((storage) => ({
    name: `onelogit ${storage}`,
    title: storage,
    script: 'score_onelogit.mjs',
    config: { storage },
    calls: ['score', 'scoreBound', 'bind().score', 'scoreMany', 'scoreBatch'],
    hotCalls: ['score, unaligned'],
    bytes: (task) => (matrixBytes(task) * { float32: 4, bfloat16: 2, int8: 1 }[storage]) / 4,
  })),
  {
    name: 'floor',
    title: 'bare C addon',
    script: 'score_floor.mjs',
    calls: ['score', 'scoreBound', 'dots'],
    hotCalls: ['score, unaligned', 'empty', 'readId', 'readBoth'],
    refuses: needsFloor,
  },
  { name: 'simsimd', title: 'SimSIMD', script: 'score_simsimd.mjs', packages: ['simsimd'], refuses: ({ k }) => k > 1e6 && manyViews(k) },
  { name: 'loop', title: 'JavaScript loop', script: 'score_loop.mjs' },
  {
    name: 'onnxruntime',
    title: 'ONNX Runtime, one class',
    script: 'score_onnxruntime.mjs',
    packages: ['onnxruntime-node'],
    refuses: small,
  },
  {
    name: 'tfjs',
    title: 'TensorFlow.js, one class',
    script: 'score_tfjs.mjs',
    packages: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
    refuses: small,
  },
  { name: 'predict', title: 'all logits by `Model.predict`', script: 'score_predict.mjs', calls: ['predict'], refuses: small },
  {
    name: 'onnxruntime-all',
    title: 'all logits by ONNX Runtime',
    script: 'score_onnxruntime.mjs',
    packages: ['onnxruntime-node'],
    config: { all: true },
    calls: ['predict'],
    refuses: small,
  },
  {
    // Where memory allows another copy.
    name: 'floor-small-pages',
    title: 'bare C addon, 4 KiB pages',
    script: 'score_floor.mjs',
    config: { hugePages: false },
    applies: (task) => matrixBytes(task) > 1e9 && matrixBytes(task) < 3e9,
    refuses: needsFloor,
  },
];

/** Programs that one would expect here. */
export const unsuited = [
  {
    title: 'USearch',
    reason: 'it finds the rows nearest to an example and has no call for the score of a given one; version 2.26.2 needs Node 22',
  },
];

const manyViews = (k) => `its rows are ${power(k)} JavaScript objects`;

const installed = (name) => existsSync(fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)));

/** Who takes part, and who does not: [[contestant], [{ contestant, reason }]]. */
export function participants(task, floor, available) {
  const present = [];
  const absent = [];
  let bytes = 0;
  for (const contestant of contestants) {
    if (contestant.applies?.(task) === false) continue;
    const needed = (contestant.bytes ?? matrixBytes)(task) + 150e6;
    const missing = contestant.packages?.filter((name) => !installed(name)) ?? [];
    const reason =
      (missing.length && `not installed: ${missing.join(', ')}`) ||
      contestant.refuses?.(task, floor) ||
      (bytes + needed > 0.85 * available && `its ${digits(needed / 1e9)} GB do not fit beside the others`);
    if (reason) {
      absent.push({ contestant: contestant.name, reason });
      continue;
    }
    bytes += needed;
    present.push(contestant);
  }
  return [present, absent];
}

/** The turns of a round: the same call of all contestants one after the other. */
export function turnsOf(task, present) {
  const rows = task.k === 1000 ? ['hot', 'random'] : ['random'];
  const turns = rows.flatMap((kind) =>
    present.flatMap(({ name, calls = ['score'], hotCalls = [] }) =>
      [...calls, ...(kind === 'hot' ? hotCalls : [])].map((call) => ({ contestant: name, call, rows: kind })),
    ),
  );
  const order = [...new Set(turns.map(({ call, rows: kind }) => `${kind} ${call}`))];
  return turns.sort((a, b) => order.indexOf(`${a.rows} ${a.call}`) - order.indexOf(`${b.rows} ${b.call}`));
}
