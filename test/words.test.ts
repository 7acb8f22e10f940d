import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Words, WordTypes } from '../src/data/words.js';

/** The definition, on strings. */
const plainWords = (text: string) =>
  text
    .replaceAll('’', "'")
    .toLowerCase()
    .match(/[a-z]+(?:'[a-z]+)*/g) ?? [];

function wordsOf(pieces: Iterable<Uint8Array>): string[] {
  const words = new Words();
  for (const piece of pieces) words.scan(piece);
  words.textEnds();
  return Array.from(words.ids.view(), (id) => words.types.text(id));
}

/** Letters, apostrophes and characters whose bytes begin like those that matter. */
const character = fc.constantFrom(
  ...'aAbzZ'.split(''),
  "'",
  '’',
  '‘',
  '“',
  ' ',
  '\n',
  '-',
  '_',
  '1',
  'é',
  'É',
  'İ',
  'ı',
  'Ĳ',
  'K',
  'Å',
  'ℬ',
  '€',
  '…',
  '😀',
);

describe('Words', () => {
  it('finds the words of any text, wherever its pieces end', () => {
    fc.assert(
      fc.property(fc.array(character, { maxLength: 40 }), fc.integer({ min: 1, max: 7 }), (characters, size) => {
        const text = characters.join('');
        const bytes = new TextEncoder().encode(text);
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
        expect(wordsOf(pieces)).toEqual(plainWords(text));
      }),
      { numRuns: 3000, seed: 1 },
    );
  });

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const word of wordsOf([bytes])) expect(word).toMatch(/^[a-z]+(?:'[a-z]+)*$/);
      }),
      { numRuns: 2000, seed: 2 },
    );
    // A sequence that another byte breaks off: that byte counts.
    expect(wordsOf([Uint8Array.of(0x61, 0xe2, 0x62, 0xe2, 0x80, 0x63, 0xc4, 0x64)])).toEqual(['a', 'b', 'c', 'd']);
    expect(wordsOf([Uint8Array.of(0x61, 0xe2, 0xe2, 0x80, 0x99, 0x62)])).toEqual(['a', 'b']);
  });

  it('ends a word where a text ends', () => {
    const words = new Words();
    words.scan(new TextEncoder().encode("don'"));
    words.textEnds();
    words.scan(new TextEncoder().encode('t'));
    words.textEnds();
    expect(Array.from(words.ids.view(), (id) => words.types.text(id))).toEqual(['don', 't']);
  });

  it('keeps many and long words apart', () => {
    const text = `${Array.from({ length: 50_000 }, (_, i) => i.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)]!)).join(' ')} ${'a'.repeat(200_000)}`;
    const words = wordsOf([new TextEncoder().encode(text)]);
    expect(words).toEqual(text.split(' '));
  });

  it('orders types by frequency, then by letters', () => {
    const words = new Words();
    words.scan(new TextEncoder().encode("b a c's c b ab c c a"));
    words.textEnds();
    expect(Array.from(words.types.byFrequency(), (id) => words.types.text(id))).toEqual(['c', 'a', 'b', 'ab', "c's"]);
  });

  it('counts every occurrence, with any hash', () => {
    const types = new WordTypes();
    // All of one hash: every look-up probes.
    const letters = Array.from({ length: 300 }, (_, i) => new TextEncoder().encode(`w${i}`));
    for (let round = 0; round < 3; round++) for (const [i, word] of letters.entries()) expect(types.idOf(word, word.length, 42)).toBe(i);
    expect(new Set(types.counts.view())).toEqual(new Set([3]));
  });
});
