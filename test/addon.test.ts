/** The binary itself: what it needs to be loaded. */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const path = (createRequire(import.meta.url)('node-gyp-build') as { path(directory: string): string }).path(root);

it.skipIf(process.platform !== 'linux')('needs no library of CUDA to be loaded', () => {
  const needed = execFileSync('ldd', [path], { encoding: 'utf8' });
  expect(needed).toContain('libc.so');
  expect(needed).not.toMatch(/libcu|nvidia/i);
});

it.skipIf(process.env.ONELOGIT_SANITIZED !== undefined)('is at most 20 MB', () => {
  expect(statSync(path).size).toBeLessThanOrEqual(20e6);
});
