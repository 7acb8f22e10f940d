import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readSafetensorsHeader, readSafetensorsTensor } from '../src/safetensors.js';

const scratch = mkdtempSync(join(tmpdir(), 'onelogit-files-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const golden = new URL('golden/independent.safetensors', import.meta.url).pathname;

function fileBytes(header: string | Uint8Array, data: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

let files = 0;
function write(bytes: Uint8Array): string {
  const path = join(scratch, `${files++}.safetensors`);
  writeFileSync(path, bytes);
  return path;
}

describe('readSafetensorsHeader', () => {
  it('reads a file by an independent writer', async () => {
    const { metadata, tensors } = await readSafetensorsHeader(golden);
    expect(metadata).toEqual({ format: 'pt', título: 'línea 1\nline 2 😀' });
    expect(tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['weight', 'F32', [3, 4]],
      ['half', 'F16', [2, 3]],
      ['brain', 'BF16', [3]],
      ['double', 'F64', [2]],
      ['labels', 'I64', [4]],
      ['bytes', 'U8', [5]],
      ['scalar', 'F32', []],
      ['empty', 'F32', [0, 7]],
      ['naïve "quoted"\n😀', 'I32', [1]],
    ]);
  });

  it('keeps names that JavaScript treats specially', async () => {
    const path = write(fileBytes('{"__metadata__":{"__proto__":"x","constructor":"y"}}'));
    const { metadata } = await readSafetensorsHeader(path);
    expect(Object.entries(metadata)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  it.each([
    ['an absent file', () => join(scratch, 'absent'), 'ERR_ONELOGIT_FILE'],
    ['a directory', () => scratch, 'ERR_ONELOGIT_FILE'],
    ['a path with a NUL character', () => 'a\0b', 'ERR_ONELOGIT_FILE'],
    ['an empty file', () => write(new Uint8Array()), 'ERR_ONELOGIT_FORMAT'],
    ['a header length of 2^63', () => write(Buffer.from([0, 0, 0, 0, 0, 0, 0, 128, 123, 125])), 'ERR_ONELOGIT_FORMAT'],
    ['a header that is cut', () => write(fileBytes('{"a":{"dtype":"F32"')), 'ERR_ONELOGIT_FORMAT'],
    [
      'a tensor past the end',
      () => write(fileBytes('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', Buffer.alloc(3))),
      'ERR_ONELOGIT_FORMAT',
    ],
  ])('refuses %s', async (_, path, code) => {
    await expect(readSafetensorsHeader(path())).rejects.toMatchObject({
      name: 'OneLogitError',
      code,
      message: expect.stringMatching(/^Expected .* but received /s),
    });
  });

  it('does not wait for a FIFO, and refuses links in a circle', async () => {
    const fifo = join(scratch, 'fifo');
    execFileSync('mkfifo', [fifo]);
    await expect(readSafetensorsHeader(fifo)).rejects.toThrow(/a FIFO/);
    symlinkSync('loop', join(scratch, 'loop'));
    await expect(readSafetensorsHeader(join(scratch, 'loop'))).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FILE' });
  });

  it('refuses what is not a path', async () => {
    for (const path of [undefined, null, 1, {}, '', Symbol('x')])
      await expect(readSafetensorsHeader(path as string)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
  });

  it('never crashes on arbitrary headers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.uint8Array()),
        fc.uint8Array({ maxLength: 16 }),
        async (header, data) => {
          const path = write(fileBytes(header, data));
          const result = await readSafetensorsHeader(path).then(
            () => 'read',
            (error) => error.code,
          );
          rmSync(path);
          expect(['read', 'ERR_ONELOGIT_FORMAT']).toContain(result);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('readSafetensorsTensor', () => {
  it('gives each type its array', async () => {
    const read = (name: string) => readSafetensorsTensor(golden, name);
    expect(await read('weight')).toEqual(Float32Array.from({ length: 12 }, (_, i) => i * 0.5 - 2));
    expect(await read('half')).toEqual(Float32Array.of(0, -1.5, 65504, 2 ** -24, 2 ** -14, Infinity));
    expect((await read('brain')).slice(0, 2)).toEqual(Float32Array.of(1, -2.5));
    expect(await read('double')).toEqual(Float32Array.of(0.1, -Infinity));
    expect(await read('labels')).toEqual(BigInt64Array.of(0n, -1n, 2n ** 62n, -(2n ** 63n)));
    expect(await read('bytes')).toEqual(Uint8Array.of(0x68, 0xc3, 0xa9, 0x21, 0));
    expect(await read('scalar')).toEqual(Float32Array.of(42));
    expect(await read('empty')).toEqual(new Float32Array());
    expect(await read('naïve "quoted"\n😀')).toEqual(Int32Array.of(-7));
  });

  it('says what is missing or of another type', async () => {
    await expect(readSafetensorsTensor(golden, 'absent')).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FORMAT',
      message: expect.stringContaining("a tensor 'absent'"),
    });
    const path = write(fileBytes('{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}', Buffer.alloc(8)));
    await expect(readSafetensorsTensor(path, 'a')).rejects.toThrow(/Expected F32, F16, BF16 or F64 .* but received C64/);
  });
});
