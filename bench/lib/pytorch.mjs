// PyTorch at its best. Debian's build computes products with OpenBLAS, whose threads and OpenMP's wait by spinning and take each
// other's processors: by default a step can take more than twice as long as it must. Which setting helps depends on the work, so every
// setting is tried and the fastest takes part.
import { spawnSync } from 'node:child_process';
import { Contestant } from './contestant.mjs';

const settings = (threads) => [
  {},
  { OMP_WAIT_POLICY: 'passive' },
  { OPENBLAS_NUM_THREADS: '1' },
  { OMP_WAIT_POLICY: 'passive', OPENBLAS_NUM_THREADS: String(threads) },
];

/** A setting in words. */
export const describeSetting = (setting) =>
  Object.entries(setting)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ') || 'default settings';

/** A Python that can import torch and these modules within two minutes, or undefined. */
export const findPython = (...modules) =>
  ['python3', '/usr/bin/python3'].find(
    (path) =>
      spawnSync(path, ['-c', `import ${['torch', ...modules].join(', ')}`], { timeout: 120_000, killSignal: 'SIGKILL' }).status === 0,
  );

/**
 * Starts `script` with each setting, asks `request` twice, and keeps the one with the smallest `milliseconds`. Returns the contestant,
 * what it said first, its setting in words and as environment variables, and what was tried.
 */
export async function startPyTorch(python, args, threads, request) {
  let best;
  const tried = [];
  for (const setting of settings(threads)) {
    const contestant = new Contestant('pytorch', python, args, setting);
    const introduction = await contestant.next();
    const first = await contestant.ask(request);
    const { milliseconds } = await contestant.ask(request);
    const time = Math.min(first.milliseconds, milliseconds);
    tried.push({ setting: describeSetting(setting), milliseconds: time });
    if (best && best.time <= time) {
      contestant.close();
      continue;
    }
    best?.contestant.close();
    best = { contestant, introduction, setting: describeSetting(setting), environment: setting, time };
  }
  return { ...best, tried };
}
