import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { load } from '../src/data/load.js';
import { dataDirectory } from './helpers/data.js';
import { directoryOf } from './helpers/text-files.js';

const splits = ['train', 'validation', 'test'] as const;
const tiny = {
  'entity2id.txt': '4\r\nnew york\t1\r\na\t0\r\nc\t3\r\nb\t2\r\n',
  'relation2id.txt': '2\nr 0\ns 1\n',
  'train2id.txt': '5\n0 1 0\n0 2 0\n0 2 0\n0 1 1\n3 3 1\n',
  'valid2id.txt': '1\n0\t3 0\n',
  'test2id.txt': '2\r\n0 0 0\r\n1 0 1', // no line end after the last
};

const rows = ({ first, classes }: { first: Int32Array; classes: Int32Array }) =>
  Array.from({ length: first.length - 1 }, (_, i) => [...classes.subarray(first[i], first[i + 1])]);

describe('datasets.load, knowledge-graph', () => {
  it('asks for the tail of a head and a relation', async () => {
    using files = directoryOf(tiny);
    const train = await load(files.directory);
    expect(train).toMatchObject({ format: 'knowledge-graph', split: 'train', inputShape: [2], classes: 4, vocabulary: 6, length: 5 });
    expect(train.classNames).toEqual(['a', 'new york', 'b', 'c']);
    expect(train.inputs).toEqual(Int32Array.of(0, 4, 0, 4, 0, 4, 0, 5, 3, 5));
    expect(train.labels).toEqual(Int32Array.of(1, 2, 2, 1, 3));
    expect(train.absentClasses).toEqual([0]);
    const test = await load(files.directory, { split: 'test' });
    expect([...test.inputs, ...test.labels]).toEqual([0, 4, 1, 5, 0, 0]);
    expect((await load(files.directory, { split: 'validation' })).labels).toEqual(Int32Array.of(3));
  });

  it('knows the other right tails, of all splits, each once', async () => {
    using files = directoryOf(tiny);
    const others = async (split: (typeof splits)[number]) => rows((await load(files.directory, { split })).alsoCorrect!);
    expect(await others('train')).toEqual([[0, 2, 3], [0, 1, 3], [0, 1, 3], [], []]);
    expect(await others('validation')).toEqual([[0, 1, 2]]);
    expect(await others('test')).toEqual([[1, 2, 3], []]);
  });

  it('finds the same other tails as a comparison of all triples', async () => {
    const triples = fc.array(fc.tuple(fc.nat(2), fc.nat(4), fc.nat(1)), { minLength: 1, maxLength: 25 });
    const file = (lines: number[][]) => `${lines.length}\n${lines.map((line) => `${line.join(' ')}\n`).join('')}`;
    await fc.assert(
      fc.asyncProperty(triples, triples, triples, async (...parts) => {
        using files = directoryOf({
          'entity2id.txt': '5\na 0\nb 1\nc 2\nd 3\ne 4\n',
          'relation2id.txt': '2\nr 0\ns 1\n',
          'train2id.txt': file(parts[0]),
          'valid2id.txt': file(parts[1]),
          'test2id.txt': file(parts[2]),
        });
        for (const [i, split] of splits.entries()) {
          const expected = parts[i]!.map(([h, t, r]) => {
            const right = new Set(parts.flat().flatMap((other) => (other[0] === h && other[2] === r && other[1] !== t ? [other[1]] : [])));
            return [...right].sort((a, b) => a - b);
          });
          expect(rows((await load(files.directory, { split })).alsoCorrect!)).toEqual(expected);
        }
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it.each([
    ['entity2id.txt', '', 'a number of names, at least 1, in line 1'],
    ['entity2id.txt', '0\n', 'a number of names'],
    ['entity2id.txt', '-4\na 0\n', 'a number of names'],
    ['entity2id.txt', '5\na 0\nb 1\nc 2\nd 3\n', '5 lines after the first'],
    ['entity2id.txt', '999999999\na 0\n', '999999999 lines after the first'],
    ['entity2id.txt', '4\na 0\nb 1\nc 2\nd 4\n', 'an id from 0 to 3 in line 5'],
    ['entity2id.txt', '4\na 0\nb 1\nc 2\nd 99999999999999999999\n', 'an id from 0 to 3 in line 5'],
    ['entity2id.txt', '4\na 0\nb 1\nc 2\n3\n', 'an id from 0 to 3 in line 5'],
    ['entity2id.txt', '4\na 0\nb 1\nc 1\nd 3\n', 'every id once'],
    ['train2id.txt', '', '1 integer in line 1'],
    ['train2id.txt', '1 2\n0 1 0\n', '1 integer in line 1'],
    ['train2id.txt', '2\n0 1 0\n', '2 lines after the first, as that says,'],
    ['train2id.txt', '1\n0 1 0\n0 1 0\n', '1 lines after the first'],
    ['train2id.txt', '4294967296\n0 1 0\n', '1 integer in line 1'],
    ['train2id.txt', '0\n', 'at least one triple'],
    ['train2id.txt', '1\n0 4 0\n', 'an entity from 0 to 3 in line 2'],
    ['train2id.txt', '1\n0 1 2\n', 'a relation from 0 to 1 in line 2'],
    ['train2id.txt', '1\n0 1\n', '3 integers in line 2'],
    ['train2id.txt', '1\n0 1 0 0\n', '3 integers in line 2'],
    ['train2id.txt', '1\n\n0 1 0\n', '3 integers in line 2'],
    ['train2id.txt', '1\n0 -1 0\n', "the byte 45 ('-')"],
    ['train2id.txt', '1\n0 1.5 0\n', "the byte 46 ('.')"],
    ['train2id.txt', '1\n0 99999999999999999999 0\n', 'above 2147483647'],
    ['train2id.txt', new Uint8Array(100), 'the byte 0'],
  ])('refuses %s holding %j', async (name, content, message) => {
    using files = directoryOf({ ...tiny, [name]: content });
    await expect(load(files.directory)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT', message: expect.stringContaining(message) });
    await expect(load(files.directory)).rejects.toThrow(join(files.directory, name));
  });

  it('says which file is missing, and refuses options of other formats', async () => {
    const { 'valid2id.txt': _, ...withoutValidation } = tiny;
    using files = directoryOf(withoutValidation);
    await expect(load(files.directory)).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringContaining('valid2id.txt'),
    });
    await expect(load(files.directory, { context: 3 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    await expect(load(files.directory, { vocabularySize: 3 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
  });

  for (const [name, classes, relations, lengths] of [
    ['FB15K237', 14_541, 237, [272_115, 17_535, 20_466]],
    ['NELL-995', 75_492, 200, [149_678, 543, 3_992]],
  ] as const)
    it(`loads ${name}`, async (context) => {
      const directory = dataDirectory(`knowledge-graphs/${name}`, context);
      for (const [i, split] of splits.entries()) {
        const { alsoCorrect, ...dataset } = await load(directory, { split });
        expect(dataset).toMatchObject({ classes, vocabulary: classes + relations, length: lengths[i] });
        expect(alsoCorrect!.first.at(-1)).toBe(alsoCorrect!.classes.length);
        expect(dataset.inputs.every((id) => id < classes + relations)).toBe(true);
        expect(Math.min(...[0, 1, 2].map((at) => dataset.inputs[2 * at + 1]!))).toBeGreaterThanOrEqual(classes);
      }
      const { absentClasses } = await load(directory);
      // "different tails in train"
      expect(classes - absentClasses.length).toBe(name === 'FB15K237' ? 13_379 : 35_560);
    });
});
