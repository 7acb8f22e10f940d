#!/usr/bin/env node
// npm run full: what `.ci/run` leaves out to be done within an hour, on one machine without a GPU, before a release: `.ci/run --slow`. What came out
// is written to bench/results/full.json, to be committed: commit, machine, every section with its seconds and counts. As root on Debian 12; takes
// about an hour. Repeated at the same commit it goes on after the sections that passed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
const state = join(root, 'bench/results/state');
mkdirSync(state, { recursive: true });
const lines = join(state, `full-${result.commit}.tsv`);
// Of changed sources nobody knows what they were when a section passed.
writeFileSync(lines, '', { flag: /^[0-9a-f]+$/.test(result.commit) ? 'a' : 'w' });
const { status } = spawnSync(join(root, '.ci/run'), ['--slow'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ONELOGIT_CI_RESULTS: lines },
});
// A section that was run again counts with what came out last.
const last = readFileSync(lines, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => {
    const [outcome, seconds, passed, failed, title] = line.split('\t');
    return { title, ok: outcome === 'ok', seconds: Number(seconds), passed: Number(passed), failed: Number(failed) };
  });
const sections = [...new Map(last.map((section) => [section.title, section])).values()];
const sum = (key) => sections.reduce((total, section) => total + section[key], 0);
Object.assign(result, {
  ok: status === 0,
  seconds: sum('seconds'),
  passed: sum('passed'),
  failed: sum('failed'),
  sections,
});
writeFileSync(join(root, 'bench/results/full.json'), `${JSON.stringify(result, null, 2)}\n`);
console.log(`${result.passed} passed, ${result.failed} failed in ${Math.round(result.seconds / 60)} minutes: bench/results/full.json`);
process.exitCode = status ?? 1;
