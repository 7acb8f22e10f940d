import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A path in a directory of its own, which is removed at the end of the `using` block. */
export function temporaryFile(name: string): { name: string; directory: string } & Disposable {
  const directory = mkdtempSync(join(tmpdir(), 'onelogit-'));
  return { name: join(directory, name), directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}
