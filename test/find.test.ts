import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheDirectory, dataDirectories, findData, findMnist } from '../src/data/find.js';

const names = ['ONELOGIT_DATA', 'ONELOGIT_CACHE', 'XDG_CACHE_HOME'] as const;
const before = names.map((name) => [name, process.env[name]] as const);
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'onelogit-find-'));
  for (const name of names) delete process.env[name];
});
afterEach(async () => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await rm(root, { recursive: true, force: true });
});

async function files(directory: string, ...fileNames: string[]): Promise<string> {
  await mkdir(directory, { recursive: true });
  for (const name of fileNames) await writeFile(join(directory, name), '');
  return directory;
}

describe('where data sets are looked for', () => {
  it('keeps downloads where the environment says', () => {
    expect(cacheDirectory()).toBe(join(homedir(), '.cache', 'onelogit'));
    process.env.XDG_CACHE_HOME = '/x';
    expect(cacheDirectory()).toBe('/x/onelogit');
    process.env.ONELOGIT_CACHE = '/y';
    expect(cacheDirectory()).toBe('/y');
  });

  it('looks into $ONELOGIT_DATA, then beside the checkout, then into the cache', () => {
    process.env.ONELOGIT_DATA = '/data';
    process.env.ONELOGIT_CACHE = '/cache';
    const [first, second, ...rest] = dataDirectories();
    expect(first).toBe('/data');
    expect(second).toMatch(/[/\\]shared[/\\]data$/);
    expect(rest).toEqual(['/cache']);
  });

  it('passes over a directory in which a file is missing', async () => {
    process.env.ONELOGIT_DATA = join(root, 'data');
    process.env.ONELOGIT_CACHE = join(root, 'cache');
    await files(join(root, 'data', 'set'), 'a');
    expect(findData('set', ['a', 'b'])).toBeUndefined();
    const whole = await files(join(root, 'cache', 'set'), 'a.gz', 'b');
    expect(findData('set', ['a', 'b'])).toBe(whole);
    expect(findData('set', ['a'])).toBe(join(root, 'data', 'set'));
    expect(findData('set')).toBe(join(root, 'data', 'set'));
    expect(findData('none')).toBeUndefined();
  });

  it('takes MNIST only with its four files', async () => {
    process.env.ONELOGIT_DATA = root;
    const directory = await files(
      join(root, 'mnist'),
      'train-images-idx3-ubyte.gz',
      'train-labels-idx1-ubyte.gz',
      't10k-images-idx3-ubyte',
      't10k-labels-idx1-ubyte.gz',
    );
    expect(findMnist()).toBe(directory);
    await rm(join(directory, 't10k-images-idx3-ubyte'));
    expect(findMnist()).not.toBe(directory);
  });
});
