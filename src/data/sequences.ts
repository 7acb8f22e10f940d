/**
 * Sequences of items, as recommendation data sets keep them: a text file with one event per line, "user item", all events of a user
 * together and in order of time. The task is to name a user's next item.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
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
import { readIntegerRows } from './integer-rows.js';

/** Previous items of an example, unless asked otherwise. */
const defaultContext = 10;
/** A user with fewer events than this is all training. */
const fewestToSplit = 3;

/** The file of events among those of a directory: the only text file that is not about the data. */
function eventFile(fileNames: readonly string[]): string | undefined {
  const texts = fileNames.filter((name) => /\.txt(?:\.gz)?$/i.test(name) && !/^(?:readme|licen[cs]e)/i.test(name));
  return texts.length === 1 ? texts[0] : undefined;
}

/** Any text file might be one of prose: whether this begins with two integers tells. */
async function detect(fileNames: readonly string[], directory: string): Promise<boolean> {
  const name = eventFile(fileNames);
  if (name === undefined || /\.gz$/i.test(name)) return false;
  const file = await open(join(directory, name), constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (!file) return false;
  try {
    if (!(await file.stat()).isFile()) return false;
    const start = Buffer.alloc(64);
    const { bytesRead } = await file.read(start, 0, start.length, 0);
    return /^\d+[ \t]+\d+[ \t\r]*(?:\n|$)/.test(start.toString('latin1', 0, bytesRead));
  } finally {
    await file.close();
  }
}

/** Where each user's events begin, and where the last one's end. */
function usersOf(events: Int32Array, path: string): number[] {
  const seen = new Set<number>();
  const begin: number[] = [];
  for (let event = 0; event < events.length / 2; event++) {
    const user = events[2 * event]!;
    if (event > 0 && user === events[2 * event - 2]) continue;
    if (seen.has(user)) throw formatError('all events of a user together', path, `user ${user} again in line ${event + 1}`);
    seen.add(user);
    begin.push(event);
  }
  begin.push(events.length / 2);
  return begin;
}

/** The events of [first, last) that are examples of a split. */
function partOf(split: Split, first: number, last: number): [first: number, last: number] {
  const divided = last - first >= fewestToSplit;
  if (split === 'train') return [first, divided ? last - 2 : last];
  if (!divided) return [last, last];
  return split === 'validation' ? [last - 2, last - 1] : [last - 1, last];
}

async function load(
  directory: string,
  fileNames: readonly string[],
  split: Split,
  { context = defaultContext }: FormatOptions,
  { meter }: LoadContext,
): Promise<LoadedDataset> {
  const name = eventFile(fileNames);
  if (name === undefined) throw formatError('one .txt file of "user item" lines', directory, fileNames.join(', ').slice(0, 200) || 'none');
  const path = join(directory, name);
  await meter.expectFiles([path]);
  const { values: events } = await readIntegerRows(path, 2, false, meter);
  if (events.length === 0) throw formatError('at least one event', path, 'an empty file');
  let items = 0;
  for (let event = 0; event < events.length / 2; event++) {
    const item = events[2 * event + 1]!;
    if (item === 0) throw formatError(`an item of at least 1 in line ${event + 1}`, path, '0');
    if (item > items) items = item;
  }
  // What is allocated for items is bounded by what the file holds, not by what it says.
  if (items > events.length / 2)
    throw formatError(
      'items numbered from 1 without large gaps (at most as many as events)',
      path,
      `item ${items} in ${events.length / 2} events`,
    );
  const users = usersOf(events, path);
  let length = 0;
  for (let user = 0; user + 1 < users.length; user++) {
    const [first, last] = partOf(split, users[user]!, users[user + 1]!);
    length += last - first;
  }
  if (length === 0) throw formatError(`a user with at least ${fewestToSplit} events for the ${split} split`, path, 'none');
  const inputs = integersOf(length * context);
  const labels = integersOf(length);
  let example = 0;
  for (let user = 0; user + 1 < users.length; user++) {
    const begin = users[user]!;
    const [first, last] = partOf(split, begin, users[user + 1]!);
    for (let event = first; event < last; event++, example++) {
      labels[example] = events[2 * event + 1]! - 1;
      for (let back = 1; back <= context && event - back >= begin; back++)
        inputs[(example + 1) * context - back] = events[2 * (event - back) + 1]!;
    }
  }
  return {
    inputs,
    labels,
    inputShape: [context],
    classes: items,
    length,
    vocabulary: items + 1,
    format: 'sequences',
    split,
    absentClasses: absentClasses(labels, items, path),
  };
}

export const sequences: DataFormat = {
  name: 'sequences',
  files: 'one .txt of "user item" lines',
  splits: ['train', 'validation', 'test'],
  options: ['context'],
  detect,
  load,
};
