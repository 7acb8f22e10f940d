// Arrays in files: .npy, and tensors of .safetensors. Headers are read at once, rows when they are asked for.
import { open } from 'node:fs/promises';

/** @typedef {'float32' | 'uint8' | 'int32' | 'int64'} ElementType */

/** @type {Record<string, ElementType>} what both formats call the types that are understood here */
const types = { '<f4': 'float32', '|u1': 'uint8', '<i4': 'int32', '<i8': 'int64', F32: 'float32', U8: 'uint8', I32: 'int32', I64: 'int64' };
const widths = { float32: 4, uint8: 1, int32: 4, int64: 8 };
const longestHeader = 64 * 2 ** 20;

/** An error whose message says what to do. */
export const formatError = (expected, path, received) =>
  Object.assign(new Error(`Expected ${expected} in ${path} but received ${received}`), { code: 'ERR_FORMAT' });

export class MatrixFile {
  #file;
  #start;

  /**
   * @param {string} path
   * @param {string} tensor which one of a .safetensors file
   */
  static async open(path, tensor) {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const { type, shape, start } = path.endsWith('.safetensors')
        ? await safetensorsHeader(file, path, size, tensor)
        : await npyHeader(file, path, size);
      const bytes = shape.reduce((product, length) => product * length, widths[type]);
      if (start + bytes > size) throw formatError(`${bytes} bytes for the shape [${shape}]`, path, `${size - start}`);
      return new MatrixFile(file, { path, type, shape, start });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * @param {import('node:fs/promises').FileHandle} file
   * @param {{ path: string, type: ElementType, shape: number[], start: number }} header
   */
  constructor(file, { path, type, shape, start }) {
    this.#file = file;
    this.#start = start;
    this.path = path;
    this.type = type;
    this.shape = shape;
    this.rowBytes = shape.slice(1).reduce((product, length) => product * length, widths[type]);
  }

  /** Bytes of some rows that follow each other. */
  async rows(first, count) {
    const bytes = new Uint8Array(count * this.rowBytes);
    await readFully(this.#file, bytes, this.#start + first * this.rowBytes, this.path);
    return bytes;
  }

  /**
   * Bytes of the rows at `indices`, in that order; runs of neighbours are read at once.
   *
   * @param {Int32Array} indices
   */
  async rowsAt(indices) {
    const bytes = new Uint8Array(indices.length * this.rowBytes);
    const reads = [];
    for (let begin = 0, end = 1; begin < indices.length; begin = end++) {
      while (end < indices.length && indices[end] === /** @type {number} */ (indices[end - 1]) + 1) end++;
      const part = bytes.subarray(begin * this.rowBytes, end * this.rowBytes);
      reads.push(readFully(this.#file, part, this.#start + /** @type {number} */ (indices[begin]) * this.rowBytes, this.path));
    }
    await Promise.all(reads);
    return bytes;
  }

  close() {
    return this.#file.close();
  }
}

async function readFully(file, bytes, position, path) {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) throw formatError('a complete file', path, `its end at byte ${position + done}`);
    done += bytesRead;
  }
  return bytes;
}

/** @returns {Promise<{ type: ElementType, shape: number[], start: number }>} */
async function npyHeader(file, path, size) {
  const prefix = Buffer.alloc(12);
  if (size < 12) throw formatError('a NumPy file', path, `${size} bytes`);
  await readFully(file, prefix, 0, path);
  if (prefix.toString('latin1', 0, 6) !== '\x93NUMPY') throw formatError('a NumPy file (.npy) or safetensors', path, 'something else');
  const [start, length] = prefix[6] === 1 ? [10, prefix.readUInt16LE(8)] : [12, prefix.readUInt32LE(8)];
  if (length > longestHeader || start + length > size) throw formatError('a header within the file', path, `${length} bytes`);
  const header = (await readFully(file, Buffer.alloc(length), start, path)).toString('latin1');
  const [, descr] = /'descr': *'([^']*)'/.exec(header) ?? [];
  const [, order] = /'fortran_order': *(True|False)/.exec(header) ?? [];
  const [, axes] = /'shape': *\(([\d, ]*)\)/.exec(header) ?? [];
  const type = types[descr ?? ''];
  if (type === undefined || axes === undefined)
    throw formatError("float32, uint8, int32 or int64 (array.astype('float32') converts)", path, descr ?? 'another header');
  if (order !== 'False') throw formatError('C order (numpy.ascontiguousarray converts)', path, 'Fortran order');
  const shape = axes.split(',').flatMap((axis) => (axis.trim() === '' ? [] : [Number(axis)]));
  return { type, shape, start: start + length };
}

/** @returns {Promise<{ type: ElementType, shape: number[], start: number }>} */
async function safetensorsHeader(file, path, size, tensor) {
  const prefix = Buffer.alloc(8);
  if (size < 8) throw formatError('a safetensors file', path, `${size} bytes`);
  await readFully(file, prefix, 0, path);
  const length = Number(prefix.readBigUInt64LE());
  if (length > longestHeader || 8 + length > size) throw formatError('a header within the file', path, `${length} bytes`);
  let header;
  try {
    header = new Map(Object.entries(JSON.parse((await readFully(file, Buffer.alloc(length), 8, path)).toString())));
  } catch (error) {
    throw formatError('a header of JSON', path, /** @type {Error} */ (error).message);
  }
  const entry = header.get(tensor);
  if (entry === undefined) throw formatError(`a tensor '${tensor}'`, path, [...header.keys()].slice(0, 10).join(', '));
  const type = types[entry.dtype];
  if (type === undefined) throw formatError(`F32, U8, I32 or I64 for '${tensor}'`, path, entry.dtype);
  return { type, shape: entry.shape, start: 8 + length + entry.data_offsets[0] };
}
