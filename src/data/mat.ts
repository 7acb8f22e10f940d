/**
 * Numeric arrays in MATLAB's level 5 MAT-files (https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf), what `save` writes without
 * `-v7.3`: a header of 128 bytes, then elements, each a tag (type and bytes) and its data; an element may hold others, or be compressed. A
 * file is hostile until shown otherwise: nothing is allocated that its size cannot back, nothing inflated beyond what a tag announces.
 */
import { pipeline, Readable } from 'node:stream';
import { createInflate } from 'node:zlib';
import { ByteReader } from './byte-reader.js';
import { mostBytes, withByteStream } from './byte-stream.js';
import { bytesOf } from './bytes.js';
import { formatError } from './format.js';
import type { Meter } from './meter.js';

export type MatData = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** A real array: `data` holds the product of `shape` elements, column-major, in whichever type the file keeps them. */
export interface MatArray {
  shape: number[];
  data: MatData;
}

const [typeInt8, typeInt32, typeUint32, typeMatrix, typeCompressed] = [1, 5, 6, 14, 15] as const;

/** The types of elements that hold numbers of at most 53 bits. */
const arrayTypes: Readonly<Record<number, new (buffer: ArrayBuffer) => MatData>> = {
  1: Int8Array,
  2: Uint8Array,
  3: Int16Array,
  4: Uint16Array,
  5: Int32Array,
  6: Uint32Array,
  7: Float32Array,
  9: Float64Array,
};

/** Classes of arrays: double, single and the integers up to 32 bits, all kept alike. */
const [firstNumericClass, lastNumericClass] = [6, 13] as const;
const complexFlag = 0x08;

const headerBytes = 128;
const tagBytes = 8;
const mostDimensions = 32;
const longestName = 256;
/** DEFLATE makes at most so many bytes of one. */
const largestRatio = 1032;
const pieceBytes = 1 << 18;

/** The numbers and elements in a run of bytes of known length. */
class Elements {
  constructor(
    private readonly reader: ByteReader,
    private readonly path: string,
    private readonly little: boolean,
    /** Bytes that are left. */
    public left: number,
  ) {}

  error(expected: string, received: string) {
    return formatError(expected, this.path, received);
  }

  async read(length: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
    if (length > this.left) throw this.error(`${length} bytes of ${what}`, `${this.left} bytes`);
    const bytes = bytesOf(length, what);
    if (!(await this.reader.fill(bytes))) throw this.error(`${length} bytes of ${what}`, 'its end');
    this.left -= length;
    return bytes;
  }

  async skip(length = this.left): Promise<void> {
    if (length > this.left || !(await this.reader.pass(length))) throw this.error(`${length} bytes of an element`, 'its end');
    this.left -= length;
  }

  integers(bytes: Uint8Array): number[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, this.little));
  }

  /** Type and length of the element that comes, and its data where they are in the tag. */
  async tag(): Promise<{ type: number; bytes: number; inTag?: Uint8Array<ArrayBuffer> }> {
    const tag = await this.read(tagBytes, 'a tag');
    const [first, second] = this.integers(tag) as [number, number];
    const small = first >>> 16;
    if (small === 0) return { type: first, bytes: second };
    if (small > 4) throw this.error('at most 4 bytes in a tag', String(small));
    return { type: first & 0xffff, bytes: small, inTag: tag.slice(4, 4 + small) };
  }

  /** The data of an element, which are followed by zeros up to a multiple of 8 bytes. */
  async data({ bytes, inTag }: { bytes: number; inTag?: Uint8Array<ArrayBuffer> }, what: string): Promise<Uint8Array<ArrayBuffer>> {
    if (inTag) return inTag;
    const data = await this.read(bytes, what);
    await this.skip(Math.min(-bytes & 7, this.left));
    return data;
  }

  /** The data of an element that has to be of this type, and short. */
  async short(type: number, most: number, what: string): Promise<Uint8Array> {
    const tag = await this.tag();
    if (tag.type !== type) throw this.error(`${what} (an element of type ${type})`, `type ${tag.type}`);
    if (tag.bytes > most) throw this.error(`at most ${most} bytes of ${what}`, String(tag.bytes));
    return this.data(tag, what);
  }
}

/** Turns the bytes of numbers round in place. */
function swap(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else if (size === 8) buffer.swap64();
}

/** The contents of a matrix element, if it is one of those wanted; reads it to its end. */
async function readMatrix(
  elements: Elements,
  little: boolean,
  wanted: ReadonlySet<string>,
): Promise<{ name: string; array: MatArray } | undefined> {
  const flags = await elements.short(typeUint32, 8, 'array flags');
  if (flags.length !== 8) throw elements.error('8 bytes of array flags', String(flags.length));
  const first = elements.integers(flags)[0]!;
  const sizes = await elements.short(typeInt32, 4 * mostDimensions, 'dimensions');
  if (sizes.length < 8 || sizes.length % 4 !== 0) throw elements.error('two dimensions or more', `${sizes.length} bytes`);
  const shape = elements.integers(sizes);
  const name = Buffer.from(await elements.short(typeInt8, longestName, 'a name')).toString('latin1');
  if (!wanted.has(name)) {
    await elements.skip();
    return undefined;
  }
  const kind = first & 0xff;
  if (kind < firstNumericClass || kind > lastNumericClass || ((first >>> 8) & complexFlag) !== 0)
    throw elements.error(
      `real numbers of at most 53 bits for ${name}`,
      kind >= firstNumericClass ? `class ${kind} or complex ones` : `class ${kind}`,
    );
  const tag = await elements.tag();
  const NumberArray = arrayTypes[tag.type];
  if (!NumberArray) throw elements.error(`numbers for ${name}`, `type ${tag.type}`);
  const size = (NumberArray as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
  const length = shape.reduce((product, side) => product * side, 1);
  if (length * size !== tag.bytes) throw elements.error(`${length * size} bytes for ${name} of ${shape.join(' × ')}`, String(tag.bytes));
  const bytes = await elements.data(tag, name);
  if (elements.left > 0) throw elements.error(`nothing after the numbers of ${name}`, `${elements.left} more bytes`);
  if (!little) swap(bytes, size);
  return { name, array: { shape, data: new NumberArray(bytes.buffer) } };
}

/** `length` compressed bytes, inflated; all of them have to be one stream. */
async function* inflated(reader: ByteReader, length: number, path: string): AsyncGenerator<Uint8Array> {
  const damaged = (received: string, cause?: unknown) => formatError('intact compressed data', path, received, cause);
  async function* compressed() {
    for (let left = length; left > 0; ) {
      const piece = await reader.some(left);
      if (piece.length === 0) throw damaged('its end');
      left -= piece.length;
      yield piece;
    }
  }
  const unzip = createInflate({ chunkSize: pieceBytes });
  // An error reaches the reader through `unzip`, which the pipeline destroys with it.
  pipeline(Readable.from(compressed(), { objectMode: false, highWaterMark: pieceBytes }), unzip, () => {});
  try {
    yield* unzip;
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    throw code.startsWith('Z_') ? damaged(code === 'Z_BUF_ERROR' ? 'a truncated element' : message, cause) : cause;
  }
  if (unzip.bytesWritten !== length) throw damaged(`${length - unzip.bytesWritten} bytes after it`);
}

/**
 * Reads the arrays of these names; others are passed over.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT` naming the file: no MAT-file of level 5, one that is damaged or cut off, a name that is not
 *   there, or is something else than an array of real numbers; `ERR_ONELOGIT_FILE`, `ERR_ONELOGIT_OUT_OF_MEMORY`.
 */
export function readMat<Name extends string>(path: string, names: readonly Name[], meter?: Meter): Promise<Record<Name, MatArray>> {
  return withByteStream(
    path,
    async (stream) => {
      const reader = new ByteReader(stream.pieces);
      const header = new Uint8Array(headerBytes);
      if (!(await reader.fill(header))) throw formatError(`a header of ${headerBytes} bytes`, path, 'its end');
      const order = String.fromCharCode(header[126]!, header[127]!);
      if (order !== 'IM' && order !== 'MI') throw formatError('a MAT-file of level 5', path, 'something else');
      const little = order === 'IM'; // 'MI' as a 16-bit number
      const version = new DataView(header.buffer).getUint16(124, little);
      if (version !== 0x0100)
        throw formatError(
          'a MAT-file of level 5',
          path,
          version === 0x0200 ? 'one of version 7.3 (save it with -v7)' : `version 0x${version.toString(16)}`,
        );
      const wanted = new Set<string>(names);
      const found = new Map<string, MatArray>();
      for (let left = mostBytes(stream) - headerBytes; found.size < wanted.size && left > 0; ) {
        const piece = new Uint8Array(tagBytes);
        const start = await reader.some(1);
        if (start.length === 0) break;
        piece.set(start);
        if (!(await reader.fill(piece.subarray(1)))) throw formatError('a tag of 8 bytes', path, 'its end');
        const view = new DataView(piece.buffer);
        const [type, bytes] = [view.getUint32(0, little), view.getUint32(4, little)];
        left -= tagBytes;
        if (bytes > left) throw formatError(`${bytes} bytes of an element`, path, `${left} bytes`);
        left -= bytes;
        const matrix =
          type === typeMatrix
            ? await readMatrix(new Elements(reader, path, little, bytes), little, wanted)
            : type === typeCompressed
              ? await readCompressed(reader, bytes, path, little, wanted)
              : undefined;
        if (type !== typeMatrix && type !== typeCompressed)
          throw formatError('an array or compressed data', path, `an element of type ${type}`);
        if (!matrix) continue;
        if (found.has(matrix.name)) throw formatError(`one array ${matrix.name}`, path, 'two');
        found.set(matrix.name, matrix.array);
      }
      for (const name of names) if (!found.has(name)) throw formatError(`an array ${name}`, path, 'none of that name');
      return Object.fromEntries(found) as Record<Name, MatArray>;
    },
    meter,
  );
}

async function readCompressed(reader: ByteReader, bytes: number, path: string, little: boolean, wanted: ReadonlySet<string>) {
  const pieces = inflated(reader, bytes, path);
  try {
    const inner = new ByteReader(pieces);
    const head = new Elements(inner, path, little, tagBytes);
    const { type, bytes: size, inTag } = await head.tag();
    if (type !== typeMatrix || inTag) throw formatError('an array in the compressed data', path, `an element of type ${type}`);
    if (size > bytes * largestRatio) throw formatError(`${size} bytes of an array`, path, `${bytes} compressed bytes, too few for that`);
    const matrix = await readMatrix(new Elements(inner, path, little, size), little, wanted);
    if ((await inner.some(1)).length > 0) throw formatError(`${size} bytes of an array`, path, 'more');
    return matrix;
  } finally {
    await pieces.return(undefined);
  }
}
