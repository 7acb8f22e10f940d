/**
 * The TypeScript and JavaScript of a page: type-checked against the package that users install, compiled, and run.
 *
 * A block that imports something begins a program; one that imports nothing goes on with the program above it. Lines keep their numbers, so that
 * what the compiler and Node say names lines of the page.
 */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { packageRoot } from '../helpers/process.js';
import type { Block } from './markdown.js';
import { brokenPromises, failureOf, run } from './run.js';

export const isProgram = ({ language }: Block) => language === 'ts' || language === 'js';

export interface Program {
  blocks: Block[];
  /** Why it is not run; undefined if it is. */
  notRun: string | undefined;
}

const imports = /^import\b/m;

/** The programs of a page, and a complaint about a block that goes on with none. */
export function programsOf(blocks: readonly Block[]): { programs: Program[]; complaints: string[] } {
  const programs: Program[] = [];
  const complaints: string[] = [];
  for (const block of blocks.filter(isProgram)) {
    const program = programs.at(-1);
    if (imports.test(block.text)) programs.push({ blocks: [block], notRun: block.notRun });
    else if (program) {
      program.blocks.push(block);
      program.notRun ??= block.notRun;
    } else complaints.push(`${block.line}: Expected the first program of a page to import what it uses`);
  }
  return { programs, complaints };
}

/** The program's source, each line where it is on the page. */
function sourceOf({ blocks }: Program): string {
  const lines: string[] = [];
  for (const block of blocks) {
    while (lines.length < block.line - 1) lines.push('');
    lines.push(...block.text.replace(/\n$/, '').split('\n'));
  }
  return `${lines.join('\n')}\n`;
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  noEmit: true,
  types: ['node'],
  typeRoots: [join(packageRoot, 'node_modules/@types')],
};

/** Declarations are parsed once for all calls. */
const declarations = new Map<string, ts.SourceFile | undefined>();

/** Compiles a program into a directory below which `onelogit` is found as a user's program finds it; the file to run. */
export function compile(program: Program, directory: string, name: string): string {
  const source = join(directory, `${name}.mts`);
  const text = sourceOf(program);
  const { outputText } = ts.transpileModule(text, {
    fileName: source,
    compilerOptions: { ...options, noEmit: false, inlineSourceMap: true, inlineSources: true },
  });
  const file = join(directory, `${name}.mjs`);
  writeFileSync(source, text);
  writeFileSync(file, outputText);
  return file;
}

/** What the compiler says of programs that {@link compile} wrote, by the file to run: `line: message`. */
export function checkTypes(files: readonly string[]): Map<string, string[]> {
  const sources = files.map((file) => file.replace(/\.mjs$/, '.mts'));
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile;
  host.getSourceFile = (name, ...rest) => {
    if (!name.endsWith('.d.ts')) return read(name, ...rest);
    if (!declarations.has(name)) declarations.set(name, read(name, ...rest));
    return declarations.get(name);
  };
  const complaints = new Map<string, string[]>(files.map((file) => [file, []]));
  for (const { file, start = 0, messageText } of ts.getPreEmitDiagnostics(ts.createProgram(sources, options, host))) {
    const message = ts.flattenDiagnosticMessageText(messageText, ' ');
    const own = file && complaints.get(file.fileName.replace(/\.mts$/, '.mjs'));
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    if (!own) throw new Error(`Expected declarations without errors but received: ${file ? basename(file.fileName) : ''} ${message}`);
    own.push(`${line}: ${message}`);
  }
  return complaints;
}

/** Runs one program in the directory of its page. */
export async function runProgram({ blocks }: Program, file: string, directory: string): Promise<string[]> {
  const line = blocks[0]!.line;
  const result = await run(process.execPath, ['--enable-source-maps', file], directory);
  const failure = failureOf(result);
  if (failure !== undefined) return [`${line}: ${failure}`];
  if (result.stderr !== '') return [`${line}: Expected nothing on standard error but received ${result.stderr.trim()}`];
  return brokenPromises(blocks, result.stdout);
}
