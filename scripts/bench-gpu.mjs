#!/usr/bin/env node
// npm run bench:gpu [-- --only PHASE,…]: this package on a GPU against what the GPU gives (its memory, cuBLAS) and against PyTorch, in one run.
// docs/gpu.md says what each phase shows; results go to bench/results/gpu.json and gpu.md. Exit status 1 when a phase failed or had no time,
// or where there is no GPU; a target that was missed is a result.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchPhases } from './gpu/bench-phases.mjs';
import { reportGpu } from './gpu/bench-report.mjs';
import { requireGpu } from './gpu/device.mjs';
import { readOptions } from './gpu/options.mjs';
import { runPhases } from './gpu/phases.mjs';

const options = readOptions({
  command: 'node scripts/bench-gpu.mjs',
  about: 'Speed and memory on the GPU of this machine; writes gpu.json and gpu.md after every phase.',
  phases: benchPhases,
});
const device = requireGpu();
if (device.utilisationPercent > 0) console.error(`The GPU is ${device.utilisationPercent} % busy: other programs distort these timings.`);
const written = (result, directory) => writeFileSync(join(directory, 'gpu.md'), reportGpu(result));
const { failed, skipped } = await runPhases({ name: 'gpu', options, device, phases: benchPhases, written });
process.exitCode = failed.length || skipped.length ? 1 : 0;
