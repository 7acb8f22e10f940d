/**
 * What a result was measured on: printed with every number that leaves this machine.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { backendInfo } from './backend.js';
import { packageRoot } from './package-root.js';

/** The machine that something was run on. */
export interface Machine {
  /** The processor's name. */
  cpu: string;
  /** Processors that this process may run on. */
  cores: number;
  memoryGiB: number;
  /** Platform, release and architecture. */
  system: string;
  /** Version of Node. */
  node: string;
  /** Which matrix product, which instruction set and how many threads the native part uses. */
  blas: string;
  simd: string;
  threads: number;
}

export function describeMachine(): Machine {
  const { blas, simd, threads } = backendInfo().cpu;
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    blas,
    simd,
    threads,
  };
}

/**
 * The commit of the sources, '-modified' added when tracked files differ from it. Undefined for an installed package, even one
 * that lies inside somebody else's repository.
 */
export async function sourceCommit(): Promise<string | undefined> {
  if (!existsSync(join(packageRoot, '.git'))) return undefined;
  const git = async (...args: string[]) => (await promisify(execFile)('git', args, { cwd: packageRoot })).stdout.trim();
  try {
    const [commit, changes] = [await git('rev-parse', '--short=12', 'HEAD'), await git('status', '--porcelain', '--untracked-files=no')];
    return changes === '' ? commit : `${commit}-modified`;
  } catch {
    return undefined; // no git here
  }
}
