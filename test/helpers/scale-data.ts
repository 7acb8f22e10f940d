/** A directory of data sets as `onelogit reproduce scale` expects it, of a few hundred classes: a knowledge graph and texts, but no NELL-995. */
import { directoryOf } from './text-files.js';

const [entities, relations] = [200, 3] as const;

const names = (prefix: string, count: number) => `${count}\n${Array.from({ length: count }, (_, i) => `${prefix}${i} ${i}\n`).join('')}`;
const triples = (rows: readonly string[]) => `${rows.length}\n${rows.map((row) => `${row}\n`).join('')}`;

/** Tails are a function of head and relation, and some heads have a second one. */
function knowledgeGraph(): Record<string, string> {
  const rows: string[] = [];
  for (let head = 0; head < entities; head++)
    for (let relation = 0; relation < relations; relation++) {
      rows.push(`${head} ${(7 * (head % 20) + 13 * relation) % entities} ${relation}`);
      if (head % 4 === 0) rows.push(`${head} ${(7 * (head % 20) + 13 * relation + 1) % entities} ${relation}`);
    }
  const part = (from: number, to: number) => rows.filter((_, i) => i % 10 >= from && i % 10 < to);
  return {
    'entity2id.txt': names('e', entities),
    'relation2id.txt': names('r', relations),
    'train2id.txt': triples(part(0, 8)),
    'valid2id.txt': triples(part(8, 9)),
    'test2id.txt': triples(part(9, 10)),
  };
}

/** Ten books, one of them for validation and one for testing, of words that follow from those before. */
function books(): Record<string, string> {
  const letters = (i: number) => [i % 26, Math.floor(i / 26)].map((letter) => String.fromCharCode(97 + letter)).join('');
  return Object.fromEntries(
    Array.from({ length: 10 }, (_, book) => {
      let word = 3 * book;
      const words = Array.from({ length: 150 }, (_, i) => {
        word = (5 * word + (i % 3) + book) % 230;
        return letters(word);
      });
      return [`${book}.md`, words.join(' ')];
    }),
  );
}

const under = (directory: string, files: Record<string, string>) =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${directory}/${name}`, content]));

export function scaleDirectory(): ReturnType<typeof directoryOf> {
  return directoryOf({ ...under('knowledge-graphs/FB15K237', knowledgeGraph()), ...under('classic-books', books()) });
}
