/** The Python of a page: parsed, and run where what it imports is installed. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Block } from './markdown.js';
import { brokenPromises, failureOf, run } from './run.js';

export const isPython = ({ language }: Block) => language === 'python';

const modulesOf = ({ text }: Block) => [...new Set([...text.matchAll(/^(?:import|from) (\w+)/gm)].map(([, name]) => name!))];

/** Debian has torch, but no safetensors: what is not installed is taken from here. */
const standIns = fileURLToPath(new URL('python', import.meta.url));
const withStandIns = 'import os, sys; sys.path.append(os.environ["STAND_INS"])';
const findModules = `${withStandIns}; import importlib.util; sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))`;
const runFile = `${withStandIns}; import runpy; runpy.run_path(sys.argv[1], run_name="__main__")`;
const parseFile = 'import ast, sys; ast.parse(open(sys.argv[1]).read())';

const found = new Map<string, string | undefined>();

/** The first Python that has the modules. */
function pythonWith(modules: readonly string[]): string | undefined {
  const key = modules.join();
  if (!found.has(key))
    found.set(
      key,
      ['python3', '/usr/bin/python3'].find(
        (python) => spawnSync(python, ['-c', findModules, ...modules], { env: { ...process.env, STAND_INS: standIns } }).status === 0,
      ),
    );
  return found.get(key);
}

/** What the blocks that are to be run import and no Python of this machine has all of; undefined if one has. */
export function missingModules(blocks: readonly Block[]): string | undefined {
  const lacking = blocks.filter((block) => isPython(block) && block.notRun === undefined).find((block) => !pythonWith(modulesOf(block)));
  return lacking && modulesOf(lacking).join(', ');
}

/** Parses a block, and runs it unless it says why not. */
export async function runPython(block: Block, directory: string, name: string): Promise<string[]> {
  const python = pythonWith(block.notRun === undefined ? modulesOf(block) : []);
  if (python === undefined) return [];
  const file = join(directory, name);
  writeFileSync(file, block.text);
  const result = await run(python, ['-c', block.notRun === undefined ? runFile : parseFile, file], directory, { STAND_INS: standIns });
  const failure = failureOf(result);
  if (failure !== undefined) return [`${block.line}: ${failure}`];
  return block.notRun === undefined ? brokenPromises([block], result.stdout) : [];
}
