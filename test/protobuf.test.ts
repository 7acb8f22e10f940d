import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtobufMessage } from '../src/protobuf.js';
import { all, last, readFields } from './helpers/protobuf.js';

const hex = (message: ProtobufMessage) => Buffer.from(message.toBytes()).toString('hex');
const message = () => new ProtobufMessage();

describe('bytes', () => {
  // The examples of https://protobuf.dev/programming-guides/encoding/.
  test('are those of the published examples', () => {
    expect(hex(message().integer(1, 150))).toBe('089601');
    expect(hex(message().string(2, 'testing'))).toBe('120774657374696e67');
    expect(hex(message().message(3, message().integer(1, 150)))).toBe('1a03089601');
    expect(hex(message().string(4, 'hello').integer(5, 1).integer(5, 2).integer(5, 3))).toBe('220568656c6c6f280128022803');
    expect(hex(message().integer(1, -2))).toBe('08feffffffffffffffff01');
  });

  test('of fixed widths are little-endian', () => {
    expect(hex(message().float(2, 1))).toBe('150000803f');
    expect(hex(message().double(1, 1))).toBe('09000000000000f03f');
  });

  test('of booleans, enums, fields from 16 on and of nothing', () => {
    expect(hex(message().integer(1, true).integer(2, false))).toBe('08011000');
    expect(hex(message().integer(16, 0))).toBe('800100');
    expect(hex(message().string(1, '').message(2, message()))).toBe('0a001200');
    expect(hex(message())).toBe('');
  });
});

test('what is written is what is read, however it is nested', () => {
  fc.assert(
    fc.property(
      fc.record({
        integer: fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
        float: fc.float(),
        double: fc.double(),
        text: fc.string({ unit: 'grapheme', maxLength: 200 }),
        bytes: fc.uint8Array({ maxLength: 3000 }),
        depth: fc.integer({ min: 0, max: 5 }),
        field: fc.integer({ min: 1, max: 2 ** 29 - 1 }),
      }),
      ({ integer, float, double, text, bytes, depth, field }) => {
        let written = message().integer(1, integer).float(2, float).double(3, double).string(4, text).bytes(5, bytes);
        for (let level = 0; level < depth; level++) written = message().message(field, written).integer(field, level);
        let read = written.toBytes();
        expect(read.length).toBe(written.byteLength);
        for (let level = depth; level > 0; level--) {
          const fields = readFields(read);
          expect(fields.get(field)![1]).toBe(BigInt(level - 1));
          read = fields.get(field)![0] as Uint8Array<ArrayBuffer>;
        }
        const fields = readFields(read);
        expect(BigInt.asIntN(64, fields.get(1)![0] as bigint)).toBe(BigInt(integer));
        expect(last.float(fields, 2)).toBe(float);
        expect(last.double(fields, 3)).toBe(double);
        expect(last.string(fields, 4)).toBe(text);
        expect(fields.get(5)![0]).toEqual(bytes);
      },
    ),
  );
});

test('repeated fields keep their order', () => {
  const fields = readFields(message().integer(1, 3).string(2, 'a').integer(1, 1).string(2, 'b').integer(1, 2).toBytes());
  expect(all.integers(fields, 1)).toEqual([3, 1, 2]);
  expect(all.strings(fields, 2)).toEqual(['a', 'b']);
});

describe('long bytes', () => {
  test('are kept, not copied', () => {
    const long = new Uint8Array(5000).fill(7);
    const pieces = message().message(1, message().string(1, 'before').bytes(2, long).integer(3, 9)).pieces();
    expect(pieces.length).toBe(3);
    expect(pieces[1]).toBe(long);
  });

  test('that are elsewhere have their place, and count', () => {
    const elsewhere = { byteLength: 5_000_000_000, name: 'weight' };
    const written = new ProtobufMessage<typeof elsewhere>().message(7, new ProtobufMessage<typeof elsewhere>().external(9, elsewhere));
    const [before, place, ...after] = written.pieces();
    // Tag of field 9, a length of five bytes.
    expect(written.byteLength).toBe(5_000_000_000 + 1 + 5 + 1 + 5);
    expect(Buffer.from(before as Uint8Array).toString('hex')).toBe('3a86e497d0124a80e497d012');
    expect(place).toBe(elsewhere);
    expect(after).toEqual([]);
    expect(() => written.toBytes()).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_RANGE' }));
  });
});

test.each([0.5, Number.NaN, 2 ** 53, 2n ** 64n, -(2n ** 63n) - 1n])('refuses %s as an integer', (value) => {
  expect(() => message().integer(1, value)).toThrow(expect.objectContaining({ code: 'ERR_ONELOGIT_RANGE' }));
});
