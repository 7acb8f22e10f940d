import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { program, runCli } from './helpers/run-cli.js';

const root = dirname(dirname(dirname(program)));
const readme = await readFile(join(root, 'README.md'), 'utf8');

/** The code blocks of one language, '' for none. */
function blocks(language: string): string[] {
  // Split at the fences: every second piece is a block, its first line the language.
  const pieces = readme.split('```').filter((_, i) => i % 2 === 1);
  return pieces.filter((piece) => piece.startsWith(`${language}\n`)).map((piece) => piece.slice(language.length + 1));
}

describe('README', () => {
  it('opens with what it is and the two commands', () => {
    const [title, sentences, commands] = readme.split('\n\n');
    expect(title).toBe('# onelogit');
    expect(sentences!.split('. ').length).toBe(2);
    expect(commands).toMatch(/^```\nnpm ci && npm run quickstart .*\nnpm test\n```$/);
  });

  it('has an example of about fifteen lines that runs and says yes', async () => {
    const [example, ...others] = blocks('ts');
    expect(others).toEqual([]);
    const lines = example!.trim().split('\n');
    expect(lines.filter((line) => line !== '').length).toBeLessThanOrEqual(18);
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-readme-'));
    try {
      // Only where the package comes from is changed.
      const index = pathToFileURL(join(root, 'dist/index.js')).href;
      await writeFile(join(directory, 'example.mjs'), example!.replace("from 'onelogit'", `from ${JSON.stringify(index)}`));
      const { stdout, stderr } = await promisify(execFile)(process.execPath, ['example.mjs'], {
        cwd: directory,
        // Other tests run beside it.
        env: { ...process.env, ONELOGIT_THREADS: '1' },
      });
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^\d+\.\d+ true false\n$/);
      expect(existsSync(join(directory, 'glyphs.safetensors'))).toBe(true);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('names every loss and every command, and none that does not exist', async () => {
    const { stdout } = await runCli(['--help']);
    const commands = [
      ...stdout
        .split('Commands:')[1]!
        .split('Options:')[0]!
        .matchAll(/^ {2}(\w+) /gm),
    ].map(([, name]) => name);
    const shown = [
      ...blocks('')
        .at(-1)!
        .matchAll(/^onelogit (\w+)/gm),
    ].map(([, name]) => name);
    expect(new Set(shown)).toEqual(new Set(commands));
    const { losses } = await import('../src/index.js');
    for (const name of Object.keys(losses).filter((key) => key !== 'byName')) {
      const row = readme.split('\n').find((line) => line.startsWith(`| \`losses.${name}(`));
      expect(row, name).toBeDefined();
      expect(row!.split('|')[2]!.trim(), name).toBe(losses[name as 'nce']().aligned ? 'yes' : 'no');
    }
  });

  it.each(['README.md', 'CONTRIBUTING.md', 'docs/design.md'])('%s links to what exists', async (file) => {
    const text = await readFile(join(root, file), 'utf8');
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g))
      expect(existsSync(join(root, dirname(file), target!)), target).toBe(true);
  });
});
