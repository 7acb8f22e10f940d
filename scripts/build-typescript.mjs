#!/usr/bin/env node
// Makes dist/ of src/: code and declarations by the TypeScript compiler, and rolldown joins modules that are always loaded together. An import of
// the package reads about ten files instead of eighty; that halves its time (bench/package.mjs), and users install fewer files.
//
//   node scripts/build-typescript.mjs
//
// index.js, cli/main.js and report/page.js (the program of report pages, for browsers) are entries, and so is internals.js, for tests and benchmarks.
// After an error in the types nothing is written. Files are replaced one by one and only where they differ: a program that is running from dist/
// loads parts of it late.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { rolldown } from 'rolldown';
import ts from 'typescript';
import { root } from './package/paths.mjs';

const source = join(root, 'src');
const dist = join(root, 'dist');
const tsconfig = join(root, 'tsconfig.json');
const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const packages = Object.keys({ ...dependencies, ...peerDependencies });

function fail(diagnostics) {
  const host = { getCurrentDirectory: () => root, getCanonicalFileName: (path) => path, getNewLine: () => '\n' };
  process.stderr.write(
    process.stderr.isTTY ? ts.formatDiagnosticsWithColorAndContext(diagnostics, host) : ts.formatDiagnostics(diagnostics, host),
  );
  process.exit(1);
}

/** Checks the types of a project, and compiles it: the code of each module by the path of its source, declarations by their path in dist/. */
function compile(tsconfig) {
  const config = ts.getParsedCommandLineOfConfigFile(
    tsconfig,
    { noEmit: false },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (error) => fail([error]) },
  );
  const program = ts.createProgram(config.fileNames, config.options);
  const problems = [...config.errors, ...ts.getPreEmitDiagnostics(program)];
  if (problems.length) fail(problems);
  const modules = new Map();
  const declarations = new Map();
  const { diagnostics } = program.emit(undefined, (path, text, _mark, _onError, [file]) =>
    path.endsWith('.js') ? modules.set(file.fileName, text) : declarations.set(relative(dist, path), text),
  );
  if (diagnostics.length) fail(diagnostics);
  return { modules, declarations };
}

/** The relative paths from which a declaration file imports. */
function importsOf(text) {
  const found = [];
  const visit = (node) => {
    let specifier;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) specifier = node.moduleSpecifier;
    else if (ts.isImportTypeNode(node)) specifier = node.argument.literal;
    else if (ts.isModuleDeclaration(node)) specifier = node.name; // `declare module './native.js'`
    if (specifier?.text.startsWith('.')) found.push(specifier.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('module.d.ts', text, ts.ScriptTarget.Latest));
  return found;
}

/** Those declarations that index.d.ts leads to. */
function published(declarations) {
  const reached = new Map();
  const follow = (path) => {
    if (reached.has(path)) return;
    const text = declarations.get(path);
    reached.set(path, text);
    for (const imported of importsOf(text)) follow(join(dirname(path), imported).replace(/\.js$/, '.d.ts'));
  };
  follow('index.d.ts');
  return reached;
}

/** The modules that are loaded with these. */
function loadedWith(entries, context) {
  const reached = new Set();
  const follow = (id) => {
    if (reached.has(id)) return;
    reached.add(id);
    context.getModuleInfo(id)?.importedIds.forEach(follow);
  };
  entries.forEach(follow);
  return reached;
}

/**
 * Everything that is loaded with the package in two files: what commands load, too, before they do anything, so that their help needs no addon; and
 * the rest.
 */
function groups() {
  let packaged;
  let shared;
  const group = (name, priority, holds) => ({
    priority,
    debugName: name,
    name: (id, context) => {
      packaged ??= loadedWith([join(source, 'index.ts')], context);
      shared ??= loadedWith(
        [join(source, 'cli/main.ts'), ...context.getModuleInfo(join(source, 'cli/commands.ts')).dynamicallyImportedIds],
        context,
      );
      return packaged.has(id) && holds(id) ? name : null;
    },
  });
  return [group('common', 2, (id) => shared.has(id)), group('onelogit', 1, (id) => !shared.has(id))];
}

/** The code of entries, by its path in dist/. */
async function bundle(modules, input, { platform, output }) {
  const bundled = await rolldown({
    input,
    platform,
    tsconfig,
    plugins: [{ name: 'compiled by TypeScript', load: (id) => ({ code: modules.get(id), moduleType: 'js' }) }],
    // Node's modules, and packages that users have or are told to install.
    external: [/^node:/, ...packages],
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  const { output: files } = await bundled.generate({ entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js', ...output });
  await bundled.close();
  return files.map(({ fileName, code }) => [fileName, code]);
}

const { modules, declarations } = compile(tsconfig);
// With the types of browsers, which the rest has not.
const page = compile(join(source, 'report/page/tsconfig.json'));
const entry = (path) => join(source, `${path}.ts`);
const files = new Map([
  ...published(declarations),
  ...(await bundle(
    modules,
    { index: entry('index'), 'cli/main': entry('cli/main'), internals: entry('internals') },
    { platform: 'node', output: { format: 'esm', codeSplitting: { groups: groups() } } },
  )),
  ...(await bundle(page.modules, { 'report/page': entry('report/page/main') }, { platform: 'browser', output: { format: 'iife' } })),
]);

for (const [path, text] of files) {
  const target = join(dist, path);
  try {
    if (readFileSync(target, 'utf8') === text) continue;
  } catch {
    mkdirSync(dirname(target), { recursive: true });
  }
  writeFileSync(`${target}.${process.pid}`, text);
  renameSync(`${target}.${process.pid}`, target);
}
// Directories come before what is in them: backwards, those that have become empty go, too.
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true }).reverse()) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isDirectory() ? readdirSync(path).length === 0 : !files.has(relative(dist, path)))
    rmSync(path, { force: true, recursive: true });
}
