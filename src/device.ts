/**
 * Where arithmetic happens.
 */
import { checkOneOf } from './check.js';

/** `'auto'`: the GPU if this build, driver and machine have one, else the CPU. */
export type Device = 'auto' | 'cpu' | 'cuda';

/** A device name from outside. */
export function checkDevice(value: unknown, what: string): Device {
  return checkOneOf(value, ['auto', 'cpu', 'cuda'], what);
}
