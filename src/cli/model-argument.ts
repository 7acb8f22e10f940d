/** MODEL and DATA in the wrong order: what the files then say of themselves would not tell that. */
import { stat } from 'node:fs/promises';
import { UsageError } from './usage.js';

export async function checkModelFirst(model: string, data: string): Promise<void> {
  const [first, second] = await Promise.all([model, data].map((path) => stat(path).catch(() => undefined)));
  if (first?.isDirectory() && second?.isFile())
    throw new UsageError(`Expected MODEL, a file, before DATA, a directory, but received ${model}, a directory, before ${data}, a file`);
}
