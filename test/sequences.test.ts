import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { load } from '../src/data/load.js';
import { dataDirectory } from './helpers/data.js';
import { directoryOf } from './helpers/text-files.js';

const tiny = '7 1\n7 2\n7 3\n7 4\n2 5\n2 5\n9 3\n9 2\n9 1\n';

describe('datasets.load, sequences', () => {
  it('asks for the next item of a user', async () => {
    using files = directoryOf({ 'Tiny.txt': tiny, LICENSE: 'free', 'README.txt': 'about' });
    const train = await load(files.directory, { context: 2 });
    expect(train).toMatchObject({ format: 'sequences', split: 'train', inputShape: [2], classes: 5, vocabulary: 6, length: 5 });
    // User 7: items 1, 2; user 2 has too few events for the other splits; user 9: item 3.
    expect(train.inputs).toEqual(Int32Array.of(0, 0, 0, 1, 0, 0, 0, 5, 0, 0));
    expect(train.labels).toEqual(Int32Array.of(0, 1, 4, 4, 2));
    const validation = await load(files.directory, { context: 2, split: 'validation' });
    expect([...validation.inputs, ...validation.labels]).toEqual([1, 2, 0, 3, 2, 1]);
    const test = await load(files.directory, { context: 2, split: 'test' });
    expect([...test.inputs, ...test.labels]).toEqual([2, 3, 3, 2, 3, 0]);
    expect(test.absentClasses).toEqual([1, 2, 4]);
  });

  it('takes ten previous items by default, Windows line ends, and gzip when told the format', async () => {
    using files = directoryOf({ 'events.txt.gz': gzipSync(tiny.replaceAll('\n', '\r\n')) });
    expect(await load(files.directory, { format: 'sequences' })).toMatchObject({ inputShape: [10], length: 5, classes: 5 });
  });

  it('stops inflating what is no text', async () => {
    using files = directoryOf({ 'events.txt': gzipSync('1 1\n'.repeat(2 ** 22)) });
    const failure = load(files.directory, { format: 'sequences' });
    await expect(failure).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT', message: expect.stringContaining('bytes of text') });
  });

  it.each([
    ['', 'at least one event'],
    ['1 1\n1\n', '2 integers in line 2'],
    ['1 1\n\n1 2\n', '2 integers in line 2'],
    ['1 1 1\n', '2 integers in line 1'],
    ['1 0\n', 'an item of at least 1 in line 1'],
    ['1 2147483647\n', 'items numbered from 1 without large gaps'],
    ['1 2147483648\n', 'above 2147483647'],
    ['1 1\n2 2\n1 3\n', 'all events of a user together'],
    ['1 one\n', "the byte 111 ('o')"],
  ])('refuses %j', async (content, message) => {
    using files = directoryOf({ 'events.txt': content });
    await expect(load(files.directory, { format: 'sequences' })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FORMAT',
      message: expect.stringContaining(message),
    });
  });

  it('says that no user is long enough for a split', async () => {
    using files = directoryOf({ 'events.txt': '1 1\n1 2\n2 1\n' });
    await expect(load(files.directory, { split: 'test' })).rejects.toThrow('a user with at least 3 events for the test split');
    expect((await load(files.directory)).length).toBe(3);
  });

  it('refuses options that it does not have, and impossible values', async () => {
    using files = directoryOf({ 'events.txt': tiny, 'other.txt': tiny });
    await expect(load(files.directory, { format: 'sequences' })).rejects.toThrow('one .txt file of "user item" lines');
    for (const context of [0, 1.5, -1, Number.NaN, 65_537])
      await expect(load(files.directory, { context })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RANGE' });
    await expect(load(files.directory, { context: '3' as never })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(load(files.directory, { format: 'sequences', vocabularySize: 3 })).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_UNKNOWN_OPTION',
    });
  });

  it('loads the Amazon video games', async (context) => {
    const directory = dataDirectory('amazon-video-games', context);
    const [train, validation, test] = [
      await load(directory),
      await load(directory, { split: 'validation' }),
      await load(directory, { split: 'test' }),
    ];
    expect(train).toMatchObject({ classes: 23_715, vocabulary: 23_716, inputShape: [10] });
    expect(train.length + validation.length + test.length).toBe(287_107);
    expect(validation.length).toBe(test.length);
    expect(test.length).toBeLessThanOrEqual(31_013);
    // The first user of the file.
    expect([...train.inputs.subarray(10, 20), train.labels[1]]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 6393, 13_503]);
  });
});
