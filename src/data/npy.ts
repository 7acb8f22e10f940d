/**
 * Reads NumPy's .npy files (format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): what
 * `numpy.save` writes for a C-ordered array of float32, uint8, int32 or int64. A file is hostile until shown otherwise.
 */
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { OneLogitError } from '../errors.js';
import { bytesOf } from './bytes.js';
import { integersOf } from './growing-integers.js';
import type { Meter } from './meter.js';

/** A C-ordered array: `data` holds the product of `shape` elements, row-major; those of int64 as int32. */
export interface NpyArray {
  shape: number[];
  data: Float32Array | Uint8Array | Int32Array;
}

const elementTypes = {
  '<f4': Float32Array,
  '|u1': Uint8Array,
  '<i4': Int32Array,
  '<i8': Int32Array, // NumPy's own integers: two of these each
} as const;

function formatError(expected: string, name: string, received: string): OneLogitError {
  return new OneLogitError('ERR_ONELOGIT_FORMAT', `Expected ${expected} in ${name} but received ${received}`);
}

/** Shown in an error: short, and nothing that a terminal would act on. */
function printable(text: string): string {
  const safe = text.replace(/[^\x20-\x7e]/g, '?');
  return safe.length > 60 ? `'${safe.slice(0, 57)}…'` : `'${safe}'`;
}

/** int64 as int32: halves are [low, high], and a number that fits has a high half that only repeats its sign. */
function narrowed(halves: Int32Array, name: string): Int32Array {
  const result = integersOf(halves.length / 2);
  for (let i = 0; i < result.length; i++) {
    const low = halves[2 * i] as number;
    if (halves[2 * i + 1] !== low >> 31) {
      const value = new BigInt64Array(halves.buffer)[i];
      throw formatError('int64 numbers between -2^31 and 2^31 - 1', name, `${value} at index ${i}`);
    }
    result[i] = low;
  }
  return result;
}

/** The header is a Python dictionary literal with exactly these keys, in any order. */
function parseHeader(text: string, name: string): { descr: string; fortranOrder: boolean; shape: number[] } {
  const entry = /\s*(['"])(descr|fortran_order|shape)\1\s*:\s*(?:'([^'\\]*)'|"([^"\\]*)"|(True|False)|\(([\d\s,]*)\))\s*(?:,|(?=\}))/y;
  const fail = () => formatError("a header with 'descr', 'fortran_order' and 'shape'", name, printable(text.trim()));
  if (text[0] !== '{') throw fail();
  entry.lastIndex = 1;
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let shape: number[] | undefined;
  let end = 1;
  for (let match = entry.exec(text); match; match = entry.exec(text)) {
    end = entry.lastIndex;
    const [, , key, single, double, boolean, tuple] = match;
    const string = single ?? double;
    if (key === 'descr' && string !== undefined && descr === undefined) descr = string;
    else if (key === 'fortran_order' && boolean !== undefined && fortranOrder === undefined) fortranOrder = boolean === 'True';
    else if (key === 'shape' && tuple !== undefined && shape === undefined) shape = parseShape(tuple, fail);
    else throw fail();
  }
  if (!/^\s*\}\s*$/.test(text.slice(end)) || descr === undefined || fortranOrder === undefined || shape === undefined) throw fail();
  return { descr, fortranOrder, shape };
}

function parseShape(tuple: string, fail: () => OneLogitError): number[] {
  const items = tuple.split(',').map((item) => item.trim());
  // A tuple of one is written (5,); the empty one ().
  if (items.at(-1) === '') items.pop();
  else if (items.length === 1) throw fail();
  if (items.length > 32 || items.some((item) => !/^\d{1,15}$/.test(item))) throw fail();
  return items.map(Number);
}

/** What a header says: which bytes of the file are the elements, all of the file's that follow it, and what they are. */
interface Contents {
  shape: number[];
  offset: number;
  byteLength: number;
  arrayOf(bytes: Uint8Array<ArrayBuffer>): NpyArray['data'];
}

const longestHeader = 1 << 16;
/** Magic number, version and length of the header; then the header. */
const longestStart = 12 + longestHeader;

/** @param start the first bytes of the file, all or at least {@link longestStart} of them */
function contentsOf(start: Uint8Array, fileBytes: number, name: string): Contents {
  const magic = '\x93NUMPY';
  if (fileBytes < 10 || [...magic].some((letter, i) => start[i] !== letter.charCodeAt(0)))
    throw formatError('a .npy file (it begins with \\x93NUMPY)', name, fileBytes < 10 ? `${fileBytes} bytes` : 'something else');
  const major = start[6]!;
  if (major < 1 || major > 3) throw formatError('format version 1, 2 or 3', name, String(major));
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const begin = major === 1 ? 10 : 12;
  const headerLength = major === 1 ? view.getUint16(8, true) : fileBytes >= 12 ? view.getUint32(8, true) : Infinity;
  const offset = begin + headerLength;
  if (offset > fileBytes) throw formatError(`a header of ${headerLength} bytes`, name, 'the end of the file');
  if (headerLength > longestHeader) throw formatError(`a header of at most ${longestHeader} bytes`, name, `${headerLength}`);
  const { descr, fortranOrder, shape } = parseHeader(new TextDecoder('latin1').decode(start.subarray(begin, offset)), name);
  const ElementArray = Object.hasOwn(elementTypes, descr) ? elementTypes[descr as keyof typeof elementTypes] : undefined;
  if (!ElementArray)
    throw formatError(
      "float32 ('<f4'), uint8 ('|u1'), int32 ('<i4') or int64 ('<i8')",
      name,
      `${printable(descr)}; convert with array.astype('float32')`,
    );
  if (fortranOrder) throw formatError('C order', name, 'Fortran order; convert with numpy.ascontiguousarray(array)');
  const wide = descr === '<i8';
  const byteLength = shape.reduce((product, size) => product * size, ElementArray.BYTES_PER_ELEMENT * (wide ? 2 : 1));
  const received = fileBytes - offset;
  if (byteLength !== received) throw formatError(`${byteLength} bytes for the shape (${shape.join(', ')})`, name, `${received}`);
  return {
    shape,
    offset,
    byteLength,
    arrayOf(bytes) {
      const data = new ElementArray(bytes.buffer);
      return wide ? narrowed(data as Int32Array, name) : data;
    },
  };
}

/**
 * The array in the bytes of a .npy file.
 * @param bytes The whole file.
 * @param name What to call it in errors.
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT`: not a .npy file, another element type or order, an int64 that is no int32, or a
 *   length that its header does not announce.
 */
export function parseNpy(bytes: Uint8Array, name = 'the .npy data'): NpyArray {
  const { shape, offset, arrayOf } = contentsOf(bytes, bytes.length, name);
  // A copy: the elements need not be aligned in the file, and the caller owns what it gets. (Buffer's slice would be a view.)
  return { shape, data: arrayOf(new Uint8Array(bytes.subarray(offset))) };
}

/** Bytes of a file from `position` on, straight into place, so many at once that a reader can be told and stopped. */
async function fill(bytes: Uint8Array, file: FileHandle, position: number, name: string, meter?: Meter): Promise<void> {
  const most = 2 ** 24;
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(most, bytes.length - done), position + done);
    if (bytesRead === 0) throw formatError(`${position + bytes.length} bytes`, name, `its end after ${position + done}`);
    done += bytesRead;
    meter?.add(bytesRead);
  }
}

async function readFrom(file: FileHandle, path: string, meter: Meter | undefined): Promise<NpyArray> {
  const { size } = await file.stat();
  const start = new Uint8Array(Math.min(size, longestStart));
  await fill(start, file, 0, path);
  const { shape, offset, byteLength, arrayOf } = contentsOf(start, size, path);
  const bytes = bytesOf(byteLength, path);
  await fill(bytes, file, offset, path, meter);
  meter?.add(offset);
  return { shape, data: arrayOf(bytes) };
}

/**
 * Reads a .npy file, or from a pipe.
 * @param meter is told how much of a file has been read
 * @throws OneLogitError `ERR_ONELOGIT_FILE` when it cannot be read, `ERR_ONELOGIT_FORMAT` as {@link parseNpy}, `ERR_ONELOGIT_OUT_OF_MEMORY`.
 */
export async function readNpy(path: string, meter?: Meter): Promise<NpyArray> {
  try {
    if (!(await stat(path)).isFile()) return parseNpy(await readFile(path), path);
    const file = await open(path);
    try {
      return await readFrom(file, path, meter);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof OneLogitError) throw cause;
    throw new OneLogitError(
      'ERR_ONELOGIT_FILE',
      `Expected a readable file for ${path} but received: ${(cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
