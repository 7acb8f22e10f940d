// What a result has to say about where it was measured.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

function output(command, args) {
  try {
    return execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** Instruction sets that matter here, of those the processor has (Linux). */
function instructionSets() {
  try {
    const flags = new Set(
      readFileSync('/proc/cpuinfo', 'utf8')
        .match(/^(?:flags|Features)\s*:\s*(.*)$/m)?.[1]
        .split(' '),
    );
    return ['avx2', 'fma', 'avx512f', 'avx512_bf16', 'avx512_vnni', 'asimd'].filter((name) => flags.has(name));
  } catch {
    return [];
  }
}

export function machine() {
  return {
    cpu: cpus()[0].model.trim(),
    instructionSets: instructionSets(),
    threads: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    loadAverageBefore: loadavg()[0],
  };
}

/** The commit measured, and whether there were changes on top of it (results of earlier runs do not count). */
export function commit() {
  const hash = output('git', ['rev-parse', '--short=12', 'HEAD']);
  if (hash === undefined) return 'unknown';
  const changes = output('git', ['status', '--porcelain', '--', '.', ':!bench/results']);
  return changes ? `${hash} with uncommitted changes` : hash;
}

export const version = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')).version;
