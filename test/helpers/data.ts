import type { TestContext } from 'vitest';
import { dataDirectories, findData, findMnist } from '../../src/data/find.js';

function orSkip(directory: string | undefined, name: string, context: TestContext): string {
  if (directory) return directory;
  const message = `needs the data set ${name}, looked for in ${dataDirectories().join(', ')}`;
  // Set where data is known to be there: a test that does not run must not look like one that passed.
  if (process.env.ONELOGIT_REQUIRE_DATA === '1') throw new Error(`ONELOGIT_REQUIRE_DATA=1 but this test ${message}`);
  return context.skip(message);
}

/** The directory of a real data set; without it the test is skipped with a message, or fails where data is required. */
export function dataDirectory(name: string, context: TestContext): string {
  return orSkip(findData(name), name, context);
}

/** The directory of MNIST, as {@link dataDirectory}. */
export function mnistDirectory(context: TestContext): string {
  return orSkip(findMnist(), 'mnist', context);
}
