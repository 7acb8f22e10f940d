/** What a report's file contains besides its numbers: the plotting library and the page's own program. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { OneLogitError } from '../errors.js';
import { packageRoot } from '../package-root.js';

export interface ReportAssets {
  /** uPlot (https://github.com/leeoniya/uPlot), which defines the global `uPlot`. */
  readonly library: string;
  readonly libraryStyle: string;
  readonly program: string;
}

/** page/ as one program, which the build makes, also for tests that run the sources. */
const program = join(packageRoot, 'dist/report/page.js');

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
  const [library, page] = await Promise.all([readLibrary(), readFile(program, 'utf8')]);
  return { ...library, program: page };
}
