// The command line of a benchmark. Its options are described by the comment at the head of its file, which --help prints.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** The comment below the first line (`#!…`), as text. */
function headComment(path) {
  const lines = readFileSync(path, 'utf8').split('\n').slice(1);
  return lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith('//')),
    )
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n');
}

/**
 * The values of options. Ends the process after --help (status 0) and where the command line is wrong (2).
 *
 * @param url `import.meta.url` of the program
 * @param options as `parseArgs` of node:util takes them
 */
export function parseCommandLine(url, options) {
  let values;
  try {
    ({ values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h', default: false } } }));
  } catch (error) {
    process.stderr.write(`${error.message}\nTry --help.\n`);
    process.exit(2);
  }
  const { help, ...rest } = values;
  if (!help) return rest;
  process.stdout.write(`${headComment(fileURLToPath(url))}\n`);
  process.exit(0);
}
