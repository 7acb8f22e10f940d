/**
 * The bytes of a file in small pieces, decompressed on the way: neither a large file nor a hostile one blocks the event loop.
 */
import { constants, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OneLogitError } from '../errors.js';
import { formatError } from './format.js';
import type { Meter } from './meter.js';
import { isXz, unxz } from './xz.js';

/** Bytes per piece: copied in some 20 µs. */
const pieceBytes = 1 << 18;

/**
 * How far a format can shrink data at most. DEFLATE: a stored bit per 258-byte match, twice. LZMA2: a 273-byte match in 14 adaptive bits,
 * each at least 0.022 of one, 7045 to 1, rounded up.
 */
const largestRatio = { none: 1, gzip: 1032, xz: 8192 } as const;

export interface ByteStream {
  pieces: AsyncIterable<Uint8Array>;
  /** Bytes of the file; {@link mostBytes} says how many can come out of them. */
  fileBytes: number;
  compression: keyof typeof largestRatio;
}

/** The most bytes that can come out of a stream. */
export function mostBytes({ fileBytes, compression }: ByteStream): number {
  return fileBytes * largestRatio[compression];
}

/**
 * Opens a file, runs `use` on its bytes and closes it. Whether it is gzip or xz is told by its first bytes, not by its name:
 * browsers and mirrors unpack files and keep their names.
 *
 * @param meter is told how much of the file, as it is, has been read
 */
export async function withByteStream<T>(path: string, use: (stream: ByteStream) => Promise<T>, meter?: Meter): Promise<T> {
  // Without waiting: a pipe that nobody writes to would keep one of libuv's threads for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: Error) => {
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a readable file at ${path} but received: ${cause.message}`, { cause });
  });
  try {
    const status = await file.stat();
    if (!status.isFile())
      throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file at ${path} but received a directory, a pipe or a device`);
    const start = new Uint8Array(6);
    const { bytesRead } = await file.read(start, 0, start.length, 0);
    const read = start.subarray(0, bytesRead);
    const compression = read[0] === 0x1f && read[1] === 0x8b ? 'gzip' : isXz(read) ? 'xz' : 'none';
    const counted = (pieces: AsyncIterable<Uint8Array>, position: () => number) => (meter ? metered(pieces, position, meter) : pieces);
    if (compression === 'xz') {
      const unpacked = unxz(file.fd, path);
      try {
        return await use({ pieces: counted(unpacked, () => sharedPosition(file.fd)), fileBytes: status.size, compression });
      } finally {
        // `use` may have stopped before the end: the program xz would wait for a reader, and this process for xz.
        await unpacked.return(undefined);
      }
    }
    const input = file.createReadStream({ start: 0, highWaterMark: pieceBytes, autoClose: false });
    const pieces = compression === 'gzip' ? gunzip(input, status.size, path) : input;
    try {
      return await use({ pieces: counted(pieces, () => input.bytesRead), fileBytes: status.size, compression });
    } finally {
      input.destroy();
    }
  } finally {
    await file.close();
  }
}

/** The same pieces; how far the file has been read for them is told at each. */
async function* metered(pieces: AsyncIterable<Uint8Array>, position: () => number, meter: Meter): AsyncGenerator<Uint8Array> {
  let before = 0;
  for await (const piece of pieces) {
    const now = position();
    meter.add(now - before);
    before = now;
    yield piece;
  }
}

/** Where a file is that another process reads from the same descriptor; systems without /proc do not say. */
function sharedPosition(descriptor: number): number {
  try {
    return Number(/^pos:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Prose and numbers shrink to a tenth or so: what shrinks far more was made to fill memory. */
const largestTextRatio = 256;
const smallText = 1 << 20;

/** The bytes of a text, whose length nothing announces. */
export async function* textPieces({ pieces, fileBytes, compression }: ByteStream, path: string): AsyncGenerator<Uint8Array> {
  const most = compression === 'none' ? Number.POSITIVE_INFINITY : smallText + largestTextRatio * fileBytes;
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > most) throw formatError(`at most ${most} bytes of text`, path, `${fileBytes} compressed bytes of more`);
    yield piece;
  }
}

async function* gunzip(input: NodeJS.ReadableStream, fileBytes: number, path: string): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip({ chunkSize: pieceBytes });
  // An error reaches the reader through `unzip`, which the pipeline destroys with it.
  pipeline(input, unzip, () => {});
  try {
    yield* unzip;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    if (!code.startsWith('Z_')) throw cause;
    throw formatError(
      'intact gzip data',
      path,
      code === 'Z_BUF_ERROR' ? 'a truncated file' : `damaged data (${(cause as Error).message})`,
      cause,
    );
  }
  if (unzip.bytesWritten !== fileBytes)
    throw formatError('nothing after the gzip data', path, `${fileBytes - unzip.bytesWritten} more bytes`);
}
