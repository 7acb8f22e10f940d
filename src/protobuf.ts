/**
 * Writes Protocol Buffers, by the published wire format (https://protobuf.dev/programming-guides/encoding/): fields are numbers and wire types, whoever
 * writes a message knows its schema. There is nothing to read them with.
 */
import { describe } from './check.js';
import { rangeError } from './errors.js';

/** Bytes of a message that are somewhere else: here only how many there are is known. */
export interface Elsewhere {
  readonly byteLength: number;
}

const wireType = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

/** A run of bytes as long as this is kept by reference; what is shorter is copied, so that a message is of few pieces. */
const kept = 1024;
const encoder = new TextEncoder();

/**
 * One message, written field by field in the order of the calls; a repeated field is written once for each element.
 *
 * ```ts
 * const value = new ProtobufMessage().string(1, 'loss').float(2, 0.25);
 * const bytes = new ProtobufMessage().double(1, 12.5).integer(2, 100).message(5, new ProtobufMessage().message(1, value)).toBytes();
 * ```
 *
 * `External` are bytes that the message holds the place of, such as a tensor in a file ({@link ProtobufMessage.pieces}).
 */
export class ProtobufMessage<External extends Elsewhere = never> {
  readonly #pieces: (Uint8Array | External)[] = [];
  #pieceBytes = 0;
  // What has been written since the last piece.
  #recent = new Uint8Array(64);
  #used = 0;

  /** Of the message so far, without a tag or a length before it. */
  get byteLength(): number {
    return this.#pieceBytes + this.#used;
  }

  /**
   * int32, int64, uint32, uint64, bool or enum, whose varints are alike. A negative number takes ten bytes.
   *
   * @param value - a safe integer, true or false, or a bigint in [−2⁶³, 2⁶⁴)
   */
  integer(field: number, value: number | bigint | boolean): this {
    this.#tag(field, wireType.varint);
    const number = typeof value === 'boolean' ? Number(value) : value;
    const fits = typeof number === 'bigint' ? number >= -(2n ** 63n) && number < 2n ** 64n : Number.isSafeInteger(number);
    if (!fits) throw rangeError('ERR_ONELOGIT_RANGE', `Expected an integer of 64 bits for field ${field} but received ${describe(value)}`);
    if (typeof number === 'number' && number >= 0) this.#varint(number);
    else this.#bigVarint(BigInt.asUintN(64, BigInt(number)));
    return this;
  }

  float(field: number, value: number): this {
    this.#tag(field, wireType.fixed32);
    const at = this.#room(4);
    new DataView(this.#recent.buffer).setFloat32(at, value, true);
    return this;
  }

  double(field: number, value: number): this {
    this.#tag(field, wireType.fixed64);
    const at = this.#room(8);
    new DataView(this.#recent.buffer).setFloat64(at, value, true);
    return this;
  }

  /** UTF-8; a lone surrogate becomes U+FFFD. */
  string(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  /** @param value - may be kept by reference: it must not change before the message has been written */
  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, wireType.lengthDelimited);
    this.#varint(value.byteLength);
    this.#append(value);
    return this;
  }

  /** A field of bytes that are not here. */
  external(field: number, value: External): this {
    this.#tag(field, wireType.lengthDelimited);
    this.#varint(value.byteLength);
    this.#push(value);
    return this;
  }

  /** @param value - complete: what is written into it later is not part of this message */
  message(field: number, value: ProtobufMessage<External>): this {
    this.#tag(field, wireType.lengthDelimited);
    this.#varint(value.byteLength);
    for (const piece of value.pieces()) {
      if (piece instanceof Uint8Array) this.#append(piece);
      else this.#push(piece);
    }
    return this;
  }

  /** The message from its beginning to its end. */
  pieces(): readonly (Uint8Array | External)[] {
    return this.#used === 0 ? this.#pieces : [...this.#pieces, this.#recent.subarray(0, this.#used)];
  }

  /** The message as one array; only without {@link ProtobufMessage.external} fields. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const pieces = this.pieces().map((piece) => {
      if (piece instanceof Uint8Array) return piece;
      throw rangeError(
        'ERR_ONELOGIT_RANGE',
        `Expected a message all of whose bytes are here but received one without ${piece.byteLength} of them`,
      );
    });
    const bytes = new Uint8Array(this.byteLength);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.byteLength;
    }
    return bytes;
  }

  #tag(field: number, type: number): void {
    this.#varint(field * 8 + type);
  }

  /** A non-negative safe integer. */
  #varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#byte((rest % 128) + 128);
    this.#byte(rest);
  }

  #bigVarint(value: bigint): void {
    let rest = value;
    for (; rest >= 128n; rest >>= 7n) this.#byte(Number(rest & 127n) + 128);
    this.#byte(Number(rest));
  }

  #byte(value: number): void {
    const at = this.#room(1);
    this.#recent[at] = value;
  }

  #append(bytes: Uint8Array): void {
    if (bytes.byteLength < kept) {
      const at = this.#room(bytes.byteLength);
      this.#recent.set(bytes, at);
    } else this.#push(bytes);
  }

  #push(piece: Uint8Array | External): void {
    if (this.#used > 0) {
      this.#pieces.push(this.#recent.subarray(0, this.#used));
      this.#pieceBytes += this.#used;
      this.#recent = new Uint8Array(64);
      this.#used = 0;
    }
    this.#pieces.push(piece);
    this.#pieceBytes += piece.byteLength;
  }

  /** Where the next `count` bytes go. */
  #room(count: number): number {
    const at = this.#used;
    this.#used += count;
    if (this.#used > this.#recent.length) {
      const larger = new Uint8Array(Math.max(this.#used, 2 * this.#recent.length));
      larger.set(this.#recent.subarray(0, at));
      this.#recent = larger;
    }
    return at;
  }
}
