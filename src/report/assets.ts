/** What a report's file contains besides its numbers: the plotting library and the page's own program. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { OneLogitError } from '../errors.js';

export interface ReportAssets {
  /** uPlot (https://github.com/leeoniya/uPlot), which defines the global `uPlot`. */
  readonly library: string;
  readonly libraryStyle: string;
  readonly program: string;
}

/** The modules of page/, each after those that it imports. */
const modules = ['format', 'theme', 'ranking', 'histogram', 'curve', 'figures', 'class-table', 'main'];

// Compiled, also when this file is run from the sources, as tests do.
const compiled = new URL('../../dist/report/page/', import.meta.url);

/**
 * One module of the page's modules: each imports only others of them, under their own names, so that all of them in this order are one
 * module when these lines are taken out.
 */
async function joinModules(): Promise<string> {
  const texts = await Promise.all(modules.map((name) => readFile(new URL(`${name}.js`, compiled), 'utf8')));
  return texts
    .map((text) =>
      text
        .replace(/^import [^;]*;\n/gm, '')
        .replace(/^export \{\};\n/gm, '')
        .replace(/^export (?=function|const|class)/gm, '')
        .replace(/^\/\/# sourceMappingURL=.*\n?/gm, ''),
    )
    .join('\n');
}

async function readLibrary(): Promise<Pick<ReportAssets, 'library' | 'libraryStyle'>> {
  const require = createRequire(import.meta.url);
  try {
    const [library, libraryStyle] = await Promise.all(
      ['uplot/dist/uPlot.iife.min.js', 'uplot/dist/uPlot.min.css'].map((path) => readFile(require.resolve(path), 'utf8')),
    );
    return { library: library!, libraryStyle: libraryStyle! };
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    throw new OneLogitError(
      'ERR_ONELOGIT_DEPENDENCY',
      `Expected the package uplot, which draws the figures of a report (npm install uplot), but received: ${missing ? 'it is not installed' : (cause as Error).message}`,
      { cause },
    );
  }
}

/** @throws OneLogitError `ERR_ONELOGIT_DEPENDENCY` where uplot is not installed */
export async function readAssets(): Promise<ReportAssets> {
  const [library, program] = await Promise.all([readLibrary(), joinModules()]);
  return { ...library, program };
}
