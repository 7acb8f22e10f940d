import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNpy, readNpy } from '../src/data/npy.js';
import { temporaryFile } from './helpers/temporary.js';

/** What numpy.save writes: header padded with spaces to a multiple of 64 and ended by a newline. */
function npy(header: string, data: Uint8Array, major = 1): Uint8Array {
  const start = major === 1 ? 10 : 12;
  const padded = `${header.padEnd(Math.ceil((start + header.length + 1) / 64) * 64 - start - 1)}\n`;
  const bytes = new Uint8Array(start + padded.length + data.length);
  bytes.set([0x93, ...Buffer.from('NUMPY'), major, 0]);
  const view = new DataView(bytes.buffer);
  if (major === 1) view.setUint16(8, padded.length, true);
  else view.setUint32(8, padded.length, true);
  bytes.set(Buffer.from(padded, 'latin1'), start);
  bytes.set(data, start + padded.length);
  return bytes;
}

const header = (descr: string, shape: string, fortran = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
const bytesOf = (array: Float32Array | Int32Array | BigInt64Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe('parseNpy', () => {
  it('reads float32, uint8 and int32 arrays of any number of dimensions', () => {
    const floats = new Float32Array([1.5, -2, Number.NaN, Infinity, 0, 3]);
    expect(parseNpy(npy(header('<f4', '(2, 3)'), bytesOf(floats)))).toEqual({ shape: [2, 3], data: floats });
    expect(parseNpy(npy(header('|u1', '(4,)'), new Uint8Array([0, 1, 254, 255])))).toEqual({
      shape: [4],
      data: new Uint8Array([0, 1, 254, 255]),
    });
    const integers = new Int32Array([-1, 2 ** 31 - 1]);
    expect(parseNpy(npy(header('<i4', '(1, 2, 1)'), bytesOf(integers)))).toEqual({ shape: [1, 2, 1], data: integers });
    expect(parseNpy(npy(header('<f4', '()'), bytesOf(new Float32Array([7]))))).toEqual({ shape: [], data: new Float32Array([7]) });
    expect(parseNpy(npy(header('<f4', '(0, 5)'), new Uint8Array()))).toEqual({ shape: [0, 5], data: new Float32Array() });
  });

  it('reads int64, which NumPy makes of Python integers, where int32 holds it', () => {
    const fits = [0n, -1n, 5n, 2n ** 31n - 1n, -(2n ** 31n)];
    const file = (values: bigint[]) => npy(header('<i8', `(${values.length},)`), bytesOf(BigInt64Array.from(values)));
    expect(parseNpy(file(fits))).toEqual({ shape: [5], data: Int32Array.from(fits.map(Number)) });
    for (const value of [2n ** 31n, -(2n ** 31n) - 1n, 2n ** 32n, 2n ** 63n - 1n, -(2n ** 63n)])
      expect(() => parseNpy(file([7n, value]), 'y.npy')).toThrow(
        expect.objectContaining({
          code: 'ERR_ONELOGIT_FORMAT',
          message: expect.stringContaining(`y.npy but received ${value} at index 1`),
        }),
      );
    expect(() => parseNpy(npy(header('<i8', '(2,)'), new Uint8Array(8)))).toThrow('16 bytes');
  });

  it('reads versions 1, 2 and 3, keys in any order and either quote', () => {
    const data = bytesOf(new Float32Array([4]));
    const text = `{"shape": (1,), 'fortran_order': False, "descr": "<f4"}`;
    for (const major of [1, 2, 3]) expect(parseNpy(npy(text, data, major)).data).toEqual(new Float32Array([4]));
  });

  it('reads from the middle of a larger buffer, unaligned, and copies', () => {
    const file = npy(header('<f4', '(2,)'), bytesOf(new Float32Array([1, 2])));
    const larger = new Uint8Array(file.length + 3);
    larger.set(file, 3);
    const { data } = parseNpy(larger.subarray(3));
    larger.fill(0);
    expect(data).toEqual(new Float32Array([1, 2]));
  });

  const four = new Uint8Array(4);
  it.each([
    ['an empty file', new Uint8Array()],
    ['something else', Buffer.from('PK\x03\x04 a zip archive')],
    ['a version from the future', npy(header('<f4', '(1,)'), four, 4)],
    ['a header that passes the end', npy(header('<f4', '(1,)'), four).subarray(0, 40)],
    ['a cut length field', npy(header('<f4', '(1,)'), four, 2).subarray(0, 11)],
    ['float64', npy(header('<f8', '(1,)'), new Uint8Array(8))],
    ['big-endian', npy(header('>f4', '(1,)'), four)],
    ['pickled objects', npy(header('|O', '(1,)'), four)],
    ['a property of Object.prototype as type', npy(header('constructor', '(1,)'), four)],
    ['Fortran order', npy(header('<f4', '(1, 1)', 'True'), four)],
    ['too few bytes', npy(header('<f4', '(2,)'), four)],
    ['too many bytes', npy(header('<f4', '(0,)'), four)],
    ['a shape beyond all memory', npy(header('<f4', '(999999999999999, 999999999999999)'), four)],
    ['a size of 16 digits', npy(header('<f4', '(9999999999999999,)'), four)],
    ['a negative size', npy(header('<f4', '(-1,)'), four)],
    ['a shape without its comma', npy(header('<f4', '(1)'), four)],
    ['a hole in the shape', npy(header('<f4', '(1,,1)'), four)],
    ['a key twice', npy(`{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}`, four)],
    ['a missing key', npy(`{'descr': '<f4', 'shape': (1,)}`, four)],
    ['an unknown key', npy(`{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': True}`, four)],
    ['a value of the wrong kind', npy(`{'descr': '<f4', 'fortran_order': '<f4', 'shape': (1,)}`, four)],
    ['text after the dictionary', npy(`${header('<f4', '(1,)')} import os`, four)],
    ['33 dimensions', npy(header('<f4', `(${'1,'.repeat(33)})`), four)],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseNpy(bytes, 'x.npy')).toThrow(
      expect.objectContaining({ code: 'ERR_ONELOGIT_FORMAT', message: expect.stringMatching(/^Expected .* in x\.npy but received /) }),
    );
  });

  it('answers any bytes with an array or with the documented error', () => {
    const good = npy(header('<f4', '(2, 3)'), new Uint8Array(24));
    const mutated = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => changes.reduce((bytes, [at, value]) => bytes.with(at, value), good));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          const { shape, data } = parseNpy(bytes);
          expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
        } catch (error) {
          expect(error).toMatchObject({ name: 'OneLogitError', code: 'ERR_ONELOGIT_FORMAT' });
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('readNpy', () => {
  it('reads a file, and names the one it cannot read', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onelogit-npy-'));
    try {
      const path = join(directory, 'x.npy');
      await writeFile(path, npy(header('|u1', '(2,)'), new Uint8Array([3, 4])));
      expect(await readNpy(path)).toEqual({ shape: [2], data: new Uint8Array([3, 4]) });
      await expect(readNpy(join(directory, 'none.npy'))).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FILE',
        message: expect.stringContaining('none.npy'),
      });
      await expect(readNpy(directory)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('reads from a pipe', async () => {
    using file = temporaryFile('pipe.npy');
    execFileSync('mkfifo', [file.name]);
    const reading = readNpy(file.name);
    await writeFile(file.name, npy(header('|u1', '(2,)'), new Uint8Array([3, 4])));
    expect(await reading).toEqual({ shape: [2], data: new Uint8Array([3, 4]) });
  });

  // 2 GiB of memory; the file has holes and takes none of the disk.
  it.skipIf(process.env.ONELOGIT_SANITIZED !== undefined || freemem() < 4 * 2 ** 30)('reads more than 2 GiB', async () => {
    using file = temporaryFile('large.npy');
    const length = 2 ** 31 + 5;
    const start = npy(header('|u1', `(${length},)`), new Uint8Array());
    await writeFile(file.name, start);
    await truncate(file.name, start.length + length - 1);
    await appendFile(file.name, new Uint8Array([7]));
    const { shape, data } = await readNpy(file.name);
    expect([shape, data.length, data[0], data.at(-2), data.at(-1)]).toEqual([[length], length, 0, 0, 7]);
  });
});
