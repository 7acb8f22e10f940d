/**
 * Where arithmetic happens.
 */
import { checkOneOf } from './check.js';

/** `'auto'`: the GPU if this build, driver and machine have one, else the CPU. */
export type Device = 'auto' | 'cpu' | 'cuda';

/**
 * In what a GPU multiplies matrices; results are float32, and sums too. `'tf32'` rounds operands to 10 bits of mantissa, `'bfloat16'` to 7:
 * faster on tensor cores. The CPU has `'float32'`.
 */
export type Precision = 'float32' | 'tf32' | 'bfloat16';

/** The names of the precisions. */
export const precisions = ['float32', 'tf32', 'bfloat16'] as const satisfies readonly Precision[];

/** A precision from outside. */
export function checkPrecision(value: unknown, what: string): Precision {
  return checkOneOf(value, precisions, what);
}

/** A device name from outside. */
export function checkDevice(value: unknown, what: string): Device {
  return checkOneOf(value, ['auto', 'cpu', 'cuda'], what);
}
