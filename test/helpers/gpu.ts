/** Tests that need a GPU. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'vitest';
import { backendInfo } from '../../src/index.js';

/** Skips the test where no GPU can be used, saying why; with `ONELOGIT_REQUIRE_GPU=1` it fails instead. */
export function needsGpu(context: TestContext): void {
  const { available, reason } = backendInfo().cuda;
  if (available) return;
  const message = `needs a GPU: ${reason}`;
  if (process.env.ONELOGIT_REQUIRE_GPU === '1') throw new Error(`ONELOGIT_REQUIRE_GPU=1 but this test ${message}`);
  context.skip(message);
}

/** Keeps a measurement for scripts/test-gpu.mjs, in the file that it names. */
export function note(name: string, value: unknown): void {
  const path = process.env.ONELOGIT_GPU_NOTES;
  if (path === undefined) return;
  let notes: Record<string, unknown> = {};
  try {
    notes = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // the first one
  }
  writeFileSync(path, JSON.stringify({ ...notes, [name]: value }));
}

/** ‖a − b‖ / ‖b‖ */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let n = 0; n < b.length; n++) {
    difference += (a[n]! - b[n]!) ** 2;
    norm += b[n]! ** 2;
  }
  return Math.sqrt(difference / Math.max(norm, 1e-20));
}
