// What a shared library needs and shows, by binutils (Linux) or Xcode's tools (macOS).
import { execFileSync } from 'node:child_process';

const run = (program, args) => execFileSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });

/** -1, 0 or 1, as '2.9' is before, is or is after '2.10'. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); ++i) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

/** Libraries that are loaded with it: names (Linux) or paths (macOS). */
export function neededLibraries(path) {
  if (process.platform === 'darwin')
    return run('otool', ['-L', path])
      .split('\n')
      .slice(1)
      .flatMap((line) => line.trim().split(' (')[0] || []);
  return Array.from(run('readelf', ['-dW', path]).matchAll(/\(NEEDED\).*\[(.*)\]/g), ([, library]) => library);
}

/** The newest version of each kind of symbol that it asks of other libraries: `{ GLIBC: '2.34', GLIBCXX: '3.4.30' }`. Linux. */
export function neededVersions(path) {
  const newest = {};
  for (const [, kind, version] of run('readelf', ['-VW', path]).matchAll(/Name: ([A-Z_]+)_(\d[\d.]*)\b/g))
    if (newest[kind] === undefined || compareVersions(version, newest[kind]) > 0) newest[kind] = version;
  return newest;
}

/** Names of the functions and variables that others can find in it. */
export function exportedSymbols(path) {
  if (process.platform === 'darwin')
    return run('nm', ['-gUj', path])
      .split('\n')
      .filter(Boolean)
      .map((name) => name.replace(/^_/, ''));
  return run('readelf', ['--dyn-syms', '-W', path])
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([number, , , , bind, , section]) => /^\d+:$/.test(number) && bind !== 'LOCAL' && section !== 'UND')
    .map((fields) => fields[7].replace(/@.*/, ''));
}

/** Whether it has a table of symbols beside the one that the loader uses. Linux. */
export const isStripped = (path) => !/ \.(symtab|debug_\w+)\s/.test(run('readelf', ['-SW', path]));
