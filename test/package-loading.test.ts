/** What an installation says whose addon cannot be loaded. Like package.test.ts it needs `npm run test:package`. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Installation, install, tarball } from './helpers/installation.js';
import { packageRoot } from './helpers/process.js';

/** Prints the error's message and code as they are, which is what a user sees. */
const load = `
  await import('onelogit').catch((error) => {
    process.stderr.write(error.code + '\\n' + error.message);
    process.exitCode = 3;
  });`;

describe.skipIf(tarball === undefined)('an addon that cannot be loaded', () => {
  let installation: Installation;
  let directory: string;
  let addon: string;
  beforeAll(() => {
    installation = install();
    directory = join(installation.root, 'prebuilds', `${process.platform}-${process.arch}`);
    addon = join(directory, readdirSync(directory).find((name) => name.endsWith('.node'))!);
    renameSync(addon, `${addon}.whole`);
  });
  beforeEach(() => {
    rmSync(join(installation.root, 'build'), { recursive: true, force: true });
    copyFileSync(`${addon}.whole`, addon);
  });
  afterAll(() => installation?.remove());

  async function explanation(env: NodeJS.ProcessEnv = {}): Promise<string> {
    const [code, ...lines] = (await installation.fail(load, env)).split('\n');
    expect(code).toBe('ERR_ONELOGIT_ADDON');
    expect(lines.length).toBeLessThanOrEqual(8);
    const message = lines.join('\n');
    expect(message).toContain(`${process.platform}-${process.arch}`);
    expect(message).toContain(`Node ${process.versions.node}`);
    // What to do: install anew, or this command, which can be copied as it is.
    expect(message).toContain('npm install onelogit');
    expect(lines.at(-1)).toBe(`  node "${join(installation.root, 'scripts/build-native.mjs')}"`);
    return message;
  }

  it('is not there: where it was looked for', async () => {
    rmSync(addon);
    const message = await explanation();
    expect(message).toContain(join(installation.root, 'build/Release'));
    expect(message).toContain(directory);
    expect(message).toContain('Prebuilt in this installation: nothing');
  });

  it('is for another C library: what there is', async () => {
    const message = await explanation({ LIBC: 'musl' });
    expect(message).toMatch(/Reason: .*libc=musl/);
    expect(message).toContain(`Prebuilt in this installation: ${process.platform}-${process.arch}`);
  });

  // Negative: so many bytes are missing at its end.
  it.each([0, 10, 64, 1000, 1_000_000, -1_000_000, -1])(
    'is damaged, cut off after %i bytes: which file, and what the system said',
    async (bytes) => {
      truncateSync(addon, bytes < 0 ? statSync(addon).size + bytes : bytes);
      const message = await explanation();
      expect(message).toContain(`Tried: ${addon}`);
      expect(message).toMatch(/Reason: .*file too short/);
    },
  );

  it('is what docs/install.md shows', async () => {
    truncateSync(addon, 10);
    const lines = (await explanation()).replaceAll(installation.directory, '/srv/app').split('\n');
    const documented = readFileSync(join(packageRoot, 'docs/install.md'), 'utf8').split('\n');
    const first = documented.findIndex((line) => line.startsWith('The native part of onelogit could not be loaded'));
    const general = (text: string) =>
      text
        .replace(/glibc [\d.]+/, 'glibc')
        .replace(/Node [\d.]+/, 'Node')
        .replace(/^Reason: .*/, 'Reason');
    expect(lines.map(general)).toEqual(documented.slice(first, first + lines.length).map(general));
    expect(documented[first + lines.length]).toBe('```');
  });

  it('is another one, built here, and damaged', async () => {
    const built = join(installation.root, 'build/Release/onelogit.node');
    mkdirSync(join(installation.root, 'build/Release'), { recursive: true });
    copyFileSync(`${addon}.whole`, built);
    truncateSync(built, 10);
    expect(await explanation()).toContain(`Tried: ${built}`);
  });

  it('is for Windows, for which there is none', async () => {
    rmSync(addon);
    const message = await installation.fail(`Object.defineProperty(process, 'platform', { value: 'win32' });${load}`);
    expect(message).toContain('could not be loaded on win32-');
    expect(message).toContain('in WSL 2');
    expect(message).not.toContain('build-native');
  });

  it('is asked for by $ONELOGIT_PREBUILD in a directory without one', async () => {
    const message = await explanation({ ONELOGIT_PREBUILD: '/nowhere' });
    expect(message).toContain('/nowhere/build/Release');
    expect(message).toContain('$ONELOGIT_PREBUILD');
  });
});
