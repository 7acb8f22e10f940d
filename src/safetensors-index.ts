/** The index of a model that is kept in several safetensors files: `{ weight_map: { name: file } }`, the files beside the index. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe } from './check.js';
import { OneLogitError } from './errors.js';

/** The index of a model of a trillion parameters is a tenth of this. */
const largestIndex = 64 * 1024 * 1024;

/** What was expected in a file, and what is there. */
export function formatError(expected: string, where: string, received: string, cause?: unknown): OneLogitError {
  return new OneLogitError('ERR_ONELOGIT_FORMAT', `Expected ${expected} in ${where} but received ${received}`, { cause });
}

export interface SafetensorsIndex {
  /** Of all tensors. */
  readonly names: readonly string[];
  /** The file that has a tensor; an error if none is said to. */
  locate(name: string): string;
}

/**
 * @throws OneLogitError `ERR_ONELOGIT_FILE` if it cannot be read, `ERR_ONELOGIT_FORMAT` if it is not what it should be
 */
export async function readSafetensorsIndex(path: string): Promise<SafetensorsIndex> {
  let parsed: unknown;
  const unreadable = (cause: unknown): never => {
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file that can be read at ${path} but received: ${(cause as Error).message}`, {
      cause,
    });
  };
  // Not waiting for what is no file, a FIFO without a writer say, which is refused below.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(unreadable);
  try {
    const status = await file.stat();
    if (!status.isFile()) unreadable(new Error(status.isDirectory() ? 'a directory' : 'something that is no regular file'));
    if (status.size > largestIndex) throw formatError('an index of at most 64 MiB', path, `${status.size} bytes`);
    parsed = JSON.parse(await file.readFile('utf8').catch(unreadable));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw formatError('JSON', path, cause.message, cause);
    throw cause;
  } finally {
    await file.close();
  }
  const map = typeof parsed === 'object' && parsed !== null ? (parsed as { weight_map?: unknown }).weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw formatError("an object 'weight_map'", path, describe(map));
  const files = new Map<string, unknown>(Object.entries(map));
  return {
    names: [...files.keys()],
    locate(name) {
      const shard = files.get(name);
      if (shard === undefined) throw formatError(`'${name}' in 'weight_map'`, path, `${files.size} other names`);
      // Beside the index and nowhere else: the index may come from a stranger.
      if (typeof shard !== 'string' || shard === '' || shard === '.' || shard === '..' || basename(shard) !== shard || shard.includes('\\'))
        throw formatError(`the name of a file beside it for '${name}'`, path, describe(shard));
      if (!shard.endsWith('.safetensors')) throw formatError(`a .safetensors file for '${name}'`, path, describe(shard));
      return join(dirname(path), shard);
    },
  };
}
