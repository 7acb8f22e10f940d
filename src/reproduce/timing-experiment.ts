/**
 * Times whole forward passes of one architecture with several numbers of classes: a network for each, all in memory, taking turns, so that
 * whatever slows the machine down for a while slows all of them. What was timed is in the state, round by round.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { backendInfo, type Model, OneLogitError, zoo } from '../index.js';
import { type Architecture, repetitionsWithin, type TimingRecipe, timingBytes } from './timing-recipe.js';

/** The times of one architecture at one batch size. */
export interface Timing {
  recipe: TimingRecipe;
  /** How many rounds there shall be. */
  repetitions: number;
  /** Milliseconds of a forward pass of the batch, for each class count; one array a round. */
  rounds: number[][];
}

export interface TimingHooks {
  signal: AbortSignal;
  /** Building networks, then warming them up. */
  onPhase(phase: string): void;
  onRound(batchSize: number, done: number, repetitions: number): void;
}

const stateFile = (directory: string, { architecture, batchSize, device }: TimingRecipe) =>
  join(directory, `${architecture}-${batchSize}-${device}.json`);

/** What an earlier run has timed; undefined if there is nothing, or of another recipe. */
export async function readTiming(directory: string, recipe: TimingRecipe): Promise<Timing | undefined> {
  try {
    const timing = JSON.parse(await readFile(stateFile(directory, recipe), 'utf8')) as Timing;
    return JSON.stringify(timing.recipe) === JSON.stringify(recipe) && Array.isArray(timing.rounds) ? timing : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces the file by renaming, so that it is always whole. */
async function writeTiming(directory: string, timing: Timing): Promise<void> {
  await mkdir(directory, { recursive: true });
  const path = stateFile(directory, timing.recipe);
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(timing)}\n`);
  await rename(temporary, path);
}

/** Noise in [0, 1): what it is does not matter for the time, as long as it is ordinary numbers. */
function noise(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    return state / 2 ** 32;
  });
}

function checkMemory(architecture: Architecture, classes: readonly number[], device: 'cpu' | 'cuda'): void {
  const needed = timingBytes(architecture, classes);
  const gpu = backendInfo().cuda.devices[0];
  const free = device === 'cuda' && gpu ? gpu.memoryGiB * 2 ** 30 : freemem();
  if (needed <= free) return;
  const gibibytes = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  throw new OneLogitError(
    'ERR_ONELOGIT_OUT_OF_MEMORY',
    `Expected ${gibibytes(needed)} GiB of free memory for ${architecture} with ${classes.join(', ')} classes but received ${gibibytes(free)} GiB (--classes with fewer of them takes less)`,
  );
}

/** Milliseconds of one forward pass. */
async function timeForward(model: Model, inputs: Float32Array): Promise<number> {
  const began = performance.now();
  await model.predict(inputs);
  return performance.now() - began;
}

/**
 * Times, or goes on timing, one architecture at every batch size of `wanted`. Rejects when interrupted; the rounds that were finished are in
 * `directory` and the next call goes on from there.
 *
 * @param wanted - `repetitions`: a number, or how many seconds they may take, from which it follows once a round is known
 */
export async function runTiming(
  wanted: readonly { recipe: TimingRecipe; repetitions: number | { seconds: number } }[],
  directory: string,
  { signal, onPhase, onRound }: TimingHooks,
): Promise<Timing[]> {
  const timings = await Promise.all(wanted.map(({ recipe }) => readTiming(directory, recipe)));
  const complete = (i: number) => {
    const { repetitions } = wanted[i]!;
    const timing = timings[i];
    return timing !== undefined && timing.rounds.length >= (typeof repetitions === 'number' ? repetitions : timing.repetitions);
  };
  if (wanted.every((_, i) => complete(i))) return timings as Timing[];

  const { architecture, classes, seed, device } = wanted[0]!.recipe;
  checkMemory(architecture, classes, device);
  const models: Model[] = [];
  try {
    for (const k of classes) {
      signal.throwIfAborted();
      onPhase(`building ${architecture} with ${k.toLocaleString('en-US')} classes`);
      // Lets progress and signals through: what follows blocks for seconds.
      await new Promise((resolve) => setImmediate(resolve));
      models.push(zoo[architecture]({ classes: k, seed, device }));
    }
    for (const [i, { recipe, repetitions }] of wanted.entries()) {
      if (complete(i)) continue;
      const { batchSize } = recipe;
      const inputs = noise(batchSize * models[0]!.inputShape.reduce((size, axis) => size * axis, 1), seed);
      onPhase(`warming up ${architecture}, batch ${batchSize}`);
      const round = async (): Promise<number[]> => {
        const times: number[] = [];
        for (const model of models) {
          times.push(await timeForward(model, inputs));
          signal.throwIfAborted();
        }
        return times;
      };
      // The first round makes buffers and pages of memory; how long a round takes is what the second says.
      await round();
      const timing: Timing = timings[i] ?? { recipe, repetitions: 0, rounds: [] };
      timings[i] = timing;
      if (typeof repetitions === 'number') timing.repetitions = repetitions;
      else if (timing.repetitions === 0) {
        const began = performance.now();
        timing.rounds.push(await round());
        timing.repetitions = repetitionsWithin(repetitions.seconds, (performance.now() - began) / 1000);
        await writeTiming(directory, timing);
      }
      onRound(batchSize, timing.rounds.length, timing.repetitions);
      while (timing.rounds.length < timing.repetitions) {
        timing.rounds.push(await round());
        await writeTiming(directory, timing);
        onRound(batchSize, timing.rounds.length, timing.repetitions);
      }
    }
  } finally {
    for (const model of models) model.dispose();
  }
  return timings as Timing[];
}
