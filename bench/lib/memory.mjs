// Memory as Linux counts it.
import { readFileSync } from 'node:fs';

function field(path, name) {
  const match = readFileSync(path, 'utf8').match(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm'));
  if (!match) throw new Error(`Expected ${name} in ${path}`);
  return Number(match[1]) * 1024;
}

/** Bytes of main memory this process holds now. */
export const residentBytes = () => field('/proc/self/status', 'VmRSS');

/** The most it ever held. */
export const peakBytes = () => field('/proc/self/status', 'VmHWM');

/** Bytes of main memory this process holds now: all, what is its own alone, what is pages of files. */
export const memoryOf = () => ({
  resident: residentBytes(),
  anonymous: field('/proc/self/status', 'RssAnon'),
  file: field('/proc/self/status', 'RssFile'),
});

/** Bytes that new programs can have without swapping. */
export const availableBytes = () => field('/proc/meminfo', 'MemAvailable');

export const mebibytes = (bytes) => bytes / 2 ** 20;
