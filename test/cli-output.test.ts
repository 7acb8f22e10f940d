import { afterEach, describe, expect, it, vi } from 'vitest';
import { jsonPieces, Output } from '../src/cli/output.js';

afterEach(() => vi.restoreAllMocks());

function written(write: () => void): string[] {
  const pieces: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    pieces.push(String(text));
    return true;
  });
  write();
  vi.restoreAllMocks();
  return pieces;
}

describe('the JSON of a result', () => {
  it.each<[string, Record<string, unknown>]>([
    ['nothing', {}],
    ['nothing that is known', { a: undefined }],
    [
      'values of every kind',
      { a: 1, b: null, c: undefined, d: { e: [1, undefined, { f: '"' }] }, g: Number.NaN, h: [], i: [[]], 'j"': true },
    ],
    ['a list of a piece', { list: Array.from({ length: 10_000 }, (_, i) => ({ i, none: undefined })) }],
    ['a list of several', { before: 1, list: Array.from({ length: 25_001 }, (_, i) => (i % 7 ? i : null)), after: ['x'] }],
  ])('is that of JSON.stringify: %s', (_, object) => {
    const json = `${JSON.stringify(object)}\n`;
    expect([...jsonPieces(object)].join('')).toBe(json);
    if (json.length < 1_000_000) expect([...jsonPieces(object)]).toHaveLength(1);
  });

  it('may be longer than a string can be', () => {
    const name = 'x'.repeat(10_000);
    const perClass = new Array<object>(60_000).fill({ name });
    expect(() => JSON.stringify({ perClass })).toThrow('Invalid string length');
    let [characters, last] = [0, ''];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      characters += text.length;
      last = String(text);
      return true;
    });
    new Output(true).result({ classes: 60_000, perClass }, () => 'unused');
    vi.restoreAllMocks();
    expect(characters).toBe(60_000 * (JSON.stringify({ name }).length + 1) - 1 + '{"classes":60000,"perClass":[]}\n'.length);
    expect(last).toBe(']}\n');
  });
});

describe('text for people', () => {
  it('makes no terminal do anything, nor turns what is around a name', () => {
    const name = 'a\x1b[2Jb\x9bc\u202ed\u2066e\u2069f שלום 👩‍👩‍👧 \t\n';
    expect(written(() => new Output(false).result({}, () => name)).join('')).toBe(
      'a\ufffd[2Jb\ufffdc\ufffdd\ufffde\ufffdf שלום 👩‍👩‍👧 \t\n\n',
    );
  });
});
