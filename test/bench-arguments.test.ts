/** The command line of every program in bench/. None measures anything here. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './helpers/process.js';

const directory = join(packageRoot, 'bench');
const programs = readdirSync(directory).filter((name) => name.endsWith('.mjs'));
const run = (program: string, ...args: string[]) => spawnSync(process.execPath, [join(directory, program), ...args], { encoding: 'utf8' });

it('finds the benchmarks', () => {
  expect(programs).toContain('score.mjs');
});

describe.each(programs)('bench/%s', (program) => {
  it('explains itself', () => {
    const { status, stdout, stderr } = run(program, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`node bench/${program}`);
    expect(stdout).not.toContain('//');
    expect(stdout).not.toMatch(/^import /m);
  });

  it('refuses an option that it does not have', () => {
    const { status, stdout, stderr } = run(program, '--rouns', '3');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain("'--rouns'");
  });
});
