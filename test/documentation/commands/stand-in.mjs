// What a page's commands meet instead of the programs they name: `node stand-in.mjs PROGRAM ARGUMENTS…`, in the page's directory.
//
// onelogit is the real program, made to train for a few steps, or, where even that is long, stopped once it has checked its options. Whatever
// would install, build or measure is not run: the scripts, files and options that it names have to exist. Exit status 2 and a sentence
// on standard error if they do not.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

const { DOCUMENTATION_ROOT: root, DOCUMENTATION_HOME: home } = process.env;
/** Where a directory of the page is in the repository. */
const inRepository = (path) => join(root, relative(home, join(process.cwd(), path)));

function refuse(message) {
  console.error(message);
  process.exit(2);
}

/** The compiler, which reads scripts, takes longer to load than most commands to run. */
async function checkScript(path, args) {
  const { refusal } = await import('./script-options.mjs');
  const message = refusal(path, args);
  if (message !== undefined) refuse(message);
}

function manifest(directory) {
  const path = join(inRepository(directory), 'package.json');
  if (!existsSync(path)) refuse(`Expected a package.json in ${directory} but found none`);
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** `--prefix DIR` of npm, wherever it stands, and the other arguments. */
function npmArguments(args) {
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  const at = args.slice(0, end).indexOf('--prefix');
  return at < 0 ? { directory: '.', rest: args } : { directory: args[at + 1], rest: args.toSpliced(at, 2) };
}

async function npm(args) {
  const { directory, rest } = npmArguments(args);
  const [command, ...more] = rest;
  const named = more.filter((argument) => !argument.startsWith('-'));
  if (command === 'ci' || ((command === 'install' || command === 'i') && named.length === 0)) {
    if (!existsSync(join(inRepository(directory), 'package-lock.json'))) refuse(`Expected a package-lock.json in ${directory}`);
    return;
  }
  if (command === 'install' || command === 'i') {
    const { dependencies, devDependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const known = ['onelogit', ...Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })];
    for (const name of named)
      if (!known.includes(name.replace(/(?<=.)@.*$/, '')) && !/^\S+\.tgz$/.test(name))
        refuse(`Expected onelogit or one of its dependencies after npm install but received ${name}`);
    return;
  }
  if (command === 'pack') return;
  const script = command === 'run' ? named[0] : command;
  if (command !== 'run' && command !== 'test' && command !== 'start')
    refuse(`Expected npm ci, install, pack, run, test or start but received npm ${command}`);
  const line = manifest(directory).scripts?.[script];
  if (line === undefined) refuse(`Expected a script of ${directory === '.' ? 'package.json' : directory} but received '${script}'`);
  const passed = more.includes('--') ? more.slice(more.indexOf('--') + 1) : [];
  const file = /^node (\S+\.mjs)$/.exec(line)?.[1];
  if (file) await checkScript(join(inRepository(directory), file), passed);
  checkTestFiles(passed);
}

/** Test files that are named have to be there. */
function checkTestFiles(args) {
  for (const argument of args)
    if (argument.startsWith('test/') && !existsSync(join(root, argument))) refuse(`Expected a test file but received ${argument}`);
}

function npx(args) {
  const [program, ...rest] = args.filter((argument, i) => i > 0 || argument !== '--no-install');
  if (program === 'onelogit') return onelogit(rest);
  if (!existsSync(join(root, 'node_modules/.bin', program))) refuse(`Expected an installed program after npx but received ${program}`);
  checkTestFiles(rest);
}

async function node(args) {
  if (args[0].startsWith('-')) return passOn(process.execPath, args);
  const script = inRepository(args[0]);
  if (!existsSync(script)) refuse(`Expected a file of the repository after node but received ${args[0]}`);
  await checkScript(script, args.slice(1));
}

function passOn(program, args) {
  const { status, signal } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  process.exitCode = signal ? 1 : status;
}

/** What makes a command short: of two options of one name the last counts. */
function shortened([command, ...args]) {
  if (args.includes('--help')) return [];
  if (command === 'quickstart') return ['--steps', '20', '--data', 'mnist'];
  if (command !== 'train') return [];
  const large = args.some((argument) => /alexnet|vgg16|inceptionV3|resnet/.test(argument));
  const steps = large ? '1' : '20';
  return [...(args.includes('--epochs') ? ['--epochs', '0.02'] : ['--steps', steps]), ...(large ? ['--batch-size', '1'] : [])];
}

async function onelogit(args) {
  const [command] = args;
  if ((command === 'reproduce' || command === 'download') && !args.includes('--help')) return stopAtOnce(command, args.slice(1));
  passOn(process.execPath, [join(root, 'dist/cli/main.js'), ...args, ...shortened(args)]);
}

/** The command as it is, with a signal to stop: it checks its options first. */
async function stopAtOnce(name, args) {
  const { commands, Output, parseCommandLine } = await import(pathToFileURL(join(root, 'dist/internals.js')).href);
  const { command } = await commands.find((each) => each.name === name).load();
  try {
    const { values, positionals } = parseCommandLine(command.spec, args);
    await command.run({ values, positionals, output: new Output(true), signal: AbortSignal.abort() });
  } catch (error) {
    // Data is looked for when options have been checked.
    if (['ERR_ONELOGIT_INTERRUPTED', 'ERR_ONELOGIT_ABORTED', 'ERR_ONELOGIT_NO_DATA'].includes(error.code)) return;
    refuse(`onelogit ${name}: ${error.message}`);
  }
  refuse(`Expected onelogit ${name} to stop when told so`);
}

/** Names of packages: whether Debian has them is for the reader's apt-get to say. */
function aptGet(args) {
  const [command, ...names] = args.filter((argument) => !argument.startsWith('-'));
  if (command === 'update') return;
  if (command !== 'install' || names.length === 0 || !names.every((name) => /^[a-z0-9][a-z0-9+.-]+$/.test(name)))
    refuse(`Expected apt-get install and names of packages but received ${args.join(' ')}`);
}

/** A program of the repository that is not JavaScript. */
function script(args) {
  if (!existsSync(join(root, args[0]))) refuse(`Expected a file of the repository but received ${args[0]}`);
}

const programs = { npm, npx, node, onelogit, 'apt-get': aptGet, script };
const [program, ...args] = process.argv.slice(2);
await programs[program](args);
