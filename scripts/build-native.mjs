#!/usr/bin/env node
// Configures and builds the addon incrementally, quietly: what was chosen (matrix products, CUDA), everything on failure.
//
//   node scripts/build-native.mjs                 build/Release/onelogit.node
//   node scripts/build-native.mjs --sanitize      build-sanitize/build/Release/onelogit.node, with AddressSanitizer and
//                                                 UndefinedBehaviorSanitizer (run by scripts/test-sanitized.sh)
//   node scripts/build-native.mjs --cuda-host     build-cuda-host/build/Release/onelogit.node, whose GPU is a stand-in on the CPU
//                                                 (run by scripts/test-cuda-host.sh)
//
// Configuring every time is what makes a changed $ONELOGIT_BLAS or $ONELOGIT_CUDA, or an OpenBLAS or nvcc installed since, take effect.
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: options } = parseArgs({
  options: { sanitize: { type: 'boolean', default: false }, 'cuda-host': { type: 'boolean', default: false } },
});
const out = join(root, options.sanitize ? 'build-sanitize/build' : options['cuda-host'] ? 'build-cuda-host/build' : 'build');
const cmakeJs = join(dirname(createRequire(import.meta.url).resolve('cmake-js/package.json')), 'bin/cmake-js');

/** Runs one cmake-js command; resolves to its exit status and everything it printed. */
function cmake(command) {
  const args = [cmakeJs, command, '--directory', root, '--out', out, '--parallel', String(availableParallelism()), '--log-level', 'error'];
  if (options.sanitize) args.push('--CDONELOGIT_SANITIZE=ON');
  if (options['cuda-host']) args.push('--CDONELOGIT_CUDA=host');
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk;
      });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}

function fail(step, output) {
  process.stderr.write(`${output}\nThe native part of onelogit could not be ${step}; what the tools said is above.\n`);
  process.exit(1);
}

let configured = await cmake('configure');
if (configured.status !== 0 && existsSync(out) && !configured.output.includes('onelogit: ')) {
  // Not one of our own messages: a build tree made by another generator (ninja removed since) or copied from
  // elsewhere cannot be configured again.
  rmSync(out, { recursive: true, force: true });
  configured = await cmake('configure');
}
if (configured.status !== 0) fail('configured', configured.output);
const choices = Array.from(configured.output.matchAll(/onelogit: (.*)/g), ([, choice]) => choice);
process.stderr.write(`onelogit: building the native part; ${choices.join('; ')}\n`);
const built = await cmake('build');
if (built.status !== 0) fail('built', built.output);
if (/warning:/.test(built.output)) process.stderr.write(built.output.replace(/^\[[ \d%/]+\].*\n/gm, ''));
