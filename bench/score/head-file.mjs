// A model file that is a head and nothing else, k classes × d features with a bias, of any size: written piece by piece.
//
//   node bench/score/head-file.mjs FILE d k [float32|bfloat16]
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { layers } from '../../dist/index.js';
import { writeMetadata } from '../../dist/internals.js';
import { version } from '../lib/machine.mjs';

/** The same pseudo-random numbers every time, in (-scale, scale). */
function randomNumbers(length, scale) {
  const numbers = new Float32Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    numbers[i] = (state / 2 ** 31) * scale;
  }
  return numbers;
}

/** One example of d features. */
export const exampleOf = (d) => randomNumbers(d + 1, 1).subarray(1);

const asBytes = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Writes `bytes` bytes of `block`, over and over. */
function repeat(file, block, bytes) {
  for (let left = bytes; left > 0; left -= Math.min(left, block.length)) writeAll(file, block.subarray(0, Math.min(left, block.length)));
}
function writeAll(file, bytes) {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

export function writeHeadFile(path, { d, k, storage = 'float32' }) {
  const half = storage === 'bfloat16';
  const weightBytes = k * d * (half ? 2 : 4);
  const layer = layers.dense(k, { initializer: 'zeros', ...(half && { storage }) });
  const metadata = {
    inputShape: [d],
    layers: [layer],
    seed: 0,
    inputType: 'float32',
    preprocessing: null,
    loss: null,
    split: null,
    trained: true,
    biasInit: null,
  };
  const header = JSON.stringify({
    __metadata__: { onelogit: writeMetadata(metadata, version) },
    '0.weight': { dtype: half ? 'BF16' : 'F32', shape: [k, d], data_offsets: [0, weightBytes] },
    '0.bias': { dtype: 'F32', shape: [k], data_offsets: [weightBytes, weightBytes + 4 * k] },
  });
  // Tensors begin at a cache line, as in files that the package writes.
  const text = Buffer.from(header.padEnd(Math.ceil((8 + header.length) / 64) * 64 - 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  // A length that no row divides: rows differ.
  const numbers = randomNumbers(2 ** 20 + 7, 1 / Math.sqrt(d));
  const block = half ? Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => bits >>> 16) : numbers;
  const file = openSync(path, 'w');
  try {
    writeAll(file, length);
    writeAll(file, text);
    repeat(file, asBytes(block), weightBytes);
    repeat(file, asBytes(numbers), 4 * k);
  } finally {
    closeSync(file);
  }
}

/** The head of a float32 file, in arrays that `allocate(bytes, hugePages)` gives memory for: { weight, bias }. */
export function readHeadFile(path, allocate, hugePages = true) {
  const file = openSync(path, 'r');
  try {
    const length = new Uint8Array(8);
    readAll(file, length, 0);
    const headerBytes = Number(Buffer.from(length).readBigUInt64LE());
    const text = new Uint8Array(headerBytes);
    readAll(file, text, 8);
    const header = JSON.parse(Buffer.from(text).toString());
    const read = ({ data_offsets: [begin, end] }) => {
      const array = new Float32Array(allocate(end - begin, hugePages));
      readAll(file, new Uint8Array(array.buffer), 8 + headerBytes + begin);
      return array;
    };
    return { weight: read(header['0.weight']), bias: read(header['0.bias']) };
  } finally {
    closeSync(file);
  }
}
function readAll(file, bytes, position) {
  // At most 1 GiB at a time: Linux reads no more than 2 GiB.
  for (let done = 0; done < bytes.length; ) done += readSync(file, bytes, done, Math.min(bytes.length - done, 2 ** 30), position + done);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [path, d, k, storage] = process.argv.slice(2);
  writeHeadFile(path, { d: Number(d), k: Number(k), storage });
}
