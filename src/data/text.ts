/**
 * Prose, for naming the next word: a directory of text files, or a tar archive of them. A file is a book; splits are made of whole
 * books, because two pages of one book are no independent examples.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type ByteStream, textPieces, withByteStream } from './byte-stream.js';
import {
  absentClasses,
  type DataFormat,
  type FormatOptions,
  formatError,
  type LoadContext,
  type LoadedDataset,
  type Split,
} from './format.js';
import { integersOf } from './growing-integers.js';
import type { Meter } from './meter.js';
import { readTar } from './tar.js';
import { Words } from './words.js';

/** Previous words of an example, unless asked otherwise. */
const defaultContext = 4;

const isText = (name: string) => /\.(?:md|txt)$/i.test(name) && !isAboutData(name);
const isArchive = (name: string) => /\.(?:tar(?:\.(?:xz|gz))?|tgz|txz)$/i.test(name);
const isAboutData = (name: string) => /^(?:readme|licen[cs]e|copying|changelog)(?:\.|$)/i.test(name) || name.startsWith('.');

/** Where a book's words are among those of all. */
interface Book {
  path: string;
  begin: number;
  end: number;
}

/** Texts and directories only, or one archive only: anything else is some other kind of data with a text about it. */
async function detect(_fileNames: readonly string[], directory: string): Promise<boolean> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter(({ name }) => !isAboutData(name));
  if (entries.length === 1 && isArchive(entries[0]!.name)) return true;
  return entries.some(({ name }) => isText(name)) && entries.every((entry) => entry.isDirectory() || isText(entry.name));
}

/** The paths of the texts below a directory, '/' between their parts. Links to directories are not followed: they may go round. */
async function textsBelow(directory: string, prefix = '', found: string[] = []): Promise<string[]> {
  for (const entry of await readdir(join(directory, prefix), { withFileTypes: true })) {
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory()) await textsBelow(directory, `${path}/`, found);
    else if (isText(entry.name) && (entry.isFile() || entry.isSymbolicLink())) found.push(path);
  }
  return found;
}

async function readBooks(directory: string, fileNames: readonly string[], words: Words, meter: Meter): Promise<Book[]> {
  const books: Book[] = [];
  const book = async (path: string, content: (use: (piece: Uint8Array) => unknown) => Promise<void>) => {
    const begin = words.ids.length;
    await content(async (piece) => {
      words.scan(piece);
      await setImmediate(); // pieces of an archive may all be there at once
    });
    words.textEnds();
    books.push({ path, begin, end: words.ids.length });
  };
  const texts = await textsBelow(directory);
  const archives = fileNames.filter(isArchive);
  if (texts.length === 0 && archives.length === 1) {
    const path = join(directory, archives[0]!);
    await meter.expectFiles([path]);
    const read = (stream: ByteStream) =>
      readTar(textPieces(stream, path), path, async (entry, content) => {
        if (entry.regular && isText(entry.path.split('/').at(-1)!)) await book(entry.path, content);
        return false;
      });
    await withByteStream(path, read, meter);
  } else await meter.expectFiles(texts.map((name) => join(directory, name)));
  for (const name of texts) {
    const path = join(directory, name);
    await book(name, (use) =>
      withByteStream(
        path,
        async (stream) => {
          for await (const piece of textPieces(stream, path)) await use(piece);
        },
        meter,
      ),
    );
  }
  if (books.length === 0) throw formatError('.md or .txt files, or one .tar.xz of them,', directory, 'none');
  return books.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Of every ten books, in the order of their paths, the tenth is test, the ninth validation. */
function splitOf(index: number): Split {
  return index % 10 === 9 ? 'test' : index % 10 === 8 ? 'validation' : 'train';
}

async function load(
  directory: string,
  fileNames: readonly string[],
  split: Split,
  { context = defaultContext, vocabularySize = Number.POSITIVE_INFINITY }: FormatOptions,
  { meter }: LoadContext,
): Promise<LoadedDataset> {
  const words = new Words();
  const all = await readBooks(directory, fileNames, words, meter);
  const books = all.filter((_, index) => splitOf(index) === split);
  if (books.length === 0)
    throw formatError(`at least ${split === 'test' ? 10 : 9} texts for the ${split} split`, directory, String(all.length));
  const classes = Math.min(vocabularySize, words.types.length);
  if (classes === 0) throw formatError('texts with words', directory, 'none');
  // Types by frequency over all books: each split has the same classes.
  const order = words.types.byFrequency();
  const unknown = classes;
  const classOf = integersOf(words.types.length).fill(unknown);
  for (let rank = 0; rank < classes; rank++) classOf[order[rank]!] = rank;
  const ids = words.ids.view();
  for (let i = 0; i < ids.length; i++) ids[i] = classOf[ids[i]!]!;

  let length = 0;
  for (const { begin, end } of books) for (let i = begin; i < end; i++) if (ids[i] !== unknown) length++;
  if (length === 0) throw formatError(`words of the vocabulary in the ${split} split`, directory, 'none');
  const inputs = integersOf(length * context);
  const labels = integersOf(length);
  let example = 0;
  for (const { begin, end } of books) {
    await setImmediate();
    for (let i = begin; i < end; i++) {
      if (ids[i] === unknown) continue;
      labels[example] = ids[i]!;
      for (let back = 1; back <= context; back++) inputs[(example + 1) * context - back] = i - back < begin ? unknown : ids[i - back]!;
      example++;
    }
  }
  return {
    inputs,
    labels,
    inputShape: [context],
    classes,
    classNames: Array.from(order.subarray(0, classes), (type) => words.types.text(type)),
    length,
    vocabulary: classes + 1,
    format: 'text',
    split,
    absentClasses: absentClasses(labels, classes, directory),
  };
}

export const text: DataFormat = {
  name: 'text',
  files: '.md and .txt files alone, or one .tar.xz of them',
  splits: ['train', 'validation', 'test'],
  options: ['context', 'vocabularySize'],
  detect,
  load,
};
