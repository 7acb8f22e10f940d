/** MAT-files of level 5 for tests, as MATLAB and SciPy write them. */
import { deflateSync } from 'node:zlib';

type Numbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

export interface Variable {
  shape: number[];
  /** Column-major. */
  data: Numbers;
  /** The class of the array, where it is not that of its numbers: MATLAB keeps whole doubles in few bytes. */
  class?: number;
  flags?: number;
}

export interface MatOptions {
  compressed?: boolean;
  bigEndian?: boolean;
}

/** By the name of the array's type: that of an element, and the class of an array of it. */
const types: Record<string, readonly [element: number, arrayClass: number]> = {
  Int8Array: [1, 8],
  Uint8Array: [2, 9],
  Int16Array: [3, 10],
  Uint16Array: [4, 11],
  Int32Array: [5, 12],
  Uint32Array: [6, 13],
  Float32Array: [7, 7],
  Float64Array: [9, 6],
};

function bytesOf(data: Numbers, bigEndian: boolean): Buffer {
  const bytes = Buffer.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)); // a copy
  const size = data.BYTES_PER_ELEMENT;
  if (bigEndian && size === 2) bytes.swap16();
  if (bigEndian && size === 4) bytes.swap32();
  if (bigEndian && size === 8) bytes.swap64();
  return bytes;
}

export function uint32(values: number[], bigEndian = false): Buffer {
  return bytesOf(Uint32Array.from(values), bigEndian);
}

/** An element; in its tag if there is room for its data. */
export function element(type: number, data: Uint8Array, bigEndian = false): Buffer {
  if (data.length > 0 && data.length <= 4)
    return Buffer.concat([uint32([(data.length << 16) | type], bigEndian), data, Buffer.alloc(4 - data.length)]);
  return Buffer.concat([uint32([type, data.length], bigEndian), data, Buffer.alloc(-data.length & 7)]);
}

export function matrix(name: string, { shape, data, class: kind, flags = 0 }: Variable, bigEndian = false): Buffer {
  const [type, own] = types[data.constructor.name];
  const content = Buffer.concat([
    element(6, uint32([(flags << 8) | (kind ?? own), 0], bigEndian), bigEndian),
    element(5, uint32(shape, bigEndian), bigEndian),
    element(1, Buffer.from(name), bigEndian),
    element(type, bytesOf(data, bigEndian), bigEndian),
  ]);
  return Buffer.concat([uint32([14, content.length], bigEndian), content]);
}

/** Compressed elements are not padded. */
export function compressed(content: Uint8Array, bigEndian = false): Buffer {
  const bytes = deflateSync(content);
  return Buffer.concat([uint32([15, bytes.length], bigEndian), bytes]);
}

export function header(bigEndian = false, version = 0x0100): Buffer {
  const bytes = Buffer.alloc(128, ' ');
  bytes.write('MATLAB 5.0 MAT-file');
  bytes.fill(0, 116, 124);
  if (bigEndian) bytes.writeUInt16BE(version, 124);
  else bytes.writeUInt16LE(version, 124);
  bytes.write(bigEndian ? 'MI' : 'IM', 126);
  return bytes;
}

export function matFile(variables: Record<string, Variable>, { compressed: compress = false, bigEndian = false }: MatOptions = {}): Buffer {
  const elements = Object.entries(variables).map(([name, variable]) => {
    const bytes = matrix(name, variable, bigEndian);
    return compress ? compressed(bytes, bigEndian) : bytes;
  });
  return Buffer.concat([header(bigEndian), ...elements]);
}
