// The section "last layer" of head.mjs: one step of linear + loss, forward and backward, gradients into memory of the caller's.
//
// Every contestant of a case is a process of its own, so that its peak memory is the case's. They take turns in rounds; the rate of
// matrix products is measured before, between and after the rounds, so that a share of it compares what ran next to each other.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Contestant } from '../lib/contestant.mjs';
import { availableBytes } from '../lib/memory.mjs';
import { startPyTorch } from '../lib/pytorch.mjs';
import { ratios, spread } from '../lib/statistics.mjs';
import { arrayBytes, fitTogether, reasonToSkip, title, unfusedCount } from './cases.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const onelogit = here('../contestants/head_onelogit.mjs');
const pytorch = here('../contestants/head_pytorch.py');

/** The same sequence in every run (Numerical Recipes' generator): numbers in (−1, 1), as many as a prime so that no rows repeat soon. */
function randomNumbers(length = 1_000_003) {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  });
}

const labelsOf = ({ m, k }, random) => Array.from({ length: m }, (_, i) => Math.floor(((random[i + 1000] + 1) / 2) * k));

/** Cases of a second and more a step: their contestants touch their memory, but take no step, before they are timed. */
const isLong = ({ m, d, k }) => m * k * Math.max(d, 128) >= 1e10;

/** Runs the cases and returns what was measured. `context`: cases, threads, python (or undefined), seconds (a case), progress. */
export async function measureLayer({ cases, threads, python, seconds, progress }) {
  const folder = mkdtempSync(join(tmpdir(), 'onelogit-bench-'));
  const random = randomNumbers();
  const randomFile = join(folder, 'random.f32');
  writeFileSync(randomFile, random);
  const node = (config) => new Contestant(config.contestant, process.execPath, ['--expose-gc', onelogit, JSON.stringify(config)]);
  const sgemm = node({ contestant: 'sgemm', repetitions: 7 });
  const open = new Set([sgemm]);
  try {
    const introduction = await sgemm.next();
    const configOf = (task) => ({ ...task, threads, random: randomFile, labels: labelsOf(task, random) });
    const settings = python ? new PyTorchSettings(python, threads, configOf) : undefined;
    const results = [];
    const skipped = [];
    for (const [index, task] of cases.entries()) {
      progress(`${index + 1} of ${cases.length}: ${title(task)}`);
      const wanted = ['fused', 'unfused', ...(python ? ['pytorch'] : [])];
      const available = availableBytes();
      const running = wanted.filter((contestant) => {
        const reason = reasonToSkip(task, contestant, available);
        if (reason) skipped.push({ case: title(task), contestant, reason });
        return !reason;
      });
      if (!running.length) continue;
      const setting = running.includes('pytorch') ? await settings.for(task) : undefined;
      const start = (contestant) => {
        const config = { ...configOf(task), contestant, warmUp: isLong(task) ? 0 : 1, method: setting?.method };
        const process =
          contestant === 'pytorch'
            ? new Contestant('pytorch', python, [pytorch, JSON.stringify(config)], setting.environment)
            : node(config);
        open.add(process);
        return process;
      };
      const together = fitTogether(task, running, available);
      const measured = { rounds: {}, memory: {}, sgemm: [] };
      for (const group of together ? [running] : running.map((contestant) => [contestant])) {
        const contestants = Object.fromEntries(group.map((contestant) => [contestant, start(contestant)]));
        await measureGroup(task, contestants, sgemm, seconds / (together ? 1 : running.length), measured);
        for (const contestant of Object.values(contestants)) {
          await contestant.close();
          open.delete(contestant);
        }
      }
      checkValues(task, measured.memory);
      results.push(summary(task, together, setting, measured));
    }
    return { introduction, results, skipped, ...(settings && { pytorchVersion: settings.version, pytorchSettings: settings.tried }) };
  } finally {
    for (const contestant of open) await contestant.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Rounds until the time is used up; appends to `measured`. */
async function measureGroup(task, contestants, sgemm, seconds, measured) {
  const introductions = {};
  for (const [name, contestant] of Object.entries(contestants)) introductions[name] = await contestant.next();
  const steps = {};
  for (const [name, contestant] of Object.entries(contestants)) {
    // Turns of 50 ms at least; the first step's time says how many that are.
    const first = isLong(task) ? 1000 : (await contestant.ask({ steps: 1 })).milliseconds;
    steps[name] = Math.min(500, Math.max(1, Math.round(50 / first)));
    measured.rounds[name] = [];
  }
  const rates = [await sgemm.ask({})];
  const begin = performance.now();
  for (let round = 0; round < (isLong(task) ? 2 : 3) || (round < 15 && performance.now() - begin < seconds * 1000); round++) {
    for (const [name, contestant] of Object.entries(contestants)) {
      const { milliseconds } = await contestant.ask({ steps: steps[name] });
      measured.rounds[name].push({ milliseconds, before: rates.at(-1).gflops });
    }
    rates.push(await sgemm.ask({}));
    for (const name of Object.keys(contestants)) measured.rounds[name].at(-1).after = rates.at(-1).gflops;
  }
  measured.sgemm.push(...rates);
  for (const [name, contestant] of Object.entries(contestants))
    measured.memory[name] = { baseline: introductions[name].baseline, ...(await contestant.ask({ memory: true })) };
}

/** All must have computed the same loss: a fast wrong answer is no result. */
function checkValues(task, memory) {
  const values = Object.entries(memory).filter(([name]) => !(name === 'pytorch' && task.options?.numSampled)); // it draws others
  for (const [name, { value }] of values)
    if (!(Math.abs(value - values[0][1].value) <= 1e-3 * Math.abs(values[0][1].value)))
      throw new Error(`${title(task)}: ${values[0][0]} computes ${values[0][1].value} but ${name} ${value}`);
}

function summary(task, together, setting, { rounds, memory, sgemm }) {
  const { name, m, d, k, weightType } = task;
  const share = (count, turns) =>
    spread(turns.map(({ milliseconds, before, after }) => (count * m * k * d * 1e-6) / milliseconds / ((before + after) / 2)));
  const arrays = arrayBytes(task);
  const contestants = {};
  for (const [contestant, turns] of Object.entries(rounds)) {
    const count = contestant === 'fused' ? task.fused : unfusedCount;
    const times = turns.map(({ milliseconds }) => milliseconds);
    contestants[contestant] = {
      milliseconds: { ...spread(times), rounds: times },
      ...(task.fused && { count, share: share(count, turns) }),
      ...(task.fused > 6 && contestant === 'fused' && { shareOf6: share(6, turns) }),
      memory: {
        peak: memory[contestant].peak,
        baseline: memory[contestant].baseline,
        arrays,
        extra: memory[contestant].peak - memory[contestant].baseline - arrays,
      },
    };
  }
  const times = (contestant) => contestants[contestant].milliseconds;
  const against = (contestant) =>
    together ? ratios(times(contestant).rounds, times('fused').rounds) : spread([times(contestant).median / times('fused').median]);
  return {
    name,
    m,
    d,
    k,
    weightType,
    together,
    ...(setting && { pytorch: { setting: setting.setting, method: setting.method } }),
    sgemm: { ...spread(sgemm.map(({ gflops }) => gflops)), before: sgemm[0], after: sgemm.at(-1) },
    contestants,
    timesFused: contestants.fused
      ? Object.fromEntries(
          Object.keys(contestants)
            .filter((contestant) => contestant !== 'fused')
            .map((contestant) => [contestant, against(contestant)]),
        )
      : {},
  };
}

/** How PyTorch does best for each d and k, found with batch cross-entropy; the largest k is as the second largest. */
class PyTorchSettings {
  tried = {};
  #found = new Map();

  constructor(python, threads, configOf) {
    Object.assign(this, { python, threads, configOf });
  }

  async for({ m, d, k: classes }) {
    const k = Math.min(classes, 100_000);
    const key = `d = ${d}, k = ${k}`;
    if (!this.#found.has(key)) {
      const task = { name: 'batch-cross-entropy', loss: 'batch-cross-entropy', m, d, k, weightType: 'float32' };
      const config = JSON.stringify({ ...this.configOf(task), method: 'auto', warmUp: 0 });
      const steps = Math.min(50, Math.max(1, Math.round(1e10 / (6 * m * k * d))));
      const { contestant, introduction, environment, setting, tried } = await startPyTorch(this.python, [pytorch, config], this.threads, {
        steps,
      });
      await contestant.close();
      this.version = introduction.version;
      this.tried[key] = { tried, setting, method: introduction.method };
      this.#found.set(key, { environment, setting, method: introduction.method });
    }
    return this.#found.get(key);
  }
}

/** Of a measured case: its step in units of mkd operations at the rate of matrix products. */
export function inProducts({ m, d, k, contestants, sgemm }, contestant = 'fused') {
  return (contestants[contestant].milliseconds.median * sgemm.median) / (m * d * k * 1e-6);
}

export const findCase = (results, name, d, k) => results.find((result) => result.name === name && result.d === d && result.k === k);
