#!/usr/bin/env node
// npm run full: everything that can be checked on one machine without a GPU, before a release: `.ci/run --full`. What came out is written to
// bench/results/full.json, to be committed: commit, machine, every section with its seconds and counts. As root on Debian 12; takes hours.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commit, machine } from '../bench/lib/machine.mjs';
import { root } from './package/paths.mjs';

if (process.argv.length > 2) {
  process.stderr.write(`Expected no arguments but received '${process.argv[2]}'\n`);
  process.exit(2);
}
const result = {
  date: new Date().toISOString(),
  commit: commit(),
  command: 'npm run full',
  machine: machine(),
  node: process.versions.node,
};
const directory = mkdtempSync(join(tmpdir(), 'onelogit-full-'));
const lines = join(directory, 'sections');
writeFileSync(lines, '');
const start = Date.now();
const { status } = spawnSync(join(root, '.ci/run'), ['--full'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ONELOGIT_CI_RESULTS: lines },
});
const sections = readFileSync(lines, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => {
    const [outcome, seconds, passed, failed, title] = line.split('\t');
    return { title, ok: outcome === 'ok', seconds: Number(seconds), passed: Number(passed), failed: Number(failed) };
  });
rmSync(directory, { recursive: true });
const sum = (key) => sections.reduce((total, section) => total + section[key], 0);
Object.assign(result, {
  ok: status === 0,
  seconds: Math.round((Date.now() - start) / 1000),
  passed: sum('passed'),
  failed: sum('failed'),
  sections,
});
writeFileSync(join(root, 'bench/results/full.json'), `${JSON.stringify(result, null, 2)}\n`);
console.log(`${result.passed} passed, ${result.failed} failed in ${Math.round(result.seconds / 60)} minutes: bench/results/full.json`);
process.exitCode = status ?? 1;
