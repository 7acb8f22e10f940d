/**
 * Words of a text, as ids in order of first occurrence. Works on bytes: tens of millions of words cost an integer each, and a word's
 * letters are kept once.
 */
import { GrowingIntegers, integersOf } from './growing-integers.js';

const apostrophe = 0x27;
const [upperA, upperZ, lowerA, lowerZ] = [0x41, 0x5a, 0x61, 0x7a] as const;

/**
 * What the bytes of UTF-8 outside ASCII that matter stand for, by the bytes before the last: U+2019, the typographic apostrophe, is a plain
 * one; and two capitals have a letter of ASCII as their small one, the Kelvin sign (U+212A) and the dotted I (U+0130, whose dot stays
 * behind as a character of its own).
 */
const [leadingE2, leadingE280, leadingE284, leadingC4] = [1, 2, 3, 4] as const;

/**
 * Finds the words: matches of `[a-z]+(?:'[a-z]+)*` in the lower-cased text, typographic apostrophes made plain. Texts come in pieces that
 * may end anywhere.
 */
export class Words {
  /** The words of all texts so far, by the id of their type. */
  readonly ids = new GrowingIntegers(1 << 16);
  readonly types = new WordTypes();
  #word = new Uint8Array(64);
  #length = 0;
  #hash = this.types.seed;
  /** An apostrophe after a letter: belongs to the word if another letter follows. */
  #apostrophe = false;
  #sequence = 0;

  scan(piece: Uint8Array): void {
    for (let i = 0; i < piece.length; i++) {
      let byte = piece[i]!;
      if (this.#sequence !== 0) {
        const before = this.#sequence;
        this.#sequence = 0;
        if (before === leadingE2 && byte === 0x80) this.#sequence = leadingE280;
        else if (before === leadingE2 && byte === 0x84) this.#sequence = leadingE284;
        if (this.#sequence !== 0) continue;
        if (before === leadingE280 && byte === 0x99) byte = apostrophe;
        else if (before === leadingE284 && byte === 0xaa) byte = lowerA + 10;
        else if (before === leadingC4 && byte === 0xb0) {
          this.#letter(lowerA + 8);
          this.#wordEnds();
          continue;
        } else this.#wordEnds(); // some other character, or none: then this byte is looked at by itself
      }
      if (byte >= lowerA && byte <= lowerZ) this.#letter(byte);
      else if (byte >= upperA && byte <= upperZ) this.#letter(byte + (lowerA - upperA));
      else if (byte === apostrophe && this.#length > 0 && !this.#apostrophe) this.#apostrophe = true;
      else if (byte === 0xe2) this.#sequence = leadingE2;
      else if (byte === 0xc4) this.#sequence = leadingC4;
      else this.#wordEnds();
    }
  }

  /** The next piece is of another text. */
  textEnds(): void {
    this.#wordEnds();
    this.#sequence = 0;
  }

  #letter(byte: number): void {
    if (this.#apostrophe) {
      this.#apostrophe = false;
      this.#add(apostrophe);
    }
    this.#add(byte);
  }

  #add(byte: number): void {
    if (this.#length === this.#word.length) this.#word = doubled(this.#word);
    this.#word[this.#length++] = byte;
    this.#hash = Math.imul(this.#hash ^ byte, 0x01000193); // FNV-1a
  }

  #wordEnds(): void {
    if (this.#length > 0) this.ids.push(this.types.idOf(this.#word, this.#length, this.#hash));
    this.#length = 0;
    this.#apostrophe = false;
    this.#hash = this.types.seed;
  }
}

/** Different words, numbered in order of first occurrence: an open hash table over one run of bytes. */
export class WordTypes {
  /** Where hashes begin. Random, so that no text can be made of words that all collide; ids do not depend on it. */
  readonly seed = Math.floor(Math.random() * 2 ** 32) | 0;
  readonly counts = new GrowingIntegers();
  /** Type t is `#bytes[#begin[t] … #begin[t + 1])`. */
  #bytes = new Uint8Array(1 << 16);
  readonly #begin = new GrowingIntegers();
  readonly #hashes = new GrowingIntegers();
  /** id + 1, or 0; a power of two, at most half full. */
  #slots = integersOf(1 << 12);

  constructor() {
    this.#begin.push(0);
  }

  get length(): number {
    return this.counts.length;
  }

  /** The id of the word in the first `length` bytes, a new one if it was not seen before. Counts it. */
  idOf(word: Uint8Array, length: number, hash: number): number {
    const mask = this.#slots.length - 1;
    const [begins, hashes, counts] = [this.#begin.view(), this.#hashes.view(), this.counts.view()];
    let slot = mixed(hash) & mask;
    for (let found = this.#slots[slot]!; found !== 0; found = this.#slots[slot]!) {
      const id = found - 1;
      if (hashes[id] === hash && this.#equals(begins[id]!, begins[id + 1]!, word, length)) {
        counts[id]!++;
        return id;
      }
      slot = (slot + 1) & mask;
    }
    return this.#insert(word, length, hash, slot);
  }

  /** Its letters. */
  text(id: number): string {
    const begins = this.#begin.view();
    return Buffer.from(this.#bytes.buffer, begins[id]!, begins[id + 1]! - begins[id]!).toString('latin1');
  }

  /** All ids, the most frequent first; equally frequent ones by their letters. */
  byFrequency(): Int32Array {
    const [counts, begins, bytes] = [this.counts.view(), this.#begin.view(), this.#bytes];
    return integersOf(this.length)
      .map((_, id) => id)
      .sort((a, b) => {
        if (counts[a] !== counts[b]) return counts[b]! - counts[a]!;
        const [ends, others] = [begins[a + 1]!, begins[b + 1]!];
        for (let i = begins[a]!, j = begins[b]!; ; i++, j++) {
          if (i === ends || j === others) return ends - begins[a]! - (others - begins[b]!);
          if (bytes[i] !== bytes[j]) return bytes[i]! - bytes[j]!;
        }
      });
  }

  #equals(begin: number, end: number, word: Uint8Array, length: number): boolean {
    if (end - begin !== length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[begin + i] !== word[i]) return false;
    return true;
  }

  #insert(word: Uint8Array, length: number, hash: number, slot: number): number {
    const begin = this.#begin.view()[this.length]!;
    while (begin + length > this.#bytes.length) this.#bytes = doubled(this.#bytes);
    this.#bytes.set(word.subarray(0, length), begin);
    this.#begin.push(begin + length);
    this.#hashes.push(hash);
    this.counts.push(1);
    this.#slots[slot] = this.length;
    if (2 * this.length > this.#slots.length) this.#rehash();
    return this.length - 1;
  }

  #rehash(): void {
    const slots = integersOf(2 * this.#slots.length);
    const mask = slots.length - 1;
    this.#hashes.view().forEach((hash, id) => {
      let slot = mixed(hash) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    });
    this.#slots = slots;
  }
}

/** FNV's low bits are its weakest: fold the high ones in. */
function mixed(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 7;
}

function doubled(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * bytes.length);
  larger.set(bytes);
  return larger;
}
