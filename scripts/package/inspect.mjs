// What an addon says of itself when it is loaded.
import { execFileSync } from 'node:child_process';

const program = `
  const { readdirSync } = require('node:fs');
  const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0);
  const module = { exports: {} };
  const before = threads();
  process.dlopen(module, process.argv[1]);
  const started = threads() - before;
  console.log(JSON.stringify({ buildStamp: module.exports.buildStamp, threads: started, ...module.exports.backendInfo() }));`;

/**
 * Loads the addon at `path` in a process of its own. Returns `{ buildStamp, threads, openblas, cpu, cuda }`: what it was built from, how
 * many threads it started when it was loaded (Linux; elsewhere 0), the OpenBLAS that is compiled in (`'openblas 0.3.21'`, used on this processor or
 * not) or undefined, and what `backendInfo` is made of.
 */
export function inspect(path) {
  const { ONELOGIT_BLAS: _, ...env } = process.env; // would turn off what is to be seen
  const { cpu, cuda, buildStamp, threads } = JSON.parse(execFileSync(process.execPath, ['-e', program, path], { encoding: 'utf8', env }));
  return {
    buildStamp,
    threads,
    openblas: /openblas [\d.]+/.exec(`${cpu.blas} ${cpu.blasReason}`)?.[0],
    cpu,
    cuda: { ...cuda, architectures: cuda.architectures.split(' ').filter(Boolean) },
  };
}
