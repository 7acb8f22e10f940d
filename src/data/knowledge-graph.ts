/**
 * Knowledge graphs as OpenKE keeps them (https://github.com/thunlp/OpenKE): triples of integer ids, the task being to name the tail of a
 * head and a relation. Every entity is a class.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AlsoCorrect } from '../dataset.js';
import { OneLogitError } from '../errors.js';
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
import type { Meter } from './meter.js';

const fileOf = { train: 'train2id.txt', validation: 'valid2id.txt', test: 'test2id.txt' } as const satisfies Record<Split, string>;
const splits = ['train', 'validation', 'test'] as const;

/** Names are decoded at once: more than this is no list of names. */
const largestNameFile = 1 << 28;

/** Triples, each as head, tail, relation: the files' order. */
type Triples = Int32Array<ArrayBuffer>;
const [head, tail, relation, width] = [0, 1, 2, 3] as const;

/** The names by id from a file of "name id" lines after a line with their number. */
async function readNames(path: string): Promise<string[]> {
  let text: string;
  try {
    if ((await stat(path)).size > largestNameFile) throw formatError(`at most ${largestNameFile} bytes`, path, 'more');
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof OneLogitError) throw cause;
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a readable file at ${path} but received: ${(cause as Error).message}`, {
      cause,
    });
  }
  const lines = text.trimEnd().split(/\r?\n/);
  const count = /^\d{1,9}$/.test(lines[0]!.trim()) ? Number(lines[0]) : Number.NaN;
  if (!(count > 0)) throw formatError('a number of names, at least 1, in line 1', path, `'${lines[0]!.slice(0, 40)}'`);
  if (lines.length - 1 !== count) throw formatError(`${count} lines after the first, as that says,`, path, String(lines.length - 1));
  const names = new Array<string | undefined>(count).fill(undefined);
  for (let line = 1; line < lines.length; line++) {
    // Names may have spaces in them, ids do not.
    const match = lines[line]!.match(/^(.*\S)\s+(\d{1,10})\s*$/);
    const id = Number(match?.[2] ?? Number.NaN);
    if (!match || id >= count)
      throw formatError(`a name and an id from 0 to ${count - 1} in line ${line + 1}`, path, `'${lines[line]!.slice(0, 80)}'`);
    if (names[id] !== undefined) throw formatError('every id once', path, `${id} again in line ${line + 1}`);
    names[id] = match[1]!;
  }
  return names as string[]; // count lines with count different ids: none is missing
}

async function readTriples(path: string, entities: number, relations: number, meter: Meter): Promise<Triples> {
  const { values } = await readIntegerRows(path, width, true, meter);
  for (let i = 0; i < values.length; i++) {
    const count = i % width === relation ? relations : entities;
    if (values[i]! >= count)
      throw formatError(
        `${i % width === relation ? 'a relation' : 'an entity'} from 0 to ${count - 1} in line ${Math.floor(i / width) + 2}`,
        path,
        String(values[i]),
      );
  }
  return values;
}

/** The triples `order` names, sorted stably by one of their columns, whose values are below `count`. */
function sortedBy(triples: Triples, column: number, count: number, order: Int32Array): Int32Array {
  const next = integersOf(count + 1);
  for (const at of order) next[triples[at * width + column]! + 1]!++;
  for (let value = 0; value < count; value++) next[value + 1]! += next[value]!;
  const sorted = integersOf(order.length);
  for (const at of order) sorted[next[triples[at * width + column]!]!++] = at;
  return sorted;
}

/**
 * For the triples [from, to) of all: the other tails that any triple has with the same head and relation, each once. Three counting
 * sorts, so linear in triples, entities and relations before the result itself.
 */
function otherTails(all: Triples, from: number, to: number, entities: number, relations: number): AlsoCorrect {
  const triples = all.length / width;
  let order: Int32Array = integersOf(triples).map((_, at) => at);
  order = sortedBy(all, tail, entities, order);
  order = sortedBy(all, relation, relations, order);
  order = sortedBy(all, head, entities, order);
  // Runs of one (head, relation): their different tails, ascending, in `tails` from begin[group].
  const tails = integersOf(triples);
  const begin = integersOf(triples + 1);
  const groupOf = integersOf(triples);
  let [groups, used] = [0, 0];
  order.forEach((at, i) => {
    const before = i === 0 ? -1 : order[i - 1]! * width;
    const here = at * width;
    const same = before >= 0 && all[before + head] === all[here + head] && all[before + relation] === all[here + relation];
    if (!same) begin[groups++] = used;
    if (!same || all[before + tail] !== all[here + tail]) tails[used++] = all[here + tail]!;
    groupOf[at] = groups - 1;
  });
  begin[groups] = used;
  const first = integersOf(to - from + 1);
  let total = 0;
  for (let at = from; at < to; at++) {
    total += begin[groupOf[at]! + 1]! - begin[groupOf[at]!]! - 1;
    if (total > 2 ** 31 - 1)
      throw new OneLogitError(
        'ERR_ONELOGIT_OUT_OF_MEMORY',
        `Expected at most ${2 ** 31 - 1} other right tails of the examples together but received more: too many tails of one head and relation`,
      );
    first[at - from + 1] = total;
  }
  const classes = integersOf(total);
  let filled = 0;
  for (let at = from; at < to; at++)
    for (let i = begin[groupOf[at]!]!; i < begin[groupOf[at]! + 1]!; i++)
      if (tails[i] !== all[at * width + tail]) classes[filled++] = tails[i]!;
  return { first, classes };
}

async function load(
  directory: string,
  _fileNames: readonly string[],
  split: Split,
  _: FormatOptions,
  { meter }: LoadContext,
): Promise<LoadedDataset> {
  await meter.expectFiles(splits.map((part) => join(directory, fileOf[part])));
  const entities = await readNames(join(directory, 'entity2id.txt'));
  const relations = await readNames(join(directory, 'relation2id.txt'));
  const vocabulary = entities.length + relations.length;
  const parts: Triples[] = [];
  for (const part of splits) parts.push(await readTriples(join(directory, fileOf[part]), entities.length, relations.length, meter));
  const own = parts[splits.indexOf(split)]!;
  const length = own.length / width;
  if (length === 0) throw formatError('at least one triple', join(directory, fileOf[split]), 'none');
  const inputs = integersOf(2 * length);
  const labels = integersOf(length);
  for (let i = 0; i < length; i++) {
    inputs[2 * i] = own[i * width + head]!;
    inputs[2 * i + 1] = entities.length + own[i * width + relation]!;
    labels[i] = own[i * width + tail]!;
  }
  const all = integersOf(parts.reduce((sum, part) => sum + part.length, 0));
  let [filled, from] = [0, 0];
  for (const part of parts) {
    if (part === own) from = filled / width;
    all.set(part, filled);
    filled += part.length;
  }
  return {
    inputs,
    labels,
    inputShape: [2],
    classes: entities.length,
    classNames: entities,
    length,
    vocabulary,
    alsoCorrect: otherTails(all, from, from + length, entities.length, relations.length),
    format: 'knowledge-graph',
    split,
    absentClasses: absentClasses(labels, entities.length, directory),
  };
}

export const knowledgeGraph: DataFormat = {
  name: 'knowledge-graph',
  files: 'entity2id.txt, relation2id.txt, train2id.txt, valid2id.txt and test2id.txt',
  splits,
  options: [],
  detect: (fileNames) => fileNames.includes('entity2id.txt') && fileNames.includes('train2id.txt'),
  load,
};
