/** Progress is asked for by the clock, ten times a second: on a fast machine the work of a test may be done before. */
import { vi } from 'vitest';

/** `setInterval` that calls every millisecond, whatever it was told, until `vi.restoreAllMocks`. */
export function frequentTimers(): void {
  const { setInterval } = globalThis;
  vi.spyOn(globalThis, 'setInterval').mockImplementation(((call: () => void) => setInterval(call, 1)) as typeof globalThis.setInterval);
}
