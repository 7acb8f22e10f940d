#!/usr/bin/env node
// What npm runs when it installs: compiles the addon where none loads, because none was prebuilt for this platform or the system refuses it.
// Tried in a process of its own, since a damaged addon may end it; and quietly, since to compile is no failure.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { status, signal, stderr } = spawnSync(process.execPath, ['-e', "require('node-gyp-build')(process.argv[1])", root], {
  cwd: root,
  encoding: 'utf8',
});
if (status !== 0) {
  const reason = /^Error: (.*)$/m.exec(stderr)?.[1] ?? (signal === null ? `exit status ${status}` : `ended by ${signal}`);
  const why = reason.startsWith('No native build was found')
    ? 'There is no prebuilt addon for this installation'
    : `The addon does not load (${reason})`;
  process.stderr.write(`onelogit: ${why}: compiling it, which takes a few minutes\n`);
  await import('./build-native.mjs');
}
