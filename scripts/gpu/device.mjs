/** Which GPU this machine has, as its driver says. */
import { spawnSync } from 'node:child_process';

const fields = ['name', 'driver_version', 'memory.total', 'compute_cap', 'clocks.max.sm', 'power.limit', 'utilization.gpu'];

/** Ends the process with status 1 and one sentence where there is none. */
export function requireGpu() {
  const { error, status, stdout, stderr } = spawnSync('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader,nounits'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const reason = error
    ? error.code === 'ENOENT'
      ? 'there is no nvidia-smi'
      : error.message
    : status !== 0
      ? (stdout || stderr).trim().split('\n')[0] || `nvidia-smi ended with status ${status}`
      : stdout.trim() === ''
        ? 'nvidia-smi lists no device'
        : undefined;
  if (reason !== undefined) {
    console.error(`Expected an NVIDIA GPU on this machine but received none: ${reason}`);
    process.exit(1);
  }
  const [name, driver, memoryMiB, computeCapability, maxClockMHz, powerLimitWatts, utilisationPercent] = stdout
    .trim()
    .split('\n')[0]
    .split(',')
    .map((cell) => cell.trim());
  return {
    name,
    driver,
    memoryMiB: Number(memoryMiB),
    computeCapability,
    maxClockMHz: Number(maxClockMHz),
    powerLimitWatts: Number(powerLimitWatts),
    utilisationPercent: Number(utilisationPercent),
  };
}
