// Markdown of score.mjs.
import { mebibytes } from '../lib/memory.mjs';
import { digits, power, table } from '../lib/report.mjs';
import { contestants, matrixBytes, unsuited } from './cases.mjs';
import { find } from './measure.mjs';

const spreadOf = ({ median, least, most }) => `${digits(median)} (${digits(least)}–${digits(most)})`;
const titles = Object.fromEntries(contestants.map(({ name, title }) => [name, title]));
const oursIn = (storage) => `onelogit ${storage}`;
const storages = ['float32', 'bfloat16', 'int8'];
const calls = ['score', 'scoreBound', 'bind().score', 'scoreMany', 'scoreBatch'];
const millions = (perSecond) => digits(perSecond / 1e6);

/** { d, k } of the results with such rows, in order. */
const sizesOf = (results, rows) => [
  ...new Map(results.filter((one) => one.rows === rows).map(({ d, k }) => [`${d} ${k}`, { d, k }])).values(),
];

export function reportChecks(checks) {
  return [
    '## Wanted',
    '',
    ...table(
      ['', 'measured: median (least–most)', 'wanted', ''],
      checks.map(({ what, measured, wanted, met }) => [
        what,
        measured ? spreadOf(measured) : 'not measured',
        wanted ?? '—',
        wanted === undefined ? '' : met ? 'yes' : 'no',
      ]),
    ),
    '',
  ];
}

/** All ways to ask, all contestants. */
export function reportHot(results) {
  const lines = ['## Hot rows', ''];
  lines.push(
    'The same class of 1,000 again and again (`scoreMany`, `dots`: the same 64): its row, the example and the code stay in the nearest cache. ns a',
    'call; of `scoreMany` and `dots` a class, of `scoreBatch` an example, 64 at a time.',
    '',
  );
  for (const { d } of sizesOf(results, 'hot')) {
    const here = results.filter((one) => one.rows === 'hot' && one.d === d && !['empty', 'readId', 'readBoth'].includes(one.call));
    lines.push(
      `### d = ${d}`,
      '',
      ...table(
        ['', 'call', 'p50 (least–most of the rounds)', 'p99', 'p99.9', 'million/s'],
        here.map(({ contestant, call, p50, p99, p999, perSecond }) => [
          contestant.startsWith('onelogit') ? contestant : titles[contestant],
          `\`${call}\``,
          spreadOf(p50),
          digits(p99),
          digits(p999),
          millions(perSecond),
        ]),
        2,
      ),
      '',
    );
  }
  return lines;
}

/** score of everyone at every size; then our ways to ask. */
export function reportRandom(results) {
  const sizes = sizesOf(results, 'random');
  const scored = contestants.filter(({ name }) => results.some((one) => one.contestant === name));
  const callOf = (name) => contestants.find((one) => one.name === name).calls?.find((call) => call === 'predict') ?? 'score';
  const cell = (task, contestant, call, show) => {
    const found = find(results, { ...task, contestant, call, rows: 'random' });
    return found ? show(found) : '—';
  };
  const labels = ({ d, k }) => [d, power(k), digits(matrixBytes({ d, k }) / 1e9)];
  const lines = [
    '## Random rows',
    '',
    'Any class, another one each time; GB is what the matrix takes in float32. ns a call, p50: `score`, or all logits.',
    '',
    ...table(
      ['d', 'k', 'GB', ...scored.map(({ name, title }) => (name.startsWith('onelogit') ? name : title))],
      sizes.map((task) => [...labels(task), ...scored.map(({ name }) => cell(task, name, callOf(name), ({ p50 }) => digits(p50.median)))]),
      3,
    ),
    '',
    'p50 / p99 / p99.9 and million calls a second:',
    '',
  ];
  const tails = scored.filter(({ name }) => name === 'floor' || name === 'simsimd' || name.startsWith('onelogit'));
  lines.push(
    ...table(
      ['d', 'k', 'GB', ...tails.map(({ name, title }) => (name.startsWith('onelogit') ? name : title))],
      sizes.map((task) => [
        ...labels(task),
        ...tails.map(({ name }) =>
          cell(
            task,
            name,
            'score',
            ({ p50, p99, p999, perSecond }) => `${[p50.median, p99, p999].map(digits).join(' / ')}; ${millions(perSecond)}`,
          ),
        ),
      ]),
      3,
    ),
    '',
    'Ways to ask, ns a class (of `scoreBatch`, an example), p50:',
    '',
    ...table(
      ['storage', 'd', 'k', ...calls.map((call) => `\`${call}\``)],
      storages.flatMap((storage) =>
        sizes.map(({ d, k }) => [
          storage,
          d,
          power(k),
          ...calls.map((call) => cell({ d, k }, oursIn(storage), call, ({ p50 }) => digits(p50.median))),
        ]),
      ),
      3,
    ),
    '',
  );
  return lines;
}

/** What a call is made of, from the bare addon. */
export function reportParts(results) {
  const sizes = sizesOf(results, 'hot');
  if (!sizes.some((task) => find(results, { ...task, contestant: 'floor', call: 'empty' }))) return [];
  const rows = [
    ['an empty Node-API call that returns a number', 'floor', 'empty'],
    ['one that reads a class id', 'floor', 'readId'],
    ['one that reads a Float32Array and a class id', 'floor', 'readBoth'],
    ['a dot product and its bias, without a call of its own', 'floor', 'dots'],
    ['bare addon, bound input', 'floor', 'scoreBound'],
    ['`scoreBound`', oursIn('float32'), 'scoreBound'],
    ['bare addon', 'floor', 'score'],
    ['`score`', oursIn('float32'), 'score'],
    ['bare addon, unaligned example', 'floor', 'score, unaligned'],
    ['`score`, unaligned example', oursIn('float32'), 'score, unaligned'],
  ];
  return [
    '## Parts of a call',
    '',
    'Hot rows, ns, p50.',
    '',
    ...table(
      ['', ...sizes.map(({ d }) => `d = ${d}`)],
      rows.map(([what, contestant, call]) => [
        what,
        ...sizes.map((task) => {
          const found = find(results, { ...task, contestant, call, rows: 'hot' });
          return found ? digits(found.p50.median) : '—';
        }),
      ]),
    ),
    '',
  ];
}

export function reportMapped(mapped) {
  if (!mapped) return [];
  const { d, k, scores, bytes, uncached, cached, unchanged, bytesInCacheAfterDrop } = mapped;
  const row = (what, value) => [what, spreadOf(value(uncached)), spreadOf(value(cached))];
  const memory = (name) => (of) => ({
    median: mebibytes(of[name].median),
    least: mebibytes(of[name].least),
    most: mebibytes(of[name].most),
  });
  return [
    '## Left in the file',
    '',
    `A model file of ${power(k)} classes × ${d} in bfloat16, ${digits(bytes / 1e9)} GB, opened with \`memoryMap: true\`, then ${scores} scores of random classes, each`,
    'timed by itself (with the clock’s time). *From the disk*: the file was dropped from the page cache',
    `(${bytesInCacheAfterDrop === undefined ? 'not verified' : `${bytesInCacheAfterDrop} bytes of it stayed`}); *cached*: all of it is in the page cache, and the kernel maps pages around each that is asked for.`,
    '',
    ...table(
      ['median (least–most)', 'from the disk', 'cached'],
      [
        row('ms to open', ({ openMilliseconds }) => openMilliseconds),
        row('µs a score, p50', ({ microseconds }) => microseconds),
        row('MiB resident before opening', memory('residentBefore')),
        row('MiB resident after', memory('resident')),
        row('— of its own (RssAnon)', memory('anonymous')),
        row('— pages of files (RssFile)', memory('file')),
      ],
    ),
    '',
    `Size, modification time and SHA-256 of the file afterwards: ${unchanged ? 'as before' : 'CHANGED'}.`,
    '',
  ];
}

export function reportNotMeasured(notMeasured) {
  const rows = new Map();
  for (const { contestant, reason, d, k } of notMeasured) {
    const key = `${titles[contestant]} | ${reason}`;
    rows.set(key, [...(rows.get(key) ?? []), `${d} × ${power(k)}`]);
  }
  return [
    '## Not measured',
    '',
    ...table(
      ['contestant', 'because', 'd × k'],
      [
        ...[...rows].map(([key, sizes]) => [...key.split(' | '), sizes.join(', ')]),
        ...unsuited.map(({ title, reason }) => [title, reason, 'all']),
      ],
      3,
    ),
    '',
  ];
}
