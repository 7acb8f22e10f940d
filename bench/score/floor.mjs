// Compiles native/score_floor.c for this processor. Nothing but a C compiler and the headers that the package builds with.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../native/score_floor.c', import.meta.url));
const undefinedSymbols = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];

/** { path, command } of the addon, written to `directory`; `{ reason }` where it cannot be compiled. */
export function compileFloor(directory) {
  const path = join(directory, 'score_floor.node');
  const include = createRequire(import.meta.url)('node-api-headers').include_dir;
  const compiler = process.env.CC ?? 'cc';
  const flags = ['-O3', '-march=native', '-shared', '-fPIC', ...undefinedSymbols];
  try {
    execFileSync(compiler, [...flags, `-I${include}`, source, '-o', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    return {
      reason: `not compiled: ${
        String(error.stderr ?? error.message)
          .trim()
          .split('\n')[0]
      }`,
    };
  }
  return { path, command: [compiler, ...flags, '-I…/node-api-headers/include native/score_floor.c'].join(' ') };
}
