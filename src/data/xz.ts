/**
 * xz data (https://tukaani.org/xz/xz-file-format.txt), by the program of that name: Node has no decoder, the ones on npm are either
 * native builds or little-used ports, and the program is on nearly every Linux and in every package manager.
 */
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { OneLogitError } from '../errors.js';
import { formatError } from './format.js';

const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

/** Whether a file that begins with these bytes is xz. */
export function isXz(start: Uint8Array): boolean {
  return magic.every((byte, i) => start[i] === byte);
}

/** xz -9 makes dictionaries of 64 MiB; a file that asks for much more memory is hostile. */
const memoryLimit = '512MiB';
const mostComplaint = 1000; // characters

/**
 * The decompressed bytes of an open file, from its current position.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FILE`: no program xz; `ERR_ONELOGIT_FORMAT`: not intact xz data.
 */
export async function* unxz(descriptor: number, path: string): AsyncGenerator<Uint8Array> {
  const options = ['--decompress', '--stdout', '--format=xz', '--threads=1', `--memlimit-decompress=${memoryLimit}`];
  const { spawn } = await import('node:child_process'); // tens of modules of Node, which only xz needs
  // Given a descriptor for its input, it has no stream there; the types of `spawn` cannot say so.
  const child = spawn('xz', options, {
    stdio: [descriptor, 'pipe', 'pipe'],
    // $XZ_OPT and $XZ_DEFAULTS would change what it does, the locale what it says.
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  }) as ChildProcessByStdio<null, Readable, Readable>;
  let complaint = '';
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, mostComplaint);
  });
  const ended = new Promise<Error | number>((resolve) => {
    child.once('error', resolve);
    child.once('close', (status) => resolve(status ?? -1));
  });
  try {
    yield* child.stdout;
    const result = await ended;
    if (result instanceof Error)
      throw new OneLogitError(
        'ERR_ONELOGIT_FILE',
        `Expected the program xz (Debian: apt-get install xz-utils) to decompress ${path} but received: ${result.message}; or decompress the file yourself`,
        { cause: result },
      );
    if (result !== 0) throw formatError('intact xz data', path, complaint.trim() || `the exit status ${result} of xz`);
  } finally {
    child.kill('SIGKILL'); // nobody reads on; after the end this does nothing
  }
}
