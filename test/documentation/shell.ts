/**
 * The commands of a page, run by bash as they stand, in a directory that looks like the repository but has none of its files. The programs that
 * they name are stand-ins (commands/stand-in.mjs); any other one is not found, which is a failure.
 */
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../helpers/process.js';
import { type Block, filesBelow } from './markdown.js';
import { failureOf, run } from './run.js';

const standIn = fileURLToPath(new URL('commands/stand-in.mjs', import.meta.url));

/** Programs that change nothing but the page's directory. */
const harmless = ['cat', 'cp', 'head', 'ls', 'mkdir', 'mv', 'rm'];

function writeStandIn(path: string, program: string): void {
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${standIn}' ${program} "$@"\n`);
  chmodSync(path, 0o755);
}

/** A directory of programs for all pages. */
export function makePrograms(directory: string): void {
  mkdirSync(directory);
  for (const program of ['npm', 'npx', 'node', 'onelogit', 'apt-get']) writeStandIn(join(directory, program), program);
  for (const program of harmless) symlinkSync(`/bin/${program}`, join(directory, program));
}

const repository = filesBelow(packageRoot).map((path) => ({
  path: relative(packageRoot, path),
  executable: (statSync(path).mode & 0o100) !== 0,
}));

/** The repository's directories, and stand-ins for the programs among its files. */
export function imitateRepository(directory: string): void {
  for (const path of new Set(repository.map((file) => dirname(file.path)))) mkdirSync(join(directory, path), { recursive: true });
  for (const { path, executable } of repository) if (executable) writeStandIn(join(directory, path), `script '${path}'`);
}

/** `-e` ends a script at a failure, but not at one that is followed by &&: there it would go on with the next line. */
const oneByOne = (text: string) => text.replaceAll(' && ', '\n');

/** Runs the commands of a block; with a reason not to, looks at their syntax only. Complaints begin with a line. */
export async function runCommands(block: Block, directory: string, programs: string): Promise<string[]> {
  const [flags, text] = block.notRun === undefined ? [['-euo', 'pipefail'], oneByOne(block.text)] : [['-n'], block.text];
  const bash = ['--noprofile', '--norc', ...flags, '-c', text];
  const result = await run('/bin/bash', bash, directory, {
    PATH: programs,
    DOCUMENTATION_ROOT: packageRoot,
    DOCUMENTATION_HOME: directory,
    // Nothing of the machine's user.
    HOME: directory,
    ONELOGIT_CACHE: join(directory, 'cache'),
  });
  const failure = failureOf(result);
  return failure === undefined ? [] : [`${block.line}: ${failure}`];
}
