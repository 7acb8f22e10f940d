/**
 * Runs everything that a page tells its readers to run: programs and commands, in the order of the page and in one directory, so that
 * what one block leaves there the next ones find. CONTRIBUTING.md has the conventions.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../helpers/process.js';
import { Fixtures } from './fixtures.js';
import { type Block, blocksOf, type Page } from './markdown.js';
import { checkTypes, compile, isProgram, type Program, programsOf, runProgram } from './programs.js';
import { isPython, missingModules, runPython } from './python.js';
import { imitateRepository, makePrograms, runCommands } from './shell.js';

/** A page taken apart, its programs compiled. */
export interface PreparedPage {
  path: string;
  directory: string;
  blocks: Block[];
  programs: (Program & { file: string })[];
  /** What is wrong before anything runs: `line: message`. */
  complaints: string[];
  /** Modules that its Python imports and this machine lacks. */
  missing: string | undefined;
}

/** Parses what is neither run nor a program. */
function checkOther({ language, text, line, notRun }: Block): string[] {
  if (notRun === '') return [`${line}: Expected a reason after 'not run:'`];
  if (['ts', 'js', 'sh', 'python', 'text'].includes(language)) return [];
  if (language === 'json') {
    try {
      JSON.parse(text);
      return [];
    } catch (error) {
      return [`${line}: ${(error as Error).message}`];
    }
  }
  if (notRun !== undefined) return [];
  return [
    `${line}: Expected ts, js, sh, python, json or text for the language of a block, or a comment <!-- not run: … --> but received ${language}`,
  ];
}

/** A directory in which pages are run. */
export class Workshop {
  readonly #directory = mkdtempSync(join(tmpdir(), 'onelogit-documentation-'));
  readonly #programs = join(this.#directory, 'programs');
  readonly #fixtures = new Fixtures(join(this.#directory, 'fixtures'));
  #pages = 0;

  constructor() {
    // As npm install would leave it.
    mkdirSync(join(this.#directory, 'node_modules'));
    symlinkSync(packageRoot, join(this.#directory, 'node_modules/onelogit'));
    makePrograms(this.#programs);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Takes pages apart, compiles their programs and checks their types. */
  prepare(pages: readonly Page[]): PreparedPage[] {
    const prepared = pages.map((page) => {
      const directory = join(this.#directory, `page-${++this.#pages}`);
      mkdirSync(directory);
      const blocks = blocksOf(page);
      const { programs, complaints } = programsOf(blocks);
      return {
        path: page.path,
        directory,
        blocks,
        programs: programs.map((program, i) => ({ ...program, file: compile(program, directory, `program-${i + 1}`) })),
        complaints: [...blocks.flatMap(checkOther), ...complaints],
        missing: missingModules(blocks),
      };
    });
    const wrong = checkTypes(prepared.flatMap(({ programs }) => programs.map(({ file }) => file)));
    for (const { programs, complaints } of prepared) for (const { file } of programs) complaints.push(...wrong.get(file)!);
    return prepared;
  }

  /** Runs a page; complaints are `line: message`. */
  async run({ directory, blocks, programs }: PreparedPage): Promise<string[]> {
    if (blocks.some(({ language }) => language === 'sh')) imitateRepository(directory);
    await this.#fixtures.provide(blocks.map(({ text }) => text).join('\n'), directory);
    const complaints: string[] = [];
    for (const [i, block] of blocks.entries()) {
      if (block.language === 'sh') complaints.push(...(await runCommands(block, directory, this.#programs)));
      if (isPython(block)) complaints.push(...(await runPython(block, directory, `block-${i + 1}.py`)));
      // A program runs where its last block stands.
      const program = isProgram(block) && programs.find((one) => one.blocks.at(-1) === block);
      if (program && program.notRun === undefined) complaints.push(...(await runProgram(program, program.file, directory)));
    }
    return complaints;
  }
}
