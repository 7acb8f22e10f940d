/** An installation whose prebuilt addon is gone, built from source: that the package has all that is needed. `npm run test:package -- --source`. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answers, type Installation, install, tarball, trainAndScore } from './helpers/installation.js';

describe.skipIf(tarball === undefined)('built from source', () => {
  let installation: Installation;
  beforeAll(() => {
    installation = install();
    rmSync(join(installation.root, 'prebuilds'), { recursive: true });
  });
  afterAll(() => installation?.remove());

  it('says what is missing where there is no compiler', () => {
    const { status, output } = installation.npm(['rebuild', 'onelogit', '--foreground-scripts']);
    expect(status).not.toBe(0);
    expect(output).toContain('There is no prebuilt addon for this installation: compiling it');
    expect(output).not.toContain('node-gyp-build.js'); // a stack
    expect(output).toContain('cmake could not be started');
    expect(output).toContain('It needs a C++20 compiler, make and cmake 3.18 or newer');
    expect(existsSync(join(installation.root, 'build/Release/onelogit.node'))).toBe(false);
  });

  it('is compiled in the place of one that does not load', () => {
    mkdirSync(join(installation.root, 'build/Release'), { recursive: true });
    writeFileSync(join(installation.root, 'build/Release/onelogit.node'), 'not an addon');
    const { output } = installation.npm(['rebuild', 'onelogit', '--foreground-scripts']);
    rmSync(join(installation.root, 'build'), { recursive: true });
    expect(output).toMatch(/The addon does not load \(.*onelogit\.node: .*\): compiling it/);
  });

  it('is built by npm rebuild, trains and scores', { timeout: 1_100_000 }, async () => {
    const { PATH, CMAKE_C_COMPILER_LAUNCHER, CMAKE_CXX_COMPILER_LAUNCHER, CMAKE_CUDA_COMPILER_LAUNCHER, CCACHE_DIR } = process.env;
    const environment = {
      PATH,
      // The sources are those of other builds, in another place.
      ...(CCACHE_DIR === undefined
        ? {}
        : {
            ...{ CMAKE_C_COMPILER_LAUNCHER, CMAKE_CXX_COMPILER_LAUNCHER, CMAKE_CUDA_COMPILER_LAUNCHER, CCACHE_DIR },
            ...{ CCACHE_BASEDIR: installation.root, CCACHE_NOHASHDIR: '1' },
          }),
    };
    const { status, output } = installation.npm(['rebuild', 'onelogit', '--foreground-scripts'], environment);
    expect({ status, output }).toMatchObject({ status: 0 });
    expect(output).toContain('onelogit: building the native part');
    const answers = await installation.run<Answers>(trainAndScore);
    expect(answers.addon).toContain(join('onelogit', 'build/Release/onelogit.node'));
    expect(answers.above).toBeGreaterThan(0.95);
  });
});
