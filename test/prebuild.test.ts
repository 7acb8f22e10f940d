/** What release builds are checked by: the build stamp, and the check of a prebuilt addon, which must be able to fail. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { native } from '../src/native.js';
import { packageRoot } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

const { buildStamp } = (await import(`${packageRoot}scripts/build-stamp.mjs`)) as { buildStamp(root: string): string };
const { compareVersions } = (await import(`${packageRoot}scripts/package/binary.mjs`)) as { compareVersions(a: string, b: string): number };

describe('the build stamp', () => {
  const stampAfter = (change: (root: string) => void): string => {
    using copy = temporaryFile('package');
    mkdirSync(copy.name);
    for (const path of ['package.json', 'CMakeLists.txt', 'cmake', 'native'])
      cpSync(join(packageRoot, path), join(copy.name, path), { recursive: true });
    change(copy.name);
    return buildStamp(copy.name);
  };

  it('is that of the sources beside the addon', () => {
    expect(native.buildStamp).toMatch(/^[0-9a-f]{64}$/);
    expect(native.buildStamp).toBe(buildStamp(packageRoot));
  });

  it('depends on the content, not on the place', () => {
    expect(stampAfter(() => {})).toBe(buildStamp(packageRoot));
  });

  it.each<[string, (root: string) => void]>([
    ['a byte of a source', (root) => appendFileSync(join(root, 'native/error.h'), ' ')],
    ['a new source', (root) => writeFileSync(join(root, 'native/new.h'), '')],
    ['the name of a source', (root) => renameSync(join(root, 'native/error.h'), join(root, 'native/errors.h'))],
    ['a cmake file', (root) => appendFileSync(join(root, 'cmake/blas.cmake'), '\n')],
    [
      'the version',
      (root) => {
        const path = join(root, 'package.json');
        writeFileSync(path, readFileSync(path, 'utf8').replace(/"version": "[^"]*"/, '"version": "99.0.0"'));
      },
    ],
  ])('changes with %s', (_, change) => {
    expect(stampAfter(change)).not.toBe(buildStamp(packageRoot));
  });

  it('does not change with anything else in package.json', () => {
    expect(stampAfter((root) => writeFileSync(join(root, 'package.json'), JSON.stringify({ version: version() })))).toBe(
      buildStamp(packageRoot),
    );
  });
});

const version = (): string => (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;

describe('versions of libraries', () => {
  it.each([
    ['2.9', '2.28', -1],
    ['2.28', '2.28', 0],
    ['2.36', '2.28', 1],
    ['2.2.5', '2.2', 1],
    ['3', '2.36', 1],
  ])('%s and %s', (a, b, expected) => {
    expect(compareVersions(a, b)).toBe(expected);
  });
});

const check = (...args: string[]) =>
  spawnSync(process.execPath, [join(packageRoot, 'scripts/check-prebuild.mjs'), ...args], { cwd: packageRoot, encoding: 'utf8' });

describe('check-prebuild', () => {
  // One with sanitizers cannot be loaded by a plain Node.
  it.skipIf(process.platform !== 'linux' || process.env.ONELOGIT_PREBUILD !== undefined)(
    'finds what is wrong with a development build',
    () => {
      const { status, stdout, stderr } = check('--addon', 'build/Release/onelogit.node', '--glibc', '2.1', '--architectures', '10');
      expect(stderr).toBe('');
      expect(status).toBe(1);
      for (const property of ['libraries beside the system', 'C library', 'C\\+\\+ library', 'stripped', 'kernels for', 'without a notice'])
        expect(stdout).toMatch(new RegExp(`^FAIL {2}${property} `, 'm'));
      expect(stdout).toMatch(/^FAIL {2}C\+\+ library .*GLIBCXX 3\.4/m);
      expect(stdout).toMatch(/^ok {4}build stamp /m);
    },
  );

  it('says that there is none', () => {
    const { status, stdout, stderr } = check('--addon', '/nowhere/onelogit.node');
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Expected a prebuilt addon but received none at /nowhere/onelogit.node; npm run prebuild makes it\n',
    });
  });

  it.each([
    [['--glibc', 'new'], /Expected a version such as 2\.28 for --glibc but received 'new'/],
    [['--openblas', 'maybe'], /Expected yes or no for --openblas but received 'maybe'/],
    [['--arch', '75'], /--arch/],
  ])('%j is an error', (args, message) => {
    const { status, stderr } = check(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toContain('usage:');
  });
});

describe('npm run prebuild', () => {
  it('is told from the script that npm runs before the one named build', () => {
    using directory = temporaryFile('package.json');
    const print = `import(${JSON.stringify(join(packageRoot, 'scripts/package/npm-script.mjs'))}).then(({ npmScript }) => console.log(npmScript()))`;
    writeFileSync(
      directory.name,
      JSON.stringify({
        scripts: {
          prebuild: `node -e ${JSON.stringify(print.replaceAll('"', "'"))}`,
          build: 'true',
          pretest: 'npm run --silent build',
          test: 'true',
        },
      }),
    );
    const asked = (...args: string[]) => {
      const { stdout, stderr, status } = spawnSync('npm', ['--silent', ...args], { cwd: directory.directory, encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return stdout.trim();
    };
    expect(asked('run', 'prebuild')).toBe('prebuild');
    expect(asked('run', 'build')).toBe('build');
    expect(asked('run-script', 'build')).toBe('build');
    expect(asked('test')).toBe('build');
  });
});
