/**
 * Fetches one file whose size and SHA-256 are known, from the first of several mirrors that has it. What has arrived stays in `<name>.part`
 * and is continued, by this run or the next, from whichever mirror: the checksum of the whole says whether the parts belong together.
 */
import { createReadStream } from 'node:fs';
import { constants, type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OneLogitError } from '../errors.js';
import type { RemoteFile } from './catalogue.js';

export interface FetchOptions {
  mirrors: readonly string[];
  /** Seconds without a byte after which a mirror is given up. */
  timeout: number;
  onBytes(bytes: number): void;
  signal: AbortSignal | undefined;
}

/** Connections to one mirror that broke off after bringing something are continued, at most this often. */
const continuations = 5;

/** Why a mirror did not serve the file. `again`: the same mirror may be asked to go on. */
class MirrorFailure extends Error {
  constructor(
    message: string,
    readonly again = false,
  ) {
    super(message);
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (status) => status.size,
    () => 0,
  );
}

/** Undefined where there is no file. */
async function sha256Of(path: string): Promise<string | undefined> {
  const { createHash } = await import('node:crypto'); // tens of modules of Node, which only downloads need
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(piece as Uint8Array);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a readable file at ${path} but received: ${(cause as Error).message}`, {
      cause,
    });
  }
  return hash.digest('hex');
}

/** Whether the file is there, whole and unchanged. */
export async function isIntact(path: string, file: RemoteFile): Promise<boolean> {
  return (await sizeOf(path)) === file.bytes && (await sha256Of(path)) === file.sha256;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT')
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected to move a file into place but received: ${error.message}`, { cause: error });
}

/** Fails for the reasons that fetch hides in `cause`. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message || (cause as NodeJS.ErrnoException).code}` : message;
}

/** The response's body from `have` on, and where in the file it begins: a server may ignore Range and send everything. */
async function request(url: string, file: RemoteFile, have: number, signal: AbortSignal): Promise<{ response: Response; from: number }> {
  // Not compressed on the way: the bytes are the file's.
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (have > 0) headers.range = `bytes=${have}-`;
  const response = await fetch(url, { headers, signal, redirect: 'follow' });
  try {
    const encoding = response.headers.get('content-encoding');
    if (encoding && encoding !== 'identity') throw new MirrorFailure(`the file in content-encoding ${encoding}`);
    if (response.status === 200) {
      const length = response.headers.get('content-length');
      if (length !== null && Number(length) !== file.bytes) throw new MirrorFailure(`a file of ${length} bytes`);
      return { response, from: 0 };
    }
    if (response.status === 206 && have > 0) {
      const range = response.headers.get('content-range') ?? '';
      if (range !== `bytes ${have}-${file.bytes - 1}/${file.bytes}`) throw new MirrorFailure(`the range '${range}'`);
      return { response, from: have };
    }
    throw new MirrorFailure(`status ${response.status}`);
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
}

/** One connection: appends to the part until the file is complete. */
async function attempt(url: string, file: RemoteFile, part: FileHandle, have: number, options: FetchOptions): Promise<void> {
  const idle = new AbortController();
  const silence = new MirrorFailure(`nothing for ${options.timeout} s`, true);
  const timer = setTimeout(() => idle.abort(silence), options.timeout * 1000);
  const signal = options.signal ? AbortSignal.any([options.signal, idle.signal]) : idle.signal;
  let position = have;
  // Only what the network does is a mirror's failure; the caller's call-back and the disk are not.
  const networkFailed = (error: unknown): never => {
    if (options.signal?.aborted) throw options.signal.reason;
    if (error instanceof MirrorFailure) throw new MirrorFailure(error.message, error.again && position > have);
    throw new MirrorFailure(reasonOf(error), position > have);
  };
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    const { response, from } = await request(url, file, have, signal).catch(networkFailed);
    if (from < have) await part.truncate(from);
    position = from;
    reader = response.body?.getReader();
    while (reader) {
      const { done, value } = await reader.read().catch(networkFailed);
      if (done) break;
      timer.refresh();
      if (position + value.length > file.bytes) throw new MirrorFailure(`more than ${file.bytes} bytes`);
      await writeAll(part, value, position);
      position += value.length;
      options.onBytes(position);
    }
    if (position < file.bytes) throw new MirrorFailure(`the end after ${position} of ${file.bytes} bytes`, position > have);
  } finally {
    clearTimeout(timer);
    await reader?.cancel().catch(() => {});
  }
}

async function writeAll(part: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  try {
    for (let done = 0; done < piece.length; ) done += (await part.write(piece, done, piece.length - done, position + done)).bytesWritten;
  } catch (cause) {
    notWritten(cause);
  }
}

function notWritten(cause: unknown): never {
  throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected to write downloaded data but received: ${(cause as Error).message}`, { cause });
}

/** Asks one mirror until the part is complete. */
async function fromMirror(url: string, file: RemoteFile, path: string, options: FetchOptions): Promise<void> {
  // Not for appending: a server that ignores Range starts over.
  const part = await open(path, constants.O_RDWR | constants.O_CREAT).catch((cause: Error) => {
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file that can be written at ${path} but received: ${cause.message}`, {
      cause,
    });
  });
  try {
    for (let round = 0; ; round++) {
      let have = (await part.stat()).size;
      if (have > file.bytes) {
        await part.truncate(0);
        have = 0;
      }
      if (have === file.bytes) break;
      try {
        await attempt(url, file, part, have, options);
      } catch (error) {
        if (!(error instanceof MirrorFailure) || !error.again || round >= continuations) throw error;
      }
    }
    await part.sync().catch(notWritten);
  } finally {
    await part.close();
  }
}

/**
 * Fetches `file` into `directory`, where it appears under its name only once it is whole and its checksum right.
 *
 * @throws OneLogitError `ERR_ONELOGIT_DOWNLOAD` when no mirror has it, saying what each answered; `ERR_ONELOGIT_FILE` when it cannot be
 *   written; the signal's reason when that is aborted, the part so far left for the next time.
 */
export async function fetchFile(file: RemoteFile, directory: string, options: FetchOptions): Promise<void> {
  const path = join(directory, file.name);
  const part = `${path}.part`;
  const failures: string[] = [];
  for (const mirror of options.mirrors) {
    const url = mirror.endsWith('/') ? mirror + file.name : `${mirror}/${file.name}`;
    for (;;) {
      options.signal?.throwIfAborted();
      const continued = (await sizeOf(part)) > 0;
      try {
        await fromMirror(url, file, part, options);
      } catch (error) {
        if (!(error instanceof MirrorFailure)) throw error;
        failures.push(`${url}: ${error.message}`);
        break;
      }
      const sha256 = await sha256Of(part);
      if (sha256 === file.sha256) {
        await rename(part, path).catch(ignoreMissing);
        // Checked again: another process that fetches the same file writes to the same part, and may have moved it first.
        if (await isIntact(path, file)) return;
      } else if (sha256 === undefined && (await isIntact(path, file))) {
        return;
      }
      await rm(part, { force: true });
      failures.push(
        `${url}: a file with SHA-256 ${sha256 ?? 'unknown, as it was taken away'}${continued ? ', continued from an earlier part' : ''}`,
      );
      // The earlier part may have been of something else: once more, from the start.
      if (!continued) break;
    }
  }
  throw new OneLogitError(
    'ERR_ONELOGIT_DOWNLOAD',
    `Expected ${file.name} with SHA-256 ${file.sha256} from a mirror but received\n${failures.map((failure) => `  ${failure}`).join('\n')}\n` +
      `If you have the file, put it into ${directory}.`,
  );
}
