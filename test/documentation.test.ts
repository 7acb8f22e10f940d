/** Everything that a page tells its readers to run is run here, as it stands. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../src/cli/command.js';
import { commonOptions, parseCommandLine } from '../src/cli/options.js';
import * as publicInterface from '../src/index.js';
import { blocksOf, documentation, inlineCodeOf, type Page } from './documentation/markdown.js';
import { measured } from './documentation/measured.js';
import { type PreparedPage, Workshop } from './documentation/pages.js';
import { needs } from './helpers/example.js';
import { runCli } from './helpers/run-cli.js';

const workshop = new Workshop();
afterAll(() => workshop.remove());

const prepared = new Map<string, PreparedPage>();
beforeAll(() => {
  for (const page of workshop.prepare(documentation)) prepared.set(page.path, page);
});

const readme = documentation.find(({ path }) => path === 'README.md')!.text;

const withBlocks = documentation.filter((page) => blocksOf(page).length > 0).map(({ path }) => path);

/** Other programs are run, which the sanitizers of this one disturb. */
const sanitized = process.env.ONELOGIT_SANITIZED !== undefined;

describe.skipIf(sanitized).concurrent('the documentation', () => {
  it.for(withBlocks)('%s', { timeout: 240_000 }, async (path, context) => {
    const page = prepared.get(path)!;
    context.expect(page.complaints).toEqual([]);
    needs(`Python with ${page.missing}`, page.missing === undefined, 'apt-get install python3-torch', context);
    context.expect(await workshop.run(page)).toEqual([]);
  });
});

/** What is said of a page with these blocks. */
async function complaintsAbout(text: string): Promise<string> {
  const page: Page = { path: 'docs/planted.md', text: `# Planted\n\nText.\n\n${text}\n` };
  const [taken] = workshop.prepare([page]);
  const ran = taken!.complaints.length === 0 ? await workshop.run(taken!) : [];
  return [...taken!.complaints, ...ran].join('\n');
}

const block = (language: string, text: string) => `\`\`\`${language}\n${text}\n\`\`\``;

describe.skipIf(sanitized).concurrent('what is wrong on a page is found', () => {
  it.each([
    ['a name that the package does not export', block('ts', "import { loses } from 'onelogit';"), /^6: .*has no exported member.*loses/],
    ['an option that does not exist', block('ts', "import { losses } from 'onelogit';\nlosses.maxMargin({ gamma: 1 });"), /^7: .*gamma/],
    [
      'a type error in the block that goes on with a program',
      `${block('ts', "import { datasets } from 'onelogit';\nconst train = datasets.glyphs({ classes: 2, examplesPerClass: 1 });")}\n\n${block('ts', 'train.length.toUpperCase();')}`,
      /^11: .*toUpperCase/,
    ],
    ['a block that goes on with nothing', block('ts', 'console.log(1);'), /^6: Expected the first program of a page to import/],
    [
      'an exception',
      block('js', "import { datasets } from 'onelogit';\nawait datasets.load('nowhere');"),
      /^6: Expected exit status 0 but received 1: .*planted|no such directory/s,
    ],
    [
      'a warning',
      block('js', "import process from 'node:process';\nprocess.emitWarning('old');"),
      /^6: Expected nothing on standard error .*old/,
    ],
    [
      'another output than a comment says',
      block('ts', "import { losses } from 'onelogit';\nconsole.log(losses.nce().aligned); // → false"),
      /^7: Expected the output 'false' but received:\ntrue$/,
    ],
    ['an unknown option of a command', block('sh', 'onelogit info --jsn'), /^6: .*unknown option '--jsn'/],
    ['an option without effect', block('sh', 'onelogit train mnist/ --loss cross-entropy --margin 2'), /^6: .*--margin only with/],
    [
      'a wrong option of a command that is stopped',
      block('sh', 'onelogit reproduce table1 --architectures vgg16'),
      /--architectures only with/,
    ],
    ['an unknown value of one', block('sh', 'npx onelogit reproduce scale --losses nice'), /did you mean 'nce'/],
    ['an unknown command', block('sh', 'onelogit trian mnist/'), /did you mean 'train'/],
    ['a failure that && follows', block('sh', 'onelogit info nothing.safetensors && onelogit info\nonelogit info'), /nothing\.safetensors/],
    ['a file that is not there', block('sh', 'onelogit info nothing.safetensors'), /^6: .*nothing\.safetensors/],
    ['a command that fails before others', block('sh', 'onelogit info nothing.safetensors\nonelogit info'), /nothing\.safetensors/],
    ['an unknown script', block('sh', 'npm run bild'), /Expected a script of package.json but received 'bild'/],
    ['an unknown script of another package', block('sh', 'cd examples/service && npm run build'), /received 'build'/],
    ['an unknown package', block('sh', 'npm install one-logit'), /one-logit/],
    ['a benchmark that is not there', block('sh', 'node bench/scores.mjs'), /bench\/scores\.mjs/],
    ['an unknown option of a benchmark', block('sh', 'node bench/score.mjs --fast'), /--fast/],
    ['an unknown option of a script behind imports', block('sh', 'node examples/service/server.mjs --modle x'), /--modle/],
    ['a test that is not there', block('sh', 'npx vitest run test/nothing.test.ts'), /test\/nothing\.test\.ts/],
    ['a directory that is not there', block('sh', 'cd examples/shop'), /examples\/shop/],
    ['a program that is none', block('sh', 'oneloggit info'), /oneloggit/],
    ['a mistake in the syntax of a command that is not run', `<!-- not run: needs a GPU -->\n${block('sh', 'if true')}`, /syntax error/],
    ['JSON that is none', block('json', '{ a: 1 }'), /^6: .*JSON/],
    ['Python that does not parse', `<!-- not run: needs a GPU -->\n${block('python', 'def f(:')}`, /^7: .*SyntaxError/s],
    ['an exception of Python', block('python', 'raise ValueError("planted")'), /^6: .*ValueError: planted/s],
    ['another output of Python', block('python', 'print(1 + 1)  # → 3'), /^6: Expected the output '3' but received:\n2/],
    ['an unknown language', block('ruby', 'puts 1'), /^6: .*ruby/],
    ['no reason for not being run', `<!-- not run: -->\n${block('sh', 'onelogit info')}`, /^7: Expected a reason/],
    [
      'wrong types in a program that is not run',
      `<!-- not run: an hour -->\n${block('ts', "import { zoo } from 'onelogit';\nzoo.mlp();")}`,
      /^8: /,
    ],
  ])('%s', async (_, text, complaint) => {
    expect(await complaintsAbout(text)).toMatch(complaint);
  });

  it('but nothing is found on a page without fault', async () => {
    const text = [
      block('ts', "import { losses } from 'onelogit';\nconst { name } = losses.nce();"),
      block('sh', 'onelogit info --json\nnpm test -- test/npy.test.ts # a comment\nnode bench/score.mjs --size 64,1000 --size 512,1000'),
      block('ts', 'console.log(name); // → nce'),
      `<!-- not run: needs a GPU -->\n${block('sh', 'oneloggit info')}`,
      block('text', 'anything'),
    ].join('\n\n');
    expect(await complaintsAbout(text)).toBe('');
  });
});

/** The commands that the program lists. */
async function commandNames(): Promise<string[]> {
  const { stdout } = await runCli(['--help']);
  const listed = stdout.split('Commands:')[1]!.split('Options:')[0]!;
  return [...listed.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name!);
}

const commandOf = async (name: string) => ((await import(`../src/cli/${name}.ts`)) as { command: Command }).command;

it('the examples of every command have options that exist', async () => {
  const names = await commandNames();
  expect(names).toContain('train');
  for (const name of names) {
    const { spec } = await commandOf(name);
    expect(spec.examples.length).toBeGreaterThan(0);
    for (const [line] of spec.examples) {
      const [program, given, ...args] = line.split(' ');
      expect([program, given]).toEqual(['onelogit', name]);
      expect(() => parseCommandLine(spec, args), line).not.toThrow();
    }
  }
});

/** `model.onnx` is a file. */
const fileExtensions = new Set(['onnx', 'safetensors']);

/** What inline code says of the interface and of commands that do not have it: `losses.hinge`, `onelogit train --steps`. */
async function unknownNames(page: Page): Promise<string[]> {
  const { Model, SingleLogitClassifier } = publicInterface;
  const owners: Record<string, object> = { ...publicInterface, slc: SingleLogitClassifier.prototype, model: Model.prototype };
  const unknown: string[] = [];
  for (const { code, line } of inlineCodeOf(page)) {
    for (const [name, owner, member] of code.matchAll(/(?<![\w./-])(\w+)\.(\w+)(?![\w-]*\.)/g))
      if (Object.hasOwn(owners, owner!) && !fileExtensions.has(member!) && !(member! in owners[owner!]!)) unknown.push(`${line}: ${name}`);
    const [, command, args] = /^(?:npx )?onelogit ([a-z]+)\b(.*)$/s.exec(code) ?? [];
    if (command === undefined) continue;
    const { spec } = await commandOf(command).catch(() => ({ spec: undefined }));
    for (const [, option] of args!.matchAll(/--([a-z][a-z0-9-]*)/g))
      if (spec && !(option! in { ...spec.options, ...commonOptions })) unknown.push(`${line}: onelogit ${command} --${option}`);
    if (!spec) unknown.push(`${line}: onelogit ${command}`);
  }
  return unknown;
}

describe('names in inline code', () => {
  it.each(documentation.map((page) => [page.path, page] as const))('of %s exist', async (_, page) => {
    expect(await unknownNames(page)).toEqual([]);
  });

  it.each([
    ['`losses.hinge()`', '1: losses.hinge'],
    ['`model.train(x)`', '1: model.train'],
    ['`slc.scores(x)`', '1: slc.scores'],
    ['`Model.open(path)`', '1: Model.open'],
    ['`onelogit trian mnist/`', '1: onelogit trian'],
    ['`npx onelogit train mnist/ --lr 0.1`', '1: onelogit train --lr'],
  ])('are missed: %s', async (text, complaint) => {
    expect(await unknownNames({ path: 'docs/planted.md', text })).toEqual([complaint]);
  });
});

describe('README', () => {
  it('begins with what it is and the two commands', () => {
    const [title] = readme.split('\n');
    expect(title).toBe('# onelogit');
    const [first] = prepared.get('README.md')!.blocks;
    expect(first!.text).toMatch(/^npm ci && npm run quickstart\b.*\nnpm test\b.*\n$/);
    expect(readme.split('\n').length, 'lines').toBeLessThan(200);
  });

  it('has one example, of about fifteen lines', () => {
    const examples = prepared.get('README.md')!.blocks.filter(({ language }) => language === 'ts');
    expect(examples.length).toBe(1);
    expect(examples[0]!.text.trim().split('\n').length).toBeLessThanOrEqual(18);
  });

  it('names every loss and every command, and none that does not exist', async () => {
    const known = await commandNames();
    const shown = prepared.get('README.md')!.blocks.flatMap(({ text }) => [...text.matchAll(/^onelogit (\w+)/gm)].map(([, name]) => name));
    expect(new Set(shown)).toEqual(new Set(known));
    for (const name of Object.keys(publicInterface.losses).filter((key) => key !== 'byName')) {
      const row = readme.split('\n').find((line) => line.startsWith(`| \`losses.${name}(`));
      expect(row, name).toBeDefined();
      expect(row!.split('|')[2]!.trim(), name).toBe(publicInterface.losses[name as 'nce']().aligned ? 'yes' : 'no');
    }
  });

  it.each(measured())('says what was measured: %s', (phrase) => {
    const says = readme.replaceAll(/\s+/g, ' ').includes(phrase);
    expect(says, `README.md says: ${phrase}`).toBe(true);
  });

  it('takes its figures from files of results', () => {
    const images = [...readme.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, target]) => target!);
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) expect(image.startsWith('bench/results/') && existsSync(image), image).toBe(true);
  });
});
