/**
 * Reads a tar archive (POSIX ustar and pax, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html), as it streams by, and
 * takes files out of one. Only regular files that were asked for are written, under their base names: no path of the archive is followed.
 */
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ByteReader } from './byte-reader.js';
import { withByteStream } from './byte-stream.js';
import type { Member } from './catalogue.js';
import { formatError } from './format.js';

const block = 512;
const largestText = 1 << 16;

function textOf(header: Uint8Array, from: number, length: number): string {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return new TextDecoder('latin1').decode(end < 0 ? field : field.subarray(0, end));
}

/** An entry of an archive. */
export interface TarEntry {
  /** As the archive has it: for display and for telling entries apart, not for opening. */
  path: string;
  size: number;
  regular: boolean;
}

interface Header extends TarEntry {
  type: string;
}

/** What a header block says; undefined for the block of zeros that ends an archive. */
function parseHeader(header: Uint8Array, archive: string): Header | undefined {
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
  const prefix = textOf(header, 257, 5) === 'ustar' && header[262] === 0 ? textOf(header, 345, 155) : '';
  const name = textOf(header, 0, 100);
  const type = header[156] === 0 ? '0' : String.fromCharCode(header[156]!);
  return { path: prefix === '' ? name : `${prefix}/${name}`, size, regular: type === '0', type };
}

/** The path in a pax extended header, records of "length key=value\n" with the length in bytes of the whole record. */
function paxPath(records: Uint8Array, archive: string): string | undefined {
  let path: string | undefined;
  for (let at = 0; at < records.length; ) {
    const text = new TextDecoder().decode(records.subarray(at, at + 32));
    const length = Number(text.match(/^(\d{1,9}) /)?.[1] ?? Number.NaN);
    if (!(length > 0) || at + length > records.length) throw formatError('records in a pax header', archive, `'${text}'`);
    const record = new TextDecoder().decode(records.subarray(at, at + length - 1));
    path = record.match(/^\d+ path=(.*)$/s)?.[1] ?? path;
    at += length;
  }
  return path;
}

/**
 * Calls `visit` for every entry in order, with a function that passes its content on piece by piece; what is not asked for is skipped.
 * Stops early when `visit` says true.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT`: not a tar archive, or one that was cut off.
 */
export async function readTar(
  pieces: AsyncIterable<Uint8Array>,
  archive: string,
  visit: (entry: TarEntry, content: (use: (piece: Uint8Array) => unknown) => Promise<void>) => Promise<boolean>,
): Promise<void> {
  const reader = new ByteReader(pieces);
  const header = new Uint8Array(block);
  let longPath: string | undefined; // of the next entry: its header has no room for it
  for (;;) {
    let filled = 0;
    const whole = await reader.pass(block, (piece) => {
      header.set(piece, filled);
      filled += piece.length;
    });
    if (!whole && filled > 0) throw formatError(`a tar header of ${block} bytes`, archive, `its end after ${filled}`);
    const entry = whole ? parseHeader(header, archive) : undefined;
    if (!entry) return;
    let unread = true;
    const content = async (use?: (piece: Uint8Array) => unknown) => {
      unread = false;
      if (!(await reader.pass(entry.size, use))) throw formatError(`${entry.size} bytes of ${entry.path}`, archive, 'its end');
    };
    if (entry.type === 'x' || entry.type === 'L') {
      if (entry.size > largestText) throw formatError(`at most ${largestText} bytes of names`, archive, String(entry.size));
      const text = new Uint8Array(entry.size);
      let used = 0;
      await content((piece) => {
        text.set(piece, used);
        used += piece.length;
      });
      longPath = entry.type === 'x' ? paxPath(text, archive) : new TextDecoder().decode(text).replace(/\0.*$/s, '');
    } else {
      if (await visit({ path: longPath ?? entry.path, size: entry.size, regular: entry.regular }, content)) return;
      longPath = undefined;
    }
    if (unread) await content();
    await reader.pass(-entry.size & (block - 1));
  }
}

/**
 * Writes the members of a .tar or .tar.gz archive into `directory`. Each appears under its name only when it is whole.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT`: not such an archive, a member of another size, or one that is missing.
 */
export async function extractMembers(archive: string, directory: string, members: readonly Member[]): Promise<void> {
  const wanted = new Map(members.map((member) => [member.name, member]));
  await withByteStream(archive, ({ pieces }) =>
    readTar(pieces, archive, async ({ path, size, regular }, content) => {
      const member = regular ? wanted.get(path.split('/').at(-1)!) : undefined;
      if (!member) return false;
      const fits = member.bytes === undefined ? size <= largestText : size === member.bytes;
      if (!fits) throw formatError(`${member.bytes ?? `at most ${largestText}`} bytes of ${member.name}`, archive, String(size));
      await writeMember(content, join(directory, member.name));
      wanted.delete(member.name);
      return wanted.size === 0;
    }),
  );
  if (wanted.size > 0) throw formatError([...wanted.keys()].join(', '), archive, 'its end');
}

async function writeMember(content: (use: (piece: Uint8Array) => Promise<void>) => Promise<void>, path: string): Promise<void> {
  // Of this process alone: another that unpacks the same archive would leave holes in what is renamed here.
  const part = `${path}.${process.pid}.part`;
  const file = await open(part, 'w');
  try {
    await content(async (piece) => {
      for (let done = 0; done < piece.length; ) done += (await file.write(piece, done)).bytesWritten;
    });
    await file.sync();
    await file.close();
    await rename(part, path);
  } catch (error) {
    await file.close();
    await rm(part, { force: true });
    throw error;
  }
}
