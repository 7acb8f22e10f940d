/** The native programs: those that came packed (`$ONELOGIT_GPU_PROGRAMS`), else built here. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { mustRun, PhaseError, root, run } from './run.mjs';

const directory = join(root, 'build-gpu');

async function has(command) {
  try {
    return (await run(command, ['--version'], { seconds: 30, quiet: true })).status === 0;
  } catch {
    return false;
  }
}

/** `onelogit_cuda_tests` or `onelogit_bench_cuda`, for this machine's GPU. */
export async function program(name, seconds) {
  const packed = process.env.ONELOGIT_GPU_PROGRAMS;
  if (packed !== undefined) {
    if (existsSync(join(packed, name))) return join(packed, name);
    throw new PhaseError(`Expected ${name} in $ONELOGIT_GPU_PROGRAMS but received only '${packed}'`);
  }
  for (const tool of ['cmake', 'nvcc', 'g++'])
    if (!(await has(tool)))
      throw new PhaseError(`Expected $ONELOGIT_GPU_PROGRAMS, or cmake, nvcc and g++ to build ${name}, but received no ${tool}`);
  const options = ['-DONELOGIT_CUDA=on', '-DONELOGIT_TESTS=ON', '-DONELOGIT_BENCH=ON', '-DCMAKE_CUDA_ARCHITECTURES=native'];
  await mustRun('cmake', 'cmake', ['-S', root, '-B', directory, ...options], { seconds: seconds(), quiet: true });
  await mustRun('the build', 'cmake', ['--build', directory, '--target', name, '--parallel', String(availableParallelism())], {
    seconds: seconds(),
    quiet: true,
  });
  return join(directory, name);
}
