/**
 * The bytes of a file in small pieces, decompressed on the way: neither a large file nor a hostile one blocks the event loop.
 */
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OneLogitError } from '../errors.js';
import { formatError } from './format.js';

/** Bytes per piece: copied in some 20 µs. */
const pieceBytes = 1 << 18;

/** DEFLATE cannot shrink data further than this (a stored bit per 258-byte match, twice: 1032 to 1). */
const largestRatio = 1032;

export interface ByteStream {
  pieces: AsyncIterable<Uint8Array>;
  /** Bytes of the file; of what it holds, if `compressed`, at most this × {@link largestRatio} can come. */
  fileBytes: number;
  compressed: boolean;
}

/** The most bytes that can come out of a stream. */
export function mostBytes({ fileBytes, compressed }: ByteStream): number {
  return compressed ? fileBytes * largestRatio : fileBytes;
}

/**
 * Opens a file, runs `use` on its bytes and closes it. Whether it is gzip is told by its first bytes, not by its name: browsers and
 * mirrors unpack files and keep their names.
 */
export async function withByteStream<T>(path: string, use: (stream: ByteStream) => Promise<T>): Promise<T> {
  const file = await open(path).catch((cause: Error) => {
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a readable file at ${path} but received: ${cause.message}`, { cause });
  });
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file at ${path} but received a directory or a device`);
    const start = new Uint8Array(2);
    const { bytesRead } = await file.read(start, 0, 2, 0);
    const compressed = bytesRead === 2 && start[0] === 0x1f && start[1] === 0x8b;
    const input = file.createReadStream({ start: 0, highWaterMark: pieceBytes, autoClose: false });
    const pieces = compressed ? gunzip(input, status.size, path) : input;
    try {
      return await use({ pieces, fileBytes: status.size, compressed });
    } finally {
      input.destroy();
    }
  } finally {
    await file.close();
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
