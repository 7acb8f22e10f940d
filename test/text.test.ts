import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { load } from '../src/data/load.js';
import { dataDirectory } from './helpers/data.js';
import { packageUrl, runModule } from './helpers/process.js';
import { tarEntry, tarOf } from './helpers/tar.js';
import { directoryOf } from './helpers/text-files.js';

/** Ten books; the ninth by path is validation, the tenth test. */
const books: Record<string, string> = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`a/book ${i}.md`, 'The cat. The dog!']));
books['b/Ninth.txt'] = "THE cat's";
books['b/x/Tenth.md'] = 'the bird, the cat';

const wordsOf = ({ inputs, labels, classNames }: Awaited<ReturnType<typeof load>>, context: number) =>
  Array.from(labels, (label, i) =>
    [...inputs.subarray(i * context, (i + 1) * context), label]
      .map((id) => classNames![id] ?? (id === classNames!.length ? '?' : '!'))
      .join(' '),
  );

function needXz(context: TestContext): void {
  if (spawnSync('xz', ['--version']).status === 0) return;
  const message = 'needs the program xz (Debian: apt-get install xz-utils)';
  if (process.env.ONELOGIT_REQUIRE_DATA === '1') throw new Error(`ONELOGIT_REQUIRE_DATA=1 but this test ${message}`);
  context.skip(message);
}

function xz(content: Uint8Array, context: TestContext): Uint8Array {
  needXz(context);
  return execFileSync('xz', ['--compress', '--stdout'], { input: content });
}

describe('datasets.load, text', () => {
  it('takes more texts from one directory than a call has room for arguments', async () => {
    const many = Object.fromEntries(Array.from({ length: 14_000 }, (_, i) => [`a/${i}.txt`, 'the cat']));
    using files = directoryOf(many);
    const source = `import { datasets } from '${packageUrl}';
      const { length } = await datasets.load(${JSON.stringify(files.directory)}, { format: 'text' });
      console.log(length);`;
    expect(await runModule(source, { flags: ['--stack-size=100'] })).toMatchObject({ status: 0, stdout: '22400\n', stderr: '' });
  });

  it('stops inflating what is no text, alone or in an archive', async () => {
    const bomb = 'the cat '.repeat(2 ** 21);
    for (const content of [{ 'a.txt': gzipSync(bomb) }, { 'a.tar.gz': gzipSync(tarOf({ 'a.txt': bomb })) }]) {
      using files = directoryOf(content);
      await expect(load(files.directory)).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringMatching(/bytes of text in .* but received \d+ compressed bytes of more/),
      });
    }
  });

  it('asks for the next word, book by book', async () => {
    using files = directoryOf({ ...books, README: 'not a book', 'b/notes.pdf': 'neither' });
    const train = await load(files.directory, { format: 'text', context: 2 });
    expect(train).toMatchObject({ format: 'text', split: 'train', inputShape: [2], classes: 5, vocabulary: 6, length: 32 });
    expect(train.classNames).toEqual(['the', 'cat', 'dog', 'bird', "cat's"]);
    expect(wordsOf(train, 2).slice(0, 5)).toEqual(['? ? the', '? the cat', 'the cat the', 'cat the dog', '? ? the']);
    expect(train.absentClasses).toEqual([3, 4]);
    const validation = await load(files.directory, { format: 'text', split: 'validation', context: 1 });
    expect(wordsOf(validation, 1)).toEqual(['? the', "the cat's"]);
    const test = await load(files.directory, { format: 'text', split: 'test' });
    expect(wordsOf(test, 4)).toEqual(['? ? ? ? the', '? ? ? the bird', '? ? the bird the', '? the bird the cat']);
  });

  it('keeps the most frequent words, the others unknown: in contexts only', async () => {
    using files = directoryOf(books);
    const test = await load(files.directory, { format: 'text', split: 'test', vocabularySize: 2, context: 2 });
    expect(test).toMatchObject({ classes: 2, vocabulary: 3, length: 3, classNames: ['the', 'cat'] });
    expect(wordsOf(test, 2)).toEqual(['? ? the', 'the ? the', '? the cat']);
    expect((await load(files.directory, { format: 'text', vocabularySize: 1e9 })).classes).toBe(5);
  });

  it('reads the same from an archive, plain, gzip or xz, in any order', async (context) => {
    using files = directoryOf(books);
    const archive = tarOf({ 'b/picture.png': 'the', ...Object.fromEntries(Object.entries(books).reverse()), LICENSE: 'the' });
    for (const split of ['train', 'validation', 'test'] as const) {
      const expected = await load(files.directory, { format: 'text', split });
      for (const [name, content] of [
        ['books.tar', archive],
        ['books.tar.gz', gzipSync(archive)],
        ['books.tar.xz', xz(archive, context)],
      ] as const) {
        using packed = directoryOf({ [name]: content, 'README.md': 'about' });
        expect(await load(packed.directory, { split }), name).toEqual(expected);
      }
    }
  });

  it('takes long and foreign paths from pax, GNU and ustar headers', async () => {
    const long = `${'d'.repeat(120)}/Maelström.md`;
    const gnu = tarEntry('././@LongLink', `${long}\0`, { type: 'L' });
    using files = directoryOf({
      'pax.tar': Buffer.concat([tarEntry(long, 'one two'), tarEntry('x.md', 'three', { prefix: 'prefix' }), Buffer.alloc(1024)]),
    });
    expect((await load(files.directory)).classNames).toEqual(['one', 'three', 'two']);
    using other = directoryOf({ 'gnu.tar': Buffer.concat([gnu, tarEntry('d.bin', 'one two'), Buffer.alloc(1024)]) });
    expect((await load(other.directory)).classNames).toEqual(['one', 'two']);
  });

  it('is found only where there is nothing but text', async () => {
    for (const others of [{ 'data.bin': '' }, { 'a.zip': '' }, { 'x.tar.gz': '', 'y.tar.gz': '' }]) {
      using files = directoryOf({ 'labels.txt': 'cat\ndog\n', ...others });
      await expect(load(files.directory)).rejects.toThrow('the files of a known format');
    }
    using files = directoryOf({ 'one.txt': 'word after word', 'more/two.txt': 'word' });
    expect((await load(files.directory)).format).toBe('text');
  });

  it.each([
    ['no text', { 'a.bin': 'x' }, '.md or .txt files, or one .tar.xz of them,'],
    ['no word', { 'a.txt': '12 + 34' }, 'texts with words'],
    ['too few books for a split', { 'a.txt': 'word' }, 'at least 10 texts for the test split'],
    ['no tar archive', { 'a.tar': 'x'.repeat(1024) }, 'a tar header with its checksum'],
    ['half a header', { 'a.tar': tarOf({ 'a.md': 'word' }).subarray(0, 300) }, 'a tar header of 512 bytes'],
    ['a truncated member', { 'a.tar': tarOf({ 'a.md': 'word'.repeat(500) }).subarray(0, 1000) }, '2000 bytes of a.md'],
    ['damaged pax records', { 'a.tar': tarEntry('PaxHeader', '99 path=x\n', { type: 'x' }) }, 'records in a pax header'],
    ['a name without end', { 'a.tar': tarEntry('L', 'x'.repeat(70_000), { type: 'L' }) }, 'at most 65536 bytes of names'],
    ['truncated gzip', { 'a.tar.gz': gzipSync(tarOf(books)).subarray(0, 200) }, 'intact gzip data'],
  ] as const)('refuses %s', async (_, content, message) => {
    using files = directoryOf(content as Record<string, string>);
    await expect(load(files.directory, { format: 'text', split: message.includes('test split') ? 'test' : 'train' })).rejects.toMatchObject(
      {
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringContaining(message),
      },
    );
  });

  it('refuses damaged and truncated xz', async (context) => {
    const intact = xz(tarOf(books), context);
    for (const content of [
      intact.subarray(0, intact.length - 40),
      Buffer.concat([intact.subarray(0, 60), Buffer.alloc(100), intact.subarray(160)]),
    ]) {
      using files = directoryOf({ 'a.tar.xz': content });
      await expect(load(files.directory)).rejects.toMatchObject({
        code: 'ERR_ONELOGIT_FORMAT',
        message: expect.stringContaining('intact xz'),
      });
    }
  });

  it('leaves no xz waiting when it stops reading before the end', async (context) => {
    const broken = Buffer.concat([tarEntry('a.txt', 'x'), Buffer.alloc(4 * 2 ** 20, 'no header')]);
    using files = directoryOf({ 'a.tar.xz': xz(broken, context) });
    await expect(load(files.directory)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    // Node would wait for it, and it for somebody who reads on.
    await vi.waitFor(() => expect(process.getActiveResourcesInfo()).not.toContain('ProcessWrap'));
  });

  it('names what to install where there is no program xz', async () => {
    using files = directoryOf({ 'a.tar.xz': Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]) });
    const { stdout } = await runModule(
      `import { datasets } from ${JSON.stringify(packageUrl)};
       await datasets.load(${JSON.stringify(files.directory)}).catch(({ code, message }) => console.log(code, message));`,
      { environment: { PATH: files.directory } },
    );
    expect(stdout).toContain('ERR_ONELOGIT_FILE');
    expect(stdout).toContain('apt-get install xz-utils');
    expect(stdout).toContain(join(files.directory, 'a.tar.xz'));
  });

  it('loads the classic books: every word, in seconds and without an object for each', async (context) => {
    if (process.env.ONELOGIT_SANITIZED) context.skip('a test of time and memory');
    const directory = dataDirectory('classic-books', context);
    needXz(context);
    const { status, stdout, stderr } = await runModule(
      `import { datasets } from ${JSON.stringify(packageUrl)};
       const result = { words: 0 };
       const start = performance.now();
       for (const split of ['validation', 'test', 'train']) {
         const { length, classes, classNames, format } = await datasets.load(${JSON.stringify(directory)}, { split });
         Object.assign(result, { classes, format, first: classNames.slice(0, 5), words: result.words + length });
       }
       console.log(JSON.stringify({ ...result, seconds: (performance.now() - start) / 1000, peak: process.resourceUsage().maxRSS }));`,
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ format: 'text', words: 17_192_703, classes: 87_086, first: ['the', 'and', 'of', 'to', 'a'] });
    expect(result.seconds).toBeLessThan(50); // three splits
    expect(result.peak).toBeLessThan(1.5e6); // KiB
  }, 60_000);
});
