import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // The addon holds threads and process-wide state: a process per file, so that a crash names its file.
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Native code uses every core already.
    maxWorkers: 2,
    maxConcurrency: 2,
  },
});
