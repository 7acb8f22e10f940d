// A NumPy file whose rows come one after the other.
import { open } from 'node:fs/promises';

const descriptions = { float32: '<f4', int32: '<i4' };

/**
 * @param {string} path
 * @param {keyof typeof descriptions} type
 * @param {number[]} shape
 * @param {AsyncIterable<Float32Array | Int32Array> | Iterable<Float32Array | Int32Array>} rows as many numbers as the shape has, in pieces
 */
export async function writeNpy(path, type, shape, rows) {
  const dictionary = `{'descr': '${descriptions[type]}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  // Ends with a line break at a multiple of 64 bytes.
  const header = `${dictionary.padEnd(Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 11)}\n`;
  const start = Buffer.from(`\x93NUMPY\x01\x00${String.fromCharCode(header.length % 256, header.length >> 8)}`, 'latin1');
  const file = await open(path, 'w');
  try {
    await file.writeFile(Buffer.concat([start, Buffer.from(header, 'latin1')]));
    for await (const numbers of rows) await file.writeFile(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  } finally {
    await file.close();
  }
}
