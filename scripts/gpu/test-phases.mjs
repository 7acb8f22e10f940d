/** The phases of test-gpu.mjs. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { program } from './programs.mjs';
import { mustRun, PhaseError, root, run } from './run.mjs';

const vitest = join(root, 'node_modules/vitest/vitest.mjs');

/** "test cases: 12 | 12 passed | 0 failed | 3 skipped" */
function doctestCounts(output) {
  const match = output.match(/test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/);
  if (match === null) throw new PhaseError('the native tests did not count their cases', { end: output.slice(-2000) });
  if (Number(match[1]) === 0) throw new PhaseError('no native test ran', { end: output.slice(-2000) });
  return { passed: Number(match[1]), failed: Number(match[2]) };
}

async function environment({ device, seconds }) {
  const { backendInfo } = await import('../../dist/index.js');
  const backend = backendInfo();
  if (!backend.cuda.available) throw new PhaseError(`the addon does not use this GPU: ${backend.cuda.reason}`, { backend });
  // Says CUDA runtime and driver version, and by which name cuBLAS was found; no test has such a name.
  const native = await mustRun('the native program', await program('onelogit_cuda_tests', seconds), ['-tc=none'], {
    seconds: Math.min(120, seconds()),
    quiet: true,
  });
  const line = native.output.trim().split('\n')[0];
  return { backend, native: line, note: `${device.name}, driver ${device.driver}; ${line}` };
}

async function parity({ seconds }) {
  const { output } = await mustRun('the native tests', await program('onelogit_cuda_tests', seconds), [], { seconds: seconds() });
  const counts = doctestCounts(output);
  return { ...counts, note: `${counts.passed} test cases passed` };
}

/** One `describe` of test/gpu.test.ts; what it noted (test/helpers/gpu.ts) is kept. */
function vitestPhase(name) {
  return async ({ seconds }) => {
    const noted = join(root, `node_modules/.gpu-${name}.json`);
    const json = join(root, `node_modules/.gpu-${name}-report.json`);
    rmSync(noted, { force: true });
    const arguments_ = [
      vitest,
      'run',
      'test/gpu.test.ts',
      '-t',
      `^gpu ${name}`,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${json}`,
    ];
    await mustRun('vitest', process.execPath, arguments_, {
      seconds: seconds(),
      environment: { ONELOGIT_GPU_NOTES: noted, ONELOGIT_REQUIRE_GPU: '1', ONELOGIT_REQUIRE_DATA: '1' },
    });
    const report = JSON.parse(readFileSync(json, 'utf8'));
    if (report.numPassedTests === 0) throw new PhaseError(`no test of '${name}' ran`);
    let measured = {};
    try {
      measured = JSON.parse(readFileSync(noted, 'utf8'));
    } catch {
      // nothing was noted
    }
    return { passed: report.numPassedTests, measured, note: `${report.numPassedTests} tests passed` };
  };
}

async function lostDevice({ seconds }) {
  const { stdout } = await mustRun(
    'the program with an illegal access',
    await program('onelogit_cuda_tests', seconds),
    ['--illegal-access'],
    {
      seconds: Math.min(120, seconds()),
    },
  );
  return { output: stdout };
}

/** A tool that is not there is recorded, and is no failure. */
function sanitizer(tool) {
  return async ({ seconds }) => {
    const compute = ['compute-sanitizer', '/usr/local/cuda/bin/compute-sanitizer'];
    for (const command of compute) {
      let result;
      try {
        // Errors that tests ask for are answers of the API, not mistakes; tests that take all memory leave the tool none.
        const flags = ['--tool', tool, '--error-exitcode', '86', '--report-api-errors', 'no', '--target-processes', 'all'];
        result = await run(
          command,
          [...flags, await program('onelogit_cuda_tests', seconds), '-tce=*too little memory*,*allocate nothing*'],
          {
            seconds: seconds(),
            environment: { ONELOGIT_TEST_SMALL: '1' },
          },
        );
      } catch (error) {
        if (error.code === 'ENOENT') continue;
        throw error;
      }
      if (result.timedOut || result.status !== 0)
        throw new PhaseError(
          result.timedOut ? `${tool} had too little time` : `${tool} ended with ${result.signal ?? `status ${result.status}`}`,
          {
            end: result.output.slice(-4000),
          },
        );
      return { ...doctestCounts(result.output), note: `no error by ${tool}` };
    }
    return { available: false, note: 'not run: there is no compute-sanitizer' };
  };
}

export const testPhases = [
  { name: 'environment', about: 'GPU, driver, CUDA and cuBLAS as the addon and the native program see them', run: environment },
  { name: 'parity', about: 'the native tests: every kernel against the CPU, twice for the same bits', run: parity },
  { name: 'typescript', about: 'lossAndGradient, linearLoss, fit, predict and evaluate against the CPU', run: vitestPhase('typescript') },
  { name: 'images', about: 'a convolutional network on CIFAR-10 against the CPU, and twice for the same bits', run: vitestPhase('images') },
  { name: 'gradients', about: 'gradients against finite differences in float64', run: vitestPhase('gradients') },
  { name: 'determinism', about: 'two trainings with the same bits', run: vitestPhase('determinism') },
  { name: 'memory', about: 'more than the GPU has: an error, and the process goes on', run: vitestPhase('memory') },
  { name: 'lost-device', about: 'an illegal access planted in a process of its own: errors, no crash', run: lostDevice },
  { name: 'train', about: 'MNIST in full: accuracy and separation within the range of CPU trainings', run: vitestPhase('train') },
  { name: 'memcheck', about: 'compute-sanitizer over the native tests', run: sanitizer('memcheck') },
  { name: 'racecheck', about: 'the same for races in shared memory', run: sanitizer('racecheck') },
];
