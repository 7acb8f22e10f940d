/** Files that are whole or not there at all. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { OneLogitError } from '../errors.js';
import { followLinks } from '../writable.js';

/** Writes beside the file, then renames: whoever reads it meanwhile has the old one. A link stays one. `name` is for the message. */
export async function writeWhole(path: string, text: string, name: string): Promise<void> {
  const target = followLinks(path);
  const temporary = `${target}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new OneLogitError(
      'ERR_ONELOGIT_FILE',
      `Expected a file that can be written for ${name} but received ${path}: ${(cause as Error).message}`,
      { cause },
    );
  }
}
