// Time of calls that take less than reading the clock does: samples of several calls each, less the time of the clock itself.
import { median } from './statistics.mjs';

const most = 200_000;
const times = new Float64Array(most);

/** Nanoseconds between two readings of the clock with nothing between them. */
const clock = (() => {
  const empty = new Float64Array(10_000);
  for (let round = 0; round < 3; round++)
    for (let i = 0; i < empty.length; i++) {
      const begin = performance.now();
      empty[i] = (performance.now() - begin) * 1e6;
    }
  return median([...empty]);
})();

/**
 * Calls `run(from, to)`, which makes the calls [from, to) of `positions` and may return a promise, for `seconds`, `batch` calls a sample.
 * Returns nanoseconds a call: percentiles over the samples, and the mean over all calls. At least ten samples.
 */
export async function measureLatency({ run, positions, start, batch, seconds }) {
  let position = start;
  let count = 0;
  let total = 0;
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const begin = performance.now();
    const result = run(position, position + batch);
    if (result instanceof Promise) await result;
    const now = performance.now();
    position = (position + batch) % positions;
    const time = Math.max(0, (now - begin) * 1e6 - clock) / batch;
    times[count++] = time;
    total += time;
    if (count === most || (now >= end && count >= 10)) break;
  }
  const sorted = times.subarray(0, count).sort();
  const percentile = (share) => sorted[Math.min(count - 1, Math.floor(share * count))];
  return { p50: percentile(0.5), p99: percentile(0.99), p999: percentile(0.999), mean: total / count, samples: count, position, clock };
}
