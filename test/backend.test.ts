import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { backendInfo } from '../src/index.js';
import { version } from '../src/version.js';

describe('backendInfo', () => {
  it('says what is in use', () => {
    const info = backendInfo();
    expect(info.version).toBe(version);
    expect(info.cpu.blas).toMatch(/^(openblas|portable)/);
    expect(['avx512', 'avx2', 'neon', 'portable']).toContain(info.cpu.simd);
    expect(info.cpu.threads).toBeGreaterThanOrEqual(1);
    const { cuda } = info;
    expect(cuda.available).toBe(cuda.reason === null);
    if (cuda.available) {
      expect(cuda.devices[0]).toMatchObject({ name: expect.stringMatching(/./), computeCapability: expect.stringMatching(/^\d+\.\d$/) });
      expect(cuda).toMatchObject({ compiled: true, runtime: expect.stringMatching(/^\d+\.\d$/), cublas: expect.stringMatching(/cu/i) });
    } else {
      expect(cuda.reason).toMatch(cuda.compiled ? /driver|GPU|cuBLAS/ : /no CUDA support/);
    }
    expect(cuda.architectures.length > 0).toBe(cuda.compiled);
  });

  it('shows what the environment asked for', () => {
    const index = fileURLToPath(new URL('../dist/index.js', import.meta.url));
    const script = `import { backendInfo } from ${JSON.stringify(index)}; console.log(JSON.stringify(backendInfo().cpu))`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, ONELOGIT_THREADS: '3', ONELOGIT_SIMD: 'portable' },
    });
    expect(JSON.parse(output)).toMatchObject({ threads: 3, simd: process.arch === 'arm64' ? 'neon' : 'portable' });
  });
});
