/**
 * Takes files out of a tar archive (POSIX ustar, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html), as it streams by.
 * Only regular files that were asked for are written, under their base names: no path of the archive is followed.
 */
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withByteStream } from './byte-stream.js';
import type { Member } from './catalogue.js';
import { formatError } from './format.js';

const block = 512;
const largestText = 1 << 16;

/** Gives out a stream of pieces in the lengths that are asked for. */
class Reader {
  private readonly pieces: AsyncIterator<Uint8Array>;
  private rest = new Uint8Array(0);
  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.pieces = pieces[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes, at least one; none at the end. */
  async some(most: number): Promise<Uint8Array> {
    while (this.rest.length === 0) {
      const { done, value } = await this.pieces.next();
      if (done) return this.rest;
      this.rest = value as Uint8Array<ArrayBuffer>;
    }
    const part = this.rest.subarray(0, most);
    this.rest = this.rest.subarray(part.length);
    return part;
  }

  /** Passes `length` bytes to `use`, piece by piece; false if the stream ends before. */
  async pass(length: number, use?: (piece: Uint8Array) => Promise<unknown>): Promise<boolean> {
    for (let left = length; left > 0; ) {
      const piece = await this.some(left);
      if (piece.length === 0) return false;
      await use?.(piece);
      left -= piece.length;
    }
    return true;
  }
}

function textOf(header: Uint8Array, from: number, length: number): string {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return new TextDecoder('latin1').decode(end < 0 ? field : field.subarray(0, end));
}

/** What a header block says; undefined for the block of zeros that ends an archive. */
function parseHeader(header: Uint8Array, archive: string): { name: string; size: number; regular: boolean } | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  // The checksum is the sum of the block's bytes with its own eight as spaces.
  let sum = 8 * 32;
  for (let i = 0; i < block; i++) if (i < 148 || i >= 156) sum += header[i]!;
  const octal = (from: number, length: number) => {
    const text = textOf(header, from, length).trim();
    return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  };
  if (octal(148, 8) !== sum) throw formatError('a tar header with its checksum', archive, 'another');
  const size = octal(124, 12);
  if (!Number.isSafeInteger(size)) throw formatError('a size in octal digits in a tar header', archive, `'${textOf(header, 124, 12)}'`);
  return { name: textOf(header, 0, 100).split('/').at(-1)!, size, regular: header[156] === 0x30 || header[156] === 0 };
}

/**
 * Writes the members of a .tar or .tar.gz archive into `directory`. Each appears under its name only when it is whole.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT`: not such an archive, a member of another size, or one that is missing.
 */
export async function extractMembers(archive: string, directory: string, members: readonly Member[]): Promise<void> {
  const wanted = new Map(members.map((member) => [member.name, member]));
  await withByteStream(archive, async ({ pieces }) => {
    const reader = new Reader(pieces);
    const header = new Uint8Array(block);
    while (wanted.size > 0) {
      let filled = 0;
      const whole = await reader.pass(block, async (piece) => {
        header.set(piece, filled);
        filled += piece.length;
      });
      const entry = whole ? parseHeader(header, archive) : undefined;
      if (!entry) throw formatError([...wanted.keys()].join(', '), archive, 'its end');
      const member = entry.regular ? wanted.get(entry.name) : undefined;
      if (member) {
        const fits = member.bytes === undefined ? entry.size <= largestText : entry.size === member.bytes;
        if (!fits) throw formatError(`${member.bytes ?? `at most ${largestText}`} bytes of ${member.name}`, archive, String(entry.size));
        await writeMember(reader, join(directory, member.name), entry.size, archive);
        wanted.delete(member.name);
      } else {
        await reader.pass(entry.size);
      }
      await reader.pass(-entry.size & (block - 1));
    }
  });
}

async function writeMember(reader: Reader, path: string, size: number, archive: string): Promise<void> {
  const part = `${path}.part`;
  const file = await open(part, 'w');
  try {
    const whole = await reader.pass(size, async (piece) => {
      for (let done = 0; done < piece.length; ) done += (await file.write(piece, done)).bytesWritten;
    });
    if (!whole) throw formatError(`${size} bytes of ${path}`, archive, 'its end');
    await file.sync();
    await file.close();
    await rename(part, path);
  } catch (error) {
    await file.close();
    await rm(part, { force: true });
    throw error;
  }
}
