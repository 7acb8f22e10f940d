import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readMat } from '../src/data/mat.js';
import { compressed, element, header, type MatOptions, matFile, matrix, uint32, type Variable } from './helpers/mat.js';
import { temporaryFile } from './helpers/temporary.js';

async function readBytes(bytes: Uint8Array, ...names: string[]) {
  using file = temporaryFile('x.mat');
  writeFileSync(file.name, bytes);
  return await readMat(file.name, names);
}

const kinds: MatOptions[] = [false, true].flatMap((compressed) => [false, true].map((bigEndian) => ({ compressed, bigEndian })));

describe.each(kinds)('MAT-files, %j', (options) => {
  it.each([
    ['bytes', Uint8Array.of(1, 2, 3, 4, 5, 255)],
    ['signed bytes', Int8Array.of(1, -2, 3, -4, 5, -128)],
    ['16-bit integers', Uint16Array.of(1, 2, 3, 4, 5, 65535)],
    ['signed 16-bit integers', Int16Array.of(1, -2, 3, 4, 5, -32768)],
    ['32-bit integers', Uint32Array.of(1, 2, 3, 4, 5, 2 ** 32 - 1)],
    ['signed 32-bit integers', Int32Array.of(1, -2, 3, 4, 5, -(2 ** 31))],
    ['single', Float32Array.of(1.5, -2, 3e-40, Infinity, 5, NaN)],
    ['double', Float64Array.of(1.5, -2, 3e-310, Infinity, 5, NaN)],
  ])('holds %s', async (_, data) => {
    const file = matFile({ other: { shape: [1, 3], data: Uint8Array.of(1, 2, 3) }, x: { shape: [2, 3], data } }, options);
    expect(await readBytes(file, 'x')).toEqual({ x: { shape: [2, 3], data } });
  });

  it('holds small elements, several dimensions, empty arrays and long names', async () => {
    const variables: Record<string, Variable> = {
      y: { shape: [1, 1], data: Uint8Array.of(7), class: 6 }, // a double that fits into a byte
      X: { shape: [2, 1, 3, 2], data: Uint8Array.from({ length: 12 }, (_, i) => i) },
      none: { shape: [0, 0], data: new Uint8Array(0), class: 6 },
      ['long'.repeat(15)]: { shape: [1, 3], data: Uint16Array.of(1, 2, 3) },
    };
    const read = await readBytes(matFile(variables, options), ...Object.keys(variables));
    for (const [name, { shape, data }] of Object.entries(variables)) expect(read[name]).toEqual({ shape, data });
  });

  it('holds more than comes in one piece', async () => {
    const data = Uint32Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 2654435761)); // 1.2 MB that hardly shrink
    const { x } = await readBytes(matFile({ x: { shape: [300, 1000], data }, y: { shape: [1, 1], data } }, options), 'x');
    expect(x.shape).toEqual([300, 1000]);
    expect(Buffer.compare(new Uint8Array(x.data.buffer), new Uint8Array(data.buffer))).toBe(0);
  });

  it('survives damage anywhere: the array, or an error that names the file', async () => {
    const original = matFile(
      { y: { shape: [4, 1], data: Uint8Array.of(1, 2, 3, 10), class: 6 }, X: { shape: [4, 4, 3, 4], data: new Uint8Array(192).fill(9) } },
      options,
    );
    using file = temporaryFile('x.mat');
    let random = 12345;
    const next = (bound: number) => {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      return Math.floor((random / 2 ** 32) * bound);
    };
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      let bytes = Buffer.from(original);
      for (let edits = next(3); edits >= 0; edits--) {
        const at = 124 + next(bytes.length - 124);
        if (round % 4 === 0) bytes = bytes.subarray(0, at + 1);
        else if (round % 4 === 1) bytes[at] = next(256);
        else if (round % 4 === 2) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(next(9), next(256)), bytes.subarray(at)]);
        else bytes.fill(next(2) * 255, at, Math.min(at + 4, bytes.length));
      }
      writeFileSync(file.name, bytes);
      try {
        const { X, y } = await readMat(file.name, ['X', 'y']);
        for (const { shape, data } of [X, y]) expect(data.length).toBe(shape.reduce((product, side) => product * side, 1));
      } catch (error) {
        expect(error).toMatchObject({ name: 'OneLogitError', code: 'ERR_ONELOGIT_FORMAT' });
        expect((error as Error).message).toContain(file.name);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(200);
  });
});

const small: Variable = { shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) };

describe('MAT-files', () => {
  it('may be gzip', async () => {
    expect(await readBytes(gzipSync(matFile({ x: small })), 'x')).toEqual({ x: small });
  });

  it('passes over what it does not know, if it is not asked for', async () => {
    const cell = { ...small, class: 1 };
    const complex = { ...small, flags: 8 };
    for (const options of kinds) expect(await readBytes(matFile({ cell, complex, x: small }, options), 'x')).toEqual({ x: small });
  });

  const content = matrix('x', small).subarray(8);
  const announced = (bytes: number) => compressed(Buffer.concat([uint32([14, bytes]), content]));
  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'a header of 128 bytes'],
    ['text', Buffer.alloc(300, 'text '), 'a MAT-file of level 5'],
    ['version 7.3', Buffer.concat([header(false, 0x0200), Buffer.alloc(512)]), 'save it with -v7'],
    ['no arrays', header(), 'Expected an array x'],
    ['others alone', matFile({ y: small }), 'Expected an array x'],
    ['two of them', Buffer.concat([matFile({ x: small, z: small }), matrix('x', small)]), ''],
    ['a truncated tag', Buffer.concat([header(), Buffer.of(14, 0, 0)]), 'a tag of 8 bytes'],
    ['a truncated array', matFile({ x: small }).subarray(0, -1), 'bytes of an element'],
    ['a truncated compressed array', matFile({ x: small }, { compressed: true }).subarray(0, -1), 'bytes of an element'],
    ['an element of another type', Buffer.concat([header(), element(2, Buffer.alloc(12))]), 'an element of type 2'],
    ['a cell array', matFile({ x: { ...small, class: 1 } }), 'real numbers'],
    ['complex numbers', matFile({ x: { ...small, flags: 8 } }), 'real numbers'],
    ['64-bit integers', matFile({ x: { ...small, class: 14 } }), 'real numbers'],
    ['other dimensions', matFile({ x: { ...small, shape: [2, 4] } }), '8 bytes for x of 2 × 4'],
    ['dimensions past everything', matFile({ x: { ...small, shape: [0xffffffff, 0xffffffff] } }), 'bytes for x of 4294967295'],
    ['one dimension', matFile({ x: { ...small, shape: [6] } }), 'two dimensions or more'],
    ['33 dimensions', matFile({ x: { ...small, shape: Array(33).fill(1) } }), 'at most 128 bytes of dimensions'],
    [
      'numbers of no type',
      Buffer.concat([header(), uint32([14, content.length]), content.subarray(0, -16), uint32([99, 6]), Buffer.alloc(8)]),
      'type 99',
    ],
    [
      'numbers that end after their array',
      Buffer.concat([header(), uint32([14, content.length - 8]), content.subarray(0, -8)]),
      '6 bytes of x',
    ],
    [
      'more in the array than the numbers',
      Buffer.concat([header(), uint32([14, content.length + 8]), content, Buffer.alloc(8)]),
      'nothing after',
    ],
    ['compressed data that inflate to less', Buffer.concat([header(), announced(content.length + 8)]), 'nothing after the numbers'],
    ['compressed data that inflate to more', Buffer.concat([header(), announced(content.length - 8)]), '6 bytes of x'],
    ['compressed data too few for what they announce', Buffer.concat([header(), announced(2 ** 31)]), 'compressed bytes, too few'],
    [
      'compressed data with something behind',
      Buffer.concat([header(), compressed(matrix('x', small)).fill(255, 4, 5)]),
      'bytes of an element',
    ],
    ['compressed data that are none', Buffer.concat([header(), uint32([15, 8]), Buffer.alloc(8, 1)]), 'intact compressed data'],
    ['compressed in compressed', Buffer.concat([header(), compressed(compressed(matrix('x', small)))]), 'an array in the compressed data'],
    [
      'two compressed streams in one element',
      (() => {
        const bytes = Buffer.concat([deflateSync(matrix('y', small)), deflateSync(matrix('x', small))]);
        return Buffer.concat([header(), uint32([15, bytes.length]), bytes]);
      })(),
      'bytes after it',
    ],
  ])('refuses %s', async (what, bytes, expected) => {
    using file = temporaryFile('x.mat');
    writeFileSync(file.name, bytes);
    const names = what === 'two of them' ? ['x', 'never'] : ['x'];
    const failure = await readMat(file.name, names).catch((error) => error);
    expect(failure).toMatchObject({ name: 'OneLogitError', code: 'ERR_ONELOGIT_FORMAT' });
    expect(failure.message).toContain(what === 'two of them' ? 'one array x' : expected);
    expect(failure.message).toContain(file.name);
  });

  it('inflates a bomb no further than its array announces', async () => {
    const bomb = compressed(Buffer.concat([uint32([14, content.length]), content, Buffer.alloc(1 << 28)]));
    const before = process.memoryUsage().rss;
    await expect(readBytes(Buffer.concat([header(), bomb]), 'x')).rejects.toThrow(/bytes of an array/);
    expect(process.memoryUsage().rss - before).toBeLessThan(1 << 27);
  });

  it('are read as SciPy writes them', async (context) => {
    using file = temporaryFile('scipy.mat');
    const script = `
import sys, numpy, scipy.io
scipy.io.savemat(sys.argv[1], {'X': numpy.arange(24, dtype=numpy.uint8).reshape(2, 3, 4), 'y': numpy.array([[1.0, 10.0]]),
                               's': 'text', 'c': numpy.array([1j])}, do_compression=sys.argv[2] == '1')`;
    for (const compression of ['0', '1']) {
      if (spawnSync('python3', ['-c', script, file.name, compression]).status !== 0) context.skip('needs python3 with scipy');
      const { X, y } = await readMat(file.name, ['X', 'y']);
      expect(X.shape).toEqual([2, 3, 4]);
      for (let i = 0; i < 2; i++)
        for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) expect(X.data[i + 2 * (j + 3 * k)]).toBe((i * 3 + j) * 4 + k);
      expect([y.shape, Array.from(y.data)]).toEqual([
        [1, 2],
        [1, 10],
      ]);
    }
  });
});
