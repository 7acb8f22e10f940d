#!/usr/bin/env node
// npm run test:gpu [-- --only PHASE,…]: what can only be tested on a GPU. docs/gpu.md says what each phase shows; results go to
// bench/results/gpu-tests.json. Exit status 1 when a phase failed or had no time, or where there is no GPU.
import { requireGpu } from './gpu/device.mjs';
import { readOptions } from './gpu/options.mjs';
import { runPhases } from './gpu/phases.mjs';
import { testPhases } from './gpu/test-phases.mjs';

const options = readOptions({
  command: 'node scripts/test-gpu.mjs',
  about: 'Tests of the CUDA backend on the GPU of this machine; writes gpu-tests.json after every phase.',
  phases: testPhases,
});
const { failed, skipped } = await runPhases({ name: 'gpu-tests', options, device: requireGpu(), phases: testPhases });
process.exitCode = failed.length || skipped.length ? 1 : 0;
