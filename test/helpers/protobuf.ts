/** Reads Protocol Buffers, written from the wire format's description alone: what src/protobuf.ts wrote is checked with it. */

/** The values of a message's fields, in the order in which they came: varints as bigint, all else as bytes. */
export type Fields = Map<number, (bigint | Uint8Array)[]>;

export function readFields(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= bytes.length || shift > 63n) throw new Error(`Expected a varint at byte ${at}`);
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const take = (count: number) => {
    if (at + count > bytes.length) throw new Error(`Expected ${count} bytes at ${at} but received the end`);
    at += count;
    return bytes.subarray(at - count, at);
  };
  const byWireType: Record<number, () => bigint | Uint8Array> = {
    0: varint,
    1: () => take(8),
    2: () => take(Number(varint())),
    5: () => take(4),
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const read = byWireType[tag % 8];
    if (!read) throw new Error(`Expected a wire type but received ${tag % 8}`);
    const field = Math.floor(tag / 8);
    fields.set(field, [...(fields.get(field) ?? []), read()]);
  }
  return fields;
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The only or last value of a field as what its schema says it is; undefined if there is none. */
export const last = {
  integer: (fields: Fields, field: number) => {
    const value = fields.get(field)?.at(-1) as bigint | undefined;
    return value === undefined ? undefined : Number(BigInt.asIntN(64, value));
  },
  float: (fields: Fields, field: number) => {
    const value = fields.get(field)?.at(-1) as Uint8Array | undefined;
    return value && view(value).getFloat32(0, true);
  },
  double: (fields: Fields, field: number) => {
    const value = fields.get(field)?.at(-1) as Uint8Array | undefined;
    return value && view(value).getFloat64(0, true);
  },
  string: (fields: Fields, field: number) => {
    const value = fields.get(field)?.at(-1) as Uint8Array | undefined;
    return value && new TextDecoder('utf-8', { fatal: true }).decode(value);
  },
  message: (fields: Fields, field: number) => {
    const value = fields.get(field)?.at(-1) as Uint8Array | undefined;
    return value && readFields(value);
  },
};

/** Every value of a repeated field. */
export const all = {
  integers: (fields: Fields, field: number) => (fields.get(field) ?? []).map((value) => Number(BigInt.asIntN(64, value as bigint))),
  strings: (fields: Fields, field: number) => (fields.get(field) ?? []).map((value) => new TextDecoder().decode(value as Uint8Array)),
  messages: (fields: Fields, field: number) => (fields.get(field) ?? []).map((value) => readFields(value as Uint8Array)),
};
